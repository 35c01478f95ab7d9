from pathlib import Path

import free_hand
import numpy as np
import pytest
import yaml
from needs_metaworld import needs_metaworld

from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.core.frames import NS
from il_ros.datasets.dataset import load_dataset
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.metaworld_rollouts import (
    MetaWorldEvaluator,
    MetaWorldRunner,
    check_contract,
    record_experts,
)

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'
OFFERED = {'hand_position': 3, 'gripper_opening': 1, 'object_pose': 7, 'goal_position': 3}
FIX = 'to fix: use config/contracts/metaworld.yaml or one that extends it'


def changed(**changes):
    """MetaWorld's contract with some of its parts replaced."""
    return parse_contract(yaml.safe_dump(yaml.safe_load(free_hand.CONTRACT.text) | changes))


def observed(**streams):
    """MetaWorld's contract with these streams, beside or in the place of its own."""
    return changed(observations=yaml.safe_load(free_hand.CONTRACT.text)['observations'] | streams)


def test_the_contracts_that_ship_ask_for_what_is_there():
    check_contract(load_contract(CONTRACTS / 'metaworld.yaml'), OFFERED, 1 / 80, 'reach-v3')
    two = load_contract(CONTRACTS / 'metaworld_two_objects.yaml')
    assert two.name == 'metaworld_two_objects'
    check_contract(two, OFFERED | {'second_object_pose': 7}, 1 / 80, 'hammer-v3')


POINT = {'topic': 'p', 'type': 'geometry_msgs/msg/PointStamped', 'fields': ['point']}


@pytest.mark.parametrize(
    ('contract', 'text'),
    [
        (
            load_contract(CONTRACTS / 'franka_reach.yaml'),
            'franka_reach.action: 8 numbers, joints, for reach-v3; allowed: 4, normalised',
        ),
        (
            changed(action={'space': 'normalised', 'names': ['dx', 'dy', 'dz']}),
            'metaworld.action: 3 numbers, normalised, for reach-v3; allowed: 4, normalised',
        ),
        (changed(rate=20.0), 'metaworld.rate: got 20, for reach-v3; allowed: 80'),
        (
            load_contract(CONTRACTS / 'metaworld_two_objects.yaml'),
            'metaworld_two_objects.observations: no second_object_pose, for reach-v3; allowed: '
            'hand_position, gripper_opening, object_pose, goal_position',
        ),
        (
            observed(object_pose=POINT),
            'metaworld.observations.object_pose: 3 numbers, for reach-v3; allowed: 7',
        ),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(contract, text):
    with pytest.raises(ContractError) as caught:
        check_contract(contract, OFFERED, 1 / 80, 'reach-v3')
    assert str(caught.value) == f'{text}; {FIX}'


@needs_metaworld
def test_an_episode_has_a_frame_an_answer_and_an_action_a_step():
    runner = MetaWorldRunner(free_hand.CONTRACT, 'reach-v3')
    rollout = runner.run(4)
    frames = len(rollout.frames)
    assert rollout.success
    assert rollout.progress == 1.0
    assert rollout.duration == pytest.approx(frames / 80)
    assert rollout.actions.shape == (frames, 4)
    assert np.abs(rollout.actions).max() <= 1.0
    assert [frame.stamp - NS for frame in rollout.frames[:3]] == [0, 12_500_000, 25_000_000]
    assert list(rollout.frames[0].values) == list(free_hand.CONTRACT.observations)
    assert len(runner.latencies) == frames


@needs_metaworld
def test_an_action_that_was_shown_leads_to_the_next_frame_again():
    runner = MetaWorldRunner(free_hand.CONTRACT, 'push-v3')
    rollout = runner.run(4)
    seen, _ = runner.env.reset(seed=4)
    for frame, action in zip(rollout.frames, rollout.actions, strict=True):
        for key, value in frame.values.items():
            np.testing.assert_array_equal(seen[key], value)
        seen, *_ = runner.env.step(action)


@needs_metaworld
def test_noise_disturbs_the_way_but_not_what_is_shown():
    runner = MetaWorldRunner(free_hand.CONTRACT, 'reach-v3')
    plain, noisy, again = runner.run(4), runner.run(4, noise=0.3), runner.run(4, noise=0.3)
    np.testing.assert_array_equal(plain.actions[0], noisy.actions[0])
    assert not np.array_equal(plain.frames[5].values['hand_position'],
                              noisy.frames[5].values['hand_position'])  # fmt: skip
    np.testing.assert_array_equal(noisy.actions, again.actions)


@needs_metaworld
def test_failures_of_an_expert_are_left_out_and_named(tmp_path):
    contract = load_contract(CONTRACTS / 'metaworld_two_objects.yaml')
    # In scene 5 this expert loses its stick; in scene 6 it does not.
    record_experts(contract, 'stick-pull-v3', tmp_path / 'data', [5, 6])
    manifest = load_dataset(tmp_path / 'data').manifest
    assert [(entry.id, entry.seed) for entry in manifest.episodes] == [('stick-pull-v3_6', 6)]
    assert [(left.id, left.reason) for left in manifest.left_out] == [
        ('stick-pull-v3_5', 'the expert did not succeed within the time limit')
    ]
    with pytest.raises(DatasetError) as caught:
        record_experts(contract, 'stick-pull-v3', tmp_path / 'none', [5])
    assert str(caught.value) == (
        f'{tmp_path / "none"}: the expert of stick-pull-v3 succeeded in none of 1 episodes; '
        'to fix: use more episodes, other seeds or less noise'
    )
    assert not (tmp_path / 'none').exists()


class Still:
    """A policy that does nothing."""

    contract = free_hand.CONTRACT

    def reset(self):
        pass

    def act(self, frame):
        return np.zeros((1, 4))


@needs_metaworld
def test_policy_and_expert_are_measured_on_the_same_scenes():
    plan = plan_suites(('nominal', 'expert'), 2, {}, floor=0)
    episodes = list(MetaWorldEvaluator(Still(), 'reach-v3').run(plan))
    assert [(e.suite, e.seed, e.success) for e in episodes] == [
        ('nominal', 300_000, False), ('nominal', 300_001, False),
        ('expert', 300_000, True), ('expert', 300_001, True),
    ]  # fmt: skip
    assert episodes[0].duration == pytest.approx(6.25)
    assert episodes[0].reason == 'time limit of the task'
    assert episodes[2].reason == 'goal reached'


@needs_metaworld
def test_a_contract_may_hide_the_goal():
    data = yaml.safe_load(free_hand.CONTRACT.text)
    del data['observations']['goal_position']
    runner = MetaWorldRunner(parse_contract(yaml.safe_dump(data)), 'reach-v3')
    rollout = runner.run(1)
    assert rollout.success
    assert 'goal_position' not in rollout.frames[0].values
