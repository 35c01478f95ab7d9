import dataclasses

import numpy as np
import pytest
from coaching import Linear, a_step, taught_safety, wrong_where_positive

from il_ros.algorithms.query_rules import (
    RULES,
    NoSettings,
    QueryDecision,
    QueryRule,
    RoundContext,
    make_rule,
)
from il_ros.core.errors import IlRosError


class Never(QueryRule):
    """A rule of a third party: no settings, no constructor of its own."""

    def decide(self, step):
        return QueryDecision(driver='policy', ask=False)


@pytest.fixture
def never(monkeypatch):
    monkeypatch.setitem(RULES, 'never', f'{__name__}:Never')


@pytest.mark.usefixtures('never')
def test_a_rule_needs_no_settings():
    rule = make_rule('never')
    assert isinstance(rule, Never)
    assert rule.config == NoSettings()


@pytest.mark.usefixtures('never')
def test_a_setting_of_a_rule_that_has_none_is_refused():
    with pytest.raises(IlRosError, match="got 'calm=1'"):
        make_rule('never', ['calm=1'])


def test_only_the_monitors_rule_needs_scores():
    assert [name for name in RULES if make_rule(name).needs_scores] == ['monitor_gated']


NAN = float('nan')
UNKNOWN = {'action': (NAN,), 'members': [[NAN], [NAN]], 'features': (NAN, NAN)}


@pytest.mark.parametrize(
    ('name', 'settings', 'step'),
    [
        ('ensemble_dagger', [], UNKNOWN),
        ('ensemble_dagger', ['discrepancy=.inf'], UNKNOWN),
        ('ensemble_dagger', ['ensemble_variance=.inf'], UNKNOWN),
        ('monitor_gated', [], {'scores': {'monitor': NAN}}),
        ('safe_dagger', [], UNKNOWN),
        ('lazy_dagger', [], UNKNOWN),
    ],
)
def test_a_learner_of_which_nothing_is_known_does_not_drive(name, settings, step):
    """NaN is neither sure nor safe, whichever way a rule compares."""
    rule = (taught_safety if name in ('safe_dagger', 'lazy_dagger') else make_rule)(name, settings)
    rule.begin_episode(np.random.default_rng(0))
    for _ in range(3):
        decision = rule.decide(a_step(**step))
        assert (decision.driver, decision.ask) == ('expert', True)


@pytest.mark.parametrize('name', [name for name in RULES if name != 'thrifty_dagger'])
def test_a_rule_decides_alike_in_two_runs_of_one_seed(name):
    """A run that goes on after a crash shows a rule the same rounds and episodes again."""

    def run():
        rule, steps = make_rule(name), wrong_where_positive(60)
        actor = Linear(np.zeros((1, 3)), shifts=(-0.1, 0.1))
        rule.begin_round(RoundContext(number=2, actor=actor, steps=steps, seed=3))
        rule.begin_episode(np.random.default_rng(5))
        said = []
        for x in np.random.default_rng(1).uniform(-1, 1, 40):
            members = [[x / 2], [-x / 2]]
            scores = {'monitor': 1.0 + x}
            step = a_step(features=(x, 0.0), members=members, scores=scores, human=bool(x > 0))
            decision = rule.decide(step)
            noise = None if decision.noise is None else decision.noise.tolist()
            said.append((decision.driver, decision.ask, noise, dict(decision.scores)))
        return said

    first = run()
    assert first == run()
    assert all(ask for driver, ask, *_ in first if driver == 'expert')


@pytest.mark.parametrize('name', sorted(RULES))
def test_a_setting_that_is_no_number_is_refused_by_its_rule(name):
    """Every number of every rule: NaN, a text and a list."""
    for field in dataclasses.fields(make_rule(name).Config):
        if field.type not in ('int', 'float'):
            continue
        for text in ('.nan', 'much', '[1, 2]', ''):
            with pytest.raises(IlRosError, match=field.name):
                make_rule(name, [f'{field.name}={text}'])
