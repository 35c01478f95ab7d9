"""Raw images become what ROS and OpenCV read as the same image."""

import cv2
import numpy as np
import pytest
from cdr_messages import STORE, image
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.bags.jpeg_message import jpeg_message
from il_ros.core.errors import IlRosError
from il_ros.core.streams import ImageStream

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
STREAM = ImageStream(topic='wrist', size=(16, 24))
# Red, green, blue, in the order and number of each encoding; none for those that are grey.
COLOURS = {'rgb8': (0, 1, 2), 'bgr8': (2, 1, 0), '8UC3': (2, 1, 0), 'rgba8': (0, 1, 2, 3),
           'bgra8': (2, 1, 0, 3), 'mono8': (), '8UC1': ()}  # fmt: skip


def raw(encoding, **options):
    colour = np.array([200, 90, 20, 255], np.uint8)
    chosen = colour[list(COLOURS[encoding])] if COLOURS[encoding] else colour[1]
    return image(np.full((16, 24, *chosen.shape), chosen, np.uint8), encoding, **options)


@pytest.mark.parametrize('encoding', COLOURS)
@pytest.mark.parametrize('padding', [0, 5])
def test_every_encoding_comes_out_in_its_colours(encoding, padding):
    made = STORE.deserialize_cdr(
        jpeg_message(raw(encoding, padding=padding, stamp=1_500_000_007), STREAM), COMPRESSED
    )
    assert (made.header.stamp.sec, made.header.stamp.nanosec) == (1, 500_000_007)
    grey = not COLOURS[encoding]
    stored = 'mono8' if grey else 'bgr8'
    assert made.format == f'{encoding}; jpeg compressed {stored}'
    pixels = cv2.imdecode(made.data, cv2.IMREAD_UNCHANGED)
    assert pixels.shape == ((16, 24) if grey else (16, 24, 3))
    np.testing.assert_allclose(pixels.reshape(-1, 1 if grey else 3).mean(axis=0),
                               [90] if grey else [20, 90, 200], atol=3)  # fmt: skip


def test_what_other_cameras_send_is_stored_in_its_colours_too():
    """YUV of a grey that is no other, a mosaic of one colour, and 16 bits in either byte order."""
    mosaic = np.tile(np.array([[200, 90], [90, 20]], np.uint8), (8, 12))
    wide = np.tile(np.array([200, 90, 20], np.uint16) * 257, (16, 24, 1))
    grey = np.full((16, 24), 90 * 257, np.uint16)
    made = {
        'yuv422_yuy2': (image(np.full((16, 24, 2), 128, np.uint8), 'yuv422_yuy2'), [130] * 3),
        'bayer_rggb8': (image(mosaic, 'bayer_rggb8', padding=3), [20, 90, 200]),
        'rgb16': (image(wide.astype('>u2'), 'rgb16', big=1), [20, 90, 200]),
        'mono16': (image(grey, 'mono16'), [90]),
    }
    for encoding, (data, expected) in made.items():
        found = STORE.deserialize_cdr(jpeg_message(data, STREAM), COMPRESSED)
        stored = 'mono8' if encoding == 'mono16' else 'bgr8'
        assert found.format == f'{encoding}; jpeg compressed {stored}'
        pixels = cv2.imdecode(found.data, cv2.IMREAD_UNCHANGED).reshape(16 * 24, -1)
        np.testing.assert_allclose(pixels.mean(axis=0), expected, atol=3)


@settings(deadline=None, max_examples=40)
@given(frame=st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=20))
def test_a_frame_of_any_length_is_kept(frame):
    pixels = np.zeros((16, 24), np.uint8)
    data = STORE.serialize_cdr(
        STORE.types[IMAGE](
            header=STORE.deserialize_cdr(raw('mono8'), IMAGE).header, height=16, width=24,
            encoding='mono8', is_bigendian=0, step=24, data=pixels.reshape(-1),
        ),
        IMAGE,
    )  # fmt: skip
    message = STORE.deserialize_cdr(bytes(data), IMAGE)
    message.header.frame_id = frame
    made = jpeg_message(bytes(STORE.serialize_cdr(message, IMAGE)), STREAM)
    found = STORE.deserialize_cdr(made, COMPRESSED)
    assert found.header.frame_id == frame
    assert cv2.imdecode(found.data, cv2.IMREAD_UNCHANGED).shape == (16, 24)


def test_an_image_cut_anywhere_is_refused_and_never_read_past_its_end():
    whole = raw('rgb8')
    for end in [*range(80), len(whole) // 2, len(whole) - 1]:
        with pytest.raises(IlRosError):
            jpeg_message(whole[:end], STREAM)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.integers(0, 70), st.integers(0, 255), min_size=1, max_size=4))
def test_a_damaged_head_is_an_image_or_an_error(damage):
    data = bytearray(raw('mono8'))
    for offset, value in damage.items():
        data[offset] = value
    try:
        made = jpeg_message(bytes(data), ImageStream(topic='wrist', size=(8, 8)))
    except IlRosError:
        return
    assert b'jpeg compressed' in made


@pytest.mark.parametrize(
    ('data', 'error'),
    [
        (raw('mono8').replace(b'mono8\0', b'mono9\0'), 'mono9'),
        (
            image(np.zeros((16, 24), np.uint16), '16UC1'),
            "image encoding '16UC1'; allowed: rgb8, bgr8",
        ),
        (b'\0\0' + raw('mono8')[2:], 'not plain CDR in little endian order'),
        (b'', 'not plain CDR'),
    ],
)
def test_what_cannot_become_a_jpeg_is_named(data, error):
    with pytest.raises(IlRosError) as caught:
        jpeg_message(data, STREAM)
    assert error in str(caught.value)


def test_an_image_of_another_size_than_the_camera_sends_is_refused():
    stream = ImageStream(topic='wrist', size=(8, 8), source_size=(16, 32))
    with pytest.raises(IlRosError, match='an image of 16 x 24'):
        jpeg_message(raw('rgb8'), stream)


def test_a_higher_quality_keeps_more():
    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3), np.uint8)
    data = image(noise, 'rgb8')
    sizes = [
        len(jpeg_message(data, ImageStream(topic='wrist', size=(16, 24), quality=q)))
        for q in (20, 60, 95)
    ]
    assert sizes == sorted(set(sizes))


def test_a_side_that_jpeg_cannot_hold_is_an_error():
    wide = image(np.zeros((1, 70_000), np.uint8), 'mono8')
    with pytest.raises(IlRosError, match='OpenCV cannot encode'):
        jpeg_message(wide, ImageStream(topic='wrist', size=(8, 8)))
