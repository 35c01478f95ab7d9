import numpy as np
import pytest
from coaching import Linear, a_step, some_steps

from il_ros.algorithms.dagger import DaggerConfig
from il_ros.algorithms.query_rules import RoundContext, make_rule
from il_ros.core.errors import IlRosError, UnknownNameError


def begun(settings, number):
    rule = make_rule('dagger', settings)
    actor = Linear(np.zeros((1, 3)))
    rule.begin_round(RoundContext(number=number, actor=actor, steps=some_steps(1), seed=0))
    rule.begin_episode(np.random.default_rng(0))
    return rule


def test_beta_falls_as_its_schedule_says():
    def betas(config):
        return [config.beta(i) for i in range(5)]

    assert betas(DaggerConfig()) == [1, 0, 0, 0, 0]
    assert betas(DaggerConfig(schedule='linear', rounds=4)) == [1, 0.75, 0.5, 0.25, 0]
    assert betas(DaggerConfig(schedule='exponential', decay=0.5)) == [1, 0.5, 0.25, 0.125, 0.0625]
    assert DaggerConfig(schedule='linear', rounds=4).beta(9) == 0


def test_the_expert_drives_his_share_of_the_steps_and_labels_all():
    rule = begun(['schedule=linear', 'rounds=4'], 1)
    decisions = [rule.decide(a_step()) for _ in range(4000)]
    assert np.mean([d.driver == 'expert' for d in decisions]) == pytest.approx(0.75, abs=0.03)
    assert all(d.ask for d in decisions)


def test_some_labels_can_be_left_out_but_none_where_the_expert_drives():
    rule = begun(['schedule=exponential', 'decay=0.5', 'ask=0.2'], 1)
    decisions = [rule.decide(a_step()) for _ in range(4000)]
    # driven by the expert 0.5, and of the other half one in five
    assert np.mean([d.ask for d in decisions]) == pytest.approx(0.6, abs=0.03)
    assert all(d.ask for d in decisions if d.driver == 'expert')


@pytest.mark.parametrize(
    ('setting', 'text'),
    [
        ('rounds=0', 'dagger.rounds: got 0; allowed: more than 0'),
        ('decay=1.5', 'dagger.decay: got 1.5; allowed: 0 <= x <= 1'),
        ('ask=0', 'dagger.ask: got 0.0; allowed: 0 < x <= 1'),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, text):
    with pytest.raises(IlRosError) as caught:
        make_rule('dagger', [setting])
    assert str(caught.value) == text


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="unknown rule 'no'; allowed: dagger, dart"):
        make_rule('no')
