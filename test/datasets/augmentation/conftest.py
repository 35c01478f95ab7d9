"""Samples of a Franka arm, consistent as a robot's are: tool pose by kinematics, smooth chunks."""

from pathlib import Path

import numpy as np
import pytest

from il_ros.core.contract import load_contract
from il_ros.core.geometry import pose
from il_ros.core.robots.franka import FRANKA
from il_ros.datasets.augmentation.augmentation_step import Samples

CONFIG = Path(__file__).parents[3] / 'config'


@pytest.fixture(scope='session')
def contract():
    return load_contract(CONFIG / 'contracts' / 'franka_pick_place.yaml')


@pytest.fixture(scope='session')
def files():
    return CONFIG / 'augmentation'


def upright(quaternion):
    """The sign that the decoders give: w is not negative."""
    return quaternion if quaternion[3] >= 0 else -quaternion


@pytest.fixture(scope='session')
def make_samples():
    """B samples around the home posture; the arm moves at up to 0.4 rad/s."""

    def make(count=64, seed=0, horizon=8, images=()):
        rng = np.random.default_rng(seed)
        q = FRANKA.home[:-1] + rng.uniform(-0.25, 0.25, (count, 7))
        finger = rng.uniform(0.0, 0.04, (count, 1))
        tool = np.array([pose(*FRANKA.chain.forward(row)) for row in q])
        cube = rng.normal(size=(count, 4))
        cube /= np.linalg.norm(cube, axis=1, keepdims=True)
        values = {
            'joint_position': q,
            'joint_velocity': rng.normal(size=(count, 7)),
            'gripper_position': finger,
            'gripper_velocity': rng.normal(size=(count, 1)),
            'tcp_pose': np.hstack([tool[:, :3], [upright(x) for x in tool[:, 3:]]]),
            'wrench': rng.normal(size=(count, 6)),
            'object_pose': np.hstack(
                [rng.uniform(0.4, 0.6, (count, 3)), [upright(x) for x in cube]]
            ),
            'goal_position': rng.uniform(0.4, 0.6, (count, 3)),
        }
        speed = rng.uniform(-0.4, 0.4, (count, 1, 8)) * ([1.0] * 7 + [0.0])
        steps = (np.arange(horizon) + 1.0)[:, None] * 0.05
        mask = np.arange(horizon) < rng.integers(1, horizon + 1, (count, 1))
        return Samples(
            values={key: value.astype(np.float32) for key, value in values.items()},
            chunk=(np.hstack([q, finger])[:, None] + speed * steps).astype(np.float32),
            mask=mask,
            images={key: rng.integers(0, 256, shape).astype(kind) for key, shape, kind in images},
        )

    return make


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope='session')
def assert_same():
    """That two samples are equal in every bit, or only what is named is not."""

    def check(one, other, but=()):
        for key in one.values:
            assert one.values[key].dtype == other.values[key].dtype == np.float32
            if key not in but:
                np.testing.assert_array_equal(one.values[key], other.values[key])
        for key in one.images:
            if key not in but:
                np.testing.assert_array_equal(one.images[key], other.images[key])
        if 'chunk' not in but:
            np.testing.assert_array_equal(one.chunk, other.chunk)
        assert one.chunk.dtype == other.chunk.dtype == np.float32
        np.testing.assert_array_equal(one.mask, other.mask)

    return check
