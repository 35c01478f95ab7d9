import numpy as np

from il_ros.core.observation_features import Normalizer


def test_features_get_zero_mean_and_unit_spread():
    samples = np.random.default_rng(0).normal([1, 100], [2, 0.5], (1000, 2))
    x = Normalizer.fit(samples, varies=1e-3, clip=np.inf).normalize(samples)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(x.std(axis=0), 1)


def test_what_does_not_vary_is_not_blown_up():
    samples = 5.0 + 1e-6 * np.random.default_rng(0).standard_normal((100, 1))
    normalizer = Normalizer.fit(samples, varies=1e-3, clip=5.0)
    assert normalizer.scale.tolist() == [1.0]
    assert abs(normalizer.normalize(np.array([5.01]))[0]) < 0.011


def test_what_is_out_of_range_is_clipped():
    normalizer = Normalizer(mean=np.zeros(2), scale=np.ones(2), clip=5.0)
    assert normalizer.normalize(np.array([1e9, -1e9])).tolist() == [5.0, -5.0]
    assert np.isnan(normalizer.normalize(np.array([np.nan, 0.0]))[0])


def test_nan_is_left_out_of_mean_and_spread():
    samples = np.array([[1.0, np.nan], [3.0, np.nan]])
    normalizer = Normalizer.fit(samples, varies=1e-3, clip=np.inf)
    assert normalizer.mean.tolist() == [2.0, 0.0]
    assert normalizer.scale.tolist() == [1.0, 1.0]


def test_restore_and_arrays_are_inverses():
    normalizer = Normalizer.fit(np.random.default_rng(0).random((50, 3, 2)), varies=0.0, clip=4.0)
    x = np.full((3, 2), 0.3)
    np.testing.assert_allclose(normalizer.restore(normalizer.normalize(x)), x)
    again = Normalizer.from_arrays('n', normalizer.arrays('n'))
    np.testing.assert_array_equal(again.mean, normalizer.mean)
    np.testing.assert_array_equal(again.scale, normalizer.scale)
    assert again.clip == 4.0
