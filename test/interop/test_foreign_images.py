"""Images that come in, and those that stand for missing ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from il_ros.core.errors import DatasetError
from il_ros.core.images import decode, encode
from il_ros.core.streams import ImageStream
from il_ros.interop.foreign_images import blank, encoded_as, kept_image, require_size
from il_ros.interop.lerobot_statistics import Histogram

WHERE = Path('/x')


def stream(encoding, **options):
    return ImageStream(topic='t', size=(6, 8), encoding=encoding, **options)


def pixels(encoding, seed=0):
    shape = (6, 8, 3) if encoding == 'rgb8' else (6, 8)
    top, dtype = (65536, np.uint16) if encoding == '16UC1' else (256, np.uint8)
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


@pytest.mark.parametrize('encoding', ['rgb8', 'mono8', '16UC1'])
def test_a_blank_image_is_black_and_fits_its_camera(encoding):
    made = decode(blank(stream(encoding)), encoding)
    assert made.shape == pixels(encoding).shape
    assert made.dtype == pixels(encoding).dtype
    assert not made.any()


@pytest.mark.parametrize('encoding', ['rgb8', 'mono8', '16UC1'])
@pytest.mark.parametrize('record', ['jpeg', 'raw'])
def test_only_a_camera_that_records_jpeg_loses_detail(encoding, record):
    given = pixels(encoding)
    blob = encoded_as(stream(encoding, record=record), given)
    jpeg = record == 'jpeg' and encoding != '16UC1'
    assert blob.startswith(b'\xff\xd8' if jpeg else b'\x89PNG')
    if not jpeg:
        np.testing.assert_array_equal(decode(blob, encoding), given)


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
def test_bytes_that_datasets_keep_are_kept_as_they_are(kind):
    blob = encode(pixels('rgb8'), kind)
    assert kept_image(stream('rgb8'), blob, WHERE) == blob


def test_other_kinds_become_png_with_the_same_pixels():
    given = pixels('rgb8')
    done, blob = cv2.imencode('.bmp', given[..., ::-1])
    assert done
    made = kept_image(stream('rgb8'), blob.tobytes(), WHERE)
    assert made.startswith(b'\x89PNG')
    np.testing.assert_array_equal(decode(made, 'rgb8'), given)


def test_an_image_cut_before_its_pixels_is_refused():
    blob = encode(pixels('rgb8'), 'png')
    for end in range(0, 40):
        with pytest.raises(DatasetError, match='/x: '):
            kept_image(stream('rgb8'), blob[:end], WHERE)


@pytest.mark.parametrize('blob', [b'', b'\x89PNG', b'\xff\xd8\xff', b'GIF89a', b'\0' * 99])
def test_bytes_of_anything_are_no_image(blob):
    with pytest.raises(DatasetError, match=r'^/x: not an encoded image of mono8: \d+ bytes; '):
        kept_image(stream('mono8'), blob, WHERE)


@pytest.mark.parametrize('size', [(8, 6), (6,), (), (6, 8, 3)])
def test_another_size_is_named(size):
    with pytest.raises(DatasetError, match='allowed: 6 x 8, as the contract has it'):
        require_size(stream('rgb8'), size, WHERE)
    require_size(stream('rgb8'), (6, 8), WHERE)


@pytest.mark.parametrize('encoding', ['rgb8', 'mono8'])
def test_statistics_of_images_are_those_of_all_their_pixels(encoding):
    images = [pixels(encoding, seed) for seed in range(4)]
    one, other = Histogram(stream(encoding)), Histogram(stream(encoding))
    assert one.summary() is None
    for i, image in enumerate(images):
        (one if i % 2 else other).add(image)
    one.merge(other)
    seen = np.stack(images)[:, ::4, ::4].reshape(-1, 3 if encoding == 'rgb8' else 1) / 255
    found = one.summary()
    assert found['count'] == [4]
    for name, wanted in (
        ('mean', seen.mean(axis=0)),
        ('std', seen.std(axis=0)),
        ('min', seen.min(axis=0)),
        ('max', seen.max(axis=0)),
        ('q50', np.quantile(seen, 0.5, axis=0, method='inverted_cdf')),
    ):
        assert np.shape(found[name]) == (3, 1, 1)
        np.testing.assert_allclose(np.ravel(found[name]), np.broadcast_to(wanted, 3), atol=1e-12)
