"""From a bag to frames and actions, by the frame builder that live nodes use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.frames import NS, Frame, FrameBuilder
from il_ros.datasets.reader import EpisodeReader, Message

# What the monitor commands on its own account is no demonstration.
_NOT_DEMONSTRATED = ('idle', 'hold', 'alarm')


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """One episode as frames and the actions that followed them.

    Attributes:
        frames: Frames in order, with privileged observations.
        actions: What was commanded after each frame, shape (F, N) [rad or m]; NaN where no
            source was in control.
        rejected: Why messages of a stream were not taken, by key.
    """

    frames: tuple[Frame, ...]
    actions: NDArray[np.float64]
    rejected: Mapping[str, str] = field(default_factory=dict)


def convert(reader: EpisodeReader) -> Conversion:
    """Read an episode by its contract.

    Raises:
        DatasetError: If a topic that is needed is not in the bag, or the bag is damaged.
    """
    contract = reader.contract
    needed = {stream.topic for stream in contract.streams.values() if stream.required}
    reader.require([*sorted(needed), contract.action.executed])
    wanted = {stream.topic for stream in contract.streams.values()} | {contract.action.executed}
    messages = list(reader.messages(wanted))
    rejected: dict[str, str] = {}
    frames = list(frames_of(messages, contract, contract.observations, rejected))
    if contract.privileged:
        # Its own builder: to wait for what no policy sees would change what the policy sees.
        extra = {f.stamp: f for f in frames_of(messages, contract, contract.privileged, rejected)}
        frames = [_joined(contract, frame, extra.get(frame.stamp)) for frame in frames]
    return Conversion(
        frames=tuple(frames),
        actions=actions_of(messages, contract, [frame.stamp for frame in frames]),
        rejected=rejected,
    )


def frames_of(
    messages: Iterable[Message],
    contract: Contract,
    keys: Iterable[str] | None = None,
    rejected: dict[str, str] | None = None,
) -> Iterator[Frame]:
    """The frames that a live node would have made of these messages.

    Args:
        messages: Messages in the order in which they were received.
        contract: What they mean.
        keys: Which observations; the contract's ordinary ones by default.
        rejected: Takes why messages of a stream could not be used, by key.
    """
    builder = FrameBuilder(contract, keys)
    by_topic: dict[str, list[str]] = defaultdict(list)
    # The key that paces the ticks goes last: what came in the same message is then already there.
    for key in sorted(builder.keys, key=lambda key: key == contract.clock):
        by_topic[contract.streams[key].topic].append(key)
    receive = 0
    for message in messages:
        receive = message.receive
        for key in by_topic.get(message.topic, ()):
            yield from _feed(builder, contract, key, message)
    yield from builder.poll(receive + round(NS * contract.grace))
    if rejected is not None:
        rejected.update(builder.rejected)


def actions_of(
    messages: Iterable[Message], contract: Contract, stamps: Iterable[int]
) -> NDArray[np.float64]:
    """What was commanded after each frame, shape (F, N) [rad or m]; NaN where nothing was.

    A command belongs to the frame whose stamp is nearest to its own, within half a period.

    Raises:
        DatasetError: If a command is not of the contract's joints.
    """
    ticks = np.array(list(stamps), dtype=np.int64)
    actions = np.full((len(ticks), len(contract.action.names)), np.nan)
    best = np.full(len(ticks), round(NS / contract.rate / 2), dtype=np.int64)
    for message in messages:
        if message.topic != contract.action.executed or not len(ticks):
            continue
        if message.value.source.lower() in _NOT_DEMONSTRATED:
            continue
        distance = np.abs(ticks - _stamp(message.value))
        i = int(np.argmin(distance))
        if distance[i] <= best[i]:
            best[i] = distance[i]
            actions[i] = _command(message.value, contract)
    return actions


def _feed(builder: FrameBuilder, contract: Contract, key: str, message: Message) -> Iterator[Frame]:
    stream = contract.streams[key]
    try:
        value = decoder_for(stream.type).decode(message.value, stream.fields, stream.names)
    except IlRosError as problem:
        builder.rejected[key] = str(problem)
        return
    header = _stamp(message.value) if hasattr(message.value, 'header') else message.receive
    yield from builder.add(key, value, header=header, receive=message.receive)


def _stamp(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec) * NS + int(stamp.nanosec)


def _command(chunk: Any, contract: Contract) -> NDArray[np.float64]:
    names, n = contract.action.names, len(contract.action.names)
    if tuple(chunk.names) != names or len(chunk.positions) < n:
        raise DatasetError(
            f'got joints {list(chunk.names)} and {len(chunk.positions)} positions',
            where=contract.action.executed,
            allowed=f'{", ".join(names)}, one position each',
        )
    return np.asarray(chunk.positions, dtype=np.float64)[:n]


def _joined(contract: Contract, frame: Frame, extra: Frame | None) -> Frame:
    values, valid, age = dict(frame.values), dict(frame.valid), dict(frame.age)
    for key, stream in contract.privileged.items():
        values[key] = extra.values[key] if extra else np.full(stream.size, np.nan)
        valid[key] = extra is not None and extra.valid[key]
        age[key] = extra.age[key] if extra else np.nan
    return Frame(stamp=frame.stamp, values=values, valid=valid, age=age)
