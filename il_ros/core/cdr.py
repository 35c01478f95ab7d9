"""Numbers straight from a message's bytes, live or from a bag: the same bytes, the same numbers.

Messages are not deserialised as a whole, which costs several times what a policy's tick needs.
Layout: OMG DDS-XTypes 1.3, 7.4 (plain CDR, versions 1 and 2), as every ROS 2 middleware sends it.
"""

from __future__ import annotations

import struct
from collections import deque

from il_ros.core.errors import IlRosError

NS = 1_000_000_000
NAMES = 1_000
"""How many strings a sequence of them may have: a million would take a third of a second."""

Bytes = bytes | bytearray | memoryview

ORIGIN = 4  # alignment counts from behind the encapsulation header
# Encapsulation identifier: byte order, and the widest alignment. Version 2 aligns to 4 at most.
_KINDS = {0: ('>', 8), 1: ('<', 8), 6: ('>', 4), 7: ('<', 4)}
_STAMP = {'<': struct.Struct('<iI'), '>': struct.Struct('>iI')}
_U32 = {'<': struct.Struct('<I'), '>': struct.Struct('>I')}


class Cdr:
    """Reads the fields of one message, in the order of its definition.

    Args:
        data: The message's bytes, with the encapsulation header in front.

    Attributes:
        position: Index of the next byte.
        order: Byte order, as `struct` has it.
        widest: Widest alignment [byte].

    Raises:
        IlRosError: Here and from every method, if the bytes end early or are not plain CDR.
    """

    __slots__ = ('_data', '_u32', 'order', 'position', 'widest')

    def __init__(self, data: Bytes) -> None:
        try:
            self.order, self.widest = _KINDS[data[1]]
        except (IndexError, KeyError):
            raise IlRosError(
                f'not plain CDR: begins with {bytes(data[:4]).hex(" ") or "nothing"}',
                fix='leave the message out',
            ) from None
        self._u32 = _U32[self.order]
        self._data, self.position = data, ORIGIN

    def stamp(self) -> int:
        """A time [ns]."""
        self._align(4)
        seconds, nanoseconds = self._take(_STAMP[self.order])
        return int(seconds) * NS + int(nanoseconds)

    def header(self) -> int:
        """A std_msgs/Header; returns its stamp [ns]."""
        stamp = self.stamp()
        self.skip_string()
        return stamp

    def uint8(self) -> int:
        """One byte."""
        return self.octets(1)[0]

    def uint32(self) -> int:
        """An unsigned integer of four bytes."""
        self._align(4)
        return int(self._take(self._u32)[0])

    def skip_duration(self) -> None:
        """Pass over a builtin_interfaces/Duration."""
        self.stamp()

    def skip_string(self) -> None:
        """Pass over a string."""
        self._move(self.uint32())

    def string(self) -> str:
        """A string; what is not UTF-8 in it is replaced."""
        return bytes(self.octets(self.uint32())).rstrip(b'\0').decode(errors='replace')

    def strings(self) -> list[str]:
        """A sequence of `NAMES` strings at most."""
        count = self._bounded(self.uint32(), 4)
        if count > NAMES:
            raise IlRosError(f'{count} names', allowed=f'up to {NAMES}')
        return [self.string() for _ in range(count)]

    def doubles(self, count: int | None = None) -> tuple[float, ...]:
        """A number of float64; by default a sequence of them."""
        return self.numbers('d', count)

    def numbers(self, kind: str, count: int | None = None) -> tuple[float, ...]:
        """A number of what `struct` calls `kind`; by default a sequence of them."""
        size = struct.calcsize(f'={kind}')
        if count is None:
            count = self._bounded(self.uint32(), size)
        if not count:
            return ()
        self._align(min(size, self.widest))
        return self._take(struct.Struct(f'{self.order}{count}{kind}'))

    def octets(self, count: int | None = None) -> Bytes:
        """A number of bytes; by default a sequence of them."""
        if count is None:
            count = self.uint32()
        begin = self.position
        self._move(count)
        return memoryview(self._data)[begin : self.position]

    def _align(self, size: int) -> None:
        self.position += -(self.position - ORIGIN) % size

    def _move(self, count: int) -> None:
        if count > len(self._data) - self.position:
            raise self._short()
        self.position += count

    def _bounded(self, count: int, size: int) -> int:
        """`count`, unless fewer than so many items of at least `size` bytes can follow."""
        if count * size > len(self._data) - self.position:
            raise self._short()
        return count

    def _take(self, layout: struct.Struct) -> tuple[float, ...]:
        try:
            values = layout.unpack_from(self._data, self.position)
        except struct.error:
            raise self._short() from None
        self.position += layout.size
        return values

    def _short(self) -> IlRosError:
        return ends_early(self._data)


def ends_early(data: Bytes) -> IlRosError:
    """The error for a message that is shorter than its contents say."""
    return IlRosError(f'the message ends early: {len(data)} bytes', fix='leave the message out')


def header_frame(data: Bytes) -> str:
    """The `frame_id` of a message that begins with a std_msgs/Header.

    Raises:
        IlRosError: If the bytes end early or are not plain CDR.
    """
    return known_header(data).frame_id


def child_frame(data: Bytes) -> str:
    """The `child_frame_id` of a message that has one behind its std_msgs/Header.

    Raises:
        IlRosError: If the bytes end early or are not plain CDR.
    """
    reader = Cdr(data)
    reader.header()
    return reader.string()


class KnownHeader:
    """The std_msgs/Header of one publisher's messages, of which only the stamp changes.

    The rest is compared with that of the last messages and not read again.

    Attributes:
        frame_id: The frame that it names.
        end: Index of the byte behind it.
        order: Byte order, as `struct` has it.
        widest: Widest alignment of the message [byte].
        kind: The message's encapsulation.
        text: Its bytes behind the stamp.

    Raises:
        IlRosError: If the bytes end early or are not plain CDR.
    """

    __slots__ = ('end', 'frame_id', 'kind', 'order', 'text', 'widest')

    def __init__(self, data: Bytes) -> None:
        reader = Cdr(data)
        reader.stamp()
        begin = reader.position
        self.frame_id, self.end = reader.string(), reader.position
        self.order, self.widest, self.kind = reader.order, reader.widest, data[1]
        self.text = bytes(data[begin : self.end])


_BEHIND_STAMP = ORIGIN + 8
_LONGEST = 256  # bytes of a header that is remembered
_headers: deque[KnownHeader] = deque(maxlen=16)  # seen last


def known_header(data: Bytes) -> KnownHeader:
    """The header of a message that begins with one.

    Raises:
        IlRosError: If the bytes end early or are not plain CDR.
    """
    for header in tuple(_headers):
        if data[_BEHIND_STAMP : header.end] == header.text and data[1] == header.kind:
            return header
    header = KnownHeader(data)
    if len(header.text) <= _LONGEST:
        _headers.appendleft(header)
    return header


def header_stamp(data: Bytes) -> int:
    """The stamp of a message that begins with a std_msgs/Header [ns].

    Raises:
        IlRosError: If the bytes end early or are not plain CDR.
    """
    if data[1:2] != b'\1':
        return Cdr(data).stamp()
    try:  # what every machine of today sends
        seconds, nanoseconds = _STAMP['<'].unpack_from(data, ORIGIN)
    except struct.error:
        raise ends_early(data) from None
    return int(seconds) * NS + int(nanoseconds)
