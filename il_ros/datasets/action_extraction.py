"""The action that belongs to each frame: what was commanded after it, by any source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage
from il_ros.bags.recorded_chunk import read_chunk
from il_ros.core.cdr import NS, Cdr
from il_ros.core.contract import Contract, Demonstration
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.frames import GAP, Frame
from il_ros.datasets.episode_arrays import SOURCES

Array = NDArray[np.float64]
Codes = NDArray[np.uint8]

# What the monitor commands on its own account is no demonstration.
_NOT_DEMONSTRATED = ('none', 'idle', 'hold', 'alarm', 'fallback')
_DEMONSTRATOR = SOURCES.index('demonstrator')


class ActionExtractor(Protocol):
    """Takes the messages of one topic, then says what was commanded after each frame."""

    @property
    def topic(self) -> str:
        """Topic that it takes, relative; empty if it needs none."""

    def add(self, message: BagMessage) -> None:
        """Take one message. Raise IlRosError if it is not of the contract's joints."""

    def actions(self, frames: Sequence[Frame]) -> tuple[Array, Codes]:
        """Actions, shape (F, N) [rad or m], NaN without a command; and sources, shape (F,)."""


def action_extractor(contract: Contract, topics: Sequence[str]) -> ActionExtractor:
    """Where the actions of a bag come from.

    Args:
        contract: What the topics mean.
        topics: Relative names of the topics that the bag has.

    Raises:
        DatasetError: If nothing in the bag says what was commanded.
    """
    executed, demonstration = contract.action.executed, contract.action.demonstration
    if executed in topics:
        return ExecutedActions(contract)
    if demonstration is not None and not demonstration.topic:
        return MeasuredActions(contract)
    if demonstration is not None and demonstration.topic in topics:
        return CommandedActions(contract, demonstration)
    wanted = [executed, *([demonstration.topic] if demonstration else [])]
    raise DatasetError(
        f'no topic {" or ".join(wanted)} in the bag: nothing says what was commanded',
        allowed=sorted(topics),
        fix='name the topic of the commands in the contract, at action.demonstration',
    )


@dataclass(frozen=True)
class ExecutedActions:
    """What our monitor commanded: each command has the stamp of the frame it answers."""

    contract: Contract
    _stamps: list[int] = field(default_factory=list)
    _commands: list[Array] = field(default_factory=list)
    _codes: list[int] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The contract's executed topic."""
        return self.contract.action.executed

    def add(self, message: BagMessage) -> None:
        """Take an il_ros/msg/ActionChunk of one step."""
        chunk = read_chunk(message)
        if chunk.source in _NOT_DEMONSTRATED:
            return
        self._commands.append(_command(self.contract, chunk.names, chunk.positions))
        self._stamps.append(chunk.stamp)
        known = chunk.source in SOURCES
        self._codes.append(SOURCES.index(chunk.source) if known else _DEMONSTRATOR)

    def actions(self, frames: Sequence[Frame]) -> tuple[Array, Codes]:
        """A command belongs to the nearest frame, within half a period; the nearest one wins."""
        actions, codes = _nothing(frames, self.contract)
        if not frames:
            return actions, codes
        ticks = np.array([frame.stamp for frame in frames], dtype=np.int64)
        best = np.full(len(ticks), round(NS / self.contract.rate / 2), dtype=np.int64)
        for stamp, command, code in zip(self._stamps, self._commands, self._codes, strict=True):
            i = int(np.searchsorted(ticks, stamp))
            near = min(
                (k for k in (i - 1, i) if 0 <= k < len(ticks)), key=lambda k: _gap(ticks, k, stamp)
            )
            if _gap(ticks, near, stamp) <= best[near]:
                best[near] = _gap(ticks, near, stamp)
                actions[near], codes[near] = command, code
        return actions, codes


@dataclass(frozen=True)
class CommandedActions:
    """Commands of a foreign controller or a leader arm: the newest before the next tick."""

    contract: Contract
    demonstration: Demonstration
    _stamps: list[int] = field(default_factory=list)
    _messages: list[bytes] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The contract's `action.demonstration.topic`."""
        return self.demonstration.topic

    def add(self, message: BagMessage) -> None:
        """Keep a command; it is decoded when a frame needs it."""
        d = self.demonstration
        if message.type != d.type:
            raise DatasetError(
                f'type {message.type}', where=d.topic, allowed=d.type,
                fix='correct action.demonstration.type',
            )  # fmt: skip
        stamp = message.receive
        if d.time == 'header':
            # A trajectory stamped zero begins at once.
            stamp = Cdr(message.data).stamp() or message.receive
        self._stamps.append(stamp + round(NS * d.latency))
        self._messages.append(message.data)

    def actions(self, frames: Sequence[Frame]) -> tuple[Array, Codes]:
        """The position commanded for the moment of the next tick, unless it is too old."""
        actions, codes = _nothing(frames, self.contract)
        order = np.argsort(np.array(self._stamps, dtype=np.int64), kind='stable')
        stamps = np.array(self._stamps, dtype=np.int64)[order]
        for i, frame in enumerate(frames):
            due = frame.stamp + round(NS / self.contract.rate)
            k = int(np.searchsorted(stamps, due, side='right')) - 1
            if k < 0:
                continue
            since = (due - int(stamps[k])) / NS
            command, lasts = self._decoded(self._messages[order[k]], since)
            if since - lasts <= self.demonstration.max_age:
                actions[i], codes[i] = command, _DEMONSTRATOR
        return actions, codes

    def _decoded(self, data: bytes, since: float) -> tuple[Array, float]:
        """Positions `since` seconds after the command began, and how long it lasts [s]."""
        names = self.demonstration.names or self.contract.action.names
        kind = self.demonstration.type
        if kind.endswith('JointState'):
            return decoder_for(kind).decode(data, ('position',), names), 0.0
        if kind.endswith('Float64MultiArray'):
            return _command(self.contract, names, _multi_array(data), names), 0.0
        return _trajectory(data, names, since)


@dataclass(frozen=True)
class MeasuredActions:
    """Teaching by hand: the action is the position that the arm had one tick later."""

    contract: Contract

    @property
    def topic(self) -> str:
        """None."""
        return ''

    def add(self, message: BagMessage) -> None:
        """Nothing is taken."""

    def actions(self, frames: Sequence[Frame]) -> tuple[Array, Codes]:
        """Positions of the next frame, where it is one period away and valid."""
        actions, codes = _nothing(frames, self.contract)
        keys = self.contract.action.position
        for i, (frame, following) in enumerate(pairwise(frames)):
            near = following.stamp - frame.stamp <= GAP * NS / self.contract.rate
            if near and following.all_valid(keys):
                actions[i], codes[i] = following.vector(keys), _DEMONSTRATOR
        return actions, codes


def _nothing(frames: Sequence[Frame], contract: Contract) -> tuple[Array, Codes]:
    actions = np.full((len(frames), len(contract.action.names)), np.nan)
    return actions, np.zeros(len(frames), np.uint8)


def _gap(ticks: NDArray[np.int64], i: int, stamp: int) -> int:
    return abs(int(ticks[i]) - stamp)


def _command(
    contract: Contract,
    names: tuple[str, ...],
    positions: Sequence[float],
    allowed: tuple[str, ...] = (),
) -> Array:
    wanted = allowed or contract.action.names
    if names != wanted or len(positions) < len(wanted):
        raise DatasetError(
            f'got joints {list(names)} and {len(positions)} positions',
            where=contract.action.executed,
            allowed=f'{", ".join(wanted)}, one position each',
        )
    return np.array(positions[: len(wanted)])


def _multi_array(data: bytes) -> tuple[float, ...]:
    reader = Cdr(data)
    for _ in range(reader.uint32()):
        reader.skip_string()
        reader.uint32()
        reader.uint32()
    reader.uint32()
    return reader.doubles()


def _trajectory(data: bytes, names: tuple[str, ...], since: float) -> tuple[Array, float]:
    reader = Cdr(data)
    reader.header()
    found = reader.strings()
    missing = [name for name in names if name not in found]
    if missing:
        raise IlRosError(f'no joint {", ".join(missing)} in the trajectory', allowed=found)
    rows, times = [], []
    for _ in range(reader.uint32()):
        rows.append(reader.doubles())
        for _ in ('velocities', 'accelerations', 'effort'):
            reader.doubles()
        times.append(reader.stamp() / NS)
    if not rows or any(len(row) != len(found) for row in rows):
        raise IlRosError('a trajectory without a position for each joint', allowed=found)
    places = [found.index(name) for name in names]
    points = np.array(rows)[:, places]
    return np.array([np.interp(since, times, column) for column in points.T]), times[-1]
