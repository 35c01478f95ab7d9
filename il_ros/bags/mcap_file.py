"""One MCAP file being written, always cut where the last whole chunk ends."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from mcap.exceptions import McapError
from mcap.records import Attachment, Channel, Metadata, Schema
from mcap.writer import CompressionType, Writer

from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.mcap_summary import append_summary
from il_ros.core.errors import DatasetError, IlRosError, unwritable

_COMPRESSION = {'none': CompressionType.NONE, 'zstd': CompressionType.ZSTD}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RECORD = 31  # bytes of a message record besides the message


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How episodes are stored.

    Attributes:
        compression: Of the chunks of the MCAP file.
        chunk_size: Size at which a chunk ends [bytes]; what is in an open one is in memory only.
        max_file_size: Size at which the next file of the bag begins [bytes]; 0 for one file.
        reserve: Disk space that is kept to end the episode with when the disk is full [bytes].
    """

    compression: Literal['none', 'zstd'] = 'none'
    chunk_size: int = 4 * 1024 * 1024
    max_file_size: int = 0
    reserve: int = 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: On a compression or a size that is none.
        """
        if self.compression not in _COMPRESSION:
            raise ValueError(f'compression {self.compression!r}; allowed: none, zstd')
        if self.chunk_size < 1 or self.max_file_size < 0 or self.reserve < 0:
            raise ValueError(
                'chunk_size has to be positive, max_file_size and reserve not negative'
            )


class DiskError(DatasetError):
    """The disk refused a write; what was whole by then is kept, and the episode can be ended."""


class DiskFullError(DiskError):
    """The disk is full; what was whole by then is kept, and the episode can be ended."""


class _Output:
    """A file without a buffer of its own, so that a full disk shows in the call that met it."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        self.position = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.write(self.fd, view)
            self.position += written
            view = view[written:]
        return len(data)

    def close(self) -> None:
        """Close it, if it is open; the kernel closes it even where it reports an error."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def tell(self) -> int:
        return self.position

    def flush(self) -> None:
        """Nothing waits here."""


class McapFile:
    """Writes one MCAP file of the profile `ros2`, chunk by chunk.

    Attributes:
        path: The file.
        whole: Where its last whole chunk ends [bytes].
        size: What the file would measure if the open chunk ended now, about [bytes].

    Raises:
        DiskFullError: From every method that writes; the file is then closed and whole.
        DatasetError: If the disk refuses for another reason.
    """

    def __init__(self, path: Path, storage: Storage) -> None:
        self.path = path
        self.whole = self.size = self._synced = 0
        self._schemas: dict[tuple[str, bytes], Schema] = {}
        self._channels: list[Channel] = []
        try:
            self._out = _Output(path)
        except OSError as problem:
            raise disk_error(path, problem) from None
        self._writer = Writer(
            cast(IO[Any], self._out),
            chunk_size=storage.chunk_size,
            compression=_COMPRESSION[storage.compression],
        )
        try:
            self._guarded(self._writer.start, 'ros2', 'il_ros')
        except DatasetError:
            self.discard()
            path.unlink()
            raise

    def add(self, topic: BagTopic) -> int:
        """Announce a topic; gives the channel that its messages are written to."""
        about: dict[str, Any] = {
            'topic': topic.name,
            'message_encoding': topic.message_encoding,
            'schema_id': self._schema(topic),
            'metadata': dict(topic.metadata),
        }
        channel: int = self._guarded(self._writer.register_channel, **about)
        self._channels.append(Channel(id=channel, **about))
        return channel

    def _schema(self, topic: BagTopic) -> int:
        """Number of the topic's schema: 0 for none, which the format allows."""
        if not topic.type and not topic.definition:
            return 0
        key = (topic.type, topic.definition)
        if key not in self._schemas:
            schema: dict[str, Any] = {
                'name': topic.type,
                'encoding': topic.schema_encoding,
                'data': topic.definition,
            }
            number = self._guarded(self._writer.register_schema, **schema)
            self._schemas[key] = Schema(id=number, **schema)
        return self._schemas[key].id

    def write(
        self, channel: int, log: int, data: bytes | memoryview, publish: int, sequence: int
    ) -> bool:
        """Write one message; says whether a chunk ended with it."""
        try:
            self._writer.add_message(channel, log, cast(bytes, data), publish, sequence)
        except OSError as problem:
            raise self._refused(problem) from None
        position = self._out.position
        if position == self.whole:
            self.size += _RECORD + len(data)
            return False
        self.whole = self.size = position
        return True

    def add_record(self, record: Attachment | Metadata) -> None:
        """Write an attachment, or metadata by name, between the chunks."""
        self.end_chunk()
        if isinstance(record, Metadata):
            self._guarded(self._writer.add_metadata, record.name, record.metadata)
        else:
            self._guarded(self._writer.add_attachment, **vars(record))

    def end_chunk(self) -> bool:
        """End the open chunk; says whether there was one."""
        before = self.whole
        self._guarded(self._writer.flush)
        return self.whole != before

    def sync(self) -> None:
        """Wait until every chunk that has ended is on the disk."""
        if self._synced == self.whole:
            return
        try:
            os.fdatasync(self._out.fd)
        except OSError as problem:
            # The kernel does not say which pages it could not write, so no count can be trusted.
            raise DatasetError(
                f'the disk did not keep it: {problem.strerror}',
                where=str(self.path),
                fix='end the episode, check the disk, then run "il_ros bags check"',
            ) from None
        self._synced = self.whole

    def finish(self, metadata: str = '') -> None:
        """End the chunk, write the summary and sync the file.

        Args:
            metadata: The bag's metadata so far, for players that get the bare file.
        """
        self.end_chunk()
        try:
            if metadata:
                self._writer.add_metadata('rosbag2', {'serialized_metadata': metadata})
            self._writer.finish()  # type: ignore[no-untyped-call]
            os.fsync(self._out.fd)
            self._out.close()
        except OSError as problem:
            raise self._refused(problem) from None

    def discard(self) -> None:
        """Close the file as it is; one that is closed already stays so."""
        self._out.close()

    def seal(self) -> None:
        """Close a file that the disk refused more of: cut it back, and write its summary."""
        try:
            os.ftruncate(self._out.fd, self.whole)
            append_summary(self._out.fd, self.whole, list(self._schemas.values()), self._channels)
            os.fsync(self._out.fd)
        except (OSError, McapError) as problem:
            raise DatasetError(
                f'cannot be closed: {problem}',
                where=str(self.path),
                fix='make room on the disk, then run "il_ros bags recover"',
            ) from None
        finally:
            self._out.close()

    def _guarded(self, call: Any, *arguments: object, **named: object) -> Any:
        try:
            result = call(*arguments, **named)
        except OSError as problem:
            raise self._refused(problem) from None
        if self._out.position != self.whole:
            self.whole = self.size = self._out.position
        return result

    def _refused(self, problem: OSError) -> IlRosError:
        """The error for what the disk refused; a full one gets the half chunk's room back."""
        if is_full(problem):
            with contextlib.suppress(OSError):  # the file may be closed already
                os.ftruncate(self._out.fd, self.whole)
        return disk_error(self.path, problem)


def is_full(problem: OSError) -> bool:
    """Whether what the system refused needs room."""
    return problem.errno in _FULL


def disk_error(path: Path, problem: OSError) -> IlRosError:
    """What to tell about a write that the system refused."""
    if is_full(problem):
        return DiskFullError(
            f'the disk is full: {problem.strerror}',
            where=str(path),
            fix='end the episode, what came before is kept; then make room',
        )
    return unwritable(path, problem, DiskError)
