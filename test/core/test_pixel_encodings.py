from types import SimpleNamespace

import numpy as np
import pytest
from cdr_messages import cdr, image
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core import pixel_encodings, registry
from il_ros.core.errors import IlRosError
from il_ros.core.images import ImageDecoder
from il_ros.core.pixel_encodings import ENCODINGS, PixelEncoding, encodings
from il_ros.core.streams import ImageStream

# Two colours, one on each half of the image, so that neither lines nor columns can be mixed up.
LEFT, RIGHT = (200, 40, 16), (10, 90, 230)
HEIGHT, WIDTH = 4, 8
COLOURS = np.array([LEFT] * 4 + [RIGHT] * 4, np.uint8)[None].repeat(HEIGHT, axis=0)


def stream(encoding='rgb8', size=(HEIGHT, WIDTH)):
    return ImageStream(topic='front', size=size, encoding=encoding)


def message(encoding, rows, *, padding=0, big=0, height=HEIGHT, width=WIDTH):
    """An Image whose lines are `rows`, an array of any integers."""
    lines = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    lines = np.pad(lines, ((0, 0), (0, padding)), constant_values=77)
    return cdr(
        'sensor_msgs/msg/Image',
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=big,
        step=lines.shape[1],
        data=lines.reshape(-1),
    )


def yuv(rgb):
    """ITU-R BT.601, 8 bits: luma of 16 to 235."""
    r, g, b = (np.asarray(rgb, float) / 255)[..., :3].transpose(2, 0, 1)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    u, v = 0.564 * (b - luma), 0.713 * (r - luma)
    return [np.rint(x).astype(np.uint8) for x in (16 + 219 * luma, 128 + 224 * u, 128 + 224 * v)]


def interleaved(order):
    """The COLOURS in 4:2:2; `order` names where luma (y), u and v of two pixels are."""
    y, u, v = yuv(COLOURS)
    parts = {'y': y[:, ::2], 'Y': y[:, 1::2], 'u': u[:, ::2], 'v': v[:, ::2]}
    return np.stack([parts[name] for name in order], axis=2).reshape(HEIGHT, 2 * WIDTH)


def two_planes(order):
    y, u, v = yuv(COLOURS)
    parts = {'u': u[::2, ::2], 'v': v[::2, ::2]}
    colour = np.stack([parts[name] for name in order], axis=2).reshape(HEIGHT // 2, WIDTH)
    return np.concatenate([y, colour])


def mosaic(order, pixels):
    """One colour a pixel, by the order of the first two lines."""
    found = np.empty((HEIGHT, WIDTH), pixels.dtype)
    for i, name in enumerate(order):
        found[i // 2 :: 2, i % 2 :: 2] = pixels[i // 2 :: 2, i % 2 :: 2, 'rgb'.index(name)]
    return found


YUV = {
    'uyvy': interleaved('uyvY'),
    'yuv422': interleaved('uyvY'),
    'yuyv': interleaved('yuYv'),
    'yuv422_yuy2': interleaved('yuYv'),
    'nv12': two_planes('uv'),
    'nv21': two_planes('vu'),
}


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('name', YUV)
def test_luma_and_chroma_become_colours_and_greys(name, padding):
    data = message(name, YUV[name], padding=padding)
    found = ImageDecoder(stream()).pixels(data)
    assert np.abs(found.astype(int) - COLOURS).max() <= 6  # chroma has 8 bits, too
    gray = ImageDecoder(stream('mono8')).pixels(data)
    np.testing.assert_array_equal(gray, yuv(COLOURS)[0])


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('order', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_mosaic_becomes_colours(order, bits):
    flat = np.broadcast_to(np.array(LEFT, np.uint8), COLOURS.shape)
    wide = flat.astype(np.uint16) * 257 if bits == 16 else flat
    for big in range(bits // 8):
        rows = mosaic(order, wide).astype('>u2') if big else mosaic(order, wide)
        data = message(f'bayer_{order}{bits}', rows, padding=2, big=big)
        np.testing.assert_array_equal(ImageDecoder(stream()).pixels(data), flat)
        gray = ImageDecoder(stream('mono8')).pixels(data)
        assert np.ptp(gray) <= 1


@pytest.mark.parametrize('big', [0, 1])
@pytest.mark.parametrize('name', ['rgb16', 'bgr16', 'rgba16', 'bgra16'])
def test_sixteen_bits_become_eight(name, big):
    alpha = np.full((HEIGHT, WIDTH, 1), 9, np.uint16)
    wide = np.concatenate([COLOURS.astype(np.uint16) * 257, alpha], axis=2)
    order = ['rgba'.index(letter) for letter in name.removesuffix('16')]
    rows = wide[:, :, order].astype('>u2' if big else '<u2')
    data = message(name, rows.reshape(HEIGHT, -1), padding=4, big=big)
    np.testing.assert_array_equal(ImageDecoder(stream()).pixels(data), COLOURS)


@pytest.mark.parametrize('big', [0, 1])
def test_grey_of_sixteen_bits_is_grey_or_depth(big):
    gray = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 2000
    data = message('mono16', gray.astype('>u2' if big else '<u2'), big=big)
    np.testing.assert_array_equal(ImageDecoder(stream('16UC1')).pixels(data), gray)
    eight = ImageDecoder(stream('mono8')).pixels(data)
    np.testing.assert_array_equal(eight, np.rint(gray / 257))
    np.testing.assert_array_equal(
        ImageDecoder(stream()).pixels(data), np.stack([eight] * 3, axis=2)
    )


@pytest.mark.parametrize('big', [0, 1])
def test_depth_in_metres_has_lines_and_a_byte_order_too(big):
    metres = np.linspace(0.2, 4.0, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    data = message('32FC1', metres.astype('>f4' if big else '<f4'), padding=12, big=big)
    found = ImageDecoder(stream('16UC1')).pixels(data)
    np.testing.assert_array_equal(found, np.rint(metres.astype(np.float32) * 1000))


@pytest.mark.parametrize(
    ('name', 'height', 'width', 'rows'),
    [
        ('yuv422', 4, 7, np.zeros((4, 14), np.uint8)),
        ('nv12', 3, 8, np.zeros((5, 8), np.uint8)),
        ('nv12', 4, 8, np.zeros((5, 8), np.uint8)),
        ('rgb16', 4, 8, np.zeros((4, 47), np.uint8)),
        ('bayer_rggb16', 4, 8, np.zeros((3, 16), np.uint8)),
    ],
)
def test_bytes_that_are_too_few_or_odd_are_refused_in_one_line(name, height, width, rows):
    data = message(name, rows, height=height, width=width)
    with pytest.raises(IlRosError) as caught:
        ImageDecoder(stream(size=(height, width))).pixels(data)
    text = f'{rows.size} bytes for an image of {height} x {width} {name}, step {rows.shape[1]}; '
    assert str(caught.value) == text + 'to fix: fix the camera driver'


def test_an_encoding_that_cannot_become_what_is_wanted_names_those_that_can():
    with pytest.raises(IlRosError) as caught:
        ImageDecoder(stream('16UC1')).pixels(image(COLOURS))
    assert str(caught.value) == (
        "image encoding 'rgb8'; allowed: mono16, 16UC1, 32FC1; to fix: say another encoding than "
        '16UC1 in the contract, or let the driver change'
    )


@given(name=st.sampled_from(encodings()), sizes=st.tuples(*[st.integers(0, 70)] * 3),
       big=st.integers(0, 1), count=st.integers(0, 9000),
       wanted=st.sampled_from(['rgb8', 'mono8', '16UC1']))  # fmt: skip
def test_any_numbers_in_a_message_give_an_image_or_one_error(name, sizes, big, count, wanted):
    height, width, step = sizes
    data = cdr(
        'sensor_msgs/msg/Image',
        height=height,
        width=width,
        encoding=name,
        is_bigendian=big,
        step=step * 4,
        data=np.zeros(count, np.uint8),
    )
    try:
        found = ImageDecoder(stream(wanted, size=(2, 2))).pixels(data)
    except IlRosError:
        return
    assert found.shape[:2] == (2, 2)
    assert found.dtype == (np.uint16 if wanted == '16UC1' else np.uint8)


def test_third_parties_bring_encodings_by_entry_point(monkeypatch):
    inverted = PixelEncoding(kind='u1', to={'mono8': np.invert})
    points = [SimpleNamespace(name='negative8', load=lambda: inverted)]
    monkeypatch.setattr(registry, 'entry_points', lambda group: points)
    monkeypatch.setattr(pixel_encodings, 'ENCODINGS', dict(ENCODINGS))
    encodings.cache_clear()
    try:
        gray = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
        found = ImageDecoder(stream('mono8')).pixels(message('negative8', gray))
        np.testing.assert_array_equal(found, 255 - gray)
        with pytest.raises(IlRosError, match=r"image encoding 'other8'; allowed: .*, negative8$"):
            ImageDecoder(stream('mono8')).pixels(message('other8', gray))
    finally:
        encodings.cache_clear()
