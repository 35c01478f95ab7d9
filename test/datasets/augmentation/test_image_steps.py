import colorsys

import cv2
import numpy as np
import pytest

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.image_steps import Blur, Colour, Crop, Cutout

COUNT = 40
KINDS = [
    ('rgb', (COUNT, 24, 32, 3), np.uint8),
    ('mono', (COUNT, 24, 32), np.uint8),
    ('depth', (COUNT, 24, 32), np.uint16),
]
STEPS = {
    'crop': Crop(shift=3, zoom=0.2),
    'colour': Colour(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    'blur': Blur(probability=1.0, sigma=2.0),
    'cutout': Cutout(probability=1.0, size=0.3, count=2),
}


@pytest.fixture
def samples(make_samples):
    return make_samples(COUNT, images=KINDS)


@pytest.mark.parametrize('name', STEPS)
def test_images_change_and_nothing_else_does(name, samples, assert_same):
    before = {key: image.copy() for key, image in samples.images.items()}
    result = STEPS[name](samples, np.random.default_rng(0))
    assert_same(samples, result, but=('rgb', 'mono', 'depth'))
    for key, image in result.images.items():
        np.testing.assert_array_equal(samples.images[key], before[key])
        assert image.shape == before[key].shape
        assert image.dtype == before[key].dtype
        changed = (image != before[key]).any(axis=tuple(range(1, image.ndim)))
        if key == 'depth' and name in ('colour', 'blur'):
            assert not changed.any()  # a distance has no colour, and none between two surfaces
        else:
            assert changed.mean() > 0.8


@pytest.mark.parametrize('name', STEPS)
def test_one_seed_gives_one_result_bit_for_bit(name, samples):
    one, same, other = (STEPS[name](samples, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for key in samples.images:
        np.testing.assert_array_equal(one.images[key], same.images[key])
    assert (one.images['rgb'] != other.images['rgb']).any()


@pytest.mark.parametrize('name', STEPS)
def test_samples_without_images_are_refused(name, make_samples, rng):
    with pytest.raises(DatasetError) as caught:
        STEPS[name](make_samples(2), rng)
    assert str(caught.value) == (
        f'{name}: the samples have no image for it; allowed: no image: this policy, or this '
        'contract, sees none; to fix: leave it out'
    )


def test_only_the_images_that_are_named_change(samples, rng):
    result = Cutout(probability=1.0, keys=('mono',))(samples, rng)
    np.testing.assert_array_equal(result.images['rgb'], samples.images['rgb'])
    assert (result.images['mono'] != samples.images['mono']).any()
    with pytest.raises(DatasetError, match='blur: the samples have no image depth for it; allowed'):
        Blur(keys=('mono', 'depth'))(samples, rng)


def test_a_shift_moves_the_image_and_repeats_its_edge(samples, rng):
    result = Crop(shift=2)(samples, rng)
    found = set()
    for old, new in zip(samples.images['mono'], result.images['mono'], strict=True):
        padded = np.pad(old, 2, mode='edge')
        places = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if (padded[y : y + 24, x : x + 32] == new).all()
        ]
        assert len(places) == 1
        found.update(places)
    assert {y for y, _ in found} == {x for _, x in found} == set(range(5))


def test_no_shift_is_the_identity(samples, rng):
    result = Crop(shift=0)(samples, rng)
    for key, image in samples.images.items():
        np.testing.assert_array_equal(result.images[key], image)


def test_a_zoom_shows_a_part_of_the_image_at_full_size(make_samples, rng):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    samples = make_samples(COUNT, images=[('ramp', (COUNT, 64, 64), np.uint8)])
    samples.images['ramp'][:] = ramp
    result = Crop(shift=0, zoom=0.5)(samples, rng).images['ramp'].astype(int)
    width = (result[:, 0, -1] - result[:, 0, 0]) / 255.0
    assert width.min() > 0.45
    assert width.min() < 0.6
    assert width.max() > 0.9
    assert (np.diff(result, axis=2) >= 0).all()


def test_depths_are_not_mixed(make_samples, rng):
    samples = make_samples(COUNT, images=[('depth', (COUNT, 20, 20), np.uint16)])
    samples.images['depth'][:] = np.where(np.arange(20) < 10, 500, 3000)
    result = Crop(shift=2, zoom=0.4)(samples, rng).images['depth']
    assert set(np.unique(result)) == {500, 3000}


def grey(images):
    return images.astype(float) @ [0.299, 0.587, 0.114]


def test_brightness_scales_and_saturation_keeps_the_grey(samples, rng):
    samples.images['rgb'][:] = 60 + samples.images['rgb'] // 4  # so that nothing is cut off
    old = samples.images['rgb'].astype(float)
    bright = Colour(brightness=0.4)(samples, rng).images['rgb']
    factor = (bright / old).reshape(COUNT, -1)
    assert np.abs(factor - np.median(factor, axis=1)[:, None]).max() < 0.02
    assert np.median(factor, axis=1).min() < 0.7
    assert np.median(factor, axis=1).max() > 1.3
    for how in (Colour(saturation=0.9), Colour(hue=0.1)):
        changed = how(samples, rng).images['rgb']
        assert np.abs(grey(changed) - grey(old)).max() < 1.0
        assert np.abs(changed - old).max() > 20


def test_contrast_keeps_the_mean_grey(samples, rng):
    samples.images['rgb'][:] = 80 + samples.images['rgb'] // 4
    old = grey(samples.images['rgb'])
    new = grey(Colour(contrast=0.5)(samples, rng).images['rgb'])
    assert np.abs(new.mean(axis=(1, 2)) - old.mean(axis=(1, 2))).max() < 0.5
    spread = new.std(axis=(1, 2)) / old.std(axis=(1, 2))
    assert spread.min() < 0.6
    assert spread.max() > 1.4


def test_the_hue_turns_by_what_is_declared(make_samples, rng):
    samples = make_samples(200, images=[('rgb', (200, 1, 1, 3), np.uint8)])
    samples.images['rgb'][:] = (160, 100, 100)
    result = Colour(hue=0.25)(samples, rng).images['rgb']
    hues = np.array([colorsys.rgb_to_hsv(*(pixel / 255.0))[0] for pixel in result[:, 0, 0]])
    turn = (hues + 0.5) % 1.0 - 0.5
    assert turn.min() < -0.2
    assert turn.max() > 0.2
    assert np.abs(turn).max() < 0.32  # of the HSV wheel, whose sectors YIQ does not share


def test_nothing_asked_is_the_identity_of_colour(samples, rng):
    result = Colour()(samples, rng)
    for key, image in samples.images.items():
        np.testing.assert_array_equal(result.images[key], image)


def test_blur_is_a_gaussian_of_at_most_what_is_declared(samples):
    rng = np.random.default_rng(3)
    how = Blur(probability=0.5, sigma=1.5, keys=('mono',))
    result = how(samples, rng).images['mono']
    old = samples.images['mono']
    blurred = (result != old).any(axis=(1, 2))
    assert 10 < blurred.sum() < 30
    rng = np.random.default_rng(3)
    chosen, sigmas = rng.random(COUNT) < 0.5, rng.uniform(0.1, 1.5, COUNT)
    for i in np.flatnonzero(chosen):
        np.testing.assert_array_equal(result[i], cv2.GaussianBlur(old[i], (0, 0), sigmas[i]))
    roughness = np.abs(np.diff(result.astype(int), axis=2)).mean(axis=(1, 2))
    assert roughness[blurred].mean() < roughness[~blurred].mean()


def test_a_cut_out_hides_one_square_behind_the_mean(samples, rng):
    result = Cutout(probability=0.5, size=0.5)(samples, rng)
    hidden = 0
    for old, new in zip(samples.images['rgb'], result.images['rgb'], strict=True):
        rows, columns = np.nonzero((old != new).any(axis=2))
        if not len(rows):
            continue
        hidden += 1
        box = new[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (box == np.rint(old.mean(axis=(0, 1)))).all()
        assert max(box.shape[:2]) <= 12  # half of 24
    assert 10 < hidden < 30
    depth = samples.images['depth'] != result.images['depth']
    assert (result.images['depth'][depth] == 0).all()
    assert depth.any()


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (lambda: Crop(shift=-1), 'crop.shift: got -1; allowed: 0 or more'),
        (lambda: Crop(zoom=0.95), 'crop.zoom: got 0.95; allowed: 0 to 0.9'),
        (lambda: Colour(hue=0.6), 'colour.hue: got 0.6; allowed: 0 to 0.5'),
        (lambda: Colour(contrast=-0.1), 'colour.contrast: got -0.1; allowed: 0 to 1'),
        (lambda: Blur(sigma=0.0), 'blur.sigma: got 0.0; allowed: 0.1 to 100'),
        (lambda: Cutout(count=0), 'cutout.count: got 0; allowed: 1 or more'),
        (lambda: Cutout(size=1.5), 'cutout.size: got 1.5; allowed: 0 to 1'),
        (
            lambda: Cutout(probability=-1.0),
            'cutout.probability: got -1.0; allowed: 0 to 1',
        ),
    ],
)
def test_settings_out_of_range_are_refused(make, text):
    with pytest.raises(DatasetError) as caught:
        make()
    assert str(caught.value) == text
