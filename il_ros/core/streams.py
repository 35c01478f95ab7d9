"""One observation in the contract: its topic, its numbers or pixels, its timing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from il_ros.core.decoders import decoded_types, decoder_for, has_child, is_framed
from il_ros.core.errors import ContractError, UnknownNameError, require


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
        follows_arm: Whether some number of it changes whenever the arm moves, as the tool's pose
            or the joints' speeds do; if none does, the sensor is frozen and the monitor stops.
    """

    fields: tuple[str, ...]
    names: tuple[str, ...] = ()
    frame_id: str | None = None
    child_frame_id: str = ''
    follows_arm: bool = False

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
    if stream.frame_id is not None:
        fine = is_framed(decoder) and not stream.frame_id.startswith('/')
        allowed = 'a frame without a leading slash' if is_framed(decoder) else 'none for this type'
        require(fine, stream.frame_id, f'{where}.frame_id', allowed, ContractError)
    if has_child(decoder) != bool(stream.child_frame_id):
        allowed = 'the frame whose pose it is' if has_child(decoder) else 'none for this type'
        require(False, stream.child_frame_id, f'{where}.child_frame_id', allowed, ContractError)
    if stream.align.time == 'header' and not decoder.stamped:
        raise ContractError(
            f'{stream.type} has no header', where=f'{where}.align.time', allowed='receive'
        )


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
