"""Between ROS messages and the package's own types."""

from __future__ import annotations

import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from builtin_interfaces.msg import Time as TimeMsg
from diagnostic_msgs.msg import KeyValue

from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.msg import ActionChunk, Observation


def to_ns(stamp: TimeMsg | Duration) -> int:
    """Nanoseconds of a time or duration message."""
    return int(stamp.sec) * NS + int(stamp.nanosec)


def to_stamp(nanoseconds: int) -> TimeMsg:
    """Make a time message from nanoseconds."""
    seconds, rest = divmod(nanoseconds, NS)
    return TimeMsg(sec=seconds, nanosec=rest)


def to_duration(seconds: float) -> Duration:
    """Make a duration message from seconds."""
    whole, rest = divmod(round(seconds * NS), NS)
    return Duration(sec=whole, nanosec=rest)


def to_seconds(duration: Duration) -> float:
    """Seconds of a duration message."""
    return to_ns(duration) / NS


def key_values(numbers: Mapping[str, float]) -> list[KeyValue]:
    """Numbers by name as keys and values; their text gives them back bit for bit."""
    return [KeyValue(key=key, value=repr(float(number))) for key, number in numbers.items()]


def doubles(values: Array) -> array.array[float]:
    """`values`, flattened, as rclpy takes a float64 sequence without looking at each number."""
    flat = array.array('d')
    flat.frombytes(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return flat


def chunk_message(
    contract: Contract, positions: Array, *, stamp: int, source: str, policy_id: str = '',
    samples: Array | None = None,
) -> ActionChunk:  # fmt: skip
    """Make an ActionChunk.

    Args:
        contract: Says which joints these are, and how long a step lasts.
        positions: Shape (H, N) [rad or m].
        stamp: Of the observation that it answers [ns].
        source: One of `topics.CHUNK_SOURCES`.
        policy_id: Of the policy that made it; empty for an expert.
        samples: The policy's further answers, shape (S, H, N) [rad or m]; None without any.
    """
    message = ActionChunk(
        step_dt=to_duration(contract.period),
        names=list(contract.action.names),
        horizon=len(positions),
        positions=doubles(positions),
        source=topics.CHUNK_SOURCES.index(source),
        contract_hash=contract.hash,
        policy_id=policy_id,
    )
    if samples is not None:
        message.sample_count, message.samples = len(samples), doubles(samples)
    chunk: ActionChunk = fill_stamp(message, stamp, contract.base_frame)
    return chunk


def chunk_source(message: ActionChunk) -> str:
    """Name of a chunk's source."""
    return topics.name_of(message.source, topics.CHUNK_SOURCES)


def chunk_positions(message: ActionChunk) -> Array:
    """Positions of a chunk, shape (H, N); shape (0, N) when its sizes do not fit."""
    n, flat = len(message.names), np.asarray(message.positions, dtype=np.float64)
    if n == 0 or message.horizon == 0 or flat.size != n * message.horizon:
        return np.empty((0, n))
    return flat.reshape(message.horizon, n)


def chunk_samples(message: ActionChunk) -> Array | None:
    """Samples of a chunk, shape (S, H, N); None without any, (0, 0, N) when sizes do not fit."""
    n, flat = len(message.names), np.asarray(message.samples, dtype=np.float64)
    if not (message.sample_count or flat.size):
        return None
    if message.sample_count * message.horizon * n != flat.size or not flat.size:
        return np.empty((0, 0, n))
    return flat.reshape(message.sample_count, message.horizon, n)


def observation_message(frame: Frame, frame_id: str) -> Observation:
    """Make an Observation of a frame."""
    message = Observation(
        keys=list(frame.values),
        sizes=[value.size for value in frame.values.values()],
        data=doubles(np.concatenate(list(frame.values.values()))),
        valid=[frame.valid[key] for key in frame.values],
        ages=[frame.age[key] for key in frame.values],
    )
    message.header.stamp = to_stamp(frame.stamp)
    message.header.frame_id = frame_id
    return message


def frame_of(message: Observation) -> Frame:
    """Make a frame of an Observation.

    Raises:
        IlRosError: If its sizes do not add up.
    """
    data = np.asarray(message.data, dtype=np.float64)
    ends = np.cumsum(message.sizes, dtype=int)
    lengths = {len(message.keys), len(message.sizes), len(message.valid), len(message.ages)}
    if len(lengths) != 1 or (len(ends) and ends[-1] != data.size):
        raise IlRosError('keys, sizes, data, valid and ages of the observation do not fit together')
    values = np.split(data, ends[:-1]) if len(ends) else []
    return Frame(
        stamp=to_ns(message.header.stamp),
        values=dict(zip(message.keys, values, strict=True)),
        valid=dict(zip(message.keys, map(bool, message.valid), strict=True)),
        age=dict(zip(message.keys, message.ages, strict=True)),
    )


def fill_stamp(message: Any, stamp: int, frame_id: str = '') -> Any:
    """Set the header of a stamped message; gives the message back."""
    message.header.stamp = to_stamp(stamp)
    message.header.frame_id = frame_id
    return message
