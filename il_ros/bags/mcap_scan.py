"""Finds everything that is whole in an MCAP file, however damaged the rest is.

The reader of the `mcap` library stops at the first fault. This one goes on after it: a chunk that
fails its checksum is left out, and where the frame of the records itself is broken it looks for
the next whole chunk.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

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

from il_ros.bags.bag_metadata import RefusedError
from il_ros.bags.mcap_index import most_at_once, read_chunk_index
from il_ros.bags.mcap_summary import CHUNK, HEADER
from il_ros.bags.one_frame import CHUNK_LIMIT, decompress_lz4, decompress_zstd

LIMIT = 1 << 30  # bytes; a record or a chunk that says it is larger is not believed

_ROOM, _RATIO = 1 << 30, 100  # bytes that a file may become: these, and so many times its own
_RECORDS, _SMALLEST = 100_000, 4  # records that it may hold: these, and one for so many bytes
_MESSAGE = struct.Struct('<HIQQ')
_LENGTH = struct.Struct('<Q')
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
        compression: Of a chunk; None outside of one.
        definitions: Schemas and channels in it.
        messages: Messages in it.
        other: The record, if it is of another kind.
    """

    offset: int
    end: int
    compression: str | None = None
    definitions: list[Definition] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
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


def require_small_chunks(file: BinaryIO, size: int) -> None:
    """Look at what the chunks of an MCAP file become; only those that grow a lot are decompressed.

    Raises:
        RefusedError: If one becomes too large, or all together do, or all of one time.
        ValueError: If its summary is of other chunks.
    """
    source = _Source(file, size)
    listed = read_chunk_index(file, size)
    if (at_once := most_at_once(listed)) > (most := max(CHUNK_LIMIT, size)):
        raise source.refused(f'chunks of one time become {at_once} bytes, at most {most} are held')
    places: Iterable[tuple[int, int]] = ((chunk.offset, chunk.end) for chunk in listed)
    for offset, end in places if listed else _chunks(source):
        length = end - offset - HEADER.size
        head = source.read(offset + HEADER.size, min(length, _CHUNK_HEAD))
        if _claimed(source, head) > _RATIO * length:
            with suppress(_BrokenError):  # its reader finds the damage
                _chunk(source, source.read(offset + HEADER.size, length), offset, 0)


def _chunks(source: _Source) -> Iterator[tuple[int, int]]:
    """Begin and end of each chunk up to the first damage, where the reader ends, too."""
    position = len(MCAP0_MAGIC)
    while len(head := source.read(position, HEADER.size)) == HEADER.size:
        opcode, length = HEADER.unpack(head)
        end = position + HEADER.size + length
        if end > source.size:
            return
        if opcode == Opcode.CHUNK:
            yield position, end
        position = end


def _claimed(source: _Source, head: bytes) -> int:
    """What a chunk with this beginning becomes, by what it and its compressed data say [bytes]."""
    if len(head) < _CHUNK_HEAD:
        return 0
    _, _, size, _ = CHUNK.unpack_from(head)
    (named,) = struct.unpack_from('<I', head, CHUNK.size)
    frame = head[CHUNK.size + 4 + min(named, 16) + 8 :]
    if frame.startswith(_ZSTD):
        with suppress(zstandard.ZstdError):
            size = max(size, zstandard.frame_content_size(frame))
    elif not named:
        return 0
    if size > CHUNK_LIMIT:
        raise source.refused(f'a chunk of {size} bytes')
    return int(size)


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
    piece = McapBlock(offset=offset, end=end, compression=compression)
    view, position = memoryview(content), 0
    while position < size:
        if position + HEADER.size > size:
            raise _BrokenError('half a record in a chunk')
        source.spend(0, records=1)
        opcode, length = HEADER.unpack_from(content, position)
        start, position = position + HEADER.size, position + HEADER.size + length
        if position > size:
            raise _BrokenError('half a record in a chunk')
        if opcode == Opcode.MESSAGE:
            piece.messages.append(_message(view, start, length))
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            piece.definitions.append(_parse(opcode, content[start:position]))  # type: ignore[arg-type]
    return piece


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
