from pathlib import Path

import numpy as np
import pytest

from il_ros.core.contract import load_contract
from il_ros.core.errors import BundleError, UnknownNameError
from il_ros.experts import make_expert
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle
from il_ros.rollouts.action_error import action_error
from il_ros.rollouts.drivers import PolicyDriver
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.safety_filters import NoFilter
from il_ros.sim.perturbations import Perturbation

REACH = Path('config/contracts/franka_reach.yaml')
LOST = {'goal_lost': [Perturbation(kind='sensor_dropout', target='goal_position', start=0.2)]}
SUITES = ('nominal', 'expert', 'heuristic', 'ood_unwatched', 'ood')


def run(bundle, plan, processes=1):
    return list(InProcessEvaluator(REACH, 'reach', bundle, 'hold', processes=processes).run(plan))


def test_a_plan_names_every_episode_and_a_longer_one_begins_alike():
    short, long = (plan_suites(SUITES, count, LOST, floor=2) for count in (2, 3))
    assert [(one.suite, one.case.seed) for one in short[:4]] == [
        ('nominal', 300_000), ('nominal', 300_001), ('expert', 300_000), ('expert', 300_001),
    ]  # fmt: skip
    assert all(one in long for one in short)
    assert [one.case.name for one in long if one.suite == 'ood'] == ['goal_lost'] * 3
    assert sum(one.suite == 'heuristic' for one in long) == 2
    with pytest.raises(UnknownNameError, match='unknown suite windy; allowed: nominal, expert'):
        plan_suites(['windy'], 2, LOST, floor=2)


def test_every_suite_and_processes_change_nothing(reach_bundle):
    plan = plan_suites(SUITES, 2, LOST, floor=1)
    here, there = run(reach_bundle, plan), run(reach_bundle, plan, processes=2)
    assert [(e.suite, e.seed) for e in there] == [(one.suite, one.case.seed) for one in plan]
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a.joints, b.joints)
        np.testing.assert_array_equal(a.scores, b.scores)
        assert (a.success, a.duration, a.reason) == (b.success, b.duration, b.reason)
    ends = {(e.suite, e.success, e.reason.split(' ')[0]) for e in here}
    assert ends == {
        ('nominal', True, 'goal'), ('expert', True, 'goal'), ('heuristic', False, 'time'),
        ('ood_unwatched', False, 'goal_position'), ('ood', False, 'goal_position'),
    }  # fmt: skip
    stopped = next(e for e in here if e.suite == 'ood')
    # shown last at 0.15 s and too old after another 0.2 s; then a second to come to rest
    assert stopped.fallback_time == pytest.approx(0.4)
    assert stopped.duration == pytest.approx(1.4)
    assert {e.suite: e.threshold for e in here} == {
        'nominal': 1.0, 'expert': None, 'heuristic': None, 'ood_unwatched': 1.0, 'ood': 1.0,
    }  # fmt: skip


def test_a_policy_without_thresholds_drives_only_where_nobody_watches(reach_bundle, tmp_path):
    from dataclasses import replace

    save_bundle(replace(load_bundle(reach_bundle), threshold=None), tmp_path / 'bare')
    (alone,) = run(tmp_path / 'bare', plan_suites(['ood_unwatched'], 1, LOST, floor=1))
    assert alone.threshold is None
    with pytest.raises(BundleError, match='bare: is not calibrated'):
        run(tmp_path / 'bare', plan_suites(['nominal'], 1, LOST, floor=1))


class Still:
    """A policy of any arm that stays where it is."""

    def __init__(self, contract):
        self.contract = contract

    def act(self, frame):
        return frame.vector(self.contract.action.position)[None]

    def reset(self):
        pass

    def action_std(self):
        return np.ones(len(self.contract.action.names))


def test_a_policy_is_measured_against_the_expert_of_its_own_arm():
    contract = load_contract(Path('config/contracts/ur5e_reach.yaml'))
    runner = EpisodeRunner(contract, 'reach', PolicyDriver(Still(contract)), NoFilter())
    runner.run(0)
    ideal = make_expert('reach', 'ur5e').act(runner.truth(), horizon=1, dt=contract.period)
    assert ideal.shape == (1, 7)
    error = action_error(runner, 'reach')
    assert error(ideal) == 0.0
    assert error(ideal + 0.5) == pytest.approx(0.5)
