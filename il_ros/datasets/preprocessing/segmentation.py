"""Where an episode begins, ends and is cut into parts, and which frames are unusable."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import GAP
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.preprocessing.joint_motion import Range, contiguous, frames_in, relative_speed
from il_ros.datasets.preprocessing.step_effects import Effect

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Idle:
    """When an arm stands still, and whether that is cut off at the ends of a part.

    Attributes:
        trim: Whether standing still is cut off at the start and end of each part.
        speed: Speed below which a joint stands still, measured and commanded, as a fraction of its
            velocity limit.
        window: Time over which a speed is taken [s].
        dwell: How long it has to stand still for that to be cut [s].
        margin: How much of standing still is left [s]; less than `dwell`.
    """

    trim: bool = False
    speed: float = 0.005
    window: float = 0.2
    dwell: float = 0.5
    margin: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.speed < np.inf and 0 <= self.window < np.inf and self.dwell < np.inf):
            raise ValueError(
                f'speed {self.speed:g}, window {self.window:g}, dwell {self.dwell:g}; '
                'allowed: positive, finite numbers'
            )
        if not self.window / 2 <= self.margin < self.dwell:
            raise ValueError(
                f'margin {self.margin:g} s; allowed: from half the window, {self.window / 2:g} s, '
                f'to less than dwell, {self.dwell:g} s'
            )


@dataclass(frozen=True, kw_only=True)
class GripperCuts:
    """Whether parts end where a gripper opens or closes.

    Attributes:
        cut: Whether they do.
        travel: How far a gripper has to be commanded, as a fraction of its position limits, for
            that to count; its state changes when it passes two thirds of its travel in the episode.
    """

    cut: bool = False
    travel: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.travel <= 1:
            raise ValueError(f'travel {self.travel:g}; allowed: more than 0, at most 1')


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """Whether parts end where the arm comes to rest on its way.

    Where all joints' speeds go through zero together one movement ends and the next begins (after
    Fod, Mataric, Jenkins 2002, Automated derivation of primitives for movement classification).

    Attributes:
        cut: Whether they do, in the middle of each pause.
        speed: Speed below which a joint rests, as a fraction of its velocity limit.
    """

    cut: bool = False
    speed: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.speed < np.inf:
            raise ValueError(f'speed {self.speed:g}; allowed: a positive, finite number')


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """How an episode is cut.

    Attributes:
        begin: Kind of the event that the episode proper begins with; frames before the first such
            event are cut. Empty, or without such an event: none. (What the recorder itself kept
            from before the start, its pre-roll, conversion leaves out already.)
        end: Kind of the event that it ends with, likewise, for frames after the last.
        gap: Time between two frames from which the episode is split [periods].
        events: Kinds of events at which a new part begins.
        idle: Standing still at the start and at the end.
        gripper: Cuts where a gripper opens or closes.
        pauses: Cuts where the arm rests.
        min_length: Parts shorter than this are left out [s]; a part of F frames is F periods long.
    """

    begin: str = ''
    end: str = ''
    gap: float = GAP
    events: tuple[str, ...] = ()
    idle: Idle = field(default_factory=Idle)
    gripper: GripperCuts = field(default_factory=GripperCuts)
    pauses: Pauses = field(default_factory=Pauses)
    min_length: float = 0.0

    def __post_init__(self) -> None:
        if not self.gap > 1:
            raise ValueError(f'gap {self.gap:g} periods; allowed: more than 1')
        if not 0 <= self.min_length < np.inf:
            raise ValueError(f'min_length {self.min_length:g} s; allowed: 0 or more, finite')


def session_rows(episode: EpisodeArrays, settings: Segmentation) -> Rows:
    """Frames from the first event of the kind `begin` to the last of the kind `end`."""
    begins = [event.stamp for event in episode.events if event.kind == settings.begin]
    ends = [event.stamp for event in episode.events if event.kind == settings.end]
    inside = np.ones(episode.frames, dtype=bool)
    if begins:
        inside &= episode.stamp >= min(begins)
    if ends:
        inside &= episode.stamp <= max(ends)
    return np.flatnonzero(inside)


def usable_rows(contract: Contract, episode: EpisodeArrays) -> Rows:
    """Frames with an action and with a valid value of every required stream and image."""
    good = np.isfinite(episode.action_raw).all(axis=1)
    for key, stream in contract.inputs.items():
        if stream.required and key not in contract.privileged:
            good &= episode.valid[key]
    return np.flatnonzero(good)


def parts(
    contract: Contract, episode: EpisodeArrays, settings: Segmentation, grippers: NDArray[np.bool_]
) -> tuple[list[Range], Effect]:
    """The parts of an episode of usable frames: ranges of rows, in order, none in two of them.

    Args:
        contract: Rate and limits.
        episode: Frames in order, all usable.
        settings: What to cut at.
        grippers: Which joints are grippers, shape (N,).

    Returns:
        The parts, and the effect: cuts of each kind, frames that were cut as idle, and parts and
        frames that were left out for being short.
    """
    ranges = contiguous(contract, episode.stamp, settings.gap)
    effect: Effect = {'gap_cuts': max(len(ranges) - 1, 0)}
    ranges, effect['event_cuts'] = _cut(ranges, _event_rows(episode, settings.events, ranges))
    before = _length(ranges)
    if settings.idle.trim:
        ranges = [r for r in (_trim(contract, episode, settings.idle, r) for r in ranges) if r]
    effect['idle_frames'] = before - _length(ranges)
    rows = _gripper_rows(contract, episode, settings.gripper, grippers)
    ranges, effect['gripper_cuts'] = _cut(ranges, rows)
    rows = _pause_rows(contract, episode, settings, ~grippers, ranges)
    ranges, effect['pause_cuts'] = _cut(ranges, rows)
    least = frames_in(contract, settings.min_length)
    kept = [(start, stop) for start, stop in ranges if stop - start >= least]
    effect['short_parts'] = len(ranges) - len(kept)
    effect['short_frames'] = _length(ranges) - _length(kept)
    return kept, effect


def _length(ranges: list[Range]) -> int:
    return sum(stop - start for start, stop in ranges)


def _cut(ranges: list[Range], rows: Rows) -> tuple[list[Range], int]:
    """Let a new range begin at each of `rows`; also gives how many really cut one."""
    result: list[Range] = []
    for start, stop in ranges:
        inside = np.unique(rows[(rows > start) & (rows < stop)]).tolist()
        edges = [start, *inside, stop]
        result += pairwise(edges)
    return result, len(result) - len(ranges)


def _event_rows(episode: EpisodeArrays, kinds: tuple[str, ...], ranges: list[Range]) -> Rows:
    """First frames at or after an event; in a range without it, the range's own ends."""
    events = [event.stamp for event in episode.events if event.kind in kinds]
    stamps = np.array(events, dtype=np.int64)
    rows = [start + np.searchsorted(episode.stamp[start:stop], stamps) for start, stop in ranges]
    return np.concatenate([np.empty(0, np.int64), *rows])


def _trim(contract: Contract, episode: EpisodeArrays, idle: Idle, part: Range) -> Range | None:
    """The part without its idle ends; none when nothing in it moves."""
    start, stop = part
    every = np.ones(episode.action.shape[1], dtype=bool)
    speed = relative_speed(contract, episode.take(slice(start, stop)), every, idle.window)
    moving = np.flatnonzero(speed >= idle.speed)
    if not len(moving):
        return None
    margin = max(frames_in(contract, idle.margin), round(idle.window * contract.rate / 2), 1)
    dwell = max(frames_in(contract, idle.dwell), margin + 1)
    before, after = int(moving[0]), stop - start - 1 - int(moving[-1])
    start += before - margin if before >= dwell else 0
    stop -= after - margin if after >= dwell else 0
    return start, stop


def _gripper_rows(
    contract: Contract, episode: EpisodeArrays, settings: GripperCuts, grippers: NDArray[np.bool_]
) -> Rows:
    """First frames in which a gripper is commanded the other way."""
    lowest, highest = contract.action_range
    rows: list[Rows] = [np.empty(0, np.int64)]
    for joint in np.flatnonzero(grippers) if settings.cut and episode.frames else ():
        command = episode.action[:, joint].astype(np.float64)
        low, high = command.min(), command.max()
        if high - low < settings.travel * (highest[joint] - lowest[joint]):
            continue
        level = (command - low) / (high - low)
        # Between the outer thirds it keeps the state it had, so that a tremor cuts nothing.
        clear = np.flatnonzero((level < 1 / 3) | (level > 2 / 3))
        changed = np.flatnonzero(np.diff((level[clear] > 0.5).astype(np.int8))) + 1
        rows.append(clear[changed].astype(np.int64))
    return np.concatenate(rows)


def _pause_rows(
    contract: Contract,
    episode: EpisodeArrays,
    settings: Segmentation,
    arm: NDArray[np.bool_],
    ranges: list[Range],
) -> Rows:
    """Middles of the pauses that have motion on both sides."""
    rows: list[int] = []
    for start, stop in ranges if settings.pauses.cut and arm.any() else ():
        part = episode.take(slice(start, stop))
        speed = relative_speed(contract, part, arm, settings.idle.window)
        moving = np.flatnonzero(speed >= settings.pauses.speed)
        ends = np.flatnonzero(np.diff(moving) > 1)
        rows += [start + (int(moving[i]) + int(moving[i + 1]) + 1) // 2 for i in ends]
    return np.array(rows, dtype=np.int64)
