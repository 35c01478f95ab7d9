"""Which topics are recorded, and what a bag says of each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.qos import DurabilityPolicy, LivelinessPolicy, ReliabilityPolicy

from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.regular_files import read_text
from il_ros.core.streams import IMAGE, ImageStream
from il_ros.launching import packages

_RULE = '=' * 80
# A field's type, in front of its array bounds: `geometry_msgs/Pose[<=3] poses`.
_FIELD = re.compile(r'^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^]]*\])?\s+[A-Za-z]\w*')
_PRIMITIVES = {'bool', 'byte', 'char', 'string', 'wstring', 'float32', 'float64'}
_PRIMITIVES |= {f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)}


@dataclass(frozen=True, kw_only=True)
class RecordedTopic:
    """A topic that samples come on, as the bag describes it.

    Attributes:
        type: ROS message type.
        definition: Text of its definition.
        qos: Profiles that its publishers offer, in rosbag2's words.
        rate: What the contract expects [Hz]; 0 where it names none.
        publishers: How many there are.
        latched: Whether it is subscribed to as latched.
        optional: Whether an episode can do without it if its type cannot be described.
        image: How its images become JPEG on the way; none for samples that are stored as they come.
    """

    type: str
    definition: str | None = None
    qos: Sequence[Mapping[str, object]] = ()
    rate: float = 0.0
    publishers: int = 0
    latched: bool = False
    optional: bool = False
    image: ImageStream | None = None


def planned_topics(contract: Contract, resolve: Callable[[str], str]) -> dict[str, RecordedTopic]:
    """The contract's topics and the package's own, by absolute name.

    Args:
        contract: The contract.
        resolve: Gives the absolute name of a relative one.

    Raises:
        IlRosError: If a type is not installed.
    """
    types = {contract.action.executed: topics.TYPES[topics.POLICY_CHUNK], **topics.TYPES}
    planned = {resolve(name): recorded_topic(kind) for name, kind in types.items()}
    streams = contract.inputs.values()
    for stream in streams:
        name = resolve(stream.topic)
        rate = max([stream.rate, *(s.rate for s in streams if s.topic == stream.topic)])
        image = stream if isinstance(stream, ImageStream) and stream.record == 'jpeg' else None
        planned[name] = recorded_topic(
            stream.type,
            rate=0.0 if stream.latched else rate,
            latched=any(s.latched for s in streams if s.topic == stream.topic),
            image=image if stream.type == IMAGE else None,
        )
    _refuse_mixed(contract, resolve, planned)
    return planned


def _refuse_mixed(
    contract: Contract, resolve: Callable[[str], str], planned: Mapping[str, RecordedTopic]
) -> None:
    """Refuse two streams whose messages would get into one topic of the bag."""
    ways: dict[str, str] = {}
    for key, image in contract.images.items():
        if ways.setdefault(image.topic, image.record) != image.record:
            raise IlRosError(
                f'{image.topic} is to be recorded in two ways', where=f'images.{key}.record',
                allowed=ways[image.topic],
            )  # fmt: skip
        if image.record == 'jpeg' and resolve(image.compressed_topic) in planned:
            raise IlRosError(
                f'{image.compressed_topic} is recorded, too', where=f'images.{key}.record',
                allowed='raw', fix="or leave the driver's own compressed topic out",
            )  # fmt: skip


def recorded_topic(type_name: str, **more: Any) -> RecordedTopic:
    """A topic of this type, with what else is known of it.

    Raises:
        IlRosError: If the type is not installed.
    """
    return RecordedTopic(type=type_name, definition=definition_of(type_name), **more)


def offered(offers: Sequence[Any]) -> tuple[dict[str, object], ...]:
    """The QoS of publishers as rclpy tells it, in rosbag2's words; alike ones once."""
    named: dict[tuple[object, ...], dict[str, object]] = {}
    for offer in offers:
        qos = offer.qos_profile
        policies = {
            'reliability': _name(qos.reliability, ReliabilityPolicy),
            'durability': _name(qos.durability, DurabilityPolicy),
            'liveliness': _name(qos.liveliness, LivelinessPolicy),
        }
        known = {name: text for name, text in policies.items() if text}
        named[tuple(known.items())] = dict(known)
    return tuple(named.values())


def _name(policy: Any, kind: Any) -> str:
    """The policy's name; nothing for one that a publisher cannot be known by."""
    unclear = (kind.SYSTEM_DEFAULT, kind.UNKNOWN, kind.BEST_AVAILABLE)
    return '' if policy in unclear else str(policy.name).lower()


def definition_of(type_name: str) -> str:
    """The text of the .msg file behind `package/msg/Name`, and of those of the types inside it.

    They follow one another as rosbag2 writes them, with a rule and `MSG: package/Name` between.

    Raises:
        IlRosError: If a package is not installed or lacks a file.
    """
    texts = {type_name: _text(type_name)}
    todo = [type_name]
    while todo:
        name = todo.pop()
        for part in _parts(name, texts[name]):
            if part not in texts:
                texts[part] = _text(part)
                todo.append(part)
    head = texts.pop(type_name)
    rest = [f'{_RULE}\nMSG: {name.replace("/msg/", "/")}\n{text}' for name, text in texts.items()]
    return '\n'.join([head, *rest])


def _text(type_name: str) -> str:
    package, _, short = type_name.partition('/msg/')
    path = packages.share(package, os.environ, type_name) / 'msg' / f'{short}.msg'
    try:
        return read_text(path)
    except OSError as problem:
        raise IlRosError(f'no message definition: {problem}', where=type_name) from None


def _parts(type_name: str, text: str) -> list[str]:
    """The types of the fields that are no primitives."""
    package = type_name.partition('/')[0]
    found = (match[1] for match in map(_FIELD.match, text.splitlines()) if match)
    return [_absolute(kind, package) for kind in found if kind not in _PRIMITIVES]


def _absolute(kind: str, package: str) -> str:
    if '/' not in kind:
        return f'{package}/msg/{kind}'
    return kind if '/msg/' in kind else kind.replace('/', '/msg/')
