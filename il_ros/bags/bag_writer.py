"""A rosbag2 folder being written: its MCAP files, its counts, and what is whole of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mcap.records import Attachment, Metadata

from il_ros.bags.bag_metadata import (
    BagTopic,
    MessageCount,
    bag_information,
    total,
    write_metadata,
    yaml_text,
)
from il_ros.bags.mcap_file import DiskError, DiskFullError, McapFile, Storage
from il_ros.core.atomic_files import sync
from il_ros.core.errors import DatasetError


@dataclass(slots=True)
class WrittenTopic:
    """A topic and what was written of it.

    Attributes:
        about: The topic.
        channel: Its channel in the open file.
        count: Its messages.
        kept: Its messages at the end of the last whole chunk.
    """

    about: BagTopic
    channel: int
    count: MessageCount = field(default_factory=MessageCount)
    kept: MessageCount = field(default_factory=MessageCount)


class BagWriter:
    """Writes the MCAP files and `metadata.yaml` of one bag into a folder that exists.

    Definitions of all topics are in every file.

    Args:
        folder: Where to.
        storage: How.
        name: Name of the file of a number.
        on_full: Called when the disk refuses more, to make room for the end of the file.

    Attributes:
        topics: Topics in the order of their handles.
        compression_mode: `message` if the messages are given compressed (zstd).

    Raises:
        DiskError: From every method that writes, a DiskFullError if the disk is full. The bag is
            then cut back to its last whole chunk; `close` still works.
    """

    def __init__(
        self,
        folder: Path,
        storage: Storage,
        name: Callable[[int], str],
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        self.topics: list[WrittenTopic] = []
        self.compression_mode = ''
        self._folder = folder
        self._storage = storage
        self._name = name
        self._on_full = on_full
        self._counts: dict[str, MessageCount] = {}
        self._current = ''  # name of the newest file
        self._kept = MessageCount()  # of that file, at the end of its last whole chunk
        self._file: McapFile | None = None
        self._refused: DiskError | None = None
        self.next_file()

    @property
    def count(self) -> MessageCount:
        """The messages so far."""
        return total(self._counts.values())

    def add(self, topic: BagTopic) -> int:
        """Announce a topic; gives the handle to write to."""
        with self._cutting_back():
            self.topics.append(WrittenTopic(topic, self._open.add(topic)))
        return len(self.topics) - 1

    def write(
        self, handle: int, log: int, data: bytes | memoryview, publish: int, sequence: int
    ) -> None:
        """Write one message: log and publish time [ns], data, sequence number."""
        file = self._file
        if file is None:
            file = self._open  # says why it is not
        topic, size = self.topics[handle], len(data)
        topic.count.add(log, size)
        self._counts[self._current].add(log, size)
        try:
            if file.write(topic.channel, log, data, publish, sequence):
                self._mark()
            if self._storage.max_file_size and file.size >= self._storage.max_file_size:
                self.next_file()
        except DiskError as problem:
            raise self._cut_back(problem) from None

    def add_record(self, record: Attachment | Metadata) -> None:
        """Write an attachment, or metadata by name, as it is."""
        with self._cutting_back():
            self._open.add_record(record)

    def end_chunk(self, *, sync: bool = False) -> None:
        """End the open chunk; with `sync`, wait until all chunks are on the disk."""
        file = self._open
        with self._cutting_back():
            if file.end_chunk():
                self._mark()
            if sync:
                file.sync()

    def next_file(self) -> None:
        """End the open file, if there is one, and begin the next."""
        with self._cutting_back():
            self._finish()
            name = self._name(len(self._counts))
            self._file = McapFile(self._folder / name, self._storage)
        self._current, self._counts[name], self._kept = name, MessageCount(), MessageCount()
        for topic in self.topics:
            topic.channel = self._file.add(topic.about)
        sync(self._folder)

    def close(self) -> None:
        """End the last file and write `metadata.yaml`."""
        try:
            self._finish()
        except DiskFullError as problem:
            self._cut_back(problem)
        write_metadata(self._folder, self._information())

    def discard(self) -> None:
        """Close the files as they are."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    @property
    def _open(self) -> McapFile:
        if self._refused is not None:
            raise self._refused
        if self._file is None:
            raise DatasetError('is closed', where=str(self._folder), fix='start a new episode')
        return self._file

    def _finish(self) -> None:
        if self._file is None:
            return
        if self._file.end_chunk():
            self._mark()
        self._file.finish(yaml_text(self._information()))
        self._file = None

    def _mark(self) -> None:
        """Remember the counts of what is in whole chunks."""
        for topic in self.topics:
            topic.kept = replace(topic.count)
        self._kept = replace(self._counts[self._current])

    @contextmanager
    def _cutting_back(self) -> Iterator[None]:
        try:
            yield
        except DiskError as problem:
            raise self._cut_back(problem) from None

    def _cut_back(self, problem: DiskError) -> DiskError:
        """Go back to the last whole chunk, and end the file with the room that was kept."""
        if self._refused is not None:
            return self._refused
        self._refused = problem
        for topic in self.topics:
            topic.count = topic.kept
        if self._counts:
            self._counts[self._current] = self._kept
        self._on_full()
        if self._file is not None:
            file, self._file = self._file, None
            file.seal()
        return problem

    def _information(self) -> dict[str, object]:
        topics = [(topic.about, topic.count.messages) for topic in self.topics]
        return bag_information(self._counts, topics, compression_mode=self.compression_mode)
