import struct

import cv2
import numpy as np
import pytest
from cdr_messages import compressed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from il_ros.core.errors import IlRosError
from il_ros.core.images import MOST_PIXELS, ImageDecoder
from il_ros.core.streams import COMPRESSED_IMAGE, ImageStream

DEPTH = (500 + 10 * np.arange(12)[:, None] + 5 * np.arange(16)).astype(np.uint16)
DEPTH[3, 4:9] = 0  # no echo
# What the transport derives from its defaults: quantisation 100, farthest 10 m.
A, B = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0


def png(pixels):
    return cv2.imencode('.png', pixels)[1].tobytes()


def nibbles(number):
    """A number in groups of three bits, the least first; each but the last has its fourth set."""
    groups = [number & 7]
    while number := number >> 3:
        groups[-1] |= 8
        groups.append(number & 7)
    return groups


def rvl(pixels):
    """RVL as the paper's listing writes it, a pixel at a time."""
    rest, before, found = pixels.reshape(-1).astype(int).tolist(), 0, []
    while rest:
        zeros = next((i for i, value in enumerate(rest) if value), len(rest))
        rest = rest[zeros:]
        others = next((i for i, value in enumerate(rest) if not value), len(rest))
        found += nibbles(zeros) + nibbles(others)
        for value in rest[:others]:
            difference, before = value - before, value
            found += nibbles(2 * difference if difference >= 0 else -2 * difference - 1)
        rest = rest[others:]
    found += [0] * (-len(found) % 8)
    words = [int(''.join(f'{n:x}' for n in found[i : i + 8]), 16) for i in range(0, len(found), 8)]
    height, width = pixels.shape
    return struct.pack(f'<II{len(words)}I', width, height, *words)


def message(body, text='16UC1; compressedDepth png', a=0.0, b=0.0):
    return compressed(struct.pack('<iff', 0, a, b) + body, text)


def pixels(data, size=DEPTH.shape):
    stream = ImageStream(topic='depth', type=COMPRESSED_IMAGE, encoding='16UC1', size=size)
    return ImageDecoder(stream).pixels(data)


@pytest.mark.parametrize('text', ['16UC1; compressedDepth', '16UC1; compressedDepth png'])
def test_millimetres_in_a_png_are_taken_as_they_are(text):
    assert pixels(message(png(DEPTH), text)).tolist() == DEPTH.tolist()


@given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)),
              elements=st.sampled_from([0, 0, 0, 1, 2, 900, 40_000, 65_535])))  # fmt: skip
def test_any_depth_comes_back_from_rvl(depth):
    data = message(rvl(depth), '16UC1; compressedDepth rvl')
    assert pixels(data, depth.shape).tolist() == depth.tolist()


@pytest.mark.parametrize(('codec', 'encode'), [('png', png), ('rvl', rvl)])
def test_metres_are_quantised_by_their_inverse(codec, encode):
    metres = DEPTH / 1000.0
    far = np.divide(A, metres, out=np.zeros(DEPTH.shape), where=metres > 0)
    numbers = np.where(metres > 0, far + B, 0).astype(np.uint16)
    found = pixels(message(encode(numbers), f'32FC1; compressedDepth {codec}', A, B))
    assert (found[DEPTH == 0] == 0).all()
    # One step of the quantisation is depth^2 / A.
    step = 1000.0 * metres**2 / A
    assert (np.abs(found.astype(float) - DEPTH) <= step + 0.5).all()


def test_what_is_not_before_the_lens_is_unknown():
    numbers = np.array([[0, 1, 5], [6, 10, 15]], np.uint16)
    found = pixels(message(png(numbers), '32FC1; compressedDepth png', 1.0, 5.0), (2, 3))
    assert found.tolist() == [[0, 0, 0], [1000, 200, 100]]


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (message(b''), 'not a compressedDepth image: 12 bytes; to fix: leave the image out'),
        (compressed(b'', '16UC1; compressedDepth png'), 'not a compressedDepth image: 0 bytes'),
        (message(b'no picture'), 'not an encoded image of 16UC1: 10 bytes'),
        (message(png(DEPTH)[:60]), 'not an encoded image of 16UC1'),
        (message(png(DEPTH.astype(np.uint8))), 'not an encoded image of 16UC1'),
        (message(png(DEPTH), '8UC3; compressedDepth png'), "format '8UC3; compressedDepth png'; a"),
        (message(png(DEPTH), '16UC1; compressedDepth zip'), 'allowed: 16UC1 or 32FC1, then "; com'),
        (message(png(DEPTH), '32FC1; compressedDepth png'), 'its parameters are 0.0 and 0.0'),
        (message(png(DEPTH), '32FC1; compressedDepth', np.nan, 1.0), 'its parameters are nan and'),
        (message(b'1234567', '16UC1; compressedDepth rvl'), '7 bytes of RVL'),
        (message(rvl(DEPTH)[:40], '16UC1; compressedDepth rvl'), 'RVL '),
        (message(struct.pack('<II', 4, 4), '16UC1; compressedDepth rvl'), 'ends at pixel 0 of 16'),
        (message(struct.pack('<III', 4, 4, 2**32 - 1), '16UC1; compressedDepth rvl'), 'RVL ends'),
        (
            message(struct.pack('<5I', 4, 4, *[2**32 - 1] * 2, 0), '16UC1; compressedDepth rvl'),
            'a number of RVL has more than 30 bits',
        ),
        (message(struct.pack('<II', 9, 0), '16UC1; compressedDepth rvl'), 'an image of 0 x 9 in 8'),
    ],
    ids=lambda part: part if isinstance(part, str) else '',
)
def test_damaged_depth_is_refused_in_one_line(data, text):
    with pytest.raises(IlRosError) as caught:
        pixels(data)
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


def test_depth_that_says_it_is_huge_is_refused_before_it_is_decoded():
    huge = struct.pack('<II', 2**31, 2**31)
    with pytest.raises(IlRosError, match=f'an image of {2**31} x {2**31} in 8 bytes; allowed: 1'):
        pixels(message(huge, '16UC1; compressedDepth rvl'))
    blob = bytearray(png(DEPTH))
    blob[16:24] = struct.pack('>II', 30000, 30000)
    with pytest.raises(IlRosError, match=f'30000 x 30000 in .* bytes; allowed: {MOST_PIXELS}'):
        pixels(message(bytes(blob)))


@given(cut=st.integers(0, 200), noise=st.binary(max_size=60))
def test_damaged_rvl_is_an_error_or_depth_and_nothing_else(cut, noise):
    body = rvl(DEPTH[:4, :4])[:cut] + noise
    try:
        found = pixels(message(body, '16UC1; compressedDepth rvl'), (4, 4))
    except IlRosError:
        return
    assert found.shape == (4, 4)


def test_depth_is_no_colour():
    stream = ImageStream(topic='depth', type=COMPRESSED_IMAGE, size=DEPTH.shape)
    with pytest.raises(IlRosError, match='is depth; allowed: encoding: 16UC1 for it in the con'):
        ImageDecoder(stream).pixels(message(png(DEPTH)))
