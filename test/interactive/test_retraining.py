import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_policies import REACH

from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.interactive.drift_test import DriftResult
from il_ros.interactive.retraining import (
    SUITE,
    Retraining,
    RetrainingPlan,
    Trials,
    newest,
    promoted,
    retrainings,
)
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.demonstrations import dataset_of_rollouts
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.sim.randomisation import Randomisation, Range

pytestmark = pytest.mark.usefixtures('quick_scores')

SHIFT = DriftResult(runs=10, stopped=4, alpha=0.02, p_value=3e-5, confirmed=True)


@pytest.fixture(scope='module')
def bundle(reach_bundle, tmp_path_factory):
    """One that may be written to."""
    return shutil.copytree(reach_bundle, tmp_path_factory.mktemp('reach') / 'bundle')


class Scripted:
    """Trials whose outcomes are given: successes and violations of each bundle."""

    def __init__(self, outcomes, stop_after=None):
        self.outcomes, self.ran, self.stop_after = outcomes, [], stop_after

    def __call__(self, bundle):
        self.bundle = str(bundle)
        return self

    def run(self, plan):
        for one in plan:
            if len(self.ran) == self.stop_after:
                raise IlRosError('the graph is gone')
            self.ran.append((self.bundle, one.case.seed))
            good, violated = self.outcomes[self.bundle]
            yield EpisodeResult(
                suite=one.suite,
                task='reach',
                seed=one.case.seed,
                success=one.case.seed % 100 < good,
                duration=1.0,
                progress=1.0,
                violations={'speed': violated},
                perturbations=(one.case.name,) if one.case.name else (),
            )


def judged(folder, bundle, old, new, *, calibrated=None, count=66, **settings):
    """Decision about a copy of the policy that succeeds so often, with so many violations each."""
    new_path = folder / 'bundle'
    runner = Scripted({str(bundle): old, str(new_path): new}, settings.pop('stop_after', None))
    retraining = Retraining(folder)
    retraining.begin(
        RetrainingPlan(
            old=str(bundle),
            old_id=load_bundle(bundle).policy_id,
            rounds=3,
            trials=count,
            reason='why',
            drift=SHIFT,
        )
    )
    if not new_path.exists():
        new_path.symlink_to(bundle)

    def rollouts(path, episodes):
        if calibrated is None:
            raise CalibrationError('31 episodes, 60 needed')
        return calibrated(path, episodes)

    trials = Trials(runner=runner, rollouts=rollouts, task='reach', run='here', **settings)
    return retraining.judge(new_path, trials, {'labels': 7}), runner


def again(bundle):
    """Real rollouts of the policy for the seeds of the trials that succeeded."""

    def rollouts(_, episodes):
        setup = EpisodeSetup(contract=REACH, task='reach', bundle=bundle, safety_filter='limits')
        seeds = {episode.seed for episode in episodes}
        plan = Trials(runner=None, rollouts=None, task='reach', run='').plan(66)
        cases = [one.case for one in plan if one.case.seed in seeds]
        found = [rollout for rollout in run_cases(setup, cases) if rollout.success]
        return dataset_of_rollouts(load_contract(REACH), 'reach', found)

    return rollouts


def test_a_better_policy_is_calibrated_and_promoted(tmp_path, bundle):
    decision, _ = judged(tmp_path, bundle, (30, 0), (66, 0), calibrated=again(bundle))
    assert decision.promoted, decision.reason
    assert decision.reason.startswith('better: 45 % before, 100 % now, in 66 paired trials')
    assert load_bundle(tmp_path / 'bundle').threshold.alpha == 0.02
    found = json.loads((tmp_path / 'decision.json').read_text())
    assert found['learned_from'] == {'labels': 7}
    assert found['trials']['only_b'] == 36
    plan = json.loads((tmp_path / 'plan.json').read_text())
    assert plan['drift']['stopped'] == 4


@pytest.mark.parametrize(
    ('old', 'new', 'why'),
    [
        ((60, 0), (30, 0), 'worse: '),
        ((60, 0), (60, 0), 'not shown to be better: '),
        ((60, 0), (63, 0), 'not shown to be better: '),
        ((30, 0), (66, 1), 'better, but it leaves limits more often (66 times, before 0): '),
        ((30, 0), (66, 0), 'better, but it cannot be watched: 31 episodes, 60 needed'),
    ],
)
def test_nothing_else_is(tmp_path, bundle, old, new, why):
    before = load_bundle(bundle).threshold
    decision, _ = judged(tmp_path, bundle, old, new)
    assert not decision.promoted
    assert decision.reason.startswith(why)
    assert load_bundle(bundle).threshold == before


def test_a_policy_that_is_no_better_is_hardly_ever_promoted():
    """Both as good as one another: the share of promotions over many retrainings."""
    from il_ros.evaluation.paired_evaluations import compare_suite
    from il_ros.interactive.retraining import _verdict

    rng = np.random.default_rng(0)

    def results(successes):
        return [
            EpisodeResult(
                suite=SUITE, task='reach', seed=i, success=bool(x), duration=1.0, progress=1.0
            )
            for i, x in enumerate(successes)
        ]

    promoted = 0
    for _ in range(300):
        old, new = rng.random((2, 66)) < 0.7
        pairs = list(zip(results(old), results(new), strict=True))
        promoted += _verdict(compare_suite(pairs), (0, 0))[0]
    assert promoted <= 0.05 * 300


def test_trials_go_on_where_they_stopped(tmp_path, bundle):
    with pytest.raises(IlRosError, match='the graph is gone'):
        judged(tmp_path, bundle, (60, 0), (60, 0), stop_after=70)
    assert Retraining(tmp_path).decision is None
    _, runner = judged(tmp_path, bundle, (60, 0), (60, 0))
    assert len(runner.ran) == 2 * 66 - 70
    assert {name for name, _ in runner.ran} == {str(tmp_path / 'bundle')}


def test_both_see_the_same_randomised_scenes(tmp_path, bundle):
    heavy = Randomisation(object_mass=Range(distribution='uniform', low=2.0, high=3.0))
    _, runner = judged(tmp_path, bundle, (3, 0), (3, 0), count=4, randomisation=heavy)
    seeds = [seed for _, seed in runner.ran]
    assert seeds[:4] == seeds[4:]
    identity = json.loads((tmp_path / 'new/evaluation.json').read_text())['identity']
    assert identity['perturbations.randomised'] == heavy.hash


def test_the_newest_is_the_one_that_is_not_decided(tmp_path, bundle):
    assert newest(tmp_path).folder.name == 'retraining_000'
    first = newest(tmp_path)
    plan = RetrainingPlan(
        old=str(bundle),
        old_id=load_bundle(bundle).policy_id,
        rounds=2,
        trials=4,
        reason='why',
    )
    assert first.begin(plan) == plan
    with pytest.raises(IlRosError, match='begun against the policy'):
        first.begin(replace(plan, old_id='b'))
    assert newest(tmp_path).folder == first.folder
    assert first.begin(replace(plan, rounds=9)).rounds == 2  # what was begun goes on
    (first.folder / 'decision.json').write_text('{"promoted": 1}')
    with pytest.raises(IlRosError, match=r'decision\.json'):
        newest(tmp_path)
    (first.folder / 'decision.json').unlink()
    judged(first.folder, bundle, (3, 0), (3, 0), count=4)
    assert newest(tmp_path).folder.name == 'retraining_001'
    assert [one.folder.name for one in retrainings(tmp_path)] == ['retraining_000']


def test_an_old_policy_that_was_replaced_is_not_tried(tmp_path, bundle):
    retraining = Retraining(tmp_path)
    retraining.begin(RetrainingPlan(old=str(bundle), old_id='x', rounds=1, trials=4, reason='why'))
    trials = Trials(runner=None, rollouts=None, task='reach', run='here')
    with pytest.raises(IlRosError, match='is no longer the policy x'):
        retraining.judge(bundle, trials, {})


def test_a_fault_in_calibrating_decides_nothing(tmp_path, bundle):
    def lost(path, episodes):
        raise IlRosError('no such bag')

    with pytest.raises(IlRosError, match='no such bag'):
        judged(tmp_path, bundle, (30, 0), (66, 0), calibrated=lost)
    assert Retraining(tmp_path).decision is None
    assert promoted(tmp_path.parent) is None


def test_nothing_is_judged_that_was_not_begun(tmp_path):
    trials = Trials(runner=None, rollouts=None, task='reach', run='here')
    with pytest.raises(IlRosError, match='not begun'):
        Retraining(tmp_path).judge(Path('x'), trials, {})


def test_a_plan_of_the_version_before_names_the_new_key(tmp_path):
    (tmp_path / 'plan.json').write_text(
        '{"old": "b", "old_id": "x", "rounds": 1, "trials": 2, "reason": "r", "shift": null}'
    )
    with pytest.raises(IlRosError, match=r"'shift' is now 'drift'"):
        _ = Retraining(tmp_path).plan


def test_a_retraining_that_was_removed_does_not_bring_back_a_decided_one(tmp_path, bundle):
    for _ in range(3):
        judged(newest(tmp_path).folder, bundle, (3, 0), (3, 0), count=4)
    assert [one.folder.name[-3:] for one in retrainings(tmp_path)] == ['000', '001', '002']
    shutil.rmtree(tmp_path / 'retraining_000')
    assert newest(tmp_path).folder.name == 'retraining_003'
    (tmp_path / 'retraining_001').rename(tmp_path / 'retraining_1_of_may')  # kept, for the record
    assert newest(tmp_path).plan is None
    assert [one.folder.name[-3:] for one in retrainings(tmp_path)] == ['002']
