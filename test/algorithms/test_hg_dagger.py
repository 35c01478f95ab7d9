import math

import numpy as np
import pytest
from coaching import a_step, some_steps

from il_ros.algorithms.query_rules import make_rule
from il_ros.algorithms.transitions import EXPERT, POLICY


@pytest.mark.parametrize(('human', 'driver'), [(True, 'expert'), (False, 'policy')])
def test_the_person_drives_and_only_what_he_does_is_a_label(human, driver):
    decision = make_rule('hg_dagger').decide(a_step(human=human))
    assert (decision.driver, decision.ask) == (driver, human)


def test_the_threshold_is_the_mean_of_the_last_quarter_of_the_variances_at_takeovers():
    rule = make_rule('hg_dagger')
    assert math.isnan(rule.threshold)
    P, E = POLICY, EXPERT
    source = np.array([P, E, E, P, E, P, P, E, P, E, P, E, P, E, P, E, P, E], np.uint8)
    variances = np.zeros(len(source), np.float32)
    # takeovers at 1, 4, 7, 9, 11, 13, 15, 17; what was felt between them does not count
    variances[[1, 4, 7, 9, 11, 13, 15, 17]] = [5, 1, 8, 2, 7, 3, 6, 4]
    variances[2] = 100
    rule.end_episode(
        some_steps(len(source), source=source, scores={'ensemble_variance': variances})
    )
    assert rule.threshold == pytest.approx((6 + 4) / 2)


def test_an_episode_that_the_person_begins_is_no_takeover():
    rule = make_rule('hg_dagger')
    steps = some_steps(
        2, source=np.array([EXPERT, EXPERT], np.uint8), scores={'ensemble_variance': np.ones(2)}
    )
    rule.end_episode(steps)
    assert math.isnan(rule.threshold)


def test_a_takeover_of_which_the_variance_is_not_known_leaves_the_threshold():
    rule = make_rule('hg_dagger')
    source = np.array([POLICY, EXPERT, POLICY, EXPERT], np.uint8)
    for variances in ([0, 2, 0, 2], [0, np.nan, 0, np.nan]):
        scores = {'ensemble_variance': np.array(variances, np.float32)}
        rule.end_episode(some_steps(4, source=source, scores=scores))
        assert rule.threshold == 2.0
