"""Episodes in: any rosbag2 folder, its messages as the bytes that were recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from il_ros.bags.bag_metadata import METADATA_FILE, METADATA_LIMIT, read_metadata, require_inside
from il_ros.bags.bag_scan import require_readable
from il_ros.bags.episode_info import EpisodeInfo, read_episode_info
from il_ros.bags.episode_writer import absolute
from il_ros.bags.one_frame import bound_rosbags, unpack_file
from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.documents import load_yaml
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.regular_files import read_text

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
        metadata = read_metadata(path)
        if metadata is None:
            raise DatasetError(
                f'no {METADATA_FILE} in it',
                where=str(path),
                allowed='a rosbag2 folder',
                fix='run "il_ros bags recover" on it, or leave it out',
            )
        self._files, self._packed = metadata.files, metadata.compression_mode == 'file'
        for name in metadata.files:
            require_inside(path / name)
        self.info: EpisodeInfo | None = read_episode_info(path)
        if reading.reinterpret and contract is not None:
            self.contract = contract
        else:
            self.contract = _agree(path, self.info, contract)
        self.topics: dict[str, str] = {}
        self._stack = ExitStack()
        self._bag: AnyReader | None = None

    def __enter__(self) -> EpisodeReader:
        bound_rosbags()
        store = get_typestore(Stores.ROS2_JAZZY)
        with _reading(self.path):
            try:
                folder, names = self._unpacked() if self._packed else (self.path, self._files)
                for name in names:
                    require_readable(folder / name)
                self._bag = self._stack.enter_context(AnyReader([folder], default_typestore=store))
            except BaseException:
                self._stack.close()
                raise
        self.topics = {c.topic: c.msgtype for c in self._bag.connections}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _unpacked(self) -> tuple[Path, tuple[str, ...]]:
        """A temporary copy of a bag whose files are compressed as a whole, and their names."""
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        names = tuple(Path(name).stem for name in self._files)
        for packed, name in zip(self._files, names, strict=True):
            unpack_file(self.path / packed, folder / name)
        text = read_text(self.path / METADATA_FILE, METADATA_LIMIT)
        data = load_yaml(text, METADATA_LIMIT)
        data['rosbag2_bagfile_information'] |= {
            'relative_file_paths': list(names), 'compression_mode': '', 'compression_format': ''
        }  # fmt: skip
        (folder / METADATA_FILE).write_text(yaml.safe_dump(data))
        return folder, names

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

        Of a bag that was split, one file comes after the other.

        Raises:
            DatasetError: If the bag turns out to be damaged.
        """
        assert self._bag is not None, 'use it as a context manager'
        relative = {self.absolute(topic): topic for topic in topics}
        chosen = [c for c in self._bag.connections if c.topic in relative]
        if not chosen:
            return
        versions = {c.id: _interfaces(c) for c in chosen}
        with _reading(self.path):
            for connection, receive, data in self._bag.messages(chosen):
                yield BagMessage(
                    topic=relative[connection.topic],
                    type=connection.msgtype,
                    receive=receive,
                    data=data,
                    interfaces=versions[connection.id],
                )

    def deserialize(self, message: BagMessage) -> Any:
        """A message as an object with the fields of its type.

        Raises:
            DatasetError: If its bytes do not fit its type.
        """
        assert self._bag is not None, 'use it as a context manager'
        with _reading(self.path):
            return self._bag.deserialize(message.data, message.type)


def _interfaces(connection: Connection) -> int:
    """Version of our interfaces that the type of a topic is of."""
    text = connection.msgdef.data
    old = _CHUNK_1 in text if text else connection.digest == _HASH_1
    return 1 if old else INTERFACES


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
