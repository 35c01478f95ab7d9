"""What is made of actions that are no positions of joints: a policy, and no monitor."""

from dataclasses import replace

import free_hand
import numpy as np
import pytest

from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.algorithms.chunk_dataset import chunk_samples, relative_targets
from il_ros.cli.monitor_command import calibrate
from il_ros.core.errors import BundleError, ContractError
from il_ros.core.frames import NS
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.monitors.chunk_follower import ChunkFollower
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk
from il_ros.policies.bundle import load_bundle
from il_ros.policies.mlp import MlpConfig


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('normalised')
    save_dataset(free_hand.dataset(range(20)), folder / 'data')
    policy = MlpConfig(hidden_dims=(64,), horizon=4)
    train_bundle(folder / 'data', folder / 'bundle', BcConfig(policy=policy, epochs=60))
    return folder


def test_targets_are_the_actions_as_they_are():
    dataset = free_hand.dataset([1, 2])
    samples = chunk_samples(dataset, 3)
    targets = relative_targets(dataset.contract, MlpConfig(horizon=3), samples)
    np.testing.assert_allclose(targets[5], dataset.action[5:8])
    assert samples.mask[5].all()


def followed(follower, contract, frame, positions):
    """The action that the newest chunks give for one step."""
    chunk = Chunk(
        stamp=frame.stamp / NS,
        step_dt=contract.period,
        names=contract.action.names,
        positions=positions,
        contract_hash='',
        policy_id='',
        source='policy',
    )
    assert follower.offer(chunk)
    return follower.target(chunk.stamp + chunk.step_dt)[0]


def test_a_policy_of_it_goes_towards_unseen_goals(trained):
    policy = load_bundle(trained / 'bundle').policy
    for goal in np.array([[0.1, 0.7, 0.25], [-0.15, 0.55, 0.15]]):
        policy.reset()
        hand, follower = np.array([0.0, 0.6, 0.2]), ChunkFollower(MonitorConfig.chunk_blend)
        far = np.linalg.norm(goal - hand)
        for step in range(60):
            frame = free_hand.frame(step, hand, goal)
            action = followed(follower, policy.contract, frame, policy.act(frame))
            hand = hand + 0.01 * np.clip(action[:3], -1, 1)
        assert np.linalg.norm(goal - hand) < 0.5 * far
        assert action[3] == pytest.approx(1.0, abs=0.2)


def test_no_scores_go_with_it_and_none_can_be_calibrated(trained):
    assert load_bundle(trained / 'bundle').scores is None
    save_dataset(free_hand.dataset(range(50, 60)), trained / 'unseen')
    with pytest.raises(BundleError) as caught:
        calibrate(trained / 'bundle', trained / 'unseen')
    assert str(caught.value) == (
        f'{trained / "bundle"}: has no scores; allowed: a policy whose actions are positions of '
        'joints; to fix: train it again, under a contract of an arm'
    )


def test_no_monitor_goes_with_it():
    with pytest.raises(ContractError) as caught:
        make_monitor(free_hand.CONTRACT, None, replace(MonitorConfig(), novelty=False))
    assert str(caught.value) == (
        "contract 'metaworld': its action.space is normalised: nothing is known of joints; "
        'allowed: a contract of an arm, whose action.space is joints'
    )
