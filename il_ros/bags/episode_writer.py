"""Episodes out: each one its own rosbag2 folder (MCAP), whole or not there at all."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias, get_args

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from il_ros.bags.bag_metadata import BagTopic, describe_topic
from il_ros.bags.bag_writer import BagWriter
from il_ros.bags.episode_info import (
    KEPT,
    EpisodeInfo,
    MessageLoss,
    Outcome,
    TopicInfo,
    write_episode_info,
)
from il_ros.bags.mcap_file import DiskError, DiskFullError, Storage, disk_error
from il_ros.bags.part_folder import LOCK_FILE, leave, lock, part_of, release, reserve
from il_ros.core.atomic_files import sync
from il_ros.core.atomic_folders import publish, require_free
from il_ros.core.contract import Contract
from il_ros.core.documents import load_yaml
from il_ros.core.errors import DatasetError, IlRosError, require

__all__ = ['DiskError', 'EpisodeWriter', 'Storage', 'absolute']

CONTRACT_TOPIC = 'contract'
Data: TypeAlias = bytes | memoryview

_STRING = 'std_msgs/msg/String'
_SEPARATOR = re.compile(r'^=+[ \t]*$', re.MULTILINE)  # rosbags takes it 80 characters long only
_PACKAGES = ('il_ros', 'mcap', 'rosbags', 'rclpy')
_LONGEST = 200  # bytes of an id: names of files and hidden folders are made of it
_END_OF_TIME = 1 << 63  # [ns]; readers have 64 bits with a sign


class EpisodeWriter:
    """Writes one episode to `<root>/<episode_id>`.

    Until it is closed the episode lies in a hidden folder, `<root>/.<episode_id>.part`, which no
    reader takes for an episode. `episode.json` is in it before the first message. The first
    message is the contract's text, on `contract` in the robot's namespace, so that the MCAP file
    says by itself what it holds; it is a chunk of its own, with the definitions of the topics
    known by then, so that damage further on does not take them away.

    While it records, the process holds a lock on `lock` in the hidden folder. Calls have to come
    from one thread at a time.

    Attributes:
        path: Folder of the episode when it is closed.
        part: The hidden folder.
        info: What `episode.json` says.

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
        storage: Storage | None = None,
        start_ns: int = 0,
    ) -> None:
        plain = episode_id and not episode_id.startswith('.') and '/' not in episode_id
        short = len(episode_id.encode(errors='replace')) <= _LONGEST
        fine = plain and short and '\0' not in episode_id and not episode_id.endswith(KEPT)
        allowed = f'a plain folder name, not ending in {KEPT}, of at most {_LONGEST} bytes'
        require(fine, episode_id, 'episode_id', allowed, DatasetError)
        self.path = root / episode_id
        self.part = part_of(self.path)
        # rosbag2 names the MCAP file after its folder, so the folder inside has the final name.
        self._folder = self.part / episode_id
        for path in (self.path, self.part):
            require_free(path, error=DatasetError)
        self._storage = storage or Storage()
        self._typestore: Typestore = get_typestore(Stores.ROS2_JAZZY)
        self._handles: dict[str, int] = {}
        self._begun = self._closed = False
        self.info = EpisodeInfo(
            episode_id=episode_id,
            contract=contract.text,
            contract_hash=contract.hash,
            namespace=namespace,
            task=task,
            seed=seed,
            notes=notes,
            started=_now(),
            start_ns=start_ns,
            storage=self._storage,
            host=platform.node(),
            versions=_versions(),
        )
        self._open()

    @property
    def messages(self) -> int:
        """Messages so far, the contract's own included."""
        return self._bag.count.messages

    @property
    def bytes(self) -> int:
        """Bytes of the messages so far."""
        return self._bag.count.bytes

    def add_topic(
        self,
        name: str,
        type_name: str,
        definition: str | None = None,
        *,
        qos: Sequence[Mapping[str, object]] = (),
    ) -> None:
        """Announce a topic; one that is announced already is left as it is.

        Args:
            name: Absolute topic name.
            type_name: ROS message type, e.g. `il_ros/msg/ActionChunk`.
            definition: Text of the type's `.msg` file, followed by those of the types in it, as
                bags have it (a line of `=`, then `MSG: package/Name`, then the text, for each);
                not needed for types that come with ROS.
            qos: Profiles that its publishers offer, in rosbag2's words (`reliability: reliable`,
                `durability: transient_local`); policies left out are ROS's defaults.

        Raises:
            DatasetError: If the type is not known and no definition, or a wrong one, is given; or
                on a QoS policy that does not exist.
            DiskFullError: If the disk is full.
        """
        if name in self._handles:
            return
        self._handles[name] = self._bag.add(self._describe(name, type_name, definition, qos))

    def write(
        self, topic: str, data: Data, receive_ns: int, *, source_ns: int = 0, sequence: int = 0
    ) -> None:
        """Write one message as it came.

        Args:
            topic: A topic that was announced.
            data: The message's CDR bytes.
            receive_ns: When it was received [ns]; the log time of MCAP.
            source_ns: When it was published [ns], if the middleware says; the publish time of
                MCAP, which otherwise is the log time. A publisher's clock may be anything: what
                is no time of MCAP counts as not said.
            sequence: The publisher's number of it; only its lowest 32 bits are kept.

        Raises:
            DatasetError: If the topic was not announced, `receive_ns` is negative or no number of
                63 bits, or the disk refuses.
            DiskFullError: If the disk is full. What came before the open chunk is kept; `close`
                still works.
        """
        if not 0 <= receive_ns < _END_OF_TIME:
            raise DatasetError(f'received at {receive_ns} ns', where=topic, allowed='0 to 2^63 - 1')
        if not self._begun:
            self._require_open()
            self._begin(receive_ns)
        published = source_ns if 0 < source_ns < _END_OF_TIME else receive_ns
        try:
            handle = self._handles[topic]
        except KeyError:
            raise DatasetError(
                'not announced', where=topic, allowed=self._handles, fix='call add_topic first'
            ) from None
        self._bag.write(handle, receive_ns, data, published, sequence & 0xFFFFFFFF)

    def flush(self) -> None:
        """End the open chunk and wait until it is on the disk: from then on it survives all.

        Raises:
            DiskFullError: If the disk is full, as for `write`.
        """
        self._bag.end_chunk(sync=True)

    def close(
        self,
        outcome: Outcome,
        reason: str = '',
        *,
        notes: str = '',
        flagged: bool = False,
        losses: Mapping[str, MessageLoss] | None = None,
        stop_ns: int = 0,
    ) -> Path:
        """End the episode: sync everything to disk, then give the folder its name.

        Args:
            outcome: How it ended.
            reason: Why it ended so.
            notes: What the operator wrote at the end; added to what was written at the start.
            flagged: Whether the operator wants it looked at.
            losses: By absolute topic name.
            stop_ns: When it was to end (receive clock) [ns].

        Returns:
            The episode's folder.

        Raises:
            DatasetError: If `outcome` is none, and the episode stays open; or if the disk refuses,
                and the hidden folder stays, with what there is.
        """
        self._require_open()
        outcomes = get_args(Outcome)
        require(outcome in outcomes, outcome, 'outcome', outcomes, DatasetError)
        self._closed = True
        try:
            with contextlib.suppress(DiskFullError):
                if not self._begun:
                    self._begin(0)
            release(self.part)
            self._bag.close()
            self.info = replace(
                self.info,
                outcome=outcome,
                reason=reason,
                notes='\n'.join(filter(None, (self.info.notes, notes))),
                flagged=flagged,
                ended=_now(),
                stop_ns=stop_ns,
                duration=self._bag.count.seconds,
                messages=self.messages,
                topics=self._topic_infos(losses or {}),
                state='complete',
            )
            write_episode_info(self._folder, self.info)
            publish(self._folder, self.path)
            leave(self.part)
        except (OSError, IlRosError) as problem:
            raise DatasetError(
                f'cannot be finished: {problem}',
                where=str(self.part),
                fix='make room on the disk, then run "il_ros bags recover" on this folder',
            ) from None
        finally:
            # The recovery that the error advises needs it unlocked and closed.
            self._let_go()
        return self.path

    def abort(self) -> None:
        """Drop the episode; nothing of it stays. A closed episode stays."""
        if not self._closed:
            self._closed = True
            self._let_go()
            shutil.rmtree(self.part)

    def _let_go(self) -> None:
        """Close the files and the lock, as far as they are open."""
        with contextlib.suppress(OSError):
            self._bag.discard()
        os.close(self._lock)

    def _open(self) -> None:
        opened = contextlib.ExitStack()  # what has to be closed if it cannot begin
        try:
            self._folder.mkdir(parents=True)
            self._lock = lock(self.part / LOCK_FILE, wait=True)
            opened.callback(os.close, self._lock)
            reserve(self.part, self._storage.reserve)
            write_episode_info(self._folder, self.info)
            self._bag = BagWriter(
                self._folder, self._storage, self._file_name, lambda: release(self.part)
            )
            opened.callback(self._bag.discard)
            for folder in (self.part, self.part.parent):
                sync(folder)
        except (OSError, IlRosError) as problem:
            shutil.rmtree(self.part, ignore_errors=True)
            with contextlib.suppress(OSError):
                opened.close()
            if isinstance(problem, IlRosError):
                raise
            raise disk_error(self.part, problem) from None

    def _file_name(self, number: int) -> str:
        split = f'_{number}' if self._storage.max_file_size else ''
        return f'{self.info.episode_id}{split}.mcap'

    def _require_open(self) -> None:
        if self._closed:
            raise DatasetError('is closed', where=str(self.path), fix='start a new episode')

    def _describe(
        self, name: str, type_name: str, definition: str | None, qos: Sequence[Mapping[str, object]]
    ) -> BagTopic:
        try:
            if definition is not None and not self._knows(type_name):
                text = _SEPARATOR.sub('=' * 80, definition.replace('\r\n', '\n'))
                self._typestore.register(get_types_from_msg(text, type_name))
            return describe_topic(self._typestore, name, type_name, qos)
        except IlRosError:
            raise
        except Exception as problem:  # rosbags raises errors of its parser and of its stores
            raise DatasetError(
                f'no definition of {type_name}: {type(problem).__name__} {problem}',
                where=name,
                fix='give the text of its .msg file and, after it or announced first, those of '
                'the types in it',
            ) from None

    def _knows(self, type_name: str) -> bool:
        """Whether a type is known with all types in it."""
        try:
            self._typestore.generate_msgdef(type_name, ros_version=2)
        except Exception:  # rosbags raises errors of its stores
            return False
        return True

    def _begin(self, receive_ns: int) -> None:
        """Write the contract, as a chunk of its own."""
        self._begun = True
        topic = absolute(self.info.namespace, CONTRACT_TOPIC)
        self.add_topic(topic, _STRING)
        message = self._typestore.types[_STRING](data=self.info.contract)
        data = self._typestore.serialize_cdr(message, _STRING)
        self._bag.write(self._handles[topic], receive_ns, data, receive_ns, 0)
        self._bag.end_chunk()

    def _topic_infos(self, losses: Mapping[str, MessageLoss]) -> dict[str, TopicInfo]:
        return {
            topic.about.name: TopicInfo(
                type=topic.about.type,
                messages=topic.count.messages,
                bytes=topic.count.bytes,
                rate=topic.count.rate,
                qos=tuple(load_yaml(topic.about.metadata['offered_qos_profiles'])),
                **asdict(losses.get(topic.about.name, MessageLoss())),
            )
            for topic in self._bag.topics
        }


def absolute(namespace: str, topic: str) -> str:
    """A relative topic's name in a namespace: `/left` and `wrench` give `/left/wrench`."""
    return f'/{namespace.strip("/")}/{topic}' if namespace.strip('/') else f'/{topic}'


def _versions() -> dict[str, str]:
    found = {'python': platform.python_version(), 'ros': os.environ.get('ROS_DISTRO', '')}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # rclpy on a machine without ROS
    return {name: text for name, text in found.items() if text}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec='milliseconds')
