import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from il_ros.datasets.augmentation.augmentation_step import from_vector, turned

seeds = st.integers(0, 2**31).map(np.random.default_rng)


@given(seeds)
def test_quaternions_of_vectors_are_scipys(rng):
    vectors = rng.normal(size=(5, 3)) * [[0.0], [1e-9], [0.1], [1.0], [1.0]]
    vectors[-1:] *= 2.5 / np.linalg.norm(vectors[-1])
    vectors[-2] /= np.linalg.norm(vectors[-2])
    theirs = Rotation.from_rotvec(vectors)
    np.testing.assert_allclose(from_vector(vectors), theirs.as_quat(canonical=True), atol=1e-12)


@given(seeds)
def test_turning_is_the_product_and_keeps_the_sign_convention(rng):
    old, by = Rotation.random(50, rng=rng), Rotation.from_rotvec(rng.normal(size=(50, 3)))
    canonical = old.as_quat(canonical=True)
    result = turned(canonical, by.as_quat())
    assert (result[:, 3] >= 0.0).all()
    error = (by * old * Rotation.from_quat(result).inv()).magnitude()
    assert error.max() < 1e-7
    np.testing.assert_array_equal(turned(canonical, -by.as_quat()), result)
    small = Rotation.from_rotvec(0.1 * rng.normal(size=(50, 3)))
    other = -canonical[canonical[:, 3] > 0.1]
    result = turned(other, small.as_quat()[: len(other)])
    assert (np.sum(result * other, axis=1) > 0.0).all()  # no jump in the other convention


def test_nothing_turns_nothing_and_what_is_missing_stays_missing():
    one = np.array([[0.0, 0.6, 0.0, 0.8], [np.nan] * 4])
    np.testing.assert_array_equal(turned(one, from_vector(np.zeros((2, 3)))), one)
