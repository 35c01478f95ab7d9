from pathlib import Path

import numpy as np
import pytest

from il_ros.core.errors import BundleError, EvaluationError, IlRosError
from il_ros.evaluation.suites import SEEDS, draw_seeds
from il_ros.monitors.mode import Mode
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import EpisodeCase, nominal_cases, perturbed_cases
from il_ros.rollouts.rollout_pool import (
    EpisodeSetup,
    bundle_monitor,
    count_outcomes,
    run_cases,
    stream,
)
from il_ros.sim.perturbations import Perturbation

REACH = Path('config/contracts/franka_reach.yaml')
LOST = Perturbation(kind='sensor_dropout', target='goal_position', start=0.2)


def test_cases_have_seeds_of_their_own():
    parts = [nominal_cases(3), perturbed_cases(3, {'lost': [LOST]})]
    assert [part[0].seed for part in parts] == [SEEDS['nominal'][0], SEEDS['ood'][0]]
    assert draw_seeds('calibration', 3)[0] == SEEDS['calibration'][0]
    assert nominal_cases(2, 5)[0].seed == SEEDS['nominal'][5]


def test_perturbations_take_turns():
    cases = perturbed_cases(5, {'lost': [LOST], 'nothing': []})
    assert [case.name for case in cases] == ['lost', 'nothing', 'lost', 'nothing', 'lost']
    assert cases[0].perturbations == (LOST,)
    with pytest.raises(EvaluationError, match='no perturbation to draw from'):
        perturbed_cases(2, {})


def test_processes_change_nothing():
    setup = EpisodeSetup(contract=REACH, task='reach', safety_filter='limits')
    cases = [*nominal_cases(3), EpisodeCase(seed=5, name='lost', perturbations=(LOST,))]
    here, there = (list(run_cases(setup, cases, processes=n)) for n in (1, 2))
    assert [r.seed for r in there] == [case.seed for case in cases]
    assert [r.outcome for r in there] == ['success'] * 3 + ['stopped']
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a.actions, b.actions)
        assert a.violations == b.violations
    counts = count_outcomes(there)
    assert counts == {'success': 3, 'time limit': 0, 'stopped': 1, 'violations': 0}


def test_an_expert_has_no_scores():
    with pytest.raises(IlRosError, match='safety filter monitor: scores belong to a bundle'):
        EpisodeSetup(contract=REACH, task='reach', safety_filter='monitor')


def test_a_calibrated_bundle_is_watched(reach_bundle):
    setup = EpisodeSetup(contract=REACH, task='reach', bundle=reach_bundle, safety_filter='monitor')
    runner = setup.make_runner()
    rollout = runner.run(nominal_cases(1)[0].seed)
    look = runner.safety_filter.verdict.scores
    assert runner.safety_filter.verdict.mode is Mode.POLICY
    assert np.isfinite(look.score)
    assert look.names == load_bundle(reach_bundle).calibration.bank.names
    assert rollout.success


def test_scores_stop_what_the_hard_checks_let_pass(reach_bundle):
    # The goal is shown far outside of where it was in training; nothing is too fast or too far.
    shown = Perturbation(kind='sensor_bias', target='goal_position', value=(0.0, 0.15, 0.25))
    case = EpisodeCase(seed=3, name='bias', perturbations=(shown,))
    outcomes = {}
    for safety_filter in ('none', 'limits', 'monitor'):
        setup = EpisodeSetup(
            contract=REACH, task='reach', bundle=reach_bundle, safety_filter=safety_filter
        )
        (outcomes[safety_filter],) = run_cases(setup, [case])
    assert [r.outcome for r in outcomes.values()] == ['time limit', 'time limit', 'stopped']
    assert 'above threshold' in outcomes['monitor'].reason


def test_a_bundle_without_thresholds_is_not_watched(reach_bundle):
    from dataclasses import replace

    bundle = replace(load_bundle(reach_bundle), threshold=None)
    with pytest.raises(BundleError, match=r'some/bundle: is not calibrated; .*monitor calibrate'):
        bundle_monitor(bundle, where='some/bundle')


def test_a_setup_is_made_once_and_no_episode_is_run_before_it_is_asked_for(monkeypatch):
    made, ran = [], []
    monkeypatch.setattr(EpisodeSetup, 'make_runner', lambda self: made.append(self) or self)

    def job(number):
        def work(runner):
            ran.append(number)
            if number == 4:
                raise KeyError(number)
            return runner.task, number

        return work

    setups = [EpisodeSetup(contract=REACH, task=task) for task in ('reach', 'push')]
    results = stream([(setups[number % 2], job(number)) for number in range(6)])
    assert ran == made == []
    assert [next(results) for _ in range(3)] == [('reach', 0), ('push', 1), ('reach', 2)]
    assert (ran, made) == ([0, 1, 2], setups)
    assert next(results) == ('push', 3)
    with pytest.raises(KeyError):  # a fault of one is not taken for an episode of it
        next(results)
    assert list(results) == []
    assert ran == [0, 1, 2, 3, 4]


def test_nothing_to_run_needs_no_process():
    assert list(stream([], processes=4)) == []
    assert count_outcomes([]) == {'success': 0, 'time limit': 0, 'stopped': 0, 'violations': 0}


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'contract': Path('none.yaml')}, 'none.yaml'),
        ({'task': 'juggle'}, "'juggle'"),
        ({'expert': 'wipe'}, "unknown expert 'wipe'"),
        ({'bundle': Path('no/bundle')}, 'no/bundle'),
    ],
)
def test_a_setup_that_cannot_be_had_is_named_when_its_runner_is_made(changes, text):
    setup = EpisodeSetup(**{'contract': REACH, 'task': 'reach', **changes})
    with pytest.raises(IlRosError, match=text):
        setup.make_runner()
