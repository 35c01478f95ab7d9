"""Finds everything that is whole in an MCAP file, however damaged the rest is.

The reader of the `mcap` library stops at the first fault. This one goes on after it: a chunk that
fails its checksum is left out, and where the frame of the records itself is broken it looks for
the next whole chunk.
"""

from __future__ import annotations

import heapq
import re
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias, overload

import numpy as np
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    Channel,
    ChunkIndex,
    Footer,
    Header,
    Metadata,
    Schema,
    Statistics,
)
from mcap.writer import MCAP0_MAGIC
from numpy.typing import NDArray

from il_ros.bags.bag_metadata import RefusedError
from il_ros.bags.mcap_summary import CHUNK, HEADER
from il_ros.bags.one_frame import CHUNK_LIMIT, decompress_lz4, decompress_zstd

LIMIT = 1 << 30  # bytes; a record or a chunk that says it is larger is not believed

_ROOM, _RATIO = 1 << 30, 100  # bytes that a file may become: these, and so many times its own
_RECORDS, _SMALLEST = 100_000, 4  # records that it may hold: these, and one for so many bytes
_MESSAGE = struct.Struct('<HIQQ')
_LENGTH = struct.Struct('<Q')
_LOG_TIME = struct.Struct('<6xQ')  # in a message
_INDEX_HEAD, _INDEX_ENTRY = 6, 16  # bytes of a message index: channel and length, then entries
_WINDOW = 4 << 20
# A chunk's record: opcode, length below 2^40, times, size, checksum, name of the compression.
_START = re.compile(rb'\x06.{5}\x00{3}.{28}(?:\x00{4}|\x04\x00{3}zstd|\x03\x00{3}lz4)', re.DOTALL)
_SPAN = 64  # bytes, more than the pattern matches
_CHUNK_HEAD = 128  # bytes; its fields, and the head of the compressed data
_ZSTD = b'\x28\xb5\x2f\xfd'  # RFC 8878, 3.1.1
_LZ4_RATIO = 256  # a byte of it stands for at most 255

Message: TypeAlias = tuple[int, int, int, int, memoryview]
"""Channel, sequence, log time [ns], publish time [ns], data."""

Definition: TypeAlias = Schema | Channel


class ChunkMessages(Sequence[Message]):
    """The messages in one chunk: 8 bytes each besides the chunk's own, however many there are."""

    def __init__(self, content: memoryview, starts: array[int]) -> None:
        self._content, self._starts = content, starts

    def __len__(self) -> int:
        return len(self._starts)

    def times(self) -> NDArray[np.uint64]:
        """Their log times [ns]."""
        read, content = _LOG_TIME.unpack_from, self._content
        return np.fromiter((read(content, s)[0] for s in self._starts), np.uint64, len(self))

    @overload
    def __getitem__(self, index: int) -> Message: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...

    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        if isinstance(index, slice):
            return ChunkMessages(self._content, self._starts[index])
        start = self._starts[index]
        (length,) = _LENGTH.unpack_from(self._content, start - _LENGTH.size)
        return _message(self._content, start, length)


Other: TypeAlias = Header | Attachment | Metadata | Statistics | ChunkIndex | Footer

_PARSED: dict[Opcode, Any] = {
    Opcode.HEADER: Header,
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.ATTACHMENT: Attachment,
    Opcode.METADATA: Metadata,
    Opcode.STATISTICS: Statistics,
    Opcode.CHUNK_INDEX: ChunkIndex,
    Opcode.FOOTER: Footer,
}


@dataclass(frozen=True, kw_only=True)
class McapGap:
    """Bytes that hold no whole record.

    Attributes:
        start: First byte.
        end: After the last byte.
        reason: What is wrong with them.
    """

    start: int
    end: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class McapBlock:
    """A whole chunk, or a whole record outside of chunks.

    Attributes:
        offset: Where it begins [bytes].
        end: Where it ends [bytes].
        start_time: Of the first message, by what a chunk says [ns]; 0 outside of one.
        compression: Of a chunk; None outside of one.
        definitions: Schemas and channels in it.
        messages: Messages in it.
        other: The record, if it is of another kind.
    """

    offset: int
    end: int
    start_time: int = 0
    compression: str | None = None
    definitions: list[Definition] = field(default_factory=list)
    messages: Sequence[Message] = ()
    other: Other | None = None


class _BrokenError(Exception):
    """A record is not whole."""


class _Strict(BytesIO):
    """Bytes that must not end early: the parsers of `mcap` take a short text for a whole one."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is not None and len(data) < size:
            raise _BrokenError('a record ends too early')
        return data


class _Source:
    """A file and the work that it may cause, which is in proportion to its size.

    A chunk of zeros becomes ten thousand times as large as it is on the disk; and a file may be
    full of what looks like the beginning of a chunk.

    Attributes:
        size: Of the file [bytes].
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._room, self._records = _ROOM + _RATIO * size, _RECORDS + size // _SMALLEST

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes."""
        self.spend(length)
        self._file.seek(offset)
        return self._file.read(length)

    def spend(self, room: int, records: int = 0) -> None:
        """Account for bytes that are read or decompressed, and for records.

        Raises:
            RefusedError: If it is too much.
        """
        self._room -= room
        self._records -= records
        if self._room < 0 or self._records < 0:
            what = 'records' if self._records < 0 else 'bytes'
            raise self.refused(f'becomes too many {what} for a file of {self.size} bytes')

    def refused(self, problem: str) -> RefusedError:
        """The error for a file that is not damaged, but made to exhaust its reader."""
        return RefusedError(
            problem,
            where=str(getattr(self._file, 'name', 'an MCAP file')),
            allowed=f'chunks of {CHUNK_LIMIT} bytes, files that become {_RATIO} times as large',
            fix='do not trust this bag; or write it again in smaller chunks',
        )


def whole_blocks(file: BinaryIO, size: int) -> Iterator[McapBlock | McapGap]:
    """Everything whole in an MCAP file of `size` bytes, and the gaps, in the file's order.

    Writers put all messages of a file into chunks, or none. After a chunk, what says that it is a
    message outside of one is another record whose first byte is damaged: a gap.

    Raises:
        RefusedError: If it becomes much larger than it is, or takes that much work.
    """
    source, position = _Source(file, size), 0
    if source.read(0, len(MCAP0_MAGIC)) == MCAP0_MAGIC:
        position = len(MCAP0_MAGIC)
    closed = chunked = False
    while position < size:
        if closed and source.read(position, len(MCAP0_MAGIC) + 1) == MCAP0_MAGIC:
            return
        try:
            piece = _piece(source, position)
            if chunked and piece.messages and piece.compression is None:
                raise _BrokenError('a message outside of the chunks')
        except _BrokenError as problem:
            gap = _gap(source, position, problem)
            yield gap
            position = gap.end
            continue
        yield piece
        position = piece.end
        closed = isinstance(piece.other, Footer)
        chunked |= piece.compression is not None


@dataclass(frozen=True, kw_only=True)
class ChunkPlace:
    """A chunk that is not decompressed yet, by its own head.

    Attributes:
        offset: Where its record begins [bytes].
        end: Where it ends [bytes].
        start_time: Of its first message [ns].
        end_time: Of its last message [ns].
        size: Size when decompressed [bytes].
    """

    offset: int
    end: int
    start_time: int
    end_time: int
    size: int


class McapOutline:
    """What is where in a sound MCAP file; its chunks are decompressed one by one, on request.

    A summary may name one chunk a thousand times, or none, or other times than those of the
    messages, so nothing is taken from it but definitions.

    Args:
        file: The file.
        size: Of the file [bytes].

    Attributes:
        chunks: Its chunks, in the order of the file.
        definitions: Schemas and channels outside of chunks.
        times: Log times of messages outside of chunks [ns], in the order of the file.
        offsets: Where these messages begin [bytes].
        channels: Channels that the indexes of chunks name.

    Raises:
        RefusedError: If a chunk becomes too large, or all together do, or all of one time.
        ValueError: If it is damaged, or does not end as such a file does.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.chunks: list[ChunkPlace] = []
        self.definitions: list[Definition] = []
        self.times, self.offsets = array('Q'), array('Q')
        self.channels: set[int] = set()
        self._source = _Source(file, size)
        if self._source.read(0, len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            raise ValueError('does not begin as an .mcap file')
        opcode, position = 0, len(MCAP0_MAGIC)
        while opcode != Opcode.FOOTER:
            try:
                opcode, position = self._take(position)
            except _BrokenError as problem:
                raise ValueError(f'{problem} at byte {position}') from None
        if self._source.read(position, len(MCAP0_MAGIC) + 1) != MCAP0_MAGIC:
            raise ValueError('does not end as an .mcap file')
        if sum(chunk.size for chunk in self.chunks) > _ROOM + _RATIO * size:
            raise self._source.refused(f'becomes too many bytes for a file of {size} bytes')
        most = max(CHUNK_LIMIT, size)
        if (at_once := most_at_once(self.chunks)) > most:
            raise self._source.refused(
                f'chunks of one time become {at_once} bytes, at most {most} are held'
            )

    def read(self, chunk: ChunkPlace) -> McapBlock:
        """Decompress a chunk.

        Raises:
            RefusedError: If the file becomes too many bytes or records with it.
            ValueError: If it is damaged.
        """
        return self._read(chunk.offset, chunk.end)

    def message(self, offset: int) -> Message:
        """The message outside of chunks that begins at an offset."""
        _, length = HEADER.unpack(self._source.read(offset, HEADER.size))
        block = self._read(offset, offset + HEADER.size + length)
        return next(iter(block.messages))

    def _read(self, offset: int, end: int) -> McapBlock:
        try:
            return _piece(self._source, offset)
        except _BrokenError as problem:
            raise ValueError(f'{problem} at bytes {offset} to {end}') from None

    def _take(self, position: int) -> tuple[int, int]:
        """Take in the record at a position; gives its opcode, and where the next one begins."""
        head = self._source.read(position, HEADER.size + _CHUNK_HEAD)
        if len(head) < HEADER.size:
            raise _BrokenError('cut in the head of a record')
        opcode, length = HEADER.unpack_from(head)
        end, body = position + HEADER.size + int(length), head[HEADER.size :][:length]
        if end > self._source.size or not _begins(head[: HEADER.size]):
            raise _BrokenError(f'cut in a {_name(opcode)}')
        self._source.spend(0, records=1)
        if opcode == Opcode.CHUNK:
            self._take_chunk(position, end, body)
        elif opcode == Opcode.MESSAGE:
            if self.chunks:
                raise _BrokenError('a message outside of the chunks')
            self.times.append(_message(memoryview(body), 0, len(body))[2])
            self.offsets.append(position)
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            whole = self._source.read(position + HEADER.size, length)
            self.definitions.append(_parse(opcode, whole))  # type: ignore[arg-type]
        elif opcode == Opcode.MESSAGE_INDEX and length >= _INDEX_HEAD:
            channel, entries = struct.unpack_from('<HI', body)
            self.channels |= {channel} if entries else set()
        return opcode, end

    def _take_chunk(self, offset: int, end: int, body: bytes) -> None:
        if len(body) < CHUNK.size + 4:
            raise _BrokenError('cut in a chunk')
        start_time, end_time, size, _ = CHUNK.unpack_from(body)
        (named,) = struct.unpack_from('<I', body, CHUNK.size)
        size = max(size, _claimed(body)) if named else end - offset
        if named and size > CHUNK_LIMIT:
            raise self._source.refused(f'a chunk of {size} bytes')
        self.chunks.append(
            ChunkPlace(offset=offset, end=end, start_time=start_time, end_time=end_time, size=size)
        )


def most_at_once(chunks: Sequence[ChunkPlace]) -> int:
    """What the chunks of one time become together, at the worst time [bytes].

    To give messages in the order of their times, a reader holds every chunk that has begun and not
    ended; of those that hold one time only, it reads one after the other.
    """
    held = most = 0
    active: list[tuple[int, int]] = []
    for chunk in sorted(chunks, key=lambda c: (c.start_time, c.end_time <= c.start_time)):
        while active and active[0][0] <= chunk.start_time:
            held -= heapq.heappop(active)[1]
        most = max(most, held + chunk.size)
        if chunk.end_time > chunk.start_time:
            heapq.heappush(active, (chunk.end_time, chunk.size))
            held += chunk.size
    return most


def _claimed(head: bytes) -> int:
    """What the data of a chunk with this beginning says that it becomes [bytes]; 0 if nothing."""
    (named,) = struct.unpack_from('<I', head, CHUNK.size)
    frame = head[CHUNK.size + 4 + min(named, 16) + 8 :]
    try:
        return max(0, zstandard.frame_content_size(frame)) if frame.startswith(_ZSTD) else 0
    except zstandard.ZstdError:
        return 0


def _piece(source: _Source, offset: int) -> McapBlock:
    head = source.read(offset, HEADER.size)
    if len(head) < HEADER.size:
        raise _BrokenError('cut in the head of a record')
    if not _begins(head):
        raise _BrokenError('no record begins here')
    opcode, length = HEADER.unpack(head)
    end = offset + HEADER.size + length
    if end > source.size:
        raise _BrokenError(f'cut in a {_name(opcode)}')
    # A chunk says by itself whether its length is right; of another record, what follows does.
    if opcode != Opcode.CHUNK and not _goes_on(source, end):
        raise _BrokenError(f'length of a {_name(opcode)}')
    source.spend(0, records=1)
    body = source.read(offset + HEADER.size, length)
    if opcode == Opcode.CHUNK:
        return _chunk(source, body, offset, end)
    if opcode not in _PARSED:
        with suppress(_BrokenError):  # a chunk whose first byte is damaged
            return _chunk(source, body, offset, end, checked=True)
    if opcode == Opcode.MESSAGE:
        message = _message(memoryview(body), 0, length)
        if _is_message_index(message, length):
            raise _BrokenError('a message index that says it is a message')
        return McapBlock(offset=offset, end=end, messages=[message])
    if opcode not in _PARSED:
        return McapBlock(offset=offset, end=end)
    record = _parse(opcode, body)
    if isinstance(record, Schema | Channel):
        return McapBlock(offset=offset, end=end, definitions=[record])
    return McapBlock(offset=offset, end=end, other=record)


def _chunk(
    source: _Source, body: bytes, offset: int, end: int, *, checked: bool = False
) -> McapBlock:
    """The content of a chunk that is in order; a `checked` one has to have a checksum."""
    compression, data, size, crc = _compressed(body)
    if checked and not crc:
        raise _BrokenError('a chunk without a checksum')
    if compression and _honest(compression, data, size):
        if size > CHUNK_LIMIT:
            raise source.refused(f'a chunk of {size} bytes in {len(body)}')
        source.spend(size)
    content = _decompress(compression, data, size)
    if len(content) != size:
        raise _BrokenError(f'chunk of {len(content)} bytes, not {size}')
    if crc and zlib.crc32(content) != crc:
        raise _BrokenError('checksum of a chunk')
    definitions: list[Definition] = []
    starts, position = array('Q'), 0
    while position < size:
        if position + HEADER.size > size:
            raise _BrokenError('half a record in a chunk')
        source.spend(0, records=1)
        opcode, length = HEADER.unpack_from(content, position)
        start, position = position + HEADER.size, position + HEADER.size + length
        if position > size:
            raise _BrokenError('half a record in a chunk')
        if opcode == Opcode.MESSAGE:
            if length < _MESSAGE.size:
                raise _BrokenError('a message without its head')
            starts.append(start)
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            definitions.append(_parse(opcode, content[start:position]))  # type: ignore[arg-type]
    return McapBlock(
        offset=offset,
        end=end,
        start_time=int.from_bytes(body[:8], 'little'),
        compression=compression,
        definitions=definitions,
        messages=ChunkMessages(memoryview(content), starts),
    )


def _compressed(body: bytes) -> tuple[str, memoryview, int, int]:
    """Compression, data, size when decompressed, and checksum of a chunk."""
    stream = _Strict(body)
    _, _, size, crc = CHUNK.unpack(stream.read(CHUNK.size))
    (named,) = struct.unpack('<I', stream.read(4))
    compression = stream.read(min(named, 16)).decode('ascii', 'replace')
    (compressed,) = _LENGTH.unpack(stream.read(8))
    if stream.tell() + compressed != len(body) or size > LIMIT:
        raise _BrokenError('sizes of a chunk disagree')
    return compression, memoryview(body)[stream.tell() :], size, crc


def _honest(compression: str, data: memoryview, size: int) -> bool:
    """Whether compressed data may well become as large as their chunk says."""
    try:
        if compression == 'zstd':
            return zstandard.frame_content_size(data) in (-1, size)  # -1: it does not say
    except zstandard.ZstdError:
        return False
    return compression == 'lz4' and size <= _LZ4_RATIO * len(data)


def _decompress(compression: str, data: memoryview, size: int) -> bytes | memoryview:
    if compression in ('zstd', 'lz4'):
        if not _honest(compression, data, size):
            raise _BrokenError(f'a compressed chunk that cannot become {size} bytes')
        try:
            read = decompress_zstd if compression == 'zstd' else decompress_lz4
            return read(data, size)
        except ValueError as problem:
            raise _BrokenError(str(problem)) from None
    if compression:
        raise _BrokenError(f'compression {compression!r} is not known')
    return data


def _is_message_index(message: Message, length: int) -> bool:
    """Whether the bytes are those of a message index: its length, entries of time and offset."""
    _, entries, _, offset, _ = message
    whole = entries == length - _INDEX_HEAD and entries % _INDEX_ENTRY == 0
    return whole and offset < LIMIT  # in a message the time of publishing stands there


def _message(view: memoryview, start: int, length: int) -> Message:
    if length < _MESSAGE.size:
        raise _BrokenError('a message without its head')
    channel, sequence, log, publish = _MESSAGE.unpack_from(view, start)
    return channel, sequence, log, publish, view[start + _MESSAGE.size : start + length]


def _parse(opcode: int, body: bytes | memoryview) -> Definition | Other:
    try:
        parsed: Definition | Other = _PARSED[Opcode(opcode)].read(ReadDataStream(_Strict(body)))
        return parsed
    except (ValueError, struct.error) as problem:
        raise _BrokenError(f'{_name(opcode)}: {problem}') from None


def _gap(source: _Source, offset: int, problem: _BrokenError) -> McapGap:
    """From a broken record to where reading can go on."""
    head, size = source.read(offset, HEADER.size), source.size
    end = size + 1
    if len(head) == HEADER.size and _begins(head):
        end = offset + HEADER.size + HEADER.unpack(head)[1]
    if end > size or not _goes_on(source, end):
        end = _next_chunk(source, offset + 1)
    return McapGap(start=offset, end=end, reason=str(problem))


def _begins(head: bytes) -> bool:
    """Whether these may be the first bytes of a record."""
    opcode, length = HEADER.unpack(head)
    known = Opcode.HEADER <= opcode <= Opcode.DATA_END or opcode >= 0x80  # private ones
    return known and bool(length <= LIMIT)


def _goes_on(source: _Source, position: int) -> bool:
    """Whether a record, a cut one, or the end of the file is at a position."""
    head = source.read(position, HEADER.size)
    return len(head) < HEADER.size or _begins(head)


def _next_chunk(source: _Source, position: int) -> int:
    """Where the next whole chunk begins; the file's size if none does."""
    while position < source.size:
        window = source.read(position, _WINDOW + _SPAN)
        for match in _matches(window):
            try:
                _piece(source, position + match)
                return position + match
            except _BrokenError:
                continue
        position += _WINDOW
    return source.size


def _matches(window: bytes) -> Iterator[int]:
    """Where chunks may begin, overlapping ones too."""
    match = _START.search(window)
    while match and match.start() < _WINDOW:
        yield match.start()
        match = _START.search(window, match.start() + 1)


def _name(opcode: int) -> str:
    known = opcode in {int(code) for code in Opcode}
    return Opcode(opcode).name.lower().replace('_', ' ') if known else 'record'
