import pytest

from il_ros.algorithms.dagger import Dagger
from il_ros.algorithms.query_rules import RULES, QueryDecision, QueryRule
from il_ros.interactive.arm_rounds import ArmRounds, DaggerRun
from il_ros.interactive.arm_scores import ScoredRule


class AsksByScore(QueryRule):
    """A rule of a third party that reads the monitor's score."""

    needs_scores = True

    def decide(self, step):
        return QueryDecision(driver='policy', ask=step.scores['monitor'] > 1)


class Place:
    scorer = None


@pytest.fixture
def rule_at(task, tmp_path, monkeypatch):
    monkeypatch.setitem(RULES, 'asks_by_score', f'{__name__}:AsksByScore')

    def make(name):
        return ArmRounds(task.contract, 'push', tmp_path, DaggerRun(rule=name)).rule_at(Place())

    return make


@pytest.mark.parametrize('name', ['monitor_gated', 'asks_by_score'])
def test_every_rule_that_needs_scores_gets_them(rule_at, name):
    assert isinstance(rule_at(name), ScoredRule)


def test_a_rule_that_needs_no_scores_decides_without_them(rule_at):
    assert isinstance(rule_at('dagger'), Dagger)
