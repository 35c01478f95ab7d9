"""Finds everything that is whole in an MCAP file, however damaged the rest is.

The reader of the `mcap` library stops at the first fault. This one goes on after it: a chunk that
fails its checksum is left out, and where the frame of the records itself is broken it looks for
the next whole chunk.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

import zstandard
from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
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

from il_ros.bags.mcap_summary import CHUNK, HEADER

LIMIT = 1 << 30  # bytes; a record or a chunk that says it is larger is not believed
_MESSAGE = struct.Struct('<HIQQ')
_LENGTH = struct.Struct('<Q')
_INDEX_HEAD, _INDEX_ENTRY = 6, 16  # bytes of a message index: channel and length, then entries
_WINDOW = 4 << 20
# A chunk's record: opcode, length below 2^40, times, size, checksum, name of the compression.
_START = re.compile(rb'\x06.{5}\x00{3}.{28}(?:\x00{4}|\x04\x00{3}zstd|\x03\x00{3}lz4)', re.DOTALL)
_SPAN = 64  # bytes, more than the pattern matches

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


def whole_blocks(file: BinaryIO, size: int) -> Iterator[McapBlock | McapGap]:
    """Everything whole in an MCAP file of `size` bytes, and the gaps, in the file's order.

    Writers put all messages of a file into chunks, or none. After a chunk, what says that it is a
    message outside of one is another record whose first byte is damaged: a gap.
    """
    position = 0
    if _read(file, 0, len(MCAP0_MAGIC)) == MCAP0_MAGIC:
        position = len(MCAP0_MAGIC)
    closed = chunked = False
    while position < size:
        if closed and _read(file, position, size - position) == MCAP0_MAGIC:
            return
        try:
            piece = _piece(file, position, size)
            if chunked and piece.messages and piece.compression is None:
                raise _BrokenError('a message outside of the chunks')
        except _BrokenError as problem:
            gap = _gap(file, position, size, problem)
            yield gap
            position = gap.end
            continue
        yield piece
        position = piece.end
        closed = isinstance(piece.other, Footer)
        chunked |= piece.compression is not None


def _piece(file: BinaryIO, offset: int, size: int) -> McapBlock:
    head = _read(file, offset, HEADER.size)
    if len(head) < HEADER.size:
        raise _BrokenError('cut in the head of a record')
    if not _begins(head):
        raise _BrokenError('no record begins here')
    opcode, length = HEADER.unpack(head)
    end = offset + HEADER.size + length
    if end > size:
        raise _BrokenError(f'cut in a {_name(opcode)}')
    # A chunk says by itself whether its length is right; of another record, what follows does.
    if opcode != Opcode.CHUNK and not _goes_on(file, end, size):
        raise _BrokenError(f'length of a {_name(opcode)}')
    body = _read(file, offset + HEADER.size, length)
    if opcode == Opcode.CHUNK:
        return _chunk(body, offset, end)
    if opcode not in _PARSED:
        with suppress(_BrokenError):  # a chunk whose first byte is damaged
            return _chunk(body, offset, end, checked=True)
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


def _chunk(body: bytes, offset: int, end: int, *, checked: bool = False) -> McapBlock:
    """The content of a chunk that is in order; a `checked` one has to have a checksum."""
    compression, data, size, crc = _compressed(body)
    if checked and not crc:
        raise _BrokenError('a chunk without a checksum')
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


def _decompress(compression: str, data: memoryview, size: int) -> bytes | memoryview:
    try:
        if compression == 'zstd':
            if zstandard.frame_content_size(data) not in (-1, size):  # -1: it does not say
                return b''
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
        if compression == 'lz4':
            return bytes(LZ4FrameDecompressor().decompress(data, max_length=size))
    except (zstandard.ZstdError, RuntimeError, EOFError, MemoryError) as problem:
        raise _BrokenError(f'compressed chunk: {problem}') from None
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


def _gap(file: BinaryIO, offset: int, size: int, problem: _BrokenError) -> McapGap:
    """From a broken record to where reading can go on."""
    head = _read(file, offset, HEADER.size)
    end = size + 1
    if len(head) == HEADER.size and _begins(head):
        end = offset + HEADER.size + HEADER.unpack(head)[1]
    if end > size or not _goes_on(file, end, size):
        end = _next_chunk(file, offset + 1, size)
    return McapGap(start=offset, end=end, reason=str(problem))


def _begins(head: bytes) -> bool:
    """Whether these may be the first bytes of a record."""
    opcode, length = HEADER.unpack(head)
    known = Opcode.HEADER <= opcode <= Opcode.DATA_END or opcode >= 0x80  # private ones
    return known and bool(length <= LIMIT)


def _goes_on(file: BinaryIO, position: int, size: int) -> bool:
    """Whether a record, a cut one, or the end of the file is at a position."""
    head = _read(file, position, HEADER.size)
    return len(head) < HEADER.size or _begins(head)


def _next_chunk(file: BinaryIO, position: int, size: int) -> int:
    """Where the next whole chunk begins; `size` if none does."""
    while position < size:
        window = _read(file, position, _WINDOW + _SPAN)
        for match in _matches(window):
            try:
                _piece(file, position + match, size)
                return position + match
            except _BrokenError:
                continue
        position += _WINDOW
    return size


def _matches(window: bytes) -> Iterator[int]:
    """Where chunks may begin, overlapping ones too."""
    match = _START.search(window)
    while match and match.start() < _WINDOW:
        yield match.start()
        match = _START.search(window, match.start() + 1)


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _name(opcode: int) -> str:
    known = opcode in {int(code) for code in Opcode}
    return Opcode(opcode).name.lower().replace('_', ' ') if known else 'record'
