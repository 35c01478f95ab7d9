"""The action that belongs to each frame: what was commanded after it, by any source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage
from il_ros.bags.recorded_chunk import read_chunk
from il_ros.core.cdr import NS, Cdr
from il_ros.core.contract import Contract, Demonstration
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.frames import GAP, Frame
from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array
from il_ros.datasets.episode_arrays import SOURCES

Codes = NDArray[np.uint8]

# What the monitor commands on its own account is no demonstration.
_NOT_DEMONSTRATED = ('none', 'idle', 'hold', 'alarm', 'fallback')
_DEMONSTRATOR = SOURCES.index('demonstrator')
_AT_ONCE = np.zeros(1)


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
        contract = self._contract
        actions: Array = np.full((len(frames), len(contract.action.names)), np.nan)
        codes = np.zeros(len(frames), np.uint8)
        if frames:
            self._fill(frames, actions, codes)
        if frames and contract.continuous:
            # The short way from where each joint is: a command may be turns away.
            measured = np.array([frame.vector(contract.action.position) for frame in frames])
            actions = nearest_turn(actions, measured, contract.endless)
        return actions, codes

    def findings(self) -> dict[str, str]:
        """What was odd about the messages, in words, by kind."""
        return {}

    def why_nothing(self) -> str:
        """Why no command belongs to a frame."""
        return (
            f'no command of a source in control on {self._contract.action.executed} belongs to one'
        )

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

    The action is the position commanded for the moment of that tick, unless it is too old. Each
    joint has its own newest command, so that arm and gripper may come in messages of their own.
    """

    def __init__(self, contract: Contract, demonstration: Demonstration) -> None:
        super().__init__(contract)
        self.topic = demonstration.topic
        self._demonstration = demonstration
        self._names = demonstration.names or contract.action.names
        self._commands: list[_Command] = []
        self._skipped, self._why = 0, ''

    def add(self, message: BagMessage) -> None:
        """Take a command; one that has none of the joints, or is damaged, is counted and skipped.

        Raises:
            DatasetError: If it is of another type than the contract's.
        """
        d = self._demonstration
        if message.type != d.type:
            raise DatasetError(
                f'type {message.type}', where=d.topic, allowed=d.type,
                fix='correct action.demonstration.type',
            )  # fmt: skip
        stamp = message.receive
        try:
            if d.time == 'header':
                # A trajectory stamped zero begins at once.
                stamp = Cdr(message.data).stamp() or message.receive
            times, rows = self._decoded(message.data)
        except IlRosError as problem:
            self._skipped, self._why = self._skipped + 1, str(problem)
            return
        begin = stamp + round(NS * d.latency)
        self._commands.append(_Command(begin=begin, times=times, rows=rows))

    def findings(self) -> dict[str, str]:
        """How many messages were skipped."""
        if not self._skipped:
            return {}
        total = self._skipped + len(self._commands)
        return {
            'rejected.action': f'{self._skipped} of {total} messages of {self.topic} were skipped: '
            f'{self._why}'
        }

    def why_nothing(self) -> str:
        """Which joints have no command, or that all are too old."""
        has = np.zeros(len(self._names), bool)
        for command in self._commands:
            has |= command.has
        missing = [name for name, known in zip(self._names, has, strict=True) if not known]
        if self._skipped and not self._commands:
            return self.findings()['rejected.action']
        if missing:
            return (
                f'no command of {", ".join(missing)} on {self.topic}: not in its messages, or NaN; '
                'to fix: correct action.demonstration.names, or have its driver publish them'
            )
        return (
            f'no command of every joint on {self.topic} is younger than '
            f'{self._demonstration.max_age:g} s at a frame; to fix: correct '
            'action.demonstration.time, latency or max_age'
        )

    def _fill(self, frames: Sequence[Frame], actions: Array, codes: Codes) -> None:
        commands = sorted(self._commands, key=attrgetter('begin'))
        begins = np.array([command.begin for command in commands], np.int64)
        has = np.array([command.has for command in commands]).reshape(-1, actions.shape[1])
        due = np.array([frame.stamp for frame in frames], np.int64)
        due += round(NS / self._contract.rate)
        found = np.full_like(actions, np.nan)
        for joint in range(actions.shape[1]):
            mine = np.flatnonzero(has[:, joint])
            newest = np.searchsorted(begins[mine], due, side='right') - 1
            for i in np.flatnonzero(newest >= 0):
                command = commands[mine[newest[i]]]
                since = (int(due[i]) - command.begin) / NS
                if since - command.times[-1] <= self._demonstration.max_age:
                    found[i, joint] = np.interp(since, command.times, command.rows[:, joint])
        whole = np.isfinite(found).all(axis=1)
        actions[whole], codes[whole] = found[whole], _DEMONSTRATOR

    def _decoded(self, data: bytes) -> tuple[Array, Array]:
        """Times from its begin [s], shape (P,), and positions, shape (P, N), NaN for none."""
        kind = self._demonstration.type
        if kind.endswith('JointTrajectory'):
            return _trajectory(data, self._names)
        if kind.endswith('JointState'):
            return _AT_ONCE, _joint_positions(data, self._names)[None]
        numbers = _command(self._contract, self._names, _multi_array(data), self._names)
        return _AT_ONCE, numbers[None]


@dataclass(frozen=True, kw_only=True)
class _Command:
    begin: int  # [ns]
    times: Array  # from its begin [s], shape (P,)
    rows: Array  # shape (P, N); a column of NaN for a joint that it does not command

    @property
    def has(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.rows).all(axis=0))


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


def _joint_positions(data: bytes, names: tuple[str, ...]) -> Array:
    """Positions of those of the joints that a JointState has, shape (N,); NaN of the others."""
    layout, (positions, *_) = decoder_for('sensor_msgs/msg/JointState').read(data)
    place = {name: i for i, name in enumerate(layout.names)}
    known = [place[name] for name in names if name in place]
    if not known:
        raise IlRosError(f'no joint {", ".join(names)} in the message', allowed=layout.names)
    if isinstance(positions, int):
        raise IlRosError(f'{positions} positions for {len(layout.names)} joints')
    return np.array([positions[place[name]] if name in place else np.nan for name in names])


def _trajectory(data: bytes, names: tuple[str, ...]) -> tuple[Array, Array]:
    reader = Cdr(data)
    reader.header()
    found = reader.strings()
    place = {name: i for i, name in enumerate(found)}
    if not any(name in place for name in names):
        raise IlRosError(f'no joint {", ".join(names)} in the trajectory', allowed=found)
    rows, times = [], []
    for _ in range(reader.uint32()):
        rows.append(reader.doubles())
        for _ in ('velocities', 'accelerations', 'effort'):
            reader.doubles()
        times.append(reader.stamp() / NS)
    if not rows or any(len(row) != len(found) for row in rows):
        raise IlRosError('a trajectory without a position for each joint', allowed=found)
    points = np.full((len(rows), len(names)), np.nan)
    for joint, name in enumerate(names):
        if name in place:
            points[:, joint] = [row[place[name]] for row in rows]
    return np.array(times), points
