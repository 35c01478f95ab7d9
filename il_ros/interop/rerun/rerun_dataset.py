"""An episode of a dataset as a Rerun recording, and what episodes of bags share with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError
from il_ros.core.streams import Stream
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import SOURCES, EpisodeArrays, Event
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.summary.feature_summary import feature_names
from il_ros.interop.rerun.rerun_file import RerunFile, RowTimes, entity
from il_ros.interop.rerun.rerun_layout import layout

Array = NDArray[Any]

# Of each joint: measurements stay in the background, commands do not.
_COLOURS = {
    'position': (140, 140, 140),
    'velocity': (140, 140, 140),
    'executed': (0, 114, 178),
    'training': (86, 180, 233),
    'policy': (0, 158, 115),
    'expert': (230, 159, 0),
}
_WARNING = ('fallback', 'perturbation', 'alarm', 'hold')

_IMAGES_AT_ONCE = 64


def view_dataset(dataset: Dataset, episode: int, out: Path) -> dict[str, int]:
    """Write one episode of a dataset as an .rrd file.

    Args:
        dataset: The dataset.
        episode: Index of the episode.
        out: The file; what was there is replaced.

    Returns:
        Rows by entity; those that do not change over time have none.

    Raises:
        DatasetError: If there is no such episode.
        IlRosError: If rerun-sdk is not installed, or the file cannot be written.
    """
    if not 0 <= episode < len(dataset.episodes):
        raise DatasetError(
            f'no episode {episode}', where='dataset', allowed=f'0 to {len(dataset.episodes) - 1}'
        )
    arrays = dataset.episode_arrays(episode, images=False)
    contract = dataset.contract
    moments = RowTimes(stamp=arrays.stamp, frame=np.arange(arrays.frames, dtype=np.int64))
    with rerun_episode(out, contract, arrays.entry) as file:
        for key, values in arrays.values.items():
            show_stream(file, contract, key, moments, values)
        _show_actions(file, contract, arrays, moments)
        _show_images(file, dataset, arrays.entry, moments)
        ages = [np.where(arrays.valid[k], arrays.age[k], np.nan) for k in contract.inputs]
        file.numbers('quality/age', moments, np.stack(ages, axis=1), list(contract.inputs))
        show_events(file, arrays.events, arrays.stamp)
    return file.entities


@contextmanager
def rerun_episode(out: Path, contract: Contract, entry: EpisodeEntry) -> Iterator[RerunFile]:
    """A recording with what one wants to know of an episode before looking, and its layout."""
    with RerunFile(out, entry.id) as file:
        known = {
            'episode': entry.id,
            'task': entry.task,
            'outcome': entry.outcome,
            'contract': f'{contract.name} {contract.hash[:12]}',
            'notes': entry.notes,
            'bag': entry.bag,
        }
        file.about('episode', known)
        yield file
        if contract.workspace.bounded:
            file.box('world/workspace', contract.workspace.min, contract.workspace.max)
        file.blueprint(layout(contract, file.entities))


def show_stream(
    file: RerunFile, contract: Contract, key: str, moments: RowTimes, values: Array
) -> None:
    """A stream: joints by joint, a pose in space too, anything else as lines of a plot."""
    stream = contract.streams[key]
    for kind, keys in (
        ('position', contract.action.position),
        ('velocity', contract.action.velocity),
    ):
        if key in keys:
            for i, name in enumerate(stream.names):
                show_joint(file, name, kind, moments, values[:, i])
            return
    file.numbers(entity('observation', key), moments, values, feature_names(contract, key))
    place = _parts(stream)
    if 'position' in place:
        turn = values[:, place['turn']] if 'turn' in place else None
        file.positions(entity('world', key), moments, values[:, place['position']], turn)


def show_joint(
    file: RerunFile, joint: str, kind: str, moments: RowTimes, values: NDArray[Any]
) -> None:
    """One line of one joint, shape (R,): a measurement or a command."""
    colour = _COLOURS.get(kind, (204, 121, 167))
    file.numbers(entity('joint', joint, kind), moments, values[:, None], [kind], [colour])


def show_events(file: RerunFile, events: tuple[Event, ...], ticks: NDArray[np.int64]) -> None:
    """What happened, as a log."""
    stamps = np.array([event.stamp for event in events], dtype=np.int64)
    texts = [f'{event.kind}: {event.text}' if event.text else event.kind for event in events]
    levels = ['WARN' if event.kind in _WARNING else 'INFO' for event in events]
    file.texts('events', moments_at(stamps, ticks), texts, levels)


def moments_at(stamps: NDArray[np.int64], ticks: NDArray[np.int64]) -> RowTimes:
    """Moments at `stamps` [ns]; the frame is the newest of `ticks` then, at first the first."""
    frame = np.searchsorted(ticks, stamps, side='right').astype(np.int64) - 1
    return RowTimes(stamp=stamps, frame=np.maximum(frame, 0))


def _show_actions(
    file: RerunFile, contract: Contract, arrays: EpisodeArrays, moments: RowTimes
) -> None:
    filtered = not np.array_equal(arrays.action, arrays.action_raw, equal_nan=True)
    for i, name in enumerate(contract.action.names):
        show_joint(file, name, 'executed', moments, arrays.action_raw[:, i])
        if filtered:
            show_joint(file, name, 'training', moments, arrays.action[:, i])
    states = [SOURCES[code] if code < len(SOURCES) else 'unknown' for code in arrays.source]
    file.states('control/source', moments, states)


def _show_images(file: RerunFile, dataset: Dataset, entry: EpisodeEntry, moments: RowTimes) -> None:
    for key, store in dataset.images.items():
        depth = dataset.contract.images[key].encoding == '16UC1'
        for start in range(0, entry.length, _IMAGES_AT_ONCE):
            rows = np.arange(start, min(start + _IMAGES_AT_ONCE, entry.length))
            blobs = [store.encoded(entry.start + int(i)) for i in rows]
            file.images(entity('camera', key), moments.take(rows), blobs, depth=depth)


def _parts(stream: Stream) -> Mapping[str, slice]:
    """Where a stream's numbers say a place in the base frame, and where a turn."""
    if stream.names:
        return {}
    found: dict[str, slice] = {}
    at, decoder = 0, decoder_for(stream.type)
    for field in stream.fields:
        size = decoder.size((field,), ())
        kinds = {'pose.position': 'position', 'point': 'position', 'pose.orientation': 'turn'}
        if field in kinds:
            found[kinds[field]] = slice(at, at + size)
        at += size
    return found
