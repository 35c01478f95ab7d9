from pathlib import Path

import numpy as np
import pytest

from il_ros.evaluation.episode_measures import action_error as summed
from il_ros.rollouts import action_error as action_error_module
from il_ros.rollouts.action_error import action_error, normalised_error
from il_ros.rollouts.episode_cases import EpisodeCase, nominal_cases
from il_ros.rollouts.in_process_evaluator import run_case
from il_ros.rollouts.rollout_pool import EpisodeSetup
from il_ros.sim.perturbations import Perturbation

REACH = Path('config/contracts/franka_reach.yaml')


def test_the_definition_by_hand():
    # (1/2)^2 and (2/1)^2 over two joints
    error = normalised_error(np.array([1.0, 2.0]), np.zeros(2), np.array([2.0, 1.0]))
    assert error == pytest.approx(np.sqrt((0.25 + 4.0) / 2))


@pytest.fixture(scope='module')
def runner(reach_bundle):
    return EpisodeSetup(
        contract=REACH, task='reach', bundle=reach_bundle, safety_filter='limits'
    ).make_runner()


def test_the_first_step_counts_and_the_expert_is_asked_for_no_more(runner, monkeypatch):
    asked = []

    class Ideal:
        def act(self, observation, *, horizon, dt):
            asked.append((observation, horizon, dt))
            return np.ones((1, 8))

    monkeypatch.setattr(action_error_module, 'expert_of', lambda task, contract: Ideal())
    monkeypatch.setattr(runner, 'truth', lambda: {'a': 1})
    monkeypatch.setattr(runner.driver.policy, 'action_std', lambda: np.array([1.0, 2.0] * 4))
    chunk = np.array([[1.0, 3.0] * 4, [99.0, 99.0] * 4])
    assert action_error(runner, 'reach')(chunk) == pytest.approx(np.sqrt(1 / 2))
    assert asked == [({'a': 1}, 1, runner.contract.period)]


def errors(runner, case):
    return run_case(runner, suite='nominal', task='reach', case=case)


def test_a_policy_that_is_shown_something_else_is_further_from_the_expert(runner):
    """The expert sees where the goal is; the policy where it is shown."""
    shown = Perturbation(kind='sensor_bias', target='goal_position', value=(0.0, 0.15, 0.25))
    seed = nominal_cases(1)[0].seed
    as_is = errors(runner, EpisodeCase(seed=seed))
    elsewhere = errors(runner, EpisodeCase(seed=seed, name='shown', perturbations=(shown,)))
    assert np.isfinite(as_is.action_errors).sum() >= len(as_is.times) - 1
    assert 0 < summed([as_is])['mean'] < summed([elsewhere])['mean']
    assert as_is.latencies.shape == as_is.times.shape
    assert (as_is.latencies > 0).all()


def test_it_ends_where_the_monitor_stops_the_policy(runner):
    lost = Perturbation(kind='sensor_dropout', target='goal_position', start=0.2)
    found = errors(runner, EpisodeCase(seed=3, name='lost', perturbations=(lost,)))
    stopped = found.times > found.fallback_time
    assert stopped.any()
    assert np.isnan(found.action_errors[stopped]).all()
    assert np.isfinite(found.action_errors[1:4]).all()


def test_it_needs_a_policy_that_knows_its_spread_and_a_task_with_an_expert(runner):
    assert runner.driver.policy.action_std().shape == (8,)
    assert action_error(runner, 'wipe') is None
    expert = EpisodeSetup(contract=REACH, task='reach', safety_filter='limits').make_runner()
    assert action_error(expert, 'reach') is None
