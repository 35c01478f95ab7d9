import struct

import cv2
import numpy as np
import pytest
from cdr_messages import cdr, compressed, image
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.core.images import (
    ImageDecoder,
    decode,
    encode,
    raw_image,
    rendered_frame,
    renderer_of,
)
from il_ros.core.streams import COMPRESSED_IMAGE, ImageStream

RNG = np.random.default_rng(0)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 255, (24, 32, 3), np.uint8), (9, 9), 3)


def stream(**changes):
    return ImageStream(**{'topic': 'front/image_raw', 'size': (24, 32)} | changes)


@pytest.mark.parametrize('padding', [0, 5])
def test_the_channels_come_out_as_rgb_whatever_came_in(padding):
    decoder = ImageDecoder(stream())
    for encoding, order in {'rgb8': [0, 1, 2], 'bgr8': [2, 1, 0]}.items():
        message = image(SMOOTH[:, :, order], encoding, padding=padding)
        np.testing.assert_array_equal(decoder.pixels(message), SMOOTH)
    alpha = np.concatenate([SMOOTH[:, :, [2, 1, 0]], SMOOTH[:, :, :1]], axis=2)
    np.testing.assert_array_equal(decoder.pixels(image(alpha, 'bgra8')), SMOOTH)


def test_depth_in_metres_and_in_millimetres_is_one():
    depth = np.array([[0.5, 1.25], [np.nan, 100.0]], np.float32)
    decoder = ImageDecoder(stream(encoding='16UC1', size=(2, 2)))
    expected = np.array([[500, 1250], [0, 65535]], np.uint16)
    assert decoder.pixels(image(depth, '32FC1')).tolist() == expected.tolist()
    assert decoder.pixels(image(expected, '16UC1')).tolist() == expected.tolist()
    swapped = image(expected.astype('>u2'), '16UC1', big=1)
    assert decoder.pixels(swapped).tolist() == expected.tolist()
    assert decode(decoder.encoded(swapped), '16UC1').tolist() == expected.tolist()


def test_images_are_resized_to_the_size_of_the_contract():
    decoder = ImageDecoder(stream(size=(12, 16)))
    found = decoder.pixels(image(SMOOTH))
    assert found.shape == (12, 16, 3)
    # Half the size by areas: each pixel is the mean of four.
    mean = SMOOTH.reshape(12, 2, 16, 2, 3).mean(axis=(1, 3))
    assert np.abs(found - mean).max() <= 1


def test_a_camera_that_changes_its_size_is_refused():
    decoder = ImageDecoder(stream())
    decoder.pixels(image(SMOOTH))
    with pytest.raises(IlRosError, match='an image of 12 x 16; allowed: 24 x 32, as the first one'):
        decoder.pixels(image(SMOOTH[::2, ::2]))
    decoder.pixels(image(SMOOTH))  # and taken again as soon as it is back
    with pytest.raises(IlRosError, match='an image of 24 x 32; allowed: 48 x 64'):
        ImageDecoder(stream(source_size=(48, 64))).encoded(image(SMOOTH))


def test_a_jpeg_that_fits_goes_into_the_dataset_as_it_is():
    blob = encode(SMOOTH, 'jpeg', 90)
    decoder = ImageDecoder(stream(type=COMPRESSED_IMAGE))
    assert decoder.encoded(compressed(blob)) == blob
    assert np.abs(decoder.pixels(compressed(blob)).astype(int) - SMOOTH).max() < 40
    small = ImageDecoder(stream(type=COMPRESSED_IMAGE, size=(12, 16)))
    assert decode(small.encoded(compressed(blob))).shape == (12, 16, 3)


def test_png_loses_nothing():
    blob = ImageDecoder(stream()).encoded(image(SMOOTH), image_format='png')
    np.testing.assert_array_equal(decode(blob), SMOOTH)


@pytest.mark.parametrize(
    ('fields', 'text'),
    [
        ({'encoding': 'nv24'}, "image encoding 'nv24'; allowed: rgb8, bgr8"),
        ({'step': 10}, '12 bytes for an image of 2 x 2 rgb8, step 10; to fix: fix the camera'),
        ({'height': 0}, 'for an image of 0 x 2'),
        ({'height': 2**31}, '12 bytes for an image'),
        ({'encoding': '16UC1'}, "image encoding '16UC1'; allowed: rgb8, bgr8"),
    ],
)
def test_an_image_that_does_not_fit_together_is_refused(fields, text):
    values = {'height': 2, 'width': 2, 'encoding': 'rgb8', 'is_bigendian': 0, 'step': 6}
    message = cdr('sensor_msgs/msg/Image', **values | fields, data=np.zeros(12, np.uint8))
    with pytest.raises(IlRosError, match=text):
        ImageDecoder(stream(size=(2, 2))).pixels(message)


@pytest.mark.parametrize('image_format', ['png', 'jpeg'])
def test_a_small_file_that_says_it_is_huge_is_refused_before_it_is_decoded(image_format):
    blob = bytearray(encode(SMOOTH, image_format))
    height, width = SMOOTH.shape[:2]
    if image_format == 'png':
        at, size, huge = 16, struct.pack('>II', width, height), struct.pack('>II', 30000, 30000)
    else:
        size, huge = struct.pack('>HH', height, width), struct.pack('>HH', 30000, 30000)
        at = blob.index(size)
    assert blob[at : at + len(size)] == size
    assert decode(bytes(blob)).shape == SMOOTH.shape
    blob[at : at + len(size)] = huge
    with pytest.raises(IlRosError, match=r'an image of 30000 x 30000 in \d+ bytes; allowed: '):
        decode(bytes(blob))


def jpeg_behind(between):
    """A JPEG with other bytes before all of its segments."""
    blob = encode(SMOOTH, 'jpeg')
    return blob[:2] + between + blob[2:]


@pytest.mark.parametrize(
    'between',
    [
        b'',
        2 * (b'\xff\xe1' + struct.pack('>H', 65535) + bytes(65533)),  # two large segments
        b'\xff' * 70000,
        b'\xff\x01' * 3,
        b'\xff\xe1\0\x16' + bytes.fromhex('ffc0 0011 08 0001 0001') * 2 + bytes(2),
    ],
)
def test_the_size_of_a_jpeg_is_found_behind_whatever_is_before_it(between):
    blob = jpeg_behind(between)
    assert decode(blob).shape == SMOOTH.shape
    size, huge = struct.pack('>HH', *SMOOTH.shape[:2]), struct.pack('>HH', 20000, 20000)
    assert blob.count(size) == 1
    with pytest.raises(IlRosError, match=f'20000 x 20000 in {len(blob)} bytes; allowed: 67108864'):
        decode(blob.replace(size, huge))


@pytest.mark.parametrize('suffix', ['.tiff', '.webp', '.ppm', '.hdr'])
def test_other_formats_are_refused_with_what_is_allowed(suffix):
    pixels = SMOOTH.astype(np.float32) if suffix == '.hdr' else SMOOTH
    done, blob = cv2.imencode(suffix, pixels)
    assert done
    with pytest.raises(IlRosError, match=r'rgb8: .*; allowed: PNG, JPEG or BMP of at most'):
        decode(blob.tobytes())


@pytest.mark.parametrize('height', [30000, -30000])
def test_a_bitmap_that_says_it_is_huge_is_refused(height):
    blob = cv2.imencode('.bmp', SMOOTH[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(decode(blob), SMOOTH)
    with pytest.raises(IlRosError, match='an image of 30000 x 30000 in'):
        decode(blob[:18] + struct.pack('<ii', 30000, height) + blob[26:])
    with pytest.raises(IlRosError, match='not an encoded image'):
        decode(blob[:14] + struct.pack('<I', 12) + blob[18:])


def test_a_png_whose_first_chunk_is_no_size_is_refused():
    blob = encode(SMOOTH, 'png')
    with pytest.raises(IlRosError, match='not an encoded image'):
        decode(blob[:8] + bytes.fromhex('00000001') + b'teXt' + bytes(5) + blob[8:])


def test_a_damaged_jpeg_is_refused():
    blob = encode(SMOOTH, 'jpeg')
    decoder = ImageDecoder(stream(type=COMPRESSED_IMAGE))
    for damaged in (b'', b'\xff\xd8', b'no image', blob[:20]):
        with pytest.raises(IlRosError, match='not an encoded image of rgb8: '):
            decoder.encoded(compressed(damaged))


@given(cut=st.integers(0, 300), noise=st.binary(max_size=60))
def test_damaged_bytes_are_an_error_or_pixels_and_nothing_else(cut, noise):
    try:
        pixels = ImageDecoder(stream(size=(4, 4))).pixels(image(SMOOTH[:4, :4])[:cut] + noise)
        assert pixels.shape == (4, 4, 3)
    except IlRosError:
        pass


def test_the_pixels_of_a_raw_image_are_not_copied_without_need():
    message = image(SMOOTH)
    assert np.shares_memory(raw_image(message)[1], np.frombuffer(message, np.uint8))


def of_frame(frame_id, little=True):
    kind = 'sensor_msgs/msg/CompressedImage'
    return cdr(kind, frame_id=frame_id, little=little, format='', data=np.zeros(3, np.uint8))


@pytest.mark.parametrize('little', [True, False])
@pytest.mark.parametrize('renderer', ['opengl', 'rays'])
def test_a_rendered_image_says_by_whom(renderer, little):
    message = of_frame(rendered_frame(renderer, 'wrist/left'), little)
    assert renderer_of(message) == renderer
    with pytest.raises(IlRosError):
        renderer_of(message[:20])


@given(st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0')))
def test_a_camera_s_frame_names_no_renderer(frame_id):
    assert frame_id.startswith('rendered/') or renderer_of(of_frame(frame_id)) == ''
