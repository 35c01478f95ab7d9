"""Depth images as image_transport's `compressedDepth` sends them.

A sensor_msgs/CompressedImage whose `format` is `16UC1; compressedDepth png` or alike: 12 bytes of
parameters, then a PNG of 16 bits or RVL (Wilson 2017, Fast lossless depth image compression).
Depth in metres (32FC1) is quantised by its inverse; the parameters say how.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.pixel_encodings import millimetres

Depth = NDArray[np.uint16]

MARK = 'compressedDepth'
"""What the format of such a message says after the encoding."""

_PARAMETERS = struct.Struct('<iff')  # a kind that nothing depends on, then A and B of the inverse
_SIZE = struct.Struct('<II')  # of RVL: width, height
_MOST_NIBBLES = 10  # of one number: 30 bits


def decode_depth(
    data: bytes, text: str, *, most_pixels: int, decode_png: Callable[[bytes], Depth]
) -> Depth:
    """The depth in the data of a message, shape (H, W) [mm]; 0 where it is not known.

    Args:
        data: The message's data.
        text: The message's format.
        most_pixels: Of the largest image that is decoded.
        decode_png: Gives the 16 bits of a PNG, and refuses what is not one.

    Raises:
        IlRosError: If it is damaged, too large, or of another format.
    """
    encoding, _, how = (part.strip() for part in text.partition(';'))
    codec = how.removeprefix(MARK).strip() or 'png'  # older versions knew nothing else
    if encoding not in ('16UC1', 'mono16', '32FC1') or codec not in ('png', 'rvl'):
        raise IlRosError(
            f'format {text!r}', allowed=f'16UC1 or 32FC1, then "; {MARK} png" or "; {MARK} rvl"'
        )
    if len(data) <= _PARAMETERS.size:
        raise _damaged(f'{len(data)} bytes')
    _, a, b = _PARAMETERS.unpack_from(data)
    body = data[_PARAMETERS.size :]
    numbers = decode_png(body) if codec == 'png' else _rvl(body, most_pixels)
    return _in_metres(numbers, a, b) if encoding == '32FC1' else numbers


def _in_metres(numbers: Depth, a: float, b: float) -> Depth:
    """Depth a / (n - b) [m] in millimetres; 0 is unknown, and so is what is not before the lens."""
    if not (np.isfinite([a, b]).all() and a > 0):
        raise _damaged(f'its parameters are {a} and {b}')
    inverse = numbers.astype(np.float64) - b
    known = (numbers > 0) & (inverse > 0)
    return millimetres(np.divide(a, inverse, out=np.zeros_like(inverse), where=known))


def _rvl(body: bytes, most_pixels: int) -> Depth:
    """Runs of zeros and of differences, each number in nibbles of three bits and one for more."""
    if len(body) < _SIZE.size:
        raise _damaged(f'{len(body)} bytes of RVL')
    width, height = _SIZE.unpack_from(body)
    if not 0 < width * height <= most_pixels:
        raise IlRosError(
            f'an image of {height} x {width} in {len(body)} bytes',
            allowed=f'1 to {most_pixels} pixels',
            fix='leave the image out',
        )
    numbers = _variable_lengths(body[_SIZE.size :])
    pixels, is_delta, places = np.zeros(width * height, np.uint16), np.zeros(len(numbers), bool), []
    at = place = 0
    while place < len(pixels):
        if at + 2 > len(numbers):
            raise _damaged(f'RVL ends at pixel {place} of {len(pixels)}')
        zeros, others = int(numbers[at]), int(numbers[at + 1])
        place, at = place + zeros, at + 2
        if place + others > len(pixels) or at + others > len(numbers):
            raise _damaged(f'RVL goes beyond its {len(pixels)} pixels or its end')
        is_delta[at : at + others] = True
        places.append(slice(place, place + others))
        place, at = place + others, at + others
    zigzag = numbers[is_delta]
    # Each pixel is the sum of all differences so far, and wraps as the encoder's 16 bits do.
    values = np.cumsum((zigzag >> 1) ^ -(zigzag & 1)).astype(np.uint16)
    first = 0
    for run in places:
        pixels[run] = values[first : first + run.stop - run.start]
        first += run.stop - run.start
    return pixels.reshape(height, width)


def _variable_lengths(body: bytes) -> NDArray[np.int64]:
    """All numbers of an RVL stream, of nibbles from the high end of little-endian words."""
    words = np.frombuffer(body, '<u4', len(body) // 4)
    octets = words.astype('>u4').view(np.uint8)
    nibbles = np.stack([octets >> 4, octets & 15], axis=1).reshape(-1)
    last = np.flatnonzero(nibbles < 8)
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    lengths = last - first + 1
    if len(lengths) and lengths.max() > _MOST_NIBBLES:
        raise _damaged('a number of RVL has more than 30 bits')
    numbers = np.zeros(len(last), np.int64)
    for i in range(int(lengths.max(initial=0))):
        longer = lengths > i
        numbers[longer] |= (nibbles[first[longer] + i].astype(np.int64) & 7) << 3 * i
    return numbers


def _damaged(problem: str) -> IlRosError:
    return IlRosError(f'not a {MARK} image: {problem}', fix='leave the image out')
