"""Score inputs of single frames, with nothing that no score needs."""

from pathlib import Path

import numpy as np
import pytest

from il_ros.core.arms import get_arm
from il_ros.core.contract import load_contract
from il_ros.core.frames import NS, Frame
from il_ros.core.observation_features import Features, Normalizer
from il_ros.experts import make_expert
from il_ros.monitors.calibrated_scores import NoveltyFeatures
from il_ros.policies.score_inputs import ScoreInputs

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'


@pytest.fixture(scope='module')
def dataset(task):
    return task.dataset(range(3), length=6)


@pytest.fixture(scope='module')
def features(dataset):
    return NoveltyFeatures.fit(dataset.contract, dataset.values)


@pytest.fixture
def make(task, features, follower):
    def inputs(*needs):
        policy = follower(task.contract)
        return policy, ScoreInputs(policy, features, needs, 3)

    return inputs


def test_an_input_has_what_a_score_needs_and_no_more(task, make):
    policy, inputs = make('features')
    frame = task.frame(4, a=0.3, b=0.02)
    found = inputs.of_frame(frame)
    np.testing.assert_array_equal(found.features, inputs.features.of_frame(frame))
    np.testing.assert_array_equal(found.position, [0.3, 0.02])
    assert (found.embedding, found.reference, found.chunk, found.samples) == (None,) * 4
    assert (found.time, found.step_dt) == (1.2, 0.05)
    assert policy.acted == 0
    _, inputs = make('embedding', 'reference')
    found = inputs.of_frame(frame, np.ones((3, 2)), 0.2, epoch=NS)
    np.testing.assert_array_equal(found.embedding, [0.3, 0.02])
    np.testing.assert_array_equal(found.reference, [[0.3, 0.02]] * 3)  # holds: no other is known
    np.testing.assert_array_equal(found.chunk, np.ones((3, 2)))
    assert (found.time, found.chunk_time) == (0.2, 0.2)


def test_what_is_not_valid_is_not_there(task, make):
    _, inputs = make('reference')
    found = inputs.of_frame(task.frame(0, arm=True))
    assert found.position is None
    assert found.reference is None
    assert np.isnan(found.features).any()


@pytest.mark.parametrize('name', ['franka_reach', 'ur5e_pick_place'])
def test_the_reference_goes_straight_where_arm_and_observations_allow(follower, name):
    contract = load_contract(CONTRACTS / f'{name}.yaml')
    rng = np.random.default_rng(0)
    home = get_arm(contract.arm).home
    values = {key: 0.1 * rng.random(s.size) for key, s in contract.observations.items()}
    values |= {'joint_position': home[:-1], 'gripper_position': home[-1:]}
    frame = Frame(
        stamp=NS, values=values, valid=dict.fromkeys(values, True), age=dict.fromkeys(values, 0.0)
    )
    size = Features(contract).size
    plain = NoveltyFeatures(contract, Normalizer(mean=np.zeros(size), scale=np.ones(size)))
    inputs = ScoreInputs(follower(contract), plain, ('reference',), 5)
    found = inputs.of_frame(frame).reference
    expected = make_expert('straight', contract.arm).act(values, horizon=5, dt=contract.period)
    np.testing.assert_array_equal(found, expected)
    frame.valid['goal_position'] = False
    assert inputs.of_frame(frame).reference is None
