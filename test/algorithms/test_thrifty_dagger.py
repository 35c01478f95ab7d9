import numpy as np
import pytest
from coaching import Linear, a_step, some_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.algorithms.query_rules import RoundContext, make_rule
from il_ros.algorithms.thrifty_dagger import Thresholds, learn_success, success_targets
from il_ros.algorithms.transitions import ENDINGS, EXPERT
from il_ros.core.errors import IlRosError

ACTOR = Linear(np.zeros((1, 3)), shifts=(-0.1, 0.1))


class Judge:
    """A probability of success that falls with the first feature."""

    def __call__(self, x):
        return 1.0 - float(x[0])


def prepared(**limits):
    rule = make_rule('thrifty_dagger')
    rule._success, rule.thresholds = Judge(), Thresholds(**limits)
    rule.begin_episode(np.random.default_rng(0))
    return rule


def test_the_thresholds_are_quantiles_with_half_of_the_budget_each():
    found = Thresholds.within(0.2, np.arange(11.0), np.arange(11.0) / 100, 0.3)
    # one step in ten may exceed each: the 0.9 quantile of 0..10 is 9
    assert found == Thresholds(novelty=9.0, risk=0.09, calm=0.05, discrepancy=0.3)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 1)), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
)
def test_on_the_steps_that_they_are_of_they_keep_within_the_budget(steps, budget):
    novelty, risk = np.array(steps).T
    found = Thresholds.within(budget, novelty, risk, 0.0)
    assert np.mean((novelty > found.novelty) | (risk > found.risk)) <= budget + 1e-9


def test_the_expert_comes_where_it_is_novel_or_risky_and_goes_when_it_is_neither():
    rule = prepared(novelty=0.1, risk=0.5, calm=0.2, discrepancy=0.05)
    wide = [[0.5], [-0.5]]  # doubt 0.25
    course = [
        ({}, 'policy'),
        ({'members': wide}, 'expert'),  # novel
        ({'action': (1.0,)}, 'expert'),  # sure again, but discrepancy 1
        ({'features': (0.3,)}, 'expert'),  # agrees, but risk 0.3 is above the median
        ({'features': (0.1,)}, 'policy'),  # agrees and calm
        ({'features': (0.4,)}, 'policy'),  # not risky enough to be called for
        ({'features': (0.6,)}, 'expert'),  # risky
    ]
    for given_, driver in course:
        assert rule.decide(a_step(**given_)).driver == driver


def test_what_the_learner_drives_moves_the_thresholds():
    rule = make_rule('thrifty_dagger', ['budget=0.5'])
    demonstrated = some_steps(
        40, round=np.zeros(40, np.int32), source=np.full(40, EXPERT, np.uint8),
        expert=np.ones((40, 1), np.float32),
    )  # fmt: skip
    rule.begin_round(RoundContext(number=1, actor=ACTOR, steps=demonstrated, seed=0))
    assert rule.thresholds.novelty == pytest.approx(0.01)  # the members are 0.1 from their mean
    assert rule.thresholds.discrepancy == pytest.approx(1.0)  # it answers 0, the expert 1
    driven = np.full(60, 0.5, np.float32)
    rule.end_episode(some_steps(60, scores={'novelty': driven, 'risk': driven}))
    assert rule.thresholds.novelty == pytest.approx(0.5)  # 60 of the 100 steps


def test_the_targets_of_the_probability_of_success():
    ending = np.array([ENDINGS.index(e) for e in ('running', 'success', 'failure')], np.uint8)
    np.testing.assert_allclose(
        success_targets(ending, np.array([0.5, 0.5, 0.5]), 0.9), [0.45, 1.0, 0.0]
    )


def test_risk_is_learned_from_how_episodes_end():
    # Two kinds of episodes, one step each: x = 1 succeeds, x = -1 fails.
    x = np.tile([[1.0, 0.0], [-1.0, 0.0]], (50, 1)).astype(np.float32)
    ending = np.tile([ENDINGS.index('success'), ENDINGS.index('failure')], 50).astype(np.uint8)
    now = RoundContext(number=1, actor=ACTOR, steps=some_steps(100, ending=ending), seed=0)
    now.steps.observation[:] = x
    success = learn_success(now, 0.9)
    assert success(np.array([1.0, 0.0, 0.0])) > 0.9
    assert success(np.array([-1.0, 0.0, 0.0])) < 0.1


@pytest.mark.parametrize('setting', ['budget=0', 'budget=1', 'discount=1'])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(IlRosError, match=r'thrifty_dagger\..*; allowed: 0 < x < 1'):
        make_rule('thrifty_dagger', [setting])


@pytest.mark.parametrize('limits', [{}, {'novelty': 0.1, 'risk': 0.5, 'calm': 0.2}])
def test_the_expert_comes_where_novelty_or_risk_is_not_known(limits):
    for unknown in ({'members': [[np.nan], [np.nan]]}, {'features': (np.nan,)}):
        assert prepared(**limits).decide(a_step(**unknown)).driver == 'expert'


def test_a_step_whose_novelty_is_not_known_leaves_the_thresholds_as_they_are():
    """One NaN among the scores of a round must not make every threshold NaN."""
    rule = prepared()
    scores = {name: np.array([0.1, 0.2, 0.3], np.float32) for name in ('novelty', 'risk')}
    rule.end_episode(some_steps(3, scores=scores))
    before = rule.thresholds
    unknown = {name: np.full(3, np.nan, np.float32) for name in scores}
    rule.end_episode(some_steps(3, scores=unknown))
    assert rule.thresholds == before
    assert np.isfinite([before.novelty, before.risk, before.calm]).all()
