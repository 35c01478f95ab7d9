"""Plans of an evaluation: what a longer one begins with, and what cannot be planned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import EvaluationError, UnknownNameError
from il_ros.evaluation.suites import SEEDS, SUITES
from il_ros.rollouts.episode_cases import nominal_cases, perturbed_cases, plan_suites
from il_ros.sim.perturbations import Perturbation

PUSH = Perturbation(kind='push', value=(1.0, 0.0, 0.0))
LOST = Perturbation(kind='sensor_dropout', target='wrench')
PERTURBATIONS = {'push': [PUSH], 'lost': [LOST], 'both': [PUSH, LOST]}
suites = st.lists(st.sampled_from(sorted(SUITES)), max_size=7)


@given(suites, st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_a_plan_with_more_episodes_begins_with_the_same_cases(names, few, more, floor):
    few, more = sorted((few, more))
    short, long = (plan_suites(names, n, PERTURBATIONS, floor=floor) for n in (few, more))
    for name in {*names}:
        cases, longer = ([one for one in plan if one.suite == name] for plan in (short, long))
        assert cases == longer[: len(cases)]
        assert len(cases) == (min(few, floor) if name == 'heuristic' else few)
    # Suite by suite, each once, however often it was named.
    expected = [name for name in dict.fromkeys(names) if floor or name != 'heuristic']
    assert [*dict.fromkeys(one.suite for one in long)] == (expected if more else [])
    keys = [(one.suite, one.key('reach')) for one in long]
    assert len({*keys}) == len(keys)


@given(st.integers(0, 20))
def test_suites_that_are_compared_have_the_same_cases(count):
    plan = plan_suites(SUITES, count, PERTURBATIONS, floor=99)
    cases = {name: [one.case for one in plan if one.suite == name] for name in SUITES}
    assert cases['ood'] == cases['ood_unwatched']
    assert cases['nominal'] == cases['expert'] == cases['heuristic']
    assert not {case.seed for case in cases['ood']} & {case.seed for case in cases['nominal']}
    assert all(case.perturbations == tuple(PERTURBATIONS[case.name]) for case in cases['ood'])


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_parts_of_a_long_run_are_the_run(start, first, second):
    whole = nominal_cases(first + second, start)
    assert whole == [*nominal_cases(first, start), *nominal_cases(second, start + first)]
    seeds = [case.seed for case in perturbed_cases(first + second, PERTURBATIONS, start)]
    assert seeds == [*SEEDS['ood'][start : start + first + second]]


def test_what_cannot_be_planned_is_named():
    with pytest.raises(UnknownNameError, match='unknown suite odd; allowed: nominal, expert'):
        plan_suites(['nominal', 'odd'], 1, {}, floor=1)
    with pytest.raises(EvaluationError, match='no perturbation to draw from'):
        plan_suites(['ood'], 1, {}, floor=1)
    assert plan_suites([], 5, {}, floor=5) == []
    for count, start in ((-1, 0), (1, -1), (len(SEEDS['nominal']), 1)):
        with pytest.raises(EvaluationError, match=r'seeds\.nominal: .* do not fit'):
            nominal_cases(count, start)


def test_a_case_is_known_by_task_seed_and_perturbations():
    plan = plan_suites(['nominal', 'ood'], 1, PERTURBATIONS, floor=1)
    assert [one.key('reach') for one in plan] == [
        ('reach', SEEDS['nominal'][0], ()),
        ('reach', SEEDS['ood'][0], ('push',)),
    ]
