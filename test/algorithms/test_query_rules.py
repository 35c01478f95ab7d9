import pytest

from il_ros.algorithms.query_rules import RULES, NoSettings, QueryDecision, QueryRule, make_rule
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
