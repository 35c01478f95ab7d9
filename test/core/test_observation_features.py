import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from il_ros.core.errors import IlRosError
from il_ros.core.observation_features import Features, motion_keys


def test_numbers_stay_orientations_become_columns_and_points_differences(task):
    features = Features(task.contract, exclude_keys=())
    x = features.of_frame(task.frame(0, a=0.1, b=0.02, x=0.3, yaw=np.pi / 2))
    # arm, hand, speed, object position, goal, wrench; two columns; goal minus object
    assert features.size == 1 + 1 + 2 + 3 + 3 + 3 + 6 + 3
    np.testing.assert_allclose(x[:4], [0.1, 0.02, 0, 0])
    np.testing.assert_allclose(x[4:10], [0.3, 0.1, 0, 0.5, 0, 0])
    np.testing.assert_allclose(x[13:19], [0, 1, 0, -1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(x[19:], [0.2, -0.1, 0.0])


@given(arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_the_columns_are_those_of_the_rotation_whatever_the_sign(task, q):
    q = q / np.linalg.norm(q)
    raw = np.zeros(17)
    raw[7:11] = q
    features = Features(task.contract, exclude_keys=())
    x = features.of_raw(raw)
    expected = Rotation.from_quat(q).as_matrix()[:, :2].T.reshape(-1)
    np.testing.assert_allclose(x[13:19], expected, atol=1e-12)
    raw[7:11] = -q
    np.testing.assert_allclose(features.of_raw(raw), x, atol=1e-12)


def test_many_frames_at_once_are_the_same_as_one_by_one(task):
    dataset, features = task.dataset([1, 2]), Features(task.contract)
    all_at_once = features.of_arrays(dataset.values)
    frame = task.episode(1).frames[5]
    np.testing.assert_allclose(all_at_once[5], features.of_frame(frame), atol=1e-6)
    assert all_at_once.shape == (60, features.size)


def test_what_hangs_on_an_optional_stream_is_marked(task):
    features = Features(task.contract)
    x = features.of_frame(task.frame(0, goal=True))
    np.testing.assert_array_equal(np.isnan(x), features.optional)
    assert features.optional.sum() == 6  # the goal, and where it lies from the object


def test_observations_can_be_left_out(task):
    features = Features(task.contract, ['goal', 'object'])
    assert features.keys == ('arm', 'hand', 'speed', 'wrench')
    assert features.of_frame(task.frame(0)).shape == (features.size,) == (7,)


def test_speeds_and_forces_are_left_out_unless_they_are_asked_for(task):
    assert motion_keys(task.contract) == ('speed', 'wrench')
    assert Features(task.contract).keys == ('arm', 'hand', 'object', 'goal')


def test_a_key_that_is_no_observation_cannot_be_left_out(task):
    with pytest.raises(IlRosError, match='exclude_keys: no observation nope; allowed: '):
        Features(task.contract, ['nope'])
