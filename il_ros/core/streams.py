"""One observation in the contract: its topic, its numbers or pixels, its timing."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.cdr import NS
from il_ros.core.decoders import JOINT_STATE, decoded_types, decoder_for, has_child, is_framed
from il_ros.core.errors import ContractError, UnknownNameError, require
from il_ros.core.geometry import finite, nearest_turn
from il_ros.core.limits import Array

_SILENCE_NS = NS  # after which a driver may have been restarted
_FULL = 0.75  # share of its window that a derived speed needs


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How a stream's samples become the value of a tick.

    Attributes:
        strategy: `hold` takes the newest sample at or before the tick, however old; `asof` takes
            it up to `max_age`; `drop` only if it came within the tick's own period; `interpolate`
            waits for a sample after the tick and takes the value in between, if the two lie no
            further apart than `max_age`, and else does as `asof`. An image is never interpolated.
        max_age: For `asof` and `interpolate`, the age from which a sample is no longer valid [s].
        time: Whose clock orders the samples: the message's `header` or the moment of `receive`.
        latency: How much earlier than its stamp the device really measured [s].
    """

    strategy: Literal['hold', 'asof', 'drop', 'interpolate'] = 'asof'
    max_age: float = 0.2
    time: Literal['header', 'receive'] = 'header'
    latency: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TopicStream:
    """What a stream of numbers and one of images have in common.

    Attributes:
        topic: Relative topic name, so that a namespace and remappings apply.
        type: ROS message type, e.g. `sensor_msgs/msg/JointState`.
        rate: Rate at which samples are expected [Hz]; 0 when they come only now and then.
        align: How samples become the value of a tick.
        required: Whether a frame without a valid value is unusable: the monitor stops, and
            training leaves the frame out.
        latched: Whether it is published once and kept for late subscribers (reliable,
            transient local).
        publishers: How many publishers its topic has at most: 2 where an arm and its gripper each
            publish their own joints on one topic. The monitor refuses to drive while it has more.
            Of several streams of a topic, the most that one of them says.
    """

    topic: str
    type: str
    rate: float = 0.0
    align: Alignment = field(default_factory=Alignment)
    required: bool = True
    latched: bool = False
    publishers: int = 1


@dataclass(frozen=True, kw_only=True)
class Stream(TopicStream):
    """One observation: where it comes from and how a message becomes numbers.

    Attributes:
        fields: Parts of the message that are taken, in this order, e.g. `[position]` of a
            JointState or `[pose.position, pose.orientation]` of a PoseStamped.
        names: Joint names, for a JointState; their order is the order of the numbers. For an array
            or a Joy, a name for each number; for a String, each text that may come.
        frame_id: Coordinate frame of the numbers, by default the contract's `base_frame`: what the
            message's `header.frame_id` has to be. An empty one takes messages that name no frame.
            Joints have none.
        child_frame_id: Of a TransformStamped, the frame whose pose it is; transforms of others are
            left out.
        derived: For speeds that the driver does not measure (it leaves them out, or says 0 or NaN):
            the time over which they are taken from its positions instead [s], of which they lag
            half. 0 takes what the driver says.
        follows_arm: Whether some number of it changes whenever the arm moves, as the tool's pose
            or the joints' speeds do; if none does, the sensor is frozen and the monitor stops.
    """

    fields: tuple[str, ...]
    names: tuple[str, ...] = ()
    prefix: str = ''
    frame_id: str | None = None
    child_frame_id: str = ''
    derived: float = 0.0
    follows_arm: bool = False

    @property
    def read(self) -> tuple[str, ...]:
        """The fields that are taken from a message: of derived speeds, the positions."""
        return ('position',) if self.derived else self.fields

    @cached_property
    def sent_names(self) -> tuple[str, ...]:
        """`names` as the messages have them."""
        return tuple(name.removeprefix(self.prefix) for name in self.names)

    @cached_property
    def size(self) -> int:
        """How many numbers a sample has."""
        return decoder_for(self.type).size(self.fields, self.names)

    def frame_in(self, base_frame: str) -> str:
        """The coordinate frame that its messages have to be in, under a contract of this base."""
        return base_frame if self.frame_id is None else self.frame_id


IMAGE: Final = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE: Final = 'sensor_msgs/msg/CompressedImage'


@dataclass(frozen=True, kw_only=True)
class ImageStream(TopicStream):
    """One camera.

    Attributes:
        type: `sensor_msgs/msg/Image` or `sensor_msgs/msg/CompressedImage`.
        encoding: What a consumer gets: `rgb8`, `mono8`, or `16UC1` (depth [mm]).
        size: Height and width of what a consumer gets [pixel]; images are resized to it.
        source_size: Height and width that the camera sends [pixel]; by default those of its first
            image. An image of another size is refused.
        record: Whether the recorder stores a raw stream as it is, or as JPEG on
            `<topic>/compressed`.
        quality: JPEG quality, wherever one is made of this stream.
    """

    type: Literal['sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'] = IMAGE
    encoding: Literal['rgb8', 'mono8', '16UC1'] = 'rgb8'
    size: tuple[int, int]
    source_size: tuple[int, int] | None = None
    rate: float = 30.0
    record: Literal['raw', 'jpeg'] = 'raw'
    quality: int = 95

    @property
    def compressed_topic(self) -> str:
        """Where the recorder puts the JPEGs."""
        return compressed(self.topic)


def compressed(topic: str) -> str:
    """Where the JPEGs of a raw image topic go, by image_transport's custom."""
    return f'{topic}/compressed'


def check_stream(stream: Stream, where: str) -> None:
    """Refuse a stream that cannot be.

    Raises:
        ContractError: With the dotted path of what is wrong.
    """
    _check_timing(stream, where)
    try:
        decoder = decoder_for(stream.type)
    except UnknownNameError:
        raise ContractError(
            f'got {stream.type!r}', where=f'{where}.type', allowed=decoded_types()
        ) from None
    decoder.check(stream.fields, stream.names, where)
    if stream.prefix:
        _check_prefix(stream, where)
    if stream.frame_id is not None:
        fine = is_framed(decoder) and not stream.frame_id.startswith('/')
        allowed = 'a frame without a leading slash' if is_framed(decoder) else 'none for this type'
        require(fine, stream.frame_id, f'{where}.frame_id', allowed, ContractError)
    if has_child(decoder) != bool(stream.child_frame_id):
        allowed = 'the frame whose pose it is' if has_child(decoder) else 'none for this type'
        require(False, stream.child_frame_id, f'{where}.child_frame_id', allowed, ContractError)
    if stream.derived:
        _check_derived(stream, where)
    if stream.align.time == 'header' and not decoder.stamped:
        raise ContractError(
            f'{stream.type} has no header', where=f'{where}.align.time', allowed='receive'
        )


def _check_prefix(stream: Stream, where: str) -> None:
    fine = stream.type == JOINT_STATE
    require(fine, stream.prefix, f'{where}.prefix', f'none but for {JOINT_STATE}', ContractError)
    if wrong := without_prefix(stream.prefix, stream.names):
        allowed = f'names that begin with the prefix {stream.prefix!r} and go on'
        require(False, wrong, f'{where}.names', allowed, ContractError)


def without_prefix(prefix: str, names: Iterable[str]) -> list[str]:
    """Names that do not begin with the prefix, or are nothing but it."""
    return [name for name in names if not name.startswith(prefix) or name == prefix]


def _check_derived(stream: Stream, where: str) -> None:
    where = f'{where}.derived'
    if stream.type != JOINT_STATE or stream.fields != ('velocity',):
        allowed = f'0; a time for [velocity] of a {JOINT_STATE}'
        require(False, stream.derived, where, allowed, ContractError)
    least = 2 / stream.rate if stream.rate else math.inf
    fine = least <= stream.derived <= 1.0
    allowed = f'{least:g} s (two messages) to 1 s' if stream.rate else '0 without a rate'
    require(fine, stream.derived, where, allowed, ContractError)


def check_image(stream: ImageStream, where: str) -> None:
    """Refuse an image stream that cannot be.

    Raises:
        ContractError: With the dotted path of what is wrong.
    """
    _check_timing(stream, where)
    for name, size in (('size', stream.size), ('source_size', stream.source_size)):
        fine = size is None or all(1 <= side <= 8192 for side in size)
        require(fine, list(size or ()), f'{where}.{name}', '1 to 8192 pixels a side', ContractError)
    fine = 1 <= stream.quality <= 100
    require(fine, stream.quality, f'{where}.quality', '1 to 100', ContractError)
    if stream.align.strategy == 'interpolate':
        raise ContractError(
            'an image cannot be interpolated',
            where=f'{where}.align.strategy',
            allowed='hold, asof, drop',
        )
    if stream.record == 'jpeg' and (stream.type != IMAGE or stream.encoding == '16UC1'):
        raise ContractError(
            f'JPEG of {stream.encoding} from {stream.type}',
            where=f'{where}.record',
            allowed=f'raw, or jpeg for rgb8 and mono8 from {IMAGE}',
        )


def _check_timing(stream: TopicStream, where: str) -> None:
    if stream.topic.startswith('/') or not stream.topic:
        raise ContractError(
            f'got {stream.topic!r}',
            where=f'{where}.topic',
            allowed='a relative name',
            fix='remove the leading slash and remap or namespace the node',
        )
    for name, value in (('rate', stream.rate), ('align.latency', stream.align.latency)):
        fine = 0 <= value < math.inf
        require(fine, value, f'{where}.{name}', 'zero or more, finite', ContractError)
    fine = stream.publishers >= 1
    require(fine, stream.publishers, f'{where}.publishers', '1 or more', ContractError)
    max_age = stream.align.max_age
    require(max_age > 0, max_age, f'{where}.align.max_age', 'a positive number', ContractError)


class JointTrack:
    """Positions of one stream from message to message: turns that drivers leave out, and speeds.

    Where a joint turns without end its driver goes back by a turn at pi, and the numbers here go
    on. After a silence a driver may have begun to count its turns anew, and what is commanded has
    to be near to what it says: nothing earlier counts then.

    Args:
        stream: The contract's.
        continuous: Names of the joints that turn without end.

    Attributes:
        needed: Whether there is anything to follow.
        said: The newest positions as the driver says them, (size,) [rad or m]; None before any.
    """

    def __init__(self, stream: Stream, continuous: Collection[str]) -> None:
        self._window, self._endless = NS * stream.derived, endless_numbers(stream, continuous)
        self.needed = bool(self._window or self._endless.any())
        self.said: Array | None = None
        self._last: Array | None = None
        self._received = 0
        self._past: deque[tuple[int, Array]] = deque()  # of the window: stamps and positions

    def follow(self, value: Array, stamp: int, received: int) -> Array | None:
        """The stream's numbers, shape (size,), as of a message; None while they are not known yet.

        Args:
            value: Positions in the message, (size,) [rad or m]. One that is no number is not
                followed.
            stamp: When they were measured [ns].
            received: When the message was received [ns].
        """
        if self._last is None or abs(received - self._received) > _SILENCE_NS:
            self._last = value
        known = value if self.said is None else np.where(np.isfinite(value), value, self.said)
        self._received, self.said = received, known
        value = nearest_turn(value, self._last, self._endless)
        self._last = np.where(np.isfinite(value), value, self._last)
        return self._speed(value, stamp) if self._window else value

    def _speed(self, position: Array, stamp: int) -> Array | None:
        """Slope of the line that is nearest to the positions of the window (least squares)."""
        past = self._past
        if not finite(position):
            return np.full(len(position), math.nan)
        if past and not 0 < stamp - past[-1][0] <= _SILENCE_NS:
            past.clear()
        past.append((stamp, position))
        while len(past) > 2 and stamp - past[1][0] >= self._window:
            past.popleft()
        if stamp - past[0][0] < _FULL * self._window:
            return None
        times = np.array([at - stamp for at, _ in past]) / NS
        times -= times.mean()
        return np.asarray(times @ np.array([each for _, each in past]) / (times @ times))


def endless_numbers(stream: Stream, continuous: Collection[str]) -> NDArray[np.bool_]:
    """Which numbers of a stream are positions of joints that turn without end, shape (size,).

    Of a stream of speeds that are derived from positions, those that they are derived from.
    """
    if stream.type != JOINT_STATE:
        return np.zeros(stream.size, bool)
    return np.array(
        [f == 'position' and name in continuous for f in stream.read for name in stream.names]
    )
