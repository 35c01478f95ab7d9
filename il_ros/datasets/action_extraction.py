"""The action that belongs to each frame: what was commanded after it, by any source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage
from il_ros.bags.recorded_chunk import read_chunk
from il_ros.core.cdr import NS, Cdr
from il_ros.core.contract import Contract, Demonstration
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.frames import GAP, Frame
from il_ros.core.limits import Array
from il_ros.datasets.episode_arrays import SOURCES

Codes = NDArray[np.uint8]

# What the monitor commands on its own account is no demonstration.
_NOT_DEMONSTRATED = ('none', 'idle', 'hold', 'alarm', 'fallback')
_DEMONSTRATOR = SOURCES.index('demonstrator')


class ActionExtractor(ABC):
    """Takes the messages of one topic, then says what was commanded after each frame.

    Attributes:
        topic: Topic that it takes, relative; empty if it needs none.
    """

    topic = ''

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    @abstractmethod
    def add(self, message: BagMessage) -> None:
        """Take one message. Raise IlRosError if it is not of the contract's joints."""

    def actions(self, frames: Sequence[Frame]) -> tuple[Array, Codes]:
        """Actions, shape (F, N) [rad or m], NaN without a command; and sources, shape (F,)."""
        actions = np.full((len(frames), len(self._contract.action.names)), np.nan)
        codes = np.zeros(len(frames), np.uint8)
        if frames:
            self._fill(frames, actions, codes)
        return actions, codes

    @abstractmethod
    def _fill(self, frames: Sequence[Frame], actions: Array, codes: Codes) -> None:
        """Set the actions and sources of the frames that a command belongs to."""


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


class ExecutedActions(ActionExtractor):
    """What our monitor commanded: each command has the stamp of the frame it answers.

    A command belongs to the nearest frame, within half a period; the nearest one wins.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract)
        self.topic = contract.action.executed
        self._commands: list[tuple[int, Array, int]] = []

    def add(self, message: BagMessage) -> None:
        """Take an il_ros/msg/ActionChunk of one step."""
        chunk = read_chunk(message)
        if chunk.source in _NOT_DEMONSTRATED:
            return
        command = _command(self._contract, chunk.names, chunk.positions)
        known = chunk.source in SOURCES
        code = SOURCES.index(chunk.source) if known else _DEMONSTRATOR
        self._commands.append((chunk.stamp, command, code))

    def _fill(self, frames: Sequence[Frame], actions: Array, codes: Codes) -> None:
        ticks = [frame.stamp for frame in frames]
        best = [round(NS / self._contract.rate / 2)] * len(ticks)
        for stamp, command, code in self._commands:
            after = bisect_left(ticks, stamp)
            around = range(max(after - 1, 0), min(after + 1, len(ticks)))
            distance, near = min((abs(ticks[k] - stamp), k) for k in around)
            if distance <= best[near]:
                best[near], actions[near], codes[near] = distance, command, code


class CommandedActions(ActionExtractor):
    """Commands of a foreign controller or a leader arm: the newest before the next tick.

    The action is the position commanded for the moment of that tick, unless it is too old.
    """

    def __init__(self, contract: Contract, demonstration: Demonstration) -> None:
        super().__init__(contract)
        self.topic = demonstration.topic
        self._demonstration = demonstration
        self._messages: list[tuple[int, bytes]] = []

    def add(self, message: BagMessage) -> None:
        """Keep a command; it is decoded when a frame needs it."""
        d = self._demonstration
        if message.type != d.type:
            raise DatasetError(
                f'type {message.type}', where=d.topic, allowed=d.type,
                fix='correct action.demonstration.type',
            )  # fmt: skip
        stamp = message.receive
        if d.time == 'header':
            # A trajectory stamped zero begins at once.
            stamp = Cdr(message.data).stamp() or message.receive
        self._messages.append((stamp + round(NS * d.latency), message.data))

    def _fill(self, frames: Sequence[Frame], actions: Array, codes: Codes) -> None:
        messages = sorted(self._messages, key=itemgetter(0))
        for i, frame in enumerate(frames):
            due = frame.stamp + round(NS / self._contract.rate)
            newest = bisect_right(messages, due, key=itemgetter(0)) - 1
            if newest < 0:
                continue
            stamp, data = messages[newest]
            since = (due - stamp) / NS
            command, lasts = self._decoded(data, since)
            if since - lasts <= self._demonstration.max_age:
                actions[i], codes[i] = command, _DEMONSTRATOR

    def _decoded(self, data: bytes, since: float) -> tuple[Array, float]:
        """Positions `since` seconds after the command began, and how long it lasts [s]."""
        names = self._demonstration.names or self._contract.action.names
        kind = self._demonstration.type
        if kind.endswith('JointState'):
            return decoder_for(kind).decode(data, ('position',), names), 0.0
        if kind.endswith('Float64MultiArray'):
            return _command(self._contract, names, _multi_array(data), names), 0.0
        return _trajectory(data, names, since)


class MeasuredActions(ActionExtractor):
    """Teaching by hand: the action is the position that the arm had one tick later.

    That is the next frame's, where it is one period away and valid.
    """

    def add(self, message: BagMessage) -> None:
        """Nothing is taken."""

    def _fill(self, frames: Sequence[Frame], actions: Array, codes: Codes) -> None:
        keys = self._contract.action.position
        for i, (frame, following) in enumerate(pairwise(frames)):
            near = following.stamp - frame.stamp <= GAP * NS / self._contract.rate
            if near and following.all_valid(keys):
                actions[i], codes[i] = following.vector(keys), _DEMONSTRATOR


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
