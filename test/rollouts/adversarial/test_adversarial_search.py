"""The search: on an episode that is worked out by hand, and with a scripted expert on the arm."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError
from il_ros.evaluation.suites import SEEDS
from il_ros.rollouts.adversarial.adversarial_search import Search, SearchConfig, severity
from il_ros.rollouts.adversarial.search_findings import (
    cases_of,
    facts,
    most_severe,
    replay_list,
    summary,
)
from il_ros.rollouts.adversarial.search_space import SearchBounds, SearchSpace
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup
from il_ros.sim.perturbations import load_perturbations

REACH = Path('config/contracts/franka_reach.yaml')
FIRST = SEEDS['adversarial'][0]
LIMIT = 10.0
TEXT = """
scenes: {count: 4}
perturbations:
  push: {kind: push, target: hand, start: [0, 3], duration: 0.5, value: [[-50, 50], [-50, 50], 0]}
  delay: {kind: action_delay, value: [[0, 0.4]]}
"""
QUICK = SearchConfig(random=60, searches=2, generations=25, boundaries=6, seed=1)


def space_of(text):
    return SearchSpace(parse(SearchBounds, yaml.safe_load(text), where='f.yaml'), where='f.yaml')


@pytest.fixture(scope='module')
def space():
    return space_of(TEXT)


def run(case):
    """Fails from a push of 40 N on, less 80 N for a second of delay; the third scene by itself.

    The first scene stands 5 N less.
    """
    load = 0.0
    for p in case.perturbations:
        load += math.hypot(*p.value[:2]) if p.kind == 'push' else 80.0 * p.value[0]
    most = 35.0 if case.seed == FIRST else 40.0
    success = load < most and case.seed != FIRST + 2
    return Rollout(
        seed=case.seed,
        frames=(),
        chunks=(),
        actions=np.empty((0, 8)),
        success=success,
        progress=1.0 if success else 0.5,
        duration=4.0 + 0.1 * load if success else LIMIT,
        elapsed=4.0 + 0.1 * load if success else LIMIT,
    )


def searched(space, config=QUICK, run=run):
    return Search(space, run, limit=LIMIT, config=config).search()


@pytest.fixture(scope='module')
def found(space):
    return searched(space)


def test_a_scene_that_fails_by_itself_is_left_out(found):
    undisturbed = found.of('undisturbed')
    assert [t.success for t in undisturbed] == [True, True, False, True]
    assert FIRST + 2 not in {t.seed for t in found.trials if t.phase != 'undisturbed'}


def test_the_objective_puts_small_failures_before_large_ones_before_slow_successes(found):
    for trial in found.of('random'):
        if trial.success:
            assert trial.objective == pytest.approx(1 + 1 - trial.duration / LIMIT)
        else:
            assert trial.objective == trial.size <= 1
    ordered = sorted(found.of('random'), key=severity)
    outcomes = [t.success for t in ordered]
    assert outcomes == sorted(outcomes)
    assert True in outcomes
    assert False in outcomes


def test_no_trial_leaves_the_bounds(found, space):
    tried = [(p, trial.values[p.name]) for trial in found.trials if trial.values
             for p in space.parameters if p.name in trial.values]  # fmt: skip
    assert len(tried) > 100
    assert all(p.low <= value <= p.high for p, value in tried)


def test_random_disturbances_have_sizes_of_all_magnitudes(found):
    sizes = [t.size for t in found.of('random')]
    assert min(sizes) < 0.05
    assert max(sizes) > 0.5
    # A start has no size, so it is drawn over its whole range even for small disturbances.
    starts = [t.values['push.start'] for t in found.of('random') if t.size < 0.2]
    assert max(starts) - min(starts) > 1.5


def test_cma_es_finds_the_smallest_disturbance_that_fails(found):
    # In shares of the bounds a, b (of 50 N) and c (of 0.4 s) the first scene fails where
    # 50 hypot(a, b) + 32 c >= 35. The size is hypot(a, b, c) / sqrt(3), the least of which is the
    # distance of that plane from 0: 35 / hypot(50, 32) / sqrt(3).
    least = 35 / math.hypot(50, 32) / math.sqrt(3)
    best = min((t for t in found.trials if not t.success and t.values), key=severity)
    assert best.seed == FIRST
    assert least <= best.size < 1.03 * least
    random = min(t.size for t in found.of('random') if not t.success)
    assert best.size < random


def test_each_number_by_itself_has_its_boundary(found):
    assert {b.seed for b in found.boundaries} == {FIRST}
    for one in found.boundaries:
        if one.parameter == 'delay.value[0]':
            # 80 N/s times 0.4 s is 32 N, and the scene stands 35 N.
            assert (one.fails, one.holds) == (None, 0.4)
        else:
            assert one.holds == pytest.approx(math.copysign(35, one.bound), abs=1)
            assert one.fails == pytest.approx(math.copysign(35, one.bound), abs=1)
            assert abs(one.holds) < 35 <= abs(one.fails)
    assert [b.parameter for b in found.boundaries].count('push.value[0]') == 2


def test_one_seed_gives_one_list(space, found):
    again = searched(space)
    assert replay_list(most_severe(space, again, 9)) == replay_list(most_severe(space, found, 9))
    assert facts(space, again, QUICK, about={}) == facts(space, found, QUICK, about={})
    other = searched(space, SearchConfig(random=60, searches=0, boundaries=0, seed=2))
    assert other.of('random')[0].values != found.of('random')[0].values
    assert not other.of('cma_es')
    assert not other.boundaries


def test_the_list_replays_every_failure(space, found, tmp_path):
    listed = most_severe(space, found, 8)
    assert len(listed) == 8
    assert [t.size for t in listed] == sorted(t.size for t in listed)
    path = tmp_path / 'adversarial.yaml'
    path.write_text(replay_list(listed, head='two\nlines'), encoding='utf-8')
    perturbations = load_perturbations(path)  # as "il_ros evaluate --perturbations" does
    cases = cases_of(perturbations, where=path.name)
    assert [case.seed for case in cases] == [t.seed for t in listed]
    for case, trial in zip(cases, listed, strict=True):
        assert case.perturbations == trial.perturbations
        assert not run(case).success


def test_listed_disturbances_of_one_scene_differ_clearly(space, found):
    listed = most_severe(space, found, 1000)
    for i, one in enumerate(listed):
        for other in listed[:i]:
            if one.seed == other.seed:
                shares = [
                    (p.share(one.values[p.name]) - p.share(other.values[p.name])) ** 2
                    for p in space.parameters
                ]
                assert math.sqrt(sum(shares) / len(shares)) > 0.1


def test_nothing_found_is_an_empty_list(space, tmp_path):
    found = searched(space, run=lambda case: run(EpisodeCase(seed=FIRST + 1)))
    assert most_severe(space, found, 5) == []
    path = tmp_path / 'adversarial.yaml'
    path.write_text(replay_list([], head='none'), encoding='utf-8')
    assert load_perturbations(path) == {}
    assert summary(found)['smallest'] is None
    assert all(b.fails is None for b in found.boundaries)


def test_a_name_without_a_scene_is_refused():
    with pytest.raises(IlRosError, match=r"a.yaml: 'pushed' names no scene; allowed: .*_seed_"):
        cases_of({'pushed': []}, where='a.yaml')


def test_the_summary_counts_samples_and_not_what_was_chosen_to_fail(space, found):
    data = json.loads(facts(space, found, QUICK, about={'task': 'none'}))
    random, failed = found.of('random'), sum(not t.success for t in found.of('random'))
    share = data['summary']['random']
    assert (share['trials'], share['failures']) == (60, failed)
    assert share['share'] == pytest.approx(failed / 60)
    assert share['share_low'] < failed / 60 < share['share_high']
    bands = data['summary']['by_size']
    assert sum(band['trials'] for band in bands) == len(random)
    assert bands[0]['failures'] == 0
    assert bands[-1]['failures'] > 0
    assert len(data['trials']) == len(found.trials)
    assert data['summary']['undisturbed']['failures'] == 1
    assert data['task'] == 'none'


def test_a_policy_that_fails_undisturbed_is_refused(space):
    def failing(case):
        return run(EpisodeCase(seed=FIRST + 2))

    with pytest.raises(IlRosError, match=r'each of 4 scenes fails undisturbed; .*time limit; to'):
        searched(space, run=failing)


@pytest.mark.parametrize('change', [{'random': 0}, {'sigma': 0.0}, {'searches': -1}, {'seed': -1}])
def test_invalid_settings_are_refused(change):
    with pytest.raises(IlRosError, match=r'search: got SearchConfig.*; allowed: counts'):
        SearchConfig(**change)


def test_bounds_that_begin_beyond_neutral_are_searched_from_neutral():
    space = space_of(
        'scenes: {count: 1}\nperturbations: {late: {kind: action_delay, value: [[0.45, 0.9]]}}'
    )
    found = searched(space, SearchConfig(random=1, searches=1, generations=1))
    (one,) = found.boundaries
    assert (one.holds, one.fails) == (0.0, 0.45)


def test_an_expert_on_the_arm_is_made_to_fail():
    space = space_of(
        """
scenes: {count: 1}
perturbations:
  goal: {kind: sensor_bias, target: goal_position, value: [0, [-0.06, 0.06], 0]}
"""
    )
    runner = EpisodeSetup(contract=REACH, task='reach').make_runner()

    def episode(case):
        return runner.run(case.seed, case.perturbations, name=case.name)

    config = SearchConfig(random=2, searches=1, generations=1, boundaries=2)
    found = Search(space, episode, limit=5.0, config=config).search()
    # The goal has to be reached to within 2 cm.
    (best, *_) = most_severe(space, found, 1)
    assert 0.018 < abs(best.perturbations[0].value[1]) <= 0.06
    for one in found.boundaries:
        assert abs(one.holds) < 0.022
        assert 0.018 < abs(one.fails) < 0.035
