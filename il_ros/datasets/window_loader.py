"""Samples for training, at random, straight from a dataset's folder: no image is read in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError, require
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_arrays import pixels_spec
from il_ros.datasets.image_store import ImageStore, RawImages
from il_ros.datasets.preprocessing.joint_motion import contiguous

_AHEAD = 2  # batches that are made while another is used


@dataclass(frozen=True, kw_only=True)
class WindowBatch:
    """A batch of B windows around frames; T observed steps, H steps of action.

    Attributes:
        frames: The frames, int64 of shape (B,).
        state: Observations of the frame and the steps before it, oldest first, float32 of shape
            (B, T, D); NaN where a stream was invalid. Before an episode's beginning and beyond a
            gap the nearest step is repeated.
        images: Pixels per key, (B, T, H, W, C): uint8, or uint16 for depth; zeros where there is
            none.
        seen: Per image key whether there is one, bool of shape (B, T).
        actions: Commands of the frame and the steps after it, float32 of shape (B, H, N)
            [rad or m]; beyond an episode's end or a gap the last one is repeated.
        mask: Whether each of these commands is known, bool of shape (B, H).
    """

    frames: NDArray[np.int64]
    state: NDArray[np.float32]
    images: Mapping[str, NDArray[Any]]
    seen: Mapping[str, NDArray[np.bool_]]
    actions: NDArray[np.float32]
    mask: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """What a sample is.

    Attributes:
        observation_horizon: Observed steps, the frame's own included.
        action_horizon: Steps of action, the frame's own included.
        keys: Observations, side by side in `state`; none for all that the contract has.
        images: Images; none for all that the contract has.
        batch: Samples in a batch.
        threads: Threads that decode images.
    """

    observation_horizon: int = 1
    action_horizon: int = 16
    keys: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    batch: int = 64
    threads: int = 2


class WindowLoader(AbstractContextManager['WindowLoader']):
    """Random access to the windows of a dataset.

    `epoch` goes through all of them in an order that its number and the seed determine; `at` gives
    those that are requested. Close it, or use it as a context manager, to end its threads.

    Args:
        dataset: The dataset.
        config: What a sample is.
        episodes: Indices of the episodes to take; all by default.
        seed: Seed of the order.

    Raises:
        DatasetError: If the dataset has no such key, or a number is not positive.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: WindowConfig,
        *,
        episodes: Iterable[int] | None = None,
        seed: int = 0,
    ) -> None:
        _check(dataset, config)
        self.config = config
        self.frames = dataset.rows(range(len(dataset.episodes)) if episodes is None else episodes)
        keys = dataset.contract.observations if config.keys is None else config.keys
        # Views that are no memmaps: indexing them costs a tenth.
        self._columns = [dataset.values[key].view(np.ndarray) for key in keys]
        names = tuple(dataset.contract.images) if config.images is None else config.images
        self._images = {key: dataset.images[key] for key in names}
        self._valid = {key: np.asarray(dataset.valid[key]) for key in names}
        self._action = dataset.action.view(np.ndarray)
        self._index, self._seed = FrameIndex(dataset), seed
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix='windows')

    def __len__(self) -> int:
        return len(self.frames)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def epoch(self, epoch: int = 0, *, shuffle: bool = True) -> Iterator[WindowBatch]:
        """All windows once, in batches; later batches are made while one is used.

        The arrays of a batch are reused: copy one that you keep beyond the next.
        """
        order, size = self.frames, self.config.batch
        if shuffle:
            order = np.random.default_rng((self._seed, epoch)).permutation(order)
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        buffers = [self._buffer(size) for _ in range(min(_AHEAD + 2, len(parts)))]
        waiting: list[tuple[WindowBatch, list[Future[None]]]] = []
        for number, frames in enumerate(parts):
            waiting.append(self._start(frames, buffers[number % len(buffers)]))
            if len(waiting) > _AHEAD:
                yield _done(*waiting.pop(0))
        for started in waiting:
            yield _done(*started)

    def at(self, frames: Sequence[int] | NDArray[np.int64]) -> WindowBatch:
        """The windows around these frames, in arrays of their own."""
        chosen = np.asarray(frames, dtype=np.int64)
        return _done(*self._start(chosen, self._buffer(len(chosen))))

    def _buffer(self, size: int) -> WindowBatch:
        steps, horizon = self.config.observation_horizon, self.config.action_horizon
        width = sum(column.shape[1] for column in self._columns)
        pixels = {}
        for key, store in self._images.items():
            spec = pixels_spec(store.stream)
            shape = (size, steps, *spec.shape[:2], *(spec.shape[2:] or (1,)))
            pixels[key] = np.zeros(shape, spec.dtype)
        return WindowBatch(
            frames=np.zeros(size, np.int64),
            state=np.zeros((size, steps, width), np.float32),
            images=pixels,
            seen={key: np.zeros((size, steps), bool) for key in self._images},
            actions=np.zeros((size, horizon, self._action.shape[1]), np.float32),
            mask=np.zeros((size, horizon), bool),
        )

    def _start(
        self, frames: NDArray[np.int64], into: WindowBatch
    ) -> tuple[WindowBatch, list[Future[None]]]:
        """Fill a buffer; images follow in the threads."""
        sample = _first(into, len(frames))
        observed = self._index.preceding(frames, self.config.observation_horizon)
        acted = self._index.following(frames, self.config.action_horizon)
        sample.frames[:] = frames
        sample.mask[:] = acted.known
        np.take(self._action, acted.rows, axis=0, out=sample.actions, mode='clip')
        np.concatenate([c[observed.rows] for c in self._columns], axis=2, out=sample.state)
        waiting = []
        for key, store in self._images.items():
            sample.seen[key][:] = self._valid[key][observed.rows]
            pixels = sample.images[key].reshape(-1, *sample.images[key].shape[2:])
            rows, seen = observed.rows.ravel(), sample.seen[key].ravel()
            for part in np.array_split(np.arange(len(rows)), self.config.threads):
                waiting.append(self._pool.submit(_decode, store, rows, seen, pixels, part))
        return sample, waiting


def _decode(
    store: ImageStore,
    rows: NDArray[np.int64],
    seen: NDArray[np.bool_],
    pixels: NDArray[Any],
    part: NDArray[np.int64],
) -> None:
    """Read the images of `rows[part]` into `pixels[part]`; OpenCV lets other threads run."""
    if isinstance(store, RawImages):
        pixels[part] = store.pixels[rows[part]].reshape(len(part), *pixels.shape[1:])
        return
    shape = pixels.shape[1:]
    for i, row, there in zip(part.tolist(), rows[part].tolist(), seen[part].tolist(), strict=True):
        pixels[i] = store[row].reshape(shape) if there else 0


def _done(sample: WindowBatch, waiting: list[Future[None]]) -> WindowBatch:
    for future in waiting:
        future.result()
    return sample


def _first(buffer: WindowBatch, count: int) -> WindowBatch:
    """The first `count` places of a buffer."""
    return replace(
        buffer,
        frames=buffer.frames[:count],
        state=buffer.state[:count],
        images={key: array[:count] for key, array in buffer.images.items()},
        seen={key: array[:count] for key, array in buffer.seen.items()},
        actions=buffer.actions[:count],
        mask=buffer.mask[:count],
    )


def _check(dataset: Dataset, config: WindowConfig) -> None:
    for name in ('observation_horizon', 'action_horizon', 'batch', 'threads'):
        value = getattr(config, name)
        require(value >= 1, value, f'windows.{name}', '1 or more', DatasetError)
    for name, known in (('keys', dataset.values), ('images', dataset.images)):
        for key in getattr(config, name) or ():
            if key not in known:
                raise DatasetError(
                    f'no key {key!r}', where=f'windows.{name}', allowed=known or 'none'
                )


Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FrameSteps:
    """For each of B frames the frames at S steps from it.

    Attributes:
        rows: Their indices, int64 of shape (B, S); where a step is not known, the nearest one that
            is, on the way to the frame.
        known: Whether the step is there, bool of shape (B, S): not beyond the episode, nor beyond
            a gap in time: a step of more than one and a half periods, or back.
    """

    rows: Rows
    known: NDArray[np.bool_]


class FrameIndex:
    """Finds the steps around frames; made once for a dataset.

    Args:
        dataset: Says where episodes begin and end, and when each frame was.
    """

    def __init__(self, dataset: Dataset) -> None:
        lengths = [entry.length for entry in dataset.episodes]
        self._first = np.repeat([entry.start for entry in dataset.episodes], lengths)
        self._last = np.repeat([entry.stop - 1 for entry in dataset.episodes], lengths)
        # Frames between two gaps have one number. Each step is tested by itself: a rate that is off
        # by a little adds up over a long horizon, and no step is missing for that.
        pieces = contiguous(dataset.contract, np.asarray(dataset.stamp))
        self._piece = np.repeat(np.arange(len(pieces)), [stop - start for start, stop in pieces])

    def following(self, frames: NDArray[Any], horizon: int) -> FrameSteps:
        """Each frame and the `horizon - 1` frames after it, in order."""
        return self._steps(frames, np.arange(horizon))

    def preceding(self, frames: NDArray[Any], horizon: int) -> FrameSteps:
        """The `horizon - 1` frames before each frame, and the frame itself, in order."""
        back = self._steps(frames, -np.arange(horizon))
        return FrameSteps(rows=back.rows[:, ::-1], known=back.known[:, ::-1])

    def _steps(self, frames: NDArray[Any], steps: Rows) -> FrameSteps:
        frames = frames[:, None]
        wanted = frames + steps
        rows = np.clip(wanted, self._first[frames], self._last[frames])
        known = (wanted == rows) & (self._piece[rows] == self._piece[frames])
        nearest = np.maximum.accumulate(np.where(known, np.abs(steps), 0), axis=1)
        return FrameSteps(rows=frames + np.sign(steps.sum()) * nearest, known=known)
