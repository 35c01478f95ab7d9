from pathlib import Path

import numpy as np
import pytest

from il_ros.core.contract import load_contract
from il_ros.monitors.mode import Mode
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import limits_monitor
from il_ros.rollouts.safety_filters import NoFilter
from il_ros.sim.perturbations import Perturbation

CONTRACT = load_contract(Path('config/contracts/franka_reach.yaml'))
PUSH = [Perturbation(kind='push', target='hand', start=0.2, value=(0.0, 150.0, 0.0))]


def runner(driver=None, safety_filter=None):
    driver = driver or ExpertDriver('reach', CONTRACT)
    return EpisodeRunner(
        CONTRACT, 'reach', driver, safety_filter or limits_monitor(CONTRACT, 'expert')
    )


def test_an_expert_reaches_its_goal_through_the_monitor():
    guarded = runner()
    rollout = guarded.run(7)
    assert (rollout.outcome, rollout.violated, rollout.reason) == ('success', 0, '')
    assert np.isfinite(rollout.actions).all()
    assert guarded.safety_filter.verdict.mode is Mode.EXPERT


def test_an_expert_places_the_cube_with_a_ur5e_through_the_monitor():
    contract = load_contract(Path('config/contracts/ur5e_pick_place.yaml'))
    driver = ExpertDriver('pick_place', contract)
    guarded = EpisodeRunner(contract, 'pick_place', driver, limits_monitor(contract, 'expert'))
    rollout = guarded.run(3)
    assert (rollout.outcome, rollout.violated, rollout.reason) == ('success', 0, '')
    assert np.isfinite(rollout.actions).all()
    assert rollout.actions.shape[1] == 7


def test_the_monitor_smooths_what_goes_to_the_servos():
    class Hasty(ExpertDriver):
        def act(self, frame):
            return super().act(frame) + np.array([0.5, *[0.0] * 7])

    driver = Hasty('reach', CONTRACT)
    raw = runner(driver, NoFilter()).run(7)
    guarded = runner(driver).run(7)
    assert raw.violations['acceleration'] > 0
    assert guarded.violated == 0


def test_a_push_stops_the_driver_and_the_arm():
    rollout = runner().run(7, PUSH)
    assert rollout.outcome == 'stopped'
    assert 0.2 <= rollout.alarm < 1.5
    assert 'limit' in rollout.reason
    still = [frame.values['joint_velocity'] for frame in rollout.frames[-2:]]
    assert np.abs(still).max() < 0.2


def test_a_lost_observation_stops_the_driver():
    lost = [Perturbation(kind='sensor_dropout', target='joint_position', start=0.5)]
    rollout = runner().run(7, lost)
    assert rollout.outcome == 'stopped'
    assert rollout.reason.startswith('no observation for')
    # the first period without a frame
    assert rollout.alarm == pytest.approx(0.5, abs=0.21)


def test_without_a_first_observation_nothing_moves():
    lost = [Perturbation(kind='sensor_dropout', target='goal_position')]
    rollout = runner().run(7, lost)
    assert (rollout.outcome, rollout.alarm) == ('time limit', None)
    assert np.ptp([f.values['joint_position'] for f in rollout.frames], axis=0).max() < 1e-3


def test_a_seed_gives_one_episode_through_the_monitor():
    once, again = runner().run(7), runner().run(7)
    np.testing.assert_array_equal(once.actions, again.actions)


def test_demonstrations_can_go_through_the_monitor():
    dataset = demonstrate(
        CONTRACT, 'reach', range(2), safety_filter=limits_monitor(CONTRACT, 'expert')
    )
    assert [entry.outcome for entry in dataset.episodes] == ['success', 'success']
