"""`metadata.yaml` of a rosbag2 folder, version 9, as `ros2 bag` of Jazzy and later writes it.

Layout: rosbag2_storage `BagMetadata` and its YAML conversion (github.com/ros2/rosbag2).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from rosbags.interfaces import QosDurability, QosHistory, QosLiveliness, QosReliability
from rosbags.typesys.store import Typestore

from il_ros.core.atomic_files import write_atomic
from il_ros.core.documents import load_yaml
from il_ros.core.errors import DatasetError, require
from il_ros.core.regular_files import read_text

METADATA_FILE = 'metadata.yaml'
METADATA_LIMIT = 1 << 20
"""Bytes of the largest `metadata.yaml`: of some thousand topics."""

VERSION = 9
_ROOT = 'rosbag2_bagfile_information'
_ENUMS = {
    'history': QosHistory,
    'reliability': QosReliability,
    'durability': QosDurability,
    'liveliness': QosLiveliness,
}
# The YAML parser in Python recurses: a file made to go deep ends in a RecursionError.
_DAMAGE = (
    OSError,
    ValueError,
    OverflowError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)
_FOREVER = {'sec': 9223372036, 'nsec': 854775807}
_PROFILE: Mapping[str, Any] = {
    'history': 'keep_last',
    'depth': 10,
    'reliability': 'reliable',
    'durability': 'volatile',
    'deadline': _FOREVER,
    'lifespan': _FOREVER,
    'liveliness': 'automatic',
    'liveliness_lease_duration': _FOREVER,
    'avoid_ros_namespace_conventions': False,
}


class RefusedError(DatasetError):
    """A file of a bag that is not damaged, and must not be read or replaced as if it were."""


@dataclass(frozen=True, kw_only=True)
class BagTopic:
    """One topic as an MCAP file describes it.

    Attributes:
        name: Absolute name.
        type: ROS message type.
        definition: Text of the definition, those of the types in it included.
        schema_encoding: `ros2msg`, or `ros2idl`.
        message_encoding: `cdr`.
        metadata: Of the MCAP channel: `offered_qos_profiles` (YAML) and `topic_type_hash`.
    """

    name: str
    type: str
    definition: bytes
    schema_encoding: str = 'ros2msg'
    message_encoding: str = 'cdr'
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(slots=True)
class MessageCount:
    """How many messages there are, and when they were received.

    Attributes:
        messages: How many.
        bytes: Of these messages.
        first: Earliest log time [ns]; 0 without a message.
        last: Latest log time [ns]; 0 without a message.
    """

    messages: int = 0
    bytes: int = 0
    first: int = 0
    last: int = 0

    @property
    def seconds(self) -> float:
        """From the first message to the last [s]."""
        return (self.last - self.first) * 1e-9

    @property
    def rate(self) -> float:
        """Messages but one, over the time from the first to the last [Hz]."""
        return (self.messages - 1) / self.seconds if self.last > self.first else 0.0

    def add(self, log: int, size: int) -> None:
        """Count a message of `size` bytes with this log time [ns]."""
        if not self.messages or log < self.first:
            self.first = log
        self.last = max(self.last, log)
        self.messages += 1
        self.bytes += size


def total(counts: Iterable[MessageCount]) -> MessageCount:
    """All of these messages in one count."""
    full = [count for count in counts if count.messages]
    return MessageCount(
        messages=sum(count.messages for count in full),
        bytes=sum(count.bytes for count in full),
        first=min((count.first for count in full), default=0),
        last=max((count.last for count in full), default=0),
    )


@dataclass(frozen=True, kw_only=True)
class BagMetadata:
    """What the `metadata.yaml` of a bag says.

    Attributes:
        files: Names of its files, in order, each in the bag's own folder.
        topics: Messages by topic.
        messages: Messages of all topics.
        duration: [ns]
        compression_mode: `message`, `file`, or empty.
        storage: `mcap`, `sqlite3`, or whatever stands there.
        hashes: Hash of the type (REP 2011) by topic, as far as it has them.
    """

    files: tuple[str, ...]
    topics: Mapping[str, int]
    messages: int
    duration: int
    compression_mode: str = ''
    storage: str = ''
    hashes: Mapping[str, str] = field(default_factory=dict)


def describe_topic(
    store: Typestore, name: str, type_name: str, qos: Sequence[Mapping[str, object]] = ()
) -> BagTopic:
    """A topic of a type that `store` knows, with its definition and its hash (REP 2011)."""
    definition, _ = store.generate_msgdef(type_name, ros_version=2)
    metadata = {
        'offered_qos_profiles': yaml.safe_dump(offered_qos(name, qos), sort_keys=False).strip(),
        'topic_type_hash': store.hash_rihs01(type_name),
    }
    return BagTopic(name=name, type=type_name, definition=definition.encode(), metadata=metadata)


def offered_qos(topic: str, profiles: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Whole QoS profiles, in rosbag2's words, of the policies that are given.

    Raises:
        DatasetError: On a policy or a value that rosbag2 does not know.
    """
    return [_whole_profile(topic, profile) for profile in profiles]


def _whole_profile(topic: str, given: Mapping[str, object]) -> dict[str, object]:
    if unknown := sorted(set(given) - set(_PROFILE)):
        raise DatasetError(
            f'unknown policy {unknown[0]!r}', where=f'{topic}: QoS', allowed=_PROFILE
        )
    # Copies: yaml would write one dictionary met twice as an anchor, which C++ readers may refuse.
    filled = {
        key: dict(value) if isinstance(value, Mapping) else value
        for key, value in {**_PROFILE, **given}.items()
    }
    for key, enum in _ENUMS.items():
        value = filled[key]
        names = [member.name.lower() for member in enum]
        if isinstance(value, int) and value in {int(m.value) for m in enum}:  # before version 9
            value = enum(value).name.lower()
        require(value in names, value, f'{topic}: QoS.{key}', names, DatasetError)
        filled[key] = value
    return filled


def bag_information(
    files: Mapping[str, MessageCount],
    topics: Iterable[tuple[BagTopic, int]],
    *,
    storage: str = 'mcap',
    compression_mode: str = '',
) -> dict[str, object]:
    """What `metadata.yaml` says of a bag with messages counted by file and by topic."""
    whole = total(files.values())
    return {
        'version': VERSION,
        'storage_identifier': storage,
        'duration': {'nanoseconds': whole.last - whole.first},
        'starting_time': {'nanoseconds_since_epoch': whole.first},
        'message_count': whole.messages,
        'topics_with_message_count': [
            {'topic_metadata': _topic_metadata(topic), 'message_count': count}
            for topic, count in topics
        ],
        'compression_format': 'zstd' if compression_mode else '',
        'compression_mode': compression_mode,
        'relative_file_paths': list(files),
        'files': [
            {
                'path': name,
                'starting_time': {'nanoseconds_since_epoch': count.first},
                'duration': {'nanoseconds': count.last - count.first},
                'message_count': count.messages,
            }
            for name, count in files.items()
        ],
        'custom_data': None,
        'ros_distro': os.environ.get('ROS_DISTRO', 'il_ros'),
    }


def yaml_text(information: Mapping[str, object]) -> str:
    """The text of what `bag_information` gave, as it is inside an MCAP file."""
    return str(yaml.safe_dump(dict(information), sort_keys=False, allow_unicode=True))


def write_metadata(folder: Path, information: Mapping[str, object]) -> None:
    """Write `metadata.yaml`, whole or not at all."""
    write_atomic(folder / METADATA_FILE, yaml_text({_ROOT: information}))


def _topic_metadata(topic: BagTopic) -> dict[str, object]:
    try:
        profiles = load_yaml(topic.metadata.get('offered_qos_profiles', '') or '[]')
        qos = offered_qos(topic.name, profiles or [])
    except (*_DAMAGE, yaml.YAMLError, DatasetError):
        qos = []  # of a foreign bag; players then choose a profile themselves
    return {
        'name': topic.name,
        'type': topic.type,
        'serialization_format': topic.message_encoding,
        'offered_qos_profiles': qos,
        'type_description_hash': topic.metadata.get('topic_type_hash', ''),
    }


def require_inside(path: Path) -> None:
    """Refuse a file of a bag that is a link out of the bag's folder.

    Raises:
        RefusedError: If it is one.
    """
    # Not Path.resolve, which ends in a RuntimeError where links go round.
    target = Path(os.path.realpath(path))
    if path.is_symlink() and not target.is_relative_to(path.parent.resolve()):
        raise RefusedError(
            'is a link that leads out of the folder',
            where=str(path),
            allowed='files in the folder of the bag',
            fix='do not trust this bag; or put the file where the link is',
        )


def newer(what: str, where: str, allowed: object) -> RefusedError:
    """The error for a file of a format that is newer than this code."""
    return RefusedError(
        f'{what}, newer than this version of il_ros knows',
        where=where,
        allowed=str(allowed),
        fix='read it with the version that wrote it, or update il_ros',
    )


def read_metadata(folder: Path) -> BagMetadata | None:
    """What `metadata.yaml` in `folder` says; none if it is not there.

    Raises:
        DatasetError: If it is damaged.
        RefusedError: If it leads or names a file out of the bag's folder, or is of a newer version.
    """
    path = folder / METADATA_FILE
    require_inside(path)
    if not os.path.lexists(path):
        return None
    try:
        text = read_text(path, METADATA_LIMIT)
        return _parse(load_yaml(text, METADATA_LIMIT)[_ROOT], str(path))
    except (*_DAMAGE, yaml.YAMLError) as problem:
        raise DatasetError(
            f'damaged: {type(problem).__name__} {" ".join(str(problem).split())[:200]}',
            where=str(path),
            fix='run "il_ros bags recover" on the folder',
        ) from None


def _parse(data: Mapping[str, Any], where: str) -> BagMetadata:
    if int(data['version']) > VERSION:
        raise newer(f'version {data["version"]}', where, f'up to {VERSION}')
    topics: dict[str, int] = {}
    hashes: dict[str, str] = {}
    for entry in data['topics_with_message_count']:
        about = entry['topic_metadata']
        name = _text(about['name'])
        topics[name] = topics.get(name, 0) + int(entry['message_count'])
        hashes[name] = _text(about.get('type_description_hash') or '')
    return BagMetadata(
        files=tuple(_inside(_text(name), where) for name in data['relative_file_paths']),
        topics=topics,
        messages=int(data['message_count']),
        duration=int(data['duration']['nanoseconds']),
        compression_mode=_text(data.get('compression_mode') or '').lower().replace('none', ''),
        storage=_text(data.get('storage_identifier') or ''),
        hashes=hashes,
    )


def _text(value: object) -> str:
    # The text of a list of aliases of lists of aliases would fill the memory.
    if isinstance(value, dict | list):
        raise TypeError(f'a {type(value).__name__} in the place of a text')
    return str(value)


def _inside(name: str, where: str) -> str:
    """The plain name in a relative path; before version 4 it began with the bag's name."""
    path = PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts or not path.name or '\0' in name:
        raise RefusedError(
            f'got {name!r}',
            where=f'{where}: relative_file_paths',
            allowed='files in the folder of the bag',
            fix='do not trust this bag; or correct the paths',
        )
    return path.name
