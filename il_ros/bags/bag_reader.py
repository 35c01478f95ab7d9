"""Episodes in: any rosbag2 folder, its messages as the bytes that were recorded."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.typesys.store import Typestore

from il_ros.bags.bag_metadata import METADATA_FILE, BagTopic, read_metadata, require_inside
from il_ros.bags.bag_storage import StoredMessages, bag_files, open_stored, plain_name
from il_ros.bags.episode_info import EPISODE_FILE, EpisodeInfo, read_episode_info
from il_ros.bags.episode_writer import absolute
from il_ros.bags.message_definitions import type_store
from il_ros.bags.one_frame import ZSTD_MAGIC, decompress_message
from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.errors import DatasetError, IlRosError

INTERFACES = 2
"""Version of our interfaces, as msg/ has them."""

# A chunk of version 1 has this in its definition, or, in a bag without one, this hash (REP 2011).
_CHUNK_1 = 'float64 step_dt'
_HASH_1 = 'RIHS01_1d5700d92adb13af4dde55ab2ec968aff8746023390715665001b495f18fe895'


@dataclass(frozen=True, kw_only=True)
class BagReadOptions:
    """How bags are read that do not say all by themselves.

    Attributes:
        namespace: Namespace of the robot, for a bag that does not say its own.
        reinterpret: Read by the given contract what was recorded under another one, too: for a
            contract that was amended after the recording.
        labels: Steps that are kept of what the expert answered at each frame, as a label; 0 keeps
            nothing of it.
        beyond_limits: Take actions that cannot be what the contract says, too.
    """

    namespace: str = '/'
    reinterpret: bool = False
    labels: int = 0
    beyond_limits: bool = False


@dataclass(frozen=True, kw_only=True)
class BagMessage:
    """One message of a bag.

    Attributes:
        topic: The name by which it was requested, relative to the robot's namespace.
        type: ROS message type.
        receive: When it was received [ns].
        data: Its CDR bytes.
        interfaces: Version of il_ros/msg/ActionChunk, and the present one for any other type: 1 has
            `step_dt` as float64 and `source` as a string.
    """

    topic: str
    type: str
    receive: int
    data: bytes
    interfaces: int = INTERFACES


class EpisodeReader:
    """Reads one rosbag2 folder; use it as a context manager.

    Args:
        path: The folder.
        contract: The contract to read it by; the one it was recorded under by default.
        reading: How.

    Attributes:
        path: The folder.
        info: What its `episode.json` says; none for a bag that we did not record.
        contract: The contract it is read by: the given one, else the one it was recorded under.
        topics: Topics in the bag: type by absolute name.

    Raises:
        DatasetError: If it is not a bag, is damaged, or there is no contract to read it by.
        ContractError: If it was recorded under another contract than the given one.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract | None = None,
        reading: BagReadOptions = BagReadOptions(),
    ) -> None:
        self.path, self._reading = path, reading
        self._files, self._hashes = _files(path)
        self.info: EpisodeInfo | None = read_episode_info(path)
        if reading.reinterpret and contract is not None:
            self.contract = contract
        else:
            self.contract = _agree(path, self.info, contract)
        self.topics: dict[str, str] = {}
        self._stack = ExitStack()
        self._stored: list[StoredMessages] = []
        self._types: dict[str, Typestore] = {}

    def __enter__(self) -> EpisodeReader:
        with _reading(self.path):
            try:
                self._stored = [self._stack.enter_context(open_stored(p)) for p in self._files]
            except BaseException:
                self._stack.close()
                raise
        self.topics = {topic.name: topic.type for topic in self._all_topics()}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def name(self) -> str:
        """Name of the bag: that of its folder, or of its file without the ending."""
        name = self.path.name
        return Path(plain_name(name)).stem if self.path.is_file() else name

    @property
    def namespace(self) -> str:
        """Namespace of the robot in this bag."""
        return self.info.namespace if self.info else self._reading.namespace

    @property
    def relative_topics(self) -> list[str]:
        """Topics in the robot's namespace, by the names that a contract has for them."""
        start = self.absolute('')
        return [topic.removeprefix(start) for topic in self.topics if topic.startswith(start)]

    def absolute(self, topic: str) -> str:
        """The name in this bag of a topic of the contract."""
        return absolute(self.namespace, topic)

    def require(self, topics: Iterable[str]) -> None:
        """Refuse the bag if one of these topics of the contract is not in it.

        Raises:
            DatasetError: Naming the missing topics and those that there are.
        """
        missing = [self.absolute(t) for t in topics if self.absolute(t) not in self.topics]
        if missing:
            raise DatasetError(
                f'no topic {", ".join(missing)} in the bag',
                where=str(self.path),
                allowed=sorted(self.topics),
                fix='record it, or correct the topic in the contract or the namespace',
            )

    def messages(self, topics: Iterable[str]) -> Iterator[BagMessage]:
        """Messages of `topics` (relative names), in the order in which they were received.

        The files of a bag are merged by time, whether it was split or recorded side by side.

        Raises:
            DatasetError: If a topic is not in CDR, or the bag turns out to be damaged.
        """
        relative = {self.absolute(topic): topic for topic in topics}
        with _reading(self.path):
            streams = [_stream(stored, self._chosen(stored, relative)) for stored in self._stored]
            for receive, chosen, data in heapq.merge(*streams, key=itemgetter(0)):
                if chosen is not None:
                    yield BagMessage(
                        topic=chosen.topic,
                        type=chosen.type,
                        receive=receive,
                        data=decompress_message(data) if data.startswith(ZSTD_MAGIC) else data,
                        interfaces=chosen.interfaces,
                    )

    def _chosen(self, stored: StoredMessages, relative: Mapping[str, str]) -> dict[int, _Chosen]:
        """What is read of a file, by the file's own numbers."""
        chosen = {}
        for number, topic in stored.topics.items():
            if topic.name not in relative:
                continue
            if topic.message_encoding not in ('cdr', ''):
                raise DatasetError(
                    f'{topic.name} is in {topic.message_encoding!r}',
                    where=str(self.path),
                    allowed='cdr',
                    fix='convert the bag, or leave the topic out of the contract',
                )
            interfaces = _interfaces(topic, self._hashes.get(topic.name, ''))
            chosen[number] = _Chosen(relative[topic.name], topic.type, interfaces)
        return chosen

    def deserialize(self, message: BagMessage) -> Any:
        """A message as an object with the fields of its type.

        Raises:
            DatasetError: If its bytes do not fit its type.
        """
        with _reading(self.path):
            return self._types_of(message.type).deserialize_cdr(message.data, message.type)

    def _types_of(self, name: str) -> Typestore:
        """The types as the topics of one type define them; no other's definition is parsed."""
        if name not in self._types:
            same = (topic for topic in self._all_topics() if topic.type == name)
            self._types[name] = type_store(same)
        return self._types[name]

    def _all_topics(self) -> list[BagTopic]:
        return [topic for stored in self._stored for topic in stored.topics.values()]


def _interfaces(topic: BagTopic, hash: str = '') -> int:
    """Version of our interfaces that the type of a topic is of.

    Args:
        topic: The topic.
        hash: Of its type, for a file that has neither that nor a definition.
    """
    text = topic.definition.decode(errors='replace')
    said = topic.metadata.get('topic_type_hash') or hash
    return 1 if (_CHUNK_1 in text if text else said == _HASH_1) else INTERFACES


def _files(path: Path) -> tuple[list[Path], Mapping[str, str]]:
    """The files of a bag, by what its metadata names, and the hashes of its types there.

    Without metadata they are those that lie in the folder, or the one that is given by itself.
    """
    metadata = None if path.is_file() else read_metadata(path)
    if metadata is not None:
        files = [path / name for name in metadata.files]
        for file in files:
            require_inside(file)
        return files, metadata.hashes
    # One of ours always has metadata: without it a part of it may be missing.
    ours = (path / EPISODE_FILE).exists()
    files = bag_files(path) if path.exists() and not ours else []
    if not files:
        raise DatasetError(
            f'no {METADATA_FILE} in it',
            where=str(path),
            allowed='a rosbag2 folder',
            fix='run "il_ros bags recover" on it, or leave it out',
        )
    return files, {}


class _Chosen(NamedTuple):
    topic: str
    type: str
    interfaces: int


def _stream(
    stored: StoredMessages, chosen: Mapping[int, _Chosen]
) -> Iterator[tuple[int, _Chosen | None, bytes]]:
    """Messages of a file; nothing of it is read before the time of its first one has come."""
    yield stored.first, None, b''
    for receive, number, data in stored.messages(chosen) if chosen else ():
        yield receive, chosen[number], data


def _agree(path: Path, info: EpisodeInfo | None, given: Contract | None) -> Contract:
    recorded = parse_contract(info.contract, source=str(path)) if info else None
    if recorded is None and given is None:
        raise DatasetError(
            'does not say its contract', where=str(path), fix='give the contract file'
        )
    if recorded is not None and given is not None:
        require_same(given, recorded, where=str(path))
    return given or recorded  # type: ignore[return-value]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the errors of rosbags and of its parsers, which are many, into one."""
    try:
        yield
    except IlRosError:
        raise
    except Exception as problem:
        raise DatasetError(
            f'damaged bag: {type(problem).__name__} {" ".join(str(problem).split())}',
            where=str(path),
            fix='run "il_ros bags recover" on it, or leave it out',
        ) from None
