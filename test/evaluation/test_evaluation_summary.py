import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.evaluation_summary import summarise
from il_ros.evaluation.failure_detection import pair_up, time_share
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.report_notes import seed_ranges
from il_ros.evaluation.target_findings import MeasuredRates, assess, headline
from il_ros.evaluation.worst_episodes import worst_episodes

VERSIONS = {'il_ros': '1'}


def state_of(summary, name):
    return next(finding for finding in summary['findings'] if name in finding['name'])


def test_a_whole_evaluation_by_hand(evaluation):
    s = summarise(evaluation(20), versions=VERSIONS, created='today')
    # 20 nominal: seed 0 failed, seed 1 failed by a false alarm.
    assert s['nominal']['success_rate'] == 0.9
    assert (s['nominal']['wilson_low'], s['nominal']['wilson_high']) == (
        Rate(18, 20).low,
        Rate(18, 20).high,
    )
    assert s['nominal']['false_alarm_rate'] == 0.05
    # 20 perturbed, all failed alone after 4 s: the first was missed, the others fell back at
    # 1, 2 or 3 s.
    assert s['ood']['detection_rate'] == 0.95
    assert s['ood']['detection_wilson_low'] == Rate(19, 20).low
    assert s['ood']['detection_wilson_high'] == Rate(19, 20).high
    assert (s['ood']['failures'], s['ood']['detected'], s['ood']['pairs']) == (20, 19, 20)
    assert s['ood']['violations'] == 0
    assert s['ood']['detection_time_share'] == 0.5
    assert s['ood_unwatched']['success_rate'] == 0
    assert s['ood_unwatched']['violations'] == 40
    assert s['ood_unwatched']['violations_by_kind'] == {'force': 40}
    assert s['expert']['success_rate'] == 1
    assert s['heuristic']['success_rate'] == 0
    assert s['episodes'] == 100
    assert s['seeds']['nominal'] == list(range(300_000, 300_020))
    assert s['versions'] == VERSIONS
    assert s['created'] == 'today'
    assert s['notes'] == []
    assert s['comparison']['completion_time'] == {
        'pairs': 18,
        'policy_median_s': 4.0,
        'expert_median_s': 4.0,
        'ratio_median': 1.0,
        'ratio_low': 1.0,
        'ratio_high': 1.0,
    }
    assert s['comparison']['smoothness']['difference_median'] == 0
    assert [row['kind'] for row in s['perturbations']] == ['push', 'sensor_bias']
    assert s['perturbations'][0]['detected'] == 9
    assert s['perturbations'][0]['violations_unwatched'] == 20


def test_summary_is_strict_json_whatever_is_missing(evaluation):
    found = evaluation(3)
    for suite in ('nominal', 'ood', 'ood_unwatched', 'expert', 'heuristic'):
        without = [e for e in found if e.suite != suite]
        summary = summarise(without, versions={})
        json.dumps(summary, allow_nan=False)
        assert summary[suite]['success_rate'] is None
        assert summary[suite]['violations'] is None
        assert f'{suite}: no episode was run.' in summary['notes']


def test_nothing_run_is_null_and_untested_everywhere():
    s = summarise([], versions={})
    assert s['nominal']['false_alarm_rate'] is s['ood']['detection_rate'] is None
    assert s['comparison'] == {'completion_time': None, 'smoothness': None}
    assert s['verdict'].startswith('6 of 6 not tested: success on nominal episodes,')
    assert {finding['state'] for finding in s['findings']} == {'untested'}


def test_other_suites_are_reported_too(episode):
    s = summarise([episode('slow-light', success=False)], versions={})
    assert s['suites']['slow-light']['success_rate'] == 0
    assert 'slow-light' not in s


def test_two_episodes_of_one_case_are_refused(episode):
    with pytest.raises(EvaluationError) as caught:
        summarise([episode(), episode()], versions={})
    assert str(caught.value) == (
        'suite nominal: 2 episodes of task reach, seed 300000, []; '
        'allowed: one episode of each case, so that none counts twice; '
        'to fix: evaluate into an empty folder, or use other seeds'
    )


def test_detection_must_come_before_the_failing_run_is_over(episode, stopped):
    watched = [stopped(seed=400_000 + i, time=time) for i, time in enumerate((3.9, 4.0, 9.0))]
    alone = [episode('ood_unwatched', e.seed, success=False) for e in watched]
    s = summarise([*watched, *alone], versions={})
    assert (s['ood']['failures'], s['ood']['detected']) == (3, 1)


def test_detection_counts_only_what_the_policy_failed_alone(episode, stopped):
    found = [stopped(seed=400_000), episode('ood_unwatched', 400_000)]
    s = summarise(found, versions={})
    assert s['ood']['detection_rate'] is None
    assert s['ood']['needless_fallbacks'] == 1
    assert 'ood: the policy failed no perturbed episode, so detection was not tested.' in s['notes']


def test_pairs_need_the_same_seed_task_and_perturbations(episode, stopped):
    watched = stopped(perturbations=('push', 'bias'))
    same = episode('ood_unwatched', 400_000, perturbations=('bias', 'push'))
    others = [
        episode('ood_unwatched', 400_000, perturbations=('push',)),
        episode('ood_unwatched', 400_001, perturbations=('push', 'bias')),
        episode('ood_unwatched', 400_000, task='other', perturbations=('push', 'bias')),
    ]
    assert [pair.unwatched for pair in pair_up([watched], [*others, same])] == [same]
    assert pair_up([watched], others) == ()
    s = summarise([watched, *others], versions={})
    assert s['ood']['detection_rate'] is None
    assert (
        'ood: 1 episodes have no partner and do not count for detection: seeds 400000.'
        in (s['notes'])
    )


def test_time_share_is_a_median_over_the_detected(episode, stopped):
    watched = [stopped(seed=i, time=time) for i, time in enumerate((1.0, 3.0, 4.0))]
    alone = [episode('ood_unwatched', i, success=False) for i in range(3)]
    assert time_share(pair_up(watched, alone)) == 0.5
    assert time_share([]) is None


def test_notes_name_what_makes_the_result_look_better(episode, traced):
    found = [
        episode(seed=5),
        episode('ood_unwatched', 400_000, fallback=True, fallback_time=1.0),
        episode('expert', task='place'),
    ]
    notes = summarise(found, versions={})['notes']
    assert (
        'nominal: 1 seeds belong to the demonstrations (5): success on them may be memory.' in notes
    )
    assert any(note.startswith('ood_unwatched: 1 episodes fell back although') for note in notes)
    assert 'The rates mix the tasks place, reach.' in notes


@pytest.mark.parametrize(
    ('policy', 'floor', 'state', 'text'),
    [
        ((45, 50), (5, 50), 'met', 'The intervals are apart'),
        ((25, 50), (20, 50), 'missed', 'The policy does not beat the heuristic floor'),
        ((5, 50), (45, 50), 'missed', 'The policy is worse than the heuristic floor'),
    ],
)
def test_the_floor_is_judged_in_words(episode, policy, floor, state, text):
    found = [
        episode(suite, 300_000 + i, success=i < successes)
        for suite, (successes, trials) in (('nominal', policy), ('heuristic', floor))
        for i in range(trials)
    ]
    s = summarise(found, versions={})
    finding = state_of(s, 'floor')
    assert finding['state'] == state
    assert finding['text'].startswith(text)
    assert (text in s['verdict']) == (state == 'missed')


def test_violations_under_watch_are_missed_wherever_they_happen(episode):
    s = summarise([episode(violations={'force': 1})], versions={})
    assert state_of(s, 'violations')['text'] == '1 counted; target at most 0: missed.'
    assert s['ood']['violations'] is None
    assert 'limit violations with the monitor' in s['headline']


def measured(**changes):
    rates = dict.fromkeys(('nominal', 'detection', 'expert'), Rate(1000, 1000))
    rest = {'false_alarms': Rate(0, 1000), 'heuristic': Rate(0, 1000), 'violations': 0}
    return MeasuredRates(**(rates | rest | changes))


def test_headline_names_what_is_missed_untested_and_doubtful():
    assert headline(assess(measured())) == 'All 6 targets met.'
    assert headline(assess(measured(nominal=Rate(46, 50)))) == (
        'All 6 targets met. 1 of those met are uncertain with so few episodes.'
    )
    assert headline(assess(measured(nominal=Rate(1, 2), detection=None))) == (
        '1 of 6 targets missed: success on nominal episodes. '
        '1 of 6 not tested: detection of failing perturbed episodes.'
    )


@given(st.integers(0, 60), st.integers(1, 60))
def test_a_rate_below_its_target_is_never_met(successes, trials):
    if successes <= trials:
        finding = assess(measured(detection=Rate(successes, trials)))[2]
        assert (finding.state == 'met') == (successes / trials >= 0.9)


def test_worst_episodes_come_worst_first_and_expected_failures_not_at_all(evaluation, episode):
    found = [*evaluation(6), episode('nominal', 300_100, violations={'force': 1})]
    assert [(p.what, p.episode.seed) for p in worst_episodes(found)] == [
        ('1 limit violations', 300_100),
        ('not solved', 300_000),
        ('failure not detected in time', 400_000),
        ('false alarm', 300_001),
    ]


def test_seed_ranges():
    assert seed_ranges([3, 1, 2, 7, 9, 10, 9]) == '1-3, 7, 9-10'
    assert seed_ranges([]) == ''


def test_no_module_of_evaluation_imports_ros_torch_or_mujoco():
    folder = Path(__file__).parents[2] / 'il_ros' / 'evaluation'
    text = ''.join(path.read_text() for path in folder.glob('*.py'))
    assert not any(f'import {name}' in text for name in ('rclpy', 'torch', 'mujoco', 'pyplot'))


def test_without_a_monitor_nothing_is_said_of_it(evaluation):
    summary = summarise(evaluation(3), versions=VERSIONS, watched=False)
    assert state_of(summary, 'success on nominal')['state'] != 'untested'
    assert state_of(summary, 'false alarms')['state'] == 'untested'
    assert state_of(summary, 'limit violations')['state'] == 'untested'
    assert summary['nominal']['false_alarm_rate'] is None
