"""Whether all samples of a joint can be of one arm: each is compared with the one before it.

Not every rclpy says who sent a message. Where two nodes publish the same joint, one sample differs
from the next by more than the joint can move in between, or time goes back from one to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from il_ros.core.cdr import NS
from il_ros.core.contract import Contract
from il_ros.core.geometry import every, finite
from il_ros.core.limits import Array
from il_ros.core.streams import Stream

HOLD = 1.0
"""How long a contradiction counts after the last one [s]."""

CONFIRMED = 0.1
"""How long samples must agree before a motion may begin at the posture that they show [s]."""

LEAST = 3
"""How many samples that takes at least."""

# A joint may be this much faster than its limit: whoever leads an arm by hand is no second
# publisher, and a joint that is really too fast has a check of its own.
_SPEED = 1.5
# A joint that is polled more slowly than messages come repeats its digits, and then makes up for it
# in one step. What its time may count at most, where it goes on the way it went (a poll may be lost
# at 10 Hz), and else (at 10 Hz and 0.9 of its limit a joint may begin to move).
_MOVING, _STANDING = 0.15, 0.058  # s
_PAST = 0.25  # s of samples to find its last step in
_JITTER = 0.005  # s by which a driver that is not real-time stamps a sample too early or late
_NOISE = 0.005  # rad or m between two samples of a joint at rest; coarse encoders have that much
_DRIFT = 0.025  # share of its velocity limit at which a joint counts as standing

ADVICE = (
    'two nodes publish these joints, or their driver is at fault: see "ros2 topic info -v", '
    f'end the other node, and wait {HOLD:.0f} s'
)


class JointConsistency:
    """Takes every sample of the measured joints, also those that no frame uses.

    Args:
        contract: Says which observations measure the commanded joints, and how fast they may be.
        clock: The time that contradictions are held by [s]; it may go back.
    """

    def __init__(self, contract: Contract, clock: Callable[[], float]) -> None:
        self._clock = clock
        limits = dict(zip(contract.action.names, contract.limits.velocity, strict=True))
        action, streams = contract.action, contract.observations
        self._positions = {
            key: _Positions(
                streams[key],
                np.array([limits[name] for name in streams[key].names]),
                contract.period,
            )
            for key in action.position
        }
        velocities = {key: _Stamps(streams[key]) for key in action.velocity}
        self._tracks: dict[str, _Stamps] = {**velocities, **self._positions}
        self._found: dict[str, tuple[float, str]] = {}  # by topic: when last, and the first text

    def add(self, key: str, value: Array, header: int, receive: int) -> None:
        """Take one sample of an observation, whichever it is.

        Args:
            key: The contract's key.
            value: The decoded value, shape (size,).
            header: The message's own stamp [ns].
            receive: When it was received [ns].
        """
        track = self._tracks.get(key)
        if track is None:
            return
        text = track.add(value, header if track.stamped else receive)
        if text:
            now, topic = self._clock(), track.stream.topic
            _, first = self._found[topic] if self._holds(topic, now) else (now, text)
            self._found[topic] = now, first

    def problems(self) -> list[str]:
        """One text for each topic whose samples contradict one another, for `HOLD` after that."""
        now = self._clock()
        return [text for topic, (_, text) in self._found.items() if self._holds(topic, now)]

    def unconfirmed(self, values: Mapping[str, Array]) -> str:
        """Why a motion must not begin at the posture of a frame; empty where it may.

        Args:
            values: The frame's values by key.
        """
        texts = (track.unconfirmed(values[key]) for key, track in self._positions.items())
        return next(filter(None, texts), '')

    def _holds(self, topic: str, now: float) -> bool:
        found = self._found.get(topic)
        return found is not None and abs(now - found[0]) <= HOLD


class _Stamps:
    """Checks that time goes on from sample to sample."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.stamped = stream, stream.align.time == 'header'
        self._last: int | None = None

    def add(self, value: Array, stamp: int) -> str:
        """Take a sample; gives how it contradicts the one before, or nothing."""
        before, self._last = self._last, stamp
        if before is None or stamp >= before or not self.stamped:
            return ''
        back = (before - stamp) / NS
        return f'{self.stream.topic}: stamped {back:.6f} s before the last sample; {ADVICE}'


@dataclass
class _Range:
    """Lowest and highest positions in some samples, shape (n,), from a time to another [ns]."""

    low: Array
    high: Array
    begin: int
    end: int
    count: int = 1

    def add(self, value: Array, stamp: int) -> None:
        """Take one more sample."""
        self.low, self.high = np.minimum(self.low, value), np.maximum(self.high, value)
        self.end, self.count = stamp, self.count + 1


class _Positions(_Stamps):
    """Checks also that no joint is faster than it can be, and knows whether they all stand."""

    def __init__(self, stream: Stream, velocity: Array, period: float) -> None:
        super().__init__(stream)
        self._velocity, self._noise = velocity, np.minimum(_NOISE, _JITTER * velocity)
        self._enough = max(CONFIRMED, 2 * period)
        # The moment of reception says no more than between which samples a joint was measured.
        jitter = _JITTER if self.stamped else 1.0 / (stream.rate or 1.0 / period)
        self._slack = jitter * velocity + self._noise
        # After a longer silence the joints may be anywhere.
        ages = stream.align.strategy in ('asof', 'interpolate')
        self._silence = stream.align.max_age if ages else 4 * period
        self._sample: tuple[Array, int] | None = None
        self._past: deque[tuple[Array, int]] = deque()  # the samples until then, in order
        self._before: _Range | None = None  # complete
        self._newest: _Range | None = None  # still too short

    def add(self, value: Array, stamp: int) -> str:
        """Take a sample; gives how it contradicts the one before, or nothing."""
        back = super().add(value, stamp)
        if not finite(value):  # no frame is valid with it
            return back
        sample, self._sample = self._sample, (value, stamp)
        problem = back if sample is None or back else self._too_far(*sample, value, stamp)
        if problem or sample is None or stamp - sample[1] > NS * self._silence:
            self._before, self._newest = None, _Range(value, value, stamp, stamp)
            self._past.clear()
        else:
            self._extend(value, stamp)
        self._past.append((value, stamp))
        while stamp - self._past[0][1] > NS * _PAST:
            self._past.popleft()
        return problem

    def unconfirmed(self, value: Array) -> str:
        """Why the joints may not stand at `value` (n,); empty where the samples agree on it."""
        topic, before, newest = self.stream.topic, self._before, self._newest
        if before is None or newest is None:
            rule = f'{LEAST} samples in a row that agree, over {self._enough:.2f} s'
            return f'{topic}: the posture is not confirmed yet by {rule}'
        low, high = np.minimum(before.low, newest.low), np.maximum(before.high, newest.high)
        seconds = (newest.end - before.begin) / NS
        spread = 2 * self._noise + _DRIFT * self._velocity * seconds
        same = (high - low <= spread) & (low - self._noise <= value) & (value <= high + self._noise)
        if every(same):
            return ''
        i = int(np.argmin(same))
        return (
            f'{topic}: {self.stream.names[i]} at {value[i]:.4f}, in the last {seconds:.2f} s from '
            f'{low[i]:.4f} to {high[i]:.4f} rad or m: it does not stand there'
        )

    def _too_far(self, before: Array, since: int, value: Array, stamp: int) -> str:
        elapsed = abs(stamp - since) / NS
        if elapsed > self._silence:
            return ''
        step, most = np.abs(value - before), _SPEED * self._velocity * elapsed + self._slack
        for i in () if every(step <= most) else np.flatnonzero(step > most):
            held = max(elapsed, self._held(i, float(value[i]), stamp))
            most = _SPEED * self._velocity[i] * held + self._slack[i]
            if step[i] > most:
                return (
                    f'{self.stream.topic}: {self.stream.names[i]} at {before[i]:.4f}, then at '
                    f'{value[i]:.4f}, stamps {held:.3f} s apart: it moves by {most:.4f} rad or m '
                    f'at most; {ADVICE}'
                )
        return ''

    def _held(self, i: int, value: float, stamp: int) -> float:
        """For how long joint `i` may have moved until this sample [s].

        It counts from the first message with the digits of the last one: whoever repeats them may
        not have measured them again. Where the step before went the same way, it counts from the
        last message with other digits, since polls and messages that are not in step leave out a
        sample now and then. Samples of two publishers by turns go to and fro and repeat nothing.
        """
        before, since = float(self._past[-1][0][i]), stamp
        for past, at in reversed(self._past):
            if past[i] != before:
                if (value - before) * (before - past[i]) > 0.0:
                    return min((stamp - at) / NS, _MOVING)
                break
            since = at
        return min((stamp - since) / NS, _STANDING)

    def _extend(self, value: Array, stamp: int) -> None:
        assert self._newest is not None
        self._newest.add(value, stamp)
        if self._newest.count >= LEAST and stamp - self._newest.begin >= NS * self._enough:
            self._before, self._newest = self._newest, _Range(value, value, stamp, stamp)
