"""Episodes out: each one its own rosbag2 folder (MCAP), whole or not there at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.folders import publish, require_free
from il_ros.datasets.episode import EpisodeInfo, Outcome, TopicInfo, write_episode_info

CONTRACT_TOPIC = 'contract'


@dataclass
class _Topic:
    connection: Connection
    messages: int = 0


class EpisodeWriter:
    """Writes one episode to `<root>/<episode_id>`.

    Until it is closed the episode lies in a hidden folder, `<root>/.<episode_id>.part`, which no
    reader takes for an episode. The first message is the contract's text, on `contract` in the
    robot's namespace, so that the MCAP file says by itself what it holds.

    Raises:
        DatasetError: If the episode exists already or the folder cannot be written.
    """

    def __init__(
        self,
        root: Path,
        episode_id: str,
        contract: Contract,
        *,
        namespace: str = '/',
        task: str = '',
        seed: int | None = None,
        notes: str = '',
    ) -> None:
        if not episode_id or episode_id.startswith('.') or '/' in episode_id:
            raise DatasetError(
                f'got {episode_id!r}', where='episode_id', allowed='a plain folder name'
            )
        self.path = root / episode_id
        self._part = root / f'.{episode_id}.part'
        # rosbag2 names the MCAP file after its folder, so the folder inside has the final name.
        self._folder = self._part / episode_id
        for path in (self.path, self._part):
            require_free(path, error=DatasetError)
        self._typestore: Typestore = get_typestore(Stores.ROS2_JAZZY)
        self._topics: dict[str, _Topic] = {}
        self._first = self._last = 0
        self._writer: Writer | None = None
        self.info = EpisodeInfo(
            episode_id=episode_id,
            contract=contract.text,
            contract_hash=contract.hash,
            namespace=namespace,
            task=task,
            seed=seed,
            notes=notes,
            started=_now(),
        )
        self._open()

    @property
    def messages(self) -> int:
        """Messages so far, the contract's own included."""
        return sum(topic.messages for topic in self._topics.values())

    def add_topic(self, name: str, type_name: str, definition: str | None = None) -> None:
        """Announce a topic; one that is announced already is left as it is.

        Args:
            name: Absolute topic name.
            type_name: ROS message type, e.g. `il_ros/msg/ActionChunk`.
            definition: Text of the type's `.msg` file; not needed for types that come with ROS.

        Raises:
            DatasetError: If the type is not known and no definition, or a wrong one, is given.
        """
        if name in self._topics:
            return
        try:
            if definition is not None and type_name not in self._typestore.fielddefs:
                self._typestore.register(get_types_from_msg(definition, type_name))
            connection = self._bag.add_connection(name, type_name, typestore=self._typestore)
        except Exception as problem:  # rosbags raises errors of its parser and of its stores
            raise DatasetError(
                f'no definition of {type_name}: {type(problem).__name__} {problem}',
                where=name,
                fix='give the text of its .msg file, and announce the types in it first',
            ) from None
        self._topics[name] = _Topic(connection)

    def write(self, topic: str, data: bytes | memoryview, receive_ns: int) -> None:
        """Write one message as it came.

        Args:
            topic: A topic that was announced.
            data: The message's CDR bytes.
            receive_ns: When it was received [ns].
        """
        if not self._first:
            self._first = self._last = receive_ns
            self._write_contract(receive_ns)
        self._put(topic, data, receive_ns)

    def close(self, outcome: Outcome, reason: str = '') -> Path:
        """End the episode: sync everything to disk, then give the folder its name.

        Returns:
            The episode's folder.

        Raises:
            DatasetError: If the disk refuses; the hidden folder then stays, with what there is.
        """
        if not self._first:
            self._write_contract(0)
        bag, self._writer = self._bag, None
        self.info = replace(
            self.info,
            outcome=outcome,
            reason=reason,
            ended=_now(),
            duration=(self._last - self._first) * 1e-9,
            messages=self.messages,
            topics={
                name: TopicInfo(type=topic.connection.msgtype, messages=topic.messages)
                for name, topic in self._topics.items()
            },
            state='complete',
        )
        try:
            bag.close()
            write_episode_info(self._folder, self.info)
            publish(self._folder, self.path)
            self._part.rmdir()
        except OSError as problem:
            raise DatasetError(
                f'cannot be finished: {problem}', where=str(self._part), fix='make room on the disk'
            ) from None
        return self.path

    def abort(self) -> None:
        """Drop the episode; nothing of it stays. A closed episode stays."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
            shutil.rmtree(self._part)

    @property
    def _bag(self) -> Writer:
        if self._writer is None:
            raise DatasetError('is closed', where=str(self.path), fix='start a new episode')
        return self._writer

    def _open(self) -> None:
        try:
            self._part.mkdir(parents=True)
            self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except OSError as problem:
            raise DatasetError(
                f'cannot be written: {problem.strerror}',
                where=str(self._part),
                fix='choose a folder that you may write to, on a disk with room',
            ) from None
        write_episode_info(self._folder, self.info)

    def _write_contract(self, receive_ns: int) -> None:
        topic = absolute(self.info.namespace, CONTRACT_TOPIC)
        self.add_topic(topic, 'std_msgs/msg/String')
        message = self._typestore.types['std_msgs/msg/String'](data=self.info.contract)
        self._put(topic, self._typestore.serialize_cdr(message, 'std_msgs/msg/String'), receive_ns)

    def _put(self, topic: str, data: bytes | memoryview, receive_ns: int) -> None:
        if topic not in self._topics:
            raise DatasetError(
                'not announced', where=topic, allowed=self._topics, fix='call add_topic first'
            )
        entry = self._topics[topic]
        self._bag.write(entry.connection, receive_ns, data)
        entry.messages += 1
        self._last = max(self._last, receive_ns)


def absolute(namespace: str, topic: str) -> str:
    """A relative topic's name in a namespace: `/left` and `wrench` give `/left/wrench`."""
    return f'/{namespace.strip("/")}/{topic}' if namespace.strip('/') else f'/{topic}'


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec='milliseconds')
