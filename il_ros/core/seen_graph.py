"""What was seen of a robot, on its running graph or in a bag: plain data, made by one reader each.

`contract init` and `contract check` look at this alone, so their logic needs neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from il_ros.core.cdr import NS, Cdr
from il_ros.core.decoders import decoded_types
from il_ros.core.errors import IlRosError
from il_ros.core.streams import COMPRESSED_IMAGE, IMAGE

DESCRIPTION, CLOCK_TYPE = 'robot_description', 'rosgraph_msgs/msg/Clock'
STATIC = '/tf_static'
_STRING = 'std_msgs/msg/String'
CONTROLLER_STATE = 'control_msgs/msg/JointTrajectoryControllerState'
_COMMANDS = ('trajectory_msgs/msg/JointTrajectory', 'std_msgs/msg/Float64MultiArray')
_KEPT, _KEPT_BYTES = 4000, 8 << 20  # of one topic
_IMAGES = 1  # whose size and encoding are read


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenSample:
    """One message.

    Attributes:
        receive: When it was received [ns].
        data: Its CDR bytes.
        publisher: Whose it is, as far as that is known.
    """

    receive: int
    data: bytes
    publisher: str = ''


@dataclass(frozen=True, kw_only=True)
class SeenEndpoint:
    """A publisher or a subscription.

    Attributes:
        node: Absolute name of its node; empty where a bag does not say.
        type: Message type.
        reliable: Whether its quality of service is reliable.
        latched: Whether it is transient local.
    """

    node: str
    type: str
    reliable: bool = True
    latched: bool = False


@dataclass(kw_only=True)
class SeenTopic:
    """A topic, and the messages that came.

    Attributes:
        name: Absolute name.
        type: Message type.
        publishers: As the graph names them; of a bag one for each quality of service on offer.
        subscribers: As the graph names them.
        count: Messages that came.
        first: When the first came [ns].
        last: When the last came [ns].
        samples: The first of them, up to some thousand; of images the first alone, of /clock
            the first and the last.
    """

    name: str
    type: str
    publishers: tuple[SeenEndpoint, ...] = ()
    subscribers: tuple[SeenEndpoint, ...] = ()
    count: int = 0
    first: int = 0
    last: int = 0
    samples: list[SeenSample] = field(default_factory=list)
    _bytes: int = field(default=0, init=False, repr=False)

    @property
    def rate(self) -> float:
        """Messages but one over the time from the first to the last [Hz]; 0 for one at the most."""
        return rate_of(self.count, self.first, self.last)

    @property
    def types(self) -> frozenset[str]:
        """Message types of its publishers."""
        return frozenset(offer.type for offer in self.publishers) or frozenset({self.type})

    def take(self, sample: SeenSample) -> None:
        """Count a message, and keep it while there are few."""
        self.first = self.first if self.count else sample.receive
        self.last, self.count = max(self.last, sample.receive), self.count + 1
        if self.type == CLOCK_TYPE and len(self.samples) > 1:
            self.samples[-1] = sample  # how fast it goes is told from the first and the last
            return
        most = _IMAGES if self.type in (IMAGE, COMPRESSED_IMAGE) else _KEPT
        if len(self.samples) < most and self._bytes <= _KEPT_BYTES:
            self.samples.append(sample)
            self._bytes += len(sample.data)


@dataclass(frozen=True, kw_only=True)
class SeenController:
    """A controller of ros2_control.

    Attributes:
        name: Absolute name of its node.
        type: Of its plugin, as `joint_trajectory_controller/JointTrajectoryController`.
        state: `unconfigured`, `inactive`, `active` or `finalized`.
        interfaces: Command interfaces that it claims when it is active, as `joint/position`, in its
            own order.
    """

    name: str
    type: str
    state: str
    interfaces: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        """Whether it commands its joints now."""
        return self.state == 'active'

    @property
    def namespace(self) -> str:
        """Namespace of its node, without a slash at the end: empty for the root."""
        return self.name.rpartition('/')[0]

    @property
    def joints(self) -> tuple[str, ...]:
        """The joints of its command interfaces, in its own order."""
        return tuple(dict.fromkeys(name.rpartition('/')[0] for name in self.interfaces))


@dataclass(frozen=True, kw_only=True)
class SeenGraph:
    """What was seen of a robot.

    Attributes:
        source: Where, for messages: the path of a bag, or a sentence about the graph.
        live: Whether it is a running graph, whose subscribers and controllers are there to be seen.
        seconds: For how long messages were taken [s].
        topics: By absolute name.
        controllers: Those of every controller manager; None where none was asked.
        unasked: Why no controller manager was asked, or which one did not answer.
        actions: Type by absolute name of those that have a server.
    """

    source: str
    live: bool
    seconds: float
    topics: Mapping[str, SeenTopic]
    controllers: tuple[SeenController, ...] | None = None
    unasked: str = ''
    actions: Mapping[str, str] = field(default_factory=dict)

    def of_type(self, *types: str) -> list[SeenTopic]:
        """Topics of one of these message types that somebody publishes, by name."""
        topics = (self.topics[name] for name in sorted(self.topics))
        return [topic for topic in topics if topic.type in types and topic.publishers]

    @property
    def simulated(self) -> bool:
        """Whether somebody publishes simulated time."""
        return bool(self.of_type(CLOCK_TYPE))

    @cached_property
    def speed(self) -> float:
        """Simulated seconds a second; 1 where nobody simulates, or it is not known."""
        for topic in self.of_type(CLOCK_TYPE):
            samples = topic.samples
            try:
                ends = [Cdr(sample.data).stamp() for sample in (*samples[:1], *samples[-1:])]
            except IlRosError:
                continue
            if samples and samples[-1].receive > samples[0].receive and ends[-1] > ends[0]:
                return (ends[-1] - ends[0]) / (samples[-1].receive - samples[0].receive)
        return 1.0

    def rate(self, topic: SeenTopic) -> float:
        """Messages of a topic by the robot's time, which may be simulated [Hz]."""
        return topic.rate / self.speed

    def following(self) -> dict[str, tuple[str, ...]]:
        """Joints of the trajectory controllers that tell what they follow, as active ones do.

        By the absolute name of the controller, in its own order.
        """
        found = {}
        for topic in self.of_type(CONTROLLER_STATE):
            try:
                reader = Cdr(topic.samples[-1].data)
                reader.header()
                found[topic.name.rpartition('/')[0]] = tuple(reader.strings())
            except (IlRosError, IndexError):
                continue
        return found

    def descriptions(self) -> dict[str, str]:
        """The text of each robot description, by the namespace of its topic."""
        found = {}
        for topic in self.of_type(_STRING):
            namespace, _, name = topic.name.rpartition('/')
            if name == DESCRIPTION and topic.samples:
                found[namespace] = text_of(topic.samples[-1].data)
        return found


def is_looked_into(name: str, type_name: str) -> bool:
    """Whether the messages of a topic are taken, not only its being there."""
    if type_name == _STRING:
        return name.rpartition('/')[2] == DESCRIPTION
    return name == STATIC or type_name in {
        *decoded_types(),
        *_COMMANDS,
        IMAGE,
        COMPRESSED_IMAGE,
        CLOCK_TYPE,
        CONTROLLER_STATE,
    }


def rate_of(count: int, first: int, last: int) -> float:
    """Messages but one over the time from the first to the last [ns], in Hz; 0 if that is none."""
    return (count - 1) * NS / (last - first) if last > first else 0.0


def text_of(data: bytes) -> str:
    """The text of a std_msgs/String; empty where the bytes are damaged."""
    try:
        return Cdr(data).string()
    except IlRosError:
        return ''


def listed(names: Iterable[object], most: int = 8) -> str:
    """Some names in one text."""
    texts = [str(name) for name in names]
    return ', '.join(texts[:most]) + (f' and {len(texts) - most} more' if texts[most:] else '')
