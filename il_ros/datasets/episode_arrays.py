"""One episode in memory as arrays: what conversion gives and what preprocessing works on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS, gaps
from il_ros.datasets.manifest import EpisodeEntry

Array = NDArray[Any]

FIXED = ('stamp', 'age', 'action', 'action_raw', 'source')
"""Arrays that every dataset has, whatever its contract."""

# Who was in control at a frame, by the code that the `source` array holds. `demonstrator` drove a
# robot without our monitor in front of it.
SOURCES = ('none', 'policy', 'expert', 'demonstrator')


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in an episode.

    Attributes:
        stamp: When [ns], on the clock of the frames' stamps.
        kind: Name of the kind, in lower case: start, stop, mode, fallback, resume, ...
        text: What happened, in words.
    """

    stamp: int
    kind: str
    text: str


def dump_events(events: Iterable[Event]) -> str:
    """The events of one episode as a line of JSON."""
    return json.dumps([[e.stamp, e.kind, e.text] for e in events]) + '\n'


def load_events(line: str | bytes) -> tuple[Event, ...]:
    """What `dump_events` wrote; of anything else a ValueError, or another one of Python's."""
    return tuple(Event(stamp=int(t), kind=str(k), text=str(x)) for t, k, x in load_json(line))


@dataclass(frozen=True, kw_only=True)
class EpisodeArrays:
    """One episode, or a segment of one, F frames.

    Attributes:
        entry: Where it came from; its `start` does not count.
        values: Observation per key (ordinary, then privileged), float32 of shape (F, size), in the
            contract's units; NaN where invalid.
        valid: Validity per key, of streams and of images, bool of shape (F,).
        age: Age of the sample at the tick per key, of streams and of images, float32 of shape (F,)
            [s]; NaN if there had been none.
        stamp: Time of each frame, int64 of shape (F,) [ns].
        action: What training takes as the action, float32 of shape (F, N) [rad or m]; NaN where
            no source was in control.
        action_raw: What was commanded, before any filter, shape and units of `action`.
        source: Who was in control, uint8 of shape (F,), an index into `SOURCES`.
        images: Encoded image (JPEG or PNG) of each frame per key, F of them; empty where invalid.
        events: What happened, in order.
        label: The expert's answer at each frame: its action chunk, float32 of shape (F, H, N)
            [rad or m]; NaN where the expert was not asked, none if it never was.
    """

    entry: EpisodeEntry
    values: Mapping[str, NDArray[np.float32]]
    valid: Mapping[str, NDArray[np.bool_]]
    age: Mapping[str, NDArray[np.float32]]
    stamp: NDArray[np.int64]
    action: NDArray[np.float32]
    action_raw: NDArray[np.float32]
    source: NDArray[np.uint8]
    images: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    label: NDArray[np.float32] | None = None

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.stamp)

    @property
    def duration(self) -> float:
        """Time from the first frame to the last [s]."""
        return float(self.stamp[-1] - self.stamp[0]) / NS if self.frames else 0.0

    @staticmethod
    def of_columns(
        entry: EpisodeEntry,
        contract: Contract,
        columns: Mapping[str, Array],
        *,
        images: Mapping[str, tuple[bytes, ...]],
        events: tuple[Event, ...],
    ) -> EpisodeArrays:
        """An episode of what its `columns` are."""
        return EpisodeArrays(
            entry=entry,
            values={key: columns[key] for key in contract.streams},
            valid={key: columns[f'{key}.valid'] for key in contract.inputs},
            age={key: columns['age'][:, i] for i, key in enumerate(contract.inputs)},
            **{name: columns[name] for name in FIXED if name != 'age'},
            images=images,
            events=events,
            label=columns.get('label'),
        )

    def columns(self, contract: Contract, labels: int) -> dict[str, Array]:
        """The arrays by the names of their files in a dataset; images are not among them.

        Args:
            contract: The keys.
            labels: Steps of the labels, which are NaN where there are none; 0 leaves them out.

        Raises:
            DatasetError: If a key is missing, or the labels have other steps or joints.
        """
        try:
            columns: dict[str, Array] = {key: self.values[key] for key in contract.streams}
            columns |= {f'{key}.valid': self.valid[key] for key in contract.inputs}
            columns['age'] = np.stack([self.age[key] for key in contract.inputs], axis=1)
        except KeyError as problem:
            raise DatasetError(
                f'no array of {problem}', where=self.entry.id, allowed=list(contract.inputs)
            ) from None
        columns |= {name: getattr(self, name) for name in FIXED if name != 'age'}
        if labels:
            columns['label'] = self._labels((self.frames, labels, len(contract.action.names)))
        return columns

    def _labels(self, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        if self.label is None:
            return np.full(shape, np.nan, np.float32)
        if self.label.shape != shape:
            raise DatasetError(
                f'labels of shape {self.label.shape}',
                where=self.entry.id,
                allowed=str(shape),
                fix='ask the expert for as many steps in every episode',
            )
        return self.label

    def described_entry(self, contract: Contract) -> EpisodeEntry:
        """The entry with what the arrays say: length, times, gaps, fractions of the sources."""
        fractions = np.bincount(self.source, minlength=len(SOURCES)) / max(1, self.frames)
        return replace(
            self.entry,
            length=self.frames,
            begin=int(self.stamp[0]),
            end=int(self.stamp[-1]),
            gaps=gaps(self.stamp.tolist(), contract),
            sources={s: float(f) for s, f in zip(SOURCES, fractions, strict=True) if f},
        )

    def take(
        self, rows: NDArray[np.int64] | slice, entry: EpisodeEntry | None = None
    ) -> EpisodeArrays:
        """The frames at `rows`, in that order; `entry` in the place of this one's, if given."""
        chosen = np.arange(self.frames)[rows]

        def pick(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            return {key: array[chosen] for key, array in arrays.items()}

        return replace(
            self,
            entry=replace(entry or self.entry, length=len(chosen)),
            values=pick(self.values),
            valid=pick(self.valid),
            age=pick(self.age),
            stamp=self.stamp[chosen],
            action=self.action[chosen],
            action_raw=self.action_raw[chosen],
            source=self.source[chosen],
            images={key: tuple(blobs[i] for i in chosen) for key, blobs in self.images.items()},
            label=None if self.label is None else self.label[chosen],
        )
