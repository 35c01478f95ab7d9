import json

import pytest

from il_ros.cli.demo_command import demo, first_of_each_suite, how_they_ran
from il_ros.core.errors import EvaluationError
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.suites import SUITES
from il_ros.rollouts.episode_cases import plan_suites


def test_the_graph_runs_the_first_episodes_of_every_suite():
    plan = plan_suites(SUITES, 5, {'pushed': ()}, floor=1)
    first = first_of_each_suite(plan, 2)
    for suite in SUITES:
        whole = [one for one in plan if one.suite == suite]
        assert [one for one in first if one.suite == suite] == whole[:2]
    assert len(first) == 4 * 2 + 1  # of the heuristic there is one
    assert first_of_each_suite(plan, 5) == plan


def test_the_report_says_how_the_episodes_ran():
    plan = plan_suites(SUITES, 5, {'pushed': ()}, floor=1)
    assert how_they_ran(plan, plan) == 'All episodes ran over the ROS graph.'
    note = how_they_ran(plan, first_of_each_suite(plan, 2))
    assert note.startswith('9 of 21 episodes ran over the ROS graph, the first 2 of each suite.')
    assert 'The others ran in process' in note


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_demo_from_the_first_demonstration_to_the_report(tmp_path, monkeypatch):
    pytest.importorskip('rclpy')
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, '0' if name == 'ROS_DOMAIN_ID' else 'LOCALHOST')
    sizes = {'demonstrations': 40, 'rollouts': 72, 'episodes': 4, 'over_graph': 2}
    assert demo(out=tmp_path, task='reach', **sizes) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['episodes'] == 4 * len(SUITES)
    assert report['notes'][0].startswith(f'{2 * len(SUITES)} of {4 * len(SUITES)} episodes ran')
    assert report['notes'][0] in (tmp_path / 'report.html').read_text()
    # What the two ways share says that they are mixed.
    with pytest.raises(EvaluationError, match='episodes there are of another evaluation'):
        EvaluationJournal(tmp_path, {'run': 'graph'})
    for suite in SUITES:
        assert report['suites'][suite]['episodes'] == 4
