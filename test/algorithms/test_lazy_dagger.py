import numpy as np
import pytest
from coaching import a_step, taught_safety

from il_ros.algorithms.query_rules import make_rule
from il_ros.core.errors import IlRosError

SETTINGS = ['threshold=0.5', 'hand_back=0.1', 'check=0']


def test_it_hands_back_only_when_the_learner_does_what_the_expert_does():
    rule = taught_safety('lazy_dagger', SETTINGS)
    course = [
        ((-0.6, 0.0), 0.0, 'policy'),  # safe
        ((0.6, 0.0), 0.0, 'expert'),  # unsafe by the classifier, whatever the discrepancy
        ((-0.6, 0.0), 1.0, 'expert'),  # seems safe; discrepancy 1 is not below 0.05
        ((-0.6, 0.0), 0.3, 'expert'),  # 0.09 is not either
        ((0.6, 0.0), 0.2, 'expert'),  # 0.04 is, but the classifier would take it back at once
        ((-0.6, 0.0), 0.2, 'policy'),  # both agree: back
        ((-0.6, 0.0), 1.0, 'policy'),  # safe again, and nobody looks at the discrepancy
    ]
    for features, action, driver in course:
        step = a_step(features=features, action=(action,), answer=(0.0,))
        assert rule.decide(step).driver == driver
    assert step.ask.count == 0


def test_there_is_noise_only_while_the_expert_drives():
    rule = taught_safety('lazy_dagger', [*SETTINGS, 'noise=0.5'])
    assert rule.decide(a_step(features=(-0.6, 0.0))).noise is None
    unsafe = a_step(features=(0.6, 0.0), action=(1.0,))
    noise = [rule.decide(unsafe).noise[0] for _ in range(2000)]
    assert np.std(noise) == pytest.approx(0.5, rel=0.1)


def test_an_episode_begins_with_the_learner():
    rule = taught_safety('lazy_dagger', SETTINGS)
    assert rule.decide(a_step(features=(0.6, 0.0), action=(1.0,))).driver == 'expert'
    rule.begin_episode(np.random.default_rng(0))
    assert rule.decide(a_step(features=(-0.6, 0.0), action=(1.0,))).driver == 'policy'


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(IlRosError) as caught:
        make_rule('lazy_dagger', ['hand_back=0'])
    assert str(caught.value) == 'lazy_dagger.hand_back: got 0.0; allowed: 0 < x <= 1'
    with pytest.raises(IlRosError, match=r'lazy_dagger\.noise: got -1\.0; allowed: 0 or more'):
        make_rule('lazy_dagger', ['noise=-1'])
