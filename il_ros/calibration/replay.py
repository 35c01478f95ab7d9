"""A recorded episode evaluated again, tick by tick, as the monitor did or would have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, NamedTuple, TypeVar

import numpy as np

from il_ros.bags.bag_reader import EpisodeReader
from il_ros.core import topics
from il_ros.core.cdr import header_stamp
from il_ros.core.errors import BundleError, DatasetError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.datasets.bag_conversion import frames_of
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_watch import ScoreReading, ScoreWatch
from il_ros.policies.bundle import Bundle
from il_ros.policies.score_inputs import ScoreInputs

T = TypeVar('T')

_POLICY = topics.MODES.index('policy')
_OVERDUE = 'overdue'  # what the reason begins with where no score stopped it


class Answer(NamedTuple):
    """What the policy answered: stamp of the observation [ns], chunk (H, N), samples (S, H, N)."""

    stamp: int
    chunk: Array
    samples: Array | None


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One frame, evaluated again.

    Attributes:
        stamp: Its stamp [ns].
        driving: Whether the policy drove.
        reading: What the scores say.
        stop: Why the policy had to stop; empty when it did not.
        warning: Why it had to go slowly; empty when it did not.
    """

    stamp: int
    driving: bool
    reading: ScoreReading
    stop: str
    warning: str


@dataclass(frozen=True, kw_only=True)
class RecordedVerdict:
    """What the monitor said of one frame when the episode was recorded.

    Attributes:
        driving: Whether the policy drove.
        score: Its ratio; NaN without one.
        stopped: Whether the scores stopped the policy at this frame.
    """

    driving: bool
    score: float
    stopped: bool


@dataclass(frozen=True, kw_only=True)
class Replay:
    """An episode, evaluated again.

    Attributes:
        ticks: Its frames but for those with a required observation missing, where a monitor stops
            without asking the scores.
        reported: What the monitor said then, by the frame's stamp; empty where the bag has none.
        same_policy: Whether the policy of the bundle drove then; else its chunks were made anew,
            for states that another one brought about.
    """

    ticks: Sequence[Tick]
    reported: Mapping[int, RecordedVerdict]
    same_policy: bool

    def first(self, kind: str) -> Tick | None:
        """The first tick with a `stop` or a `warning`; none if there is none."""
        return next((tick for tick in self.ticks if getattr(tick, kind)), None)

    def stopped(self) -> int | None:
        """Stamp of the frame [ns] at which the scores stopped the policy then; none if never."""
        return min(
            (stamp for stamp, reported in self.reported.items() if reported.stopped), default=None
        )

    def largest(self) -> dict[str, tuple[float, float]]:
        """Largest ratio to its threshold, and when [s from the first frame], by score."""
        names = self.ticks[0].reading.names if self.ticks else ()
        found: dict[str, tuple[float, float]] = {}
        for k, name in enumerate(names):
            seen = [(float(t.reading.ratios[k]), self.seconds(t)) for t in self.ticks if t.driving]
            reported = [pair for pair in seen if np.isfinite(pair[0])]
            found[name] = max(reported, default=(nan, nan))
        return found

    def seconds(self, tick: Tick) -> float:
        """When a tick was [s], from the first frame on."""
        return (tick.stamp - self.ticks[0].stamp) / NS

    def differences(self) -> Array:
        """By how much the ratio differs from what the monitor said, where both have one."""
        said = {
            stamp: reported.score for stamp, reported in self.reported.items() if reported.driving
        }
        pairs = [(t.reading.score, said[t.stamp]) for t in self.ticks if t.stamp in said]
        array = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        both = array[~np.isnan(array).any(axis=1)]
        # Infinite on both sides is the same, and its difference is no number.
        both[both[:, 0] == both[:, 1]] = 0.0
        return np.abs(both[:, 0] - both[:, 1])


def replay(reader: EpisodeReader, bundle: Bundle, config: MonitorConfig) -> Replay:
    """Evaluate a recorded episode with the scores and thresholds of a bundle.

    The frames are those that the monitor saw. The chunks are those in the bag where the bundle's
    policy made them, else it answers the frames anew. Where the bag does not say who drove, the
    policy is taken to have driven all along.

    Raises:
        BundleError: If the bundle is not calibrated.
        DatasetError: If the bag lacks a topic of the contract, has no frame, or is damaged.
    """
    inputs = bundle.score_inputs
    if bundle.calibration is None or inputs is None:
        raise BundleError('is not calibrated', fix='run "il_ros monitor calibrate"')
    frames = _frames(reader)
    recorded = _answers(reader, bundle.policy_id)
    stamps = [frame.stamp for frame in frames]
    reported = _reported(reader, stamps)
    watch = ScoreWatch(bundle.calibration, config)
    answers = _newest(recorded, stamps) if recorded else _made(frames, bundle)
    ticks = [
        _tick(watch, inputs, frame, answer, reported, epoch=frames[0].stamp)
        for frame, answer in zip(frames, answers, strict=True)
    ]
    return Replay(ticks=ticks, reported=reported, same_policy=bool(recorded))


def _tick(
    watch: ScoreWatch,
    inputs: ScoreInputs,
    frame: Frame,
    answer: Answer | None,
    reported: Mapping[int, RecordedVerdict],
    *,
    epoch: int,
) -> Tick:
    stamp, chunk, samples = answer or (epoch, None, None)
    score_input = inputs.of_frame(frame, chunk, (stamp - epoch) / NS, samples=samples, epoch=epoch)
    # A frame that the monitor did not speak of came before or after its time.
    driving = reported[frame.stamp].driving if frame.stamp in reported else not reported
    reading = watch.read(score_input, driving)
    stop = watch.stop_text(reading) if driving else ''
    return Tick(
        stamp=frame.stamp,
        driving=driving,
        reading=reading,
        stop=stop,
        warning=watch.warn_text(reading),
    )


def _frames(reader: EpisodeReader) -> list[Frame]:
    contract = reader.contract
    required = [key for key, stream in contract.observations.items() if stream.required]
    reader.require(dict.fromkeys(contract.observations[key].topic for key in required))
    wanted = dict.fromkeys(stream.topic for stream in contract.observations.values())
    frames = frames_of(reader.messages(wanted), contract)
    whole = [frame for frame in frames if frame.all_valid(required)]
    if not whole:
        raise DatasetError('no frame with all required observations', where=str(reader.path))
    return whole


def _newest(items: Mapping[int, T], stamps: Sequence[int]) -> Iterator[T | None]:
    """At each of the stamps, in order, the newest item that is not later; None before the first."""
    newest: T | None = None
    waiting = sorted(items, reverse=True)
    for stamp in stamps:
        while waiting and waiting[-1] <= stamp:
            newest = items[waiting.pop()]
        yield newest


def _made(frames: Sequence[Frame], bundle: Bundle) -> Iterator[Answer]:
    bundle.policy.reset()
    for frame in frames:
        chunk = bundle.policy.act(frame)
        yield Answer(frame.stamp, chunk, bundle.policy.samples())


def _answers(reader: EpisodeReader, policy_id: str) -> dict[int, Answer]:
    """The answers in the bag that this policy made, by the stamp of what they answer."""
    found: dict[int, Answer] = {}
    for message, data in _messages(reader, topics.POLICY_CHUNK):
        joints = len(message.names)
        whole = joints and len(message.positions) == joints * message.horizon > 0
        joints_alone = tuple(message.names) == reader.contract.action.names
        # Others are faults that the monitor reported, or of a space that it made joints of.
        if message.policy_id == policy_id and whole and joints_alone:
            stamp = header_stamp(data)
            chunk = np.asarray(message.positions).reshape(-1, joints)
            found[stamp] = Answer(stamp, chunk, _samples(message, chunk))
    return found


def _samples(message: Any, chunk: Array) -> Array | None:
    """Further answers of a recorded chunk (H, N), shape (S, H, N); None without any."""
    samples = np.asarray(getattr(message, 'samples', ()), dtype=np.float64)
    return samples.reshape(-1, *chunk.shape) if samples.size else None


def _reported(reader: EpisodeReader, stamps: Sequence[int]) -> dict[int, RecordedVerdict]:
    """What the monitor said of each frame: its scores, or at least its status of that time."""
    scores = {header_stamp(data): m for m, data in _messages(reader, topics.MONITOR_SCORES)}
    status = {header_stamp(data): m for m, data in _messages(reader, topics.MONITOR_STATUS)}
    stops = {stamp for stamp, message in status.items() if _stopped(message)}
    reported = {}
    for stamp, now in zip(stamps, _newest(status, stamps), strict=True):
        said = scores.get(stamp, status.get(stamp))
        if stamp in scores:
            driving = bool(scores[stamp].driving)
        elif scores or now is None:
            continue
        else:
            driving = now.mode == _POLICY
        reported[stamp] = RecordedVerdict(
            # The tick that stops the policy still evaluated it.
            driving=driving or stamp in stops,
            score=said.score if said is not None else nan,
            stopped=stamp in stops,
        )
    return reported


def _stopped(status: Any) -> bool:
    """Whether this status tells that the scores have just stopped the policy."""
    overdue = not status.fault and status.reason.startswith(_OVERDUE)
    return bool(status.mode != _POLICY and (status.triggered or overdue))


def _messages(reader: EpisodeReader, topic: str) -> Iterator[tuple[Any, bytes]]:
    if reader.topics.get(reader.absolute(topic)) != topics.TYPES[topic]:
        return
    for message in reader.messages([topic]):
        yield reader.deserialize(message), message.data
