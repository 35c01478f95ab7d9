import numpy as np
import pytest
from coaching import a_step

from il_ros.algorithms.query_rules import make_rule
from il_ros.core.errors import IlRosError


def drivers(ratios, *settings):
    rule = make_rule('monitor_gated', settings)
    rule.begin_episode(np.random.default_rng(0))
    return [rule.decide(a_step(scores={'monitor': ratio})).driver[0] for ratio in ratios]


def test_the_expert_drives_from_the_threshold_until_it_has_been_calm_for_a_while():
    ratios = [0.5, 1.0, 1.1, 0.95, 0.8, 0.8, 0.8, 0.8]
    # above 1 at the third; 0.95 is not below 0.9 and begins the three calm steps anew
    assert drivers(ratios, 'hold=3') == list('ppeeeepp')[:8]


def test_a_score_that_is_no_number_calls_the_expert():
    assert drivers([0.5, np.nan, 0.5], 'hold=1') == ['p', 'e', 'p']


def test_the_expert_can_be_asked_while_the_learner_drives_on():
    rule = make_rule('monitor_gated', ['drive=false'])
    rule.begin_episode(np.random.default_rng(0))
    decision = rule.decide(a_step(scores={'monitor': 2.0}))
    assert (decision.driver, decision.ask) == ('policy', True)


def test_without_a_monitor_it_is_refused():
    rule = make_rule('monitor_gated')
    rule.begin_episode(np.random.default_rng(0))
    with pytest.raises(IlRosError) as caught:
        rule.decide(a_step(scores={'other': 1.0}))
    assert str(caught.value) == (
        "monitor_gated: no score 'monitor'; allowed: other; to fix: choose one of these; "
        'only rounds with an arm have scores'
    )


@pytest.mark.parametrize('setting', ['calm=0', 'calm=2', 'hold=0'])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(IlRosError, match=f'monitor_gated.{setting.split("=")[0]}: got '):
        make_rule('monitor_gated', [setting])
