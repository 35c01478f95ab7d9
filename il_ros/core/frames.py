"""The one frame builder, used on live topics and on bags alike.

Samples of many streams go in; one frame a tick comes out, with the validity and the age of every
stream. Nothing is ever filled with zeros: what is not there is NaN and marked invalid.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract, Stream

Array = NDArray[np.float64]
NS = 1_000_000_000

# A stream that is due and has not come holds its first ticks back for the contract's grace; after
# as many misses it is not waited for until it comes again, so that a lost sensor costs no latency.
_PATIENCE = 3
# A header stamp this far behind the newest means that time has begun anew (a restarted simulation).
_RESTART_NS = NS


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Every observation at one tick.

    Attributes:
        stamp: The tick's time [ns], the stamp of the sample that paced it.
        values: Value per key, float64 of shape (size,); NaN where invalid.
        valid: Whether the value may be used.
        age: Age of the sample at the tick [s]; NaN if there has been none.
    """

    stamp: int
    values: Mapping[str, Array]
    valid: Mapping[str, bool]
    age: Mapping[str, float]

    def vector(self, keys: Iterable[str]) -> Array:
        """The values of `keys` one after the other, shape (D,)."""
        return np.concatenate([self.values[key] for key in keys])

    def all_valid(self, keys: Iterable[str]) -> bool:
        """Whether every one of `keys` is valid."""
        return all(self.valid[key] for key in keys)


@dataclass
class _History:
    stream: Stream
    samples: deque[tuple[int, Array]] = field(default_factory=lambda: deque(maxlen=512))
    missed: int = 0


class FrameBuilder:
    """Turns samples into frames by the contract's rules.

    The contract's `clock` stream paces the ticks: a tick is due when a sample of it comes one
    period (or more) after the last tick, and takes that sample's stamp. The frame is given out as
    soon as every stream that is due has a sample, or when the contract's grace is over.
    """

    def __init__(self, contract: Contract, keys: Iterable[str] | None = None) -> None:
        streams = contract.streams
        chosen = list(contract.observations if keys is None else keys)
        if contract.clock not in chosen:
            chosen.insert(0, contract.clock)
        self.keys = tuple(chosen)
        self.rejected: dict[str, str] = {}
        self._contract = contract
        self._histories = {key: _History(streams[key]) for key in chosen}
        self._period = round(NS / contract.rate)
        self._grace = round(NS * contract.grace)
        clock_rate = streams[contract.clock].rate or contract.rate
        self._slack = round(NS / max(clock_rate, contract.rate)) // 4
        self._last_tick: int | None = None
        self._pending: tuple[int, int] | None = None

    def reset(self) -> None:
        """Forget every sample, as at the beginning of an episode."""
        for history in self._histories.values():
            history.samples.clear()
            history.missed = 0
        self._last_tick = self._pending = None

    def add(
        self, key: str, value: Array, *, header: int, receive: int, now: int | None = None
    ) -> list[Frame]:
        """Take one sample; give the frames that became due, oldest first.

        Args:
            key: The contract's key.
            value: The decoded value, shape (size,).
            header: The message's own stamp [ns].
            receive: When it was received [ns], on the clock that header stamps are read from.
            now: The same moment on the clock that the grace is measured on [ns]; `receive` where
                that is the same clock. A live node takes a steady one.
        """
        now = receive if now is None else now
        # First, so that a sample that came after a tick's grace is not seen by that tick, whether
        # or not anybody polled in between (a bag has no timers).
        frames = self.poll(now)
        history = self._histories[key]
        stamp = header if history.stream.align.time == 'header' else receive
        if stamp <= 0:
            self.rejected[key] = 'its header stamp is zero'
            return frames
        if history.samples and stamp <= history.samples[-1][0]:
            if history.samples[-1][0] - stamp < _RESTART_NS:
                self.rejected[key] = 'its header stamp does not advance'
                return frames
            self.reset()
        self.rejected.pop(key, None)
        history.samples.append((stamp, value))
        history.missed = 0
        if key == self._contract.clock:
            frames += self._pace(stamp, now)
        return frames + self.poll(now)

    def poll(self, now: int) -> list[Frame]:
        """Give the frame that waits, if it is complete or its grace is over at `now` [ns]."""
        if self._pending is None:
            return []
        tick, since = self._pending
        late = self._awaited(tick)
        if late and now - since < self._grace:
            return []
        return [self._give(tick)]

    @property
    def waiting(self) -> bool:
        """Whether a tick is held back for streams that are due."""
        return self._pending is not None

    def _pace(self, stamp: int, now: int) -> list[Frame]:
        if self._last_tick is not None and stamp - self._last_tick < self._period - self._slack:
            return []
        frames = [self._give(self._pending[0])] if self._pending else []
        self._pending, self._last_tick = (stamp, now), stamp
        return frames

    def _awaited(self, tick: int) -> list[str]:
        return [key for key, history in self._histories.items() if self._is_due(history, tick)]

    def _is_due(self, history: _History, tick: int) -> bool:
        if not history.stream.rate or history.missed >= _PATIENCE:
            return False
        if not history.samples:
            return True
        return tick - history.samples[-1][0] > 0.9 * NS / history.stream.rate

    def _give(self, tick: int) -> Frame:
        self._pending = None
        for key in self._awaited(tick):
            self._histories[key].missed += 1
        values, valid, age = {}, {}, {}
        for key, history in self._histories.items():
            values[key], valid[key], age[key] = self._sample(history, tick)
        return Frame(stamp=tick, values=values, valid=valid, age=age)

    def _sample(self, history: _History, tick: int) -> tuple[Array, bool, float]:
        samples, align = history.samples, history.stream.align
        while len(samples) > 1 and samples[1][0] <= tick:
            samples.popleft()
        if not samples or samples[0][0] > tick:
            return np.full(history.stream.size, math.nan), False, math.nan
        stamp, value = samples[0]
        age = (tick - stamp) / NS
        bound = {'hold': math.inf, 'asof': align.max_age, 'drop': self._period / NS}
        if age > bound[align.strategy] or not np.all(np.isfinite(value)):
            return np.full(history.stream.size, math.nan), False, age
        return value, True, age


def describe_invalid(contract: Contract, frame: Frame, rejected: Mapping[str, str]) -> list[str]:
    """One sentence for each required stream that is not valid in `frame`."""
    texts = []
    for key, ok in frame.valid.items():
        stream = contract.streams[key]
        if ok or not stream.required:
            continue
        age = frame.age[key]
        text = f'{key} ({stream.topic}): '
        if math.isnan(age):
            text += 'never received'
        else:
            text += f'{age:.3f} s old, allowed {stream.align.max_age:.3f} s, or not finite'
        if key in rejected:
            text += f' ({rejected[key]})'
        texts.append(text)
    return texts


def gaps(stamps: Iterable[int], contract: Contract) -> int:
    """How many steps between consecutive `stamps` [ns] are longer than one and a half periods."""
    limit = 1.5 * NS / contract.rate
    return sum(later - earlier > limit for earlier, later in pairwise(stamps))
