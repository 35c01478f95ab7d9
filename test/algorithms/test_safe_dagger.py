import numpy as np
import pytest
from coaching import Linear, a_step, some_steps, taught_safety, wrong_where_positive

from il_ros.algorithms.query_rules import RoundContext, make_rule
from il_ros.algorithms.safe_dagger import honest
from il_ros.core.errors import IlRosError

ACTOR = Linear(np.zeros((1, 3)))


def test_the_expert_drives_and_labels_where_the_learner_was_wrong():
    rule = taught_safety('safe_dagger', ['check=0'])
    bad, good = (rule.decide(a_step(features=(x, 0.0))) for x in (0.6, -0.6))
    assert (bad.driver, bad.ask) == ('expert', True)
    assert (good.driver, good.ask) == ('policy', False)
    assert bad.scores['unsafe'] > 0.9
    assert good.scores['unsafe'] < 0.1


def test_it_hands_back_at_the_next_safe_step():
    rule = taught_safety('safe_dagger')
    drivers = [rule.decide(a_step(features=(x, 0.0))).driver for x in (-0.6, 0.6, -0.6, 0.6)]
    assert drivers == ['policy', 'expert', 'policy', 'expert']


def test_safe_steps_are_checked_now_and_then():
    rule = taught_safety('safe_dagger', ['check=0.2'])
    asked = [rule.decide(a_step(features=(-0.6, 0.0))).ask for _ in range(2000)]
    assert np.mean(asked) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize('name', ['safe_dagger', 'lazy_dagger'])
def test_before_anything_is_known_the_learner_drives_and_all_is_labelled(name):
    rule = make_rule(name)
    demonstrations = some_steps(5, round=np.zeros(5, np.int32), expert=np.ones((5, 1), np.float32))
    rule.begin_round(RoundContext(number=1, actor=ACTOR, steps=demonstrations, seed=0))
    rule.begin_episode(np.random.default_rng(0))
    decision = rule.decide(a_step())
    assert (decision.driver, decision.ask) == ('policy', True)


def test_it_learns_from_answers_that_the_learner_had_not_learned_from():
    steps = wrong_where_positive(6)
    steps.round[:] = [0, 1, 2, 3, 4, 5]
    x = steps.observation
    # Round 6 begins; with a memory of 2 it looks at rounds 4 and 5.
    features, unsafe = honest(RoundContext(number=6, actor=ACTOR, steps=steps, seed=0), 2, 0.5)
    np.testing.assert_array_equal(features, x[4:])
    np.testing.assert_array_equal(unsafe, x[4:, 0] > 0)


@pytest.mark.parametrize('name', ['safe_dagger', 'lazy_dagger'])
def test_settings_that_make_no_sense_are_refused(name):
    for setting, allowed in (('threshold=0', 'more than 0'), ('probability=1', '0 < x < 1')):
        with pytest.raises(IlRosError, match=rf'{name}\..*; allowed: {allowed}'):
            make_rule(name, [setting])


def test_steps_at_which_the_learner_gave_no_answer_say_nothing_of_its_safety():
    steps = wrong_where_positive(10)
    steps.policy[:4] = np.nan
    features, unsafe = honest(
        RoundContext(number=2, actor=ACTOR, steps=steps, seed=0), memory=3, threshold=0.05
    )
    np.testing.assert_array_equal(features, steps.observation[4:].astype(np.float64))
    np.testing.assert_array_equal(unsafe, steps.observation[4:, 0] > 0)
