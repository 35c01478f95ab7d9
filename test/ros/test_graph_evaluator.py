"""An evaluation over a graph and one in process: the same episodes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_policies import REACH

from il_ros.cli.running_graph import graph
from il_ros.core.errors import IlRosError
from il_ros.rollouts.episode_cases import plan_suites
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.video_maker import VideoConfig, VideoMaker
from il_ros.ros.graph_evaluator import GraphEvaluator
from il_ros.sim.perturbations import load_perturbations

# The policy is trained within the first test's time where no other test came before.
pytestmark = pytest.mark.timeout(300)

PERIOD = 0.05  # s
SUITES = ('nominal', 'expert', 'ood_unwatched', 'ood')


@pytest.fixture(scope='module')
def plan():
    perturbations = load_perturbations(Path('config/suites/reach.yaml'))
    return plan_suites(SUITES, len(perturbations), perturbations, floor=1)


@pytest.fixture(scope='module')
def over_graph(reach_bundle, plan, domain):
    with graph(REACH, start=True, task='reach') as client:
        return list(GraphEvaluator(client, 'reach', reach_bundle, 'straight').run(plan))


@pytest.fixture(scope='module')
def in_process(reach_bundle, plan):
    return list(InProcessEvaluator(REACH, 'reach', reach_bundle, 'straight', processes=1).run(plan))


def test_both_ways_give_the_same_episodes(over_graph, in_process):
    """Not bit for bit: each counts time from an instant of its own, so that the last digits differ,
    and a message rounds the times of a trajectory to nanoseconds."""
    assert [(e.suite, e.seed, e.perturbations) for e in over_graph] == [
        (e.suite, e.seed, e.perturbations) for e in in_process
    ]
    for there, here in zip(over_graph, in_process, strict=True):
        case = f'{here.suite} {here.seed} {here.perturbations}'
        assert (there.success, there.fallback) == (here.success, here.fallback), case
        assert there.duration == pytest.approx(here.duration, abs=PERIOD + 1e-6), case
        assert there.violated == here.violated == 0, case
        if here.fallback:
            late = there.fallback_time - here.fallback_time
            assert abs(late) < PERIOD + 1e-6, case
            assert there.reason.split()[0] == here.reason.split()[0], case


def test_both_ways_command_and_score_the_same(over_graph, in_process):
    for there, here in zip(over_graph, in_process, strict=True):
        if here.suite != 'nominal':
            continue
        ticks = min(len(here.times), len(there.times))
        np.testing.assert_allclose(here.times[:ticks], there.times[:ticks], atol=1e-6)
        np.testing.assert_allclose(here.joints[:ticks], there.joints[:ticks], rtol=0, atol=1e-4)
        np.testing.assert_allclose(here.scores[:ticks], there.scores[:ticks], rtol=1e-2)
        assert np.isfinite(here.scores[1:]).all()
        assert (here.threshold, there.threshold) == (1.0, 1.0)


def test_every_kind_of_end_was_seen(in_process):
    ends = {(e.suite, e.success, e.fallback) for e in in_process}
    assert {('nominal', True, False), ('expert', True, False), ('ood', False, True)} <= ends


def test_a_bundle_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(IlRosError, match='no such folder'):
        list(InProcessEvaluator(REACH, 'reach', tmp_path / 'no', 'straight', processes=1).run([]))


def test_an_episode_of_the_graph_is_shown_by_running_it_again(over_graph, reach_bundle, tmp_path):
    perturbations = load_perturbations(Path('config/suites/reach.yaml'))
    rehearsal = InProcessEvaluator(REACH, 'reach', reach_bundle, 'straight', processes=1)
    config = VideoConfig(width=32, height=24, renderer='rays')
    studio = VideoMaker(rehearsal.setups(SUITES), perturbations, exact=False, config=config)
    chosen = [next(e for e in over_graph if e.suite == suite) for suite in ('nominal', 'ood')]
    # That a limit was left makes them episodes to look at first.
    videos = studio.make_videos(tmp_path, [replace(e, violations={'force': 1}) for e in chosen])
    assert videos.missing == ''
    for episode in chosen:
        video = videos.by_name[f'{episode.suite}_{episode.seed}']
        assert video.text.startswith('Repetition: commands are within 0.'), video.text
        assert (tmp_path / 'videos' / video.file).stat().st_size > 100
