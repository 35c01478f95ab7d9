"""A dataset as a robomimic HDF5 file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_files import new_file
from il_ros.core.atomic_folders import free_space, require_free
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError, require
from il_ros.core.images import decode
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_arrays import pixels_spec
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop import robomimic_layout as layout
from il_ros.interop.export_origin import origin_of, record_text, to_json
from il_ros.interop.foreign_files import library

_SPARE = 1 << 20  # bytes
_GYM = 2  # robomimic's environment types are 1, 2, 3; it makes the environment only for rollouts


def export_robomimic(
    dataset: Dataset,
    out: Path,
    *,
    scale_actions: bool = True,
    held_out: float = 0.1,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write a dataset as a robomimic file, whole or not at all.

    Memory is bounded by one episode. Stamps, validity, ages, source, actions as commanded, encoded
    images, events and the contract go into a group of our own, so that `import_dataset` gives
    back the same dataset.

    Args:
        dataset: The dataset.
        out: The file to make.
        scale_actions: Whether `actions` go from -1 to 1 between the contract's position limits, as
            robomimic's policies need them; else they are as commanded [rad or m].
        held_out: Fraction of the episodes in `mask/valid`.
        seed: Seed of that choice.
        overwrite: Whether an existing file is replaced.

    Returns:
        `out`.

    Raises:
        DatasetError: If the file cannot be written, or a command to be scaled is out of limits.
    """
    h5py = library('h5py')
    require(0 <= held_out < 1, held_out, 'held_out', '0 <= x < 1', DatasetError)
    _require_room(dataset, out)
    contract, split = dataset.contract, dataset.split(held_out, seed)
    if out.is_dir() or not overwrite:
        require_free(out, error=DatasetError)
    with new_file(out, DatasetError) as path, h5py.File(str(path), 'w') as file:
        data, side = file.create_group('data'), file.create_group(layout.SIDE)
        side[layout.ORIGIN] = to_json(origin_of(dataset))
        data.attrs['total'], data.attrs['actions_scaled'] = dataset.frames, scale_actions
        environment = {'env_name': contract.name, 'type': _GYM, 'env_kwargs': {}}
        data.attrs['env_args'] = json.dumps(environment)
        for index in range(len(dataset.episodes)):
            name, episode = f'demo_{index}', dataset.episode_arrays(index)
            demo = data.create_group(name)
            _demonstration(demo, contract, episode, scale_actions)
            _pixels(demo, contract, episode)
            _side(side.create_group(name), contract, episode)
        for name, chosen in zip(('train', 'valid'), split, strict=True):
            if chosen:
                file[f'mask/{name}'] = np.array([f'demo_{i}' for i in chosen], dtype='S')
    return out


def _demonstration(demo: Any, contract: Contract, episode: EpisodeArrays, scale: bool) -> None:
    frames = episode.frames
    demo.attrs['num_samples'] = frames
    observed = {key: episode.values[key] for key in contract.observations}
    for key, values in observed.items():
        demo[f'obs/{key}'] = values
        demo[f'next_obs/{key}'] = np.concatenate([values[1:], values[-1:]])
    # Only the observed part of the state: no simulator can be reset to it.
    demo['states'] = np.concatenate([episode.values[key] for key in contract.streams], axis=1)
    demo[layout.ACTIONS] = _scaled(contract, episode) if scale else episode.action
    done = np.zeros(frames)
    done[-1] = 1
    demo['dones'] = done.astype(np.int64)
    demo['rewards'] = done if episode.entry.outcome == 'success' else np.zeros(frames)


def _scaled(contract: Contract, episode: EpisodeArrays) -> NDArray[np.float32]:
    low, high = contract.action_range
    middle, half = (high + low) / 2, (high - low) / 2
    scaled = (episode.action - middle) / half
    if (np.abs(scaled) > 1 + 1e-5).any():
        raise DatasetError(
            f'a command of {np.nanmax(np.abs(scaled)):.3f} times its limit',
            where=episode.entry.id,
            allowed="commands within the contract's position limits",
            fix='export without scale_actions',
        )
    return np.clip(scaled, -1, 1).astype(np.float32)


def _pixels(demo: Any, contract: Contract, episode: EpisodeArrays) -> None:
    """Images as robomimic has them: all pixels, black where there was no image."""
    h5py = library('h5py')
    for key, stream in contract.images.items():
        dtype = np.uint16 if stream.encoding == '16UC1' else np.uint8
        shape = (*stream.size, 3 if stream.encoding == 'rgb8' else 1)
        whole = (episode.frames, *shape)
        stored = demo.create_dataset(
            f'obs/{key}', whole, dtype, chunks=(1, *shape), compression='lzf'
        )
        for row, blob in enumerate(episode.images[key]):
            if blob:
                stored[row] = decode(blob, stream.encoding).reshape(shape)
        # The next images are the same ones, one later: a view of them, not a copy.
        view = h5py.VirtualLayout(whole, dtype)
        source = h5py.VirtualSource('.', stored.name, whole)
        view[:-1] = source[1:]
        view[-1:] = source[-1:]
        demo.create_virtual_dataset(f'next_obs/{key}', view)


def _side(group: Any, contract: Contract, episode: EpisodeArrays) -> None:
    group[layout.RECORD] = record_text(episode.entry, episode.events)
    for name in ('stamp', 'source', 'action', 'action_raw'):
        group[name] = getattr(episode, name)
    for key in contract.privileged:
        group[f'privileged/{key}'] = episode.values[key]
    for key in contract.inputs:
        group[f'valid/{key}'], group[f'age/{key}'] = episode.valid[key], episode.age[key]
    kind = library('h5py').vlen_dtype(np.uint8)
    for key in contract.images:
        stored = group.create_dataset(f'images/{key}', (episode.frames,), kind)
        for row, blob in enumerate(episode.images[key]):
            stored[row] = np.frombuffer(blob, np.uint8)


def _require_room(dataset: Dataset, out: Path) -> None:
    """Refuse a disk without room: HDF5 cannot end a file that does not fit."""
    numbers = 4 * sum(array.nbytes for _, array in dataset.arrays())
    pixels = sum(
        dataset.frames * math.prod(pixels_spec(store.stream).shape) * 2
        for store in dataset.images.values()
    )
    free = free_space(out.parent)
    if free < numbers + pixels + _SPARE:
        raise DatasetError(
            f'{free / 1e6:.1f} MB of room left',
            where=str(out),
            allowed=f'{(numbers + pixels + _SPARE) / 1e6:.1f} MB, which is sure to be enough',
            fix='make room on the disk',
        )
