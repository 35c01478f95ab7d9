import json
import re
from dataclasses import replace

import pytest

from il_ros.cli.main import main
from il_ros.core.errors import EvaluationError
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.paired_evaluations import compare_evaluations, read_evaluation

IDENTITY = {'policy': 'aaaa', 'task': 'reach', 'perturbations.push': '12'}


def store(folder, episodes, **changes):
    with EvaluationJournal(folder, IDENTITY | changes) as journal:
        for one in episodes:
            journal.add(one)
    return read_evaluation(folder)


@pytest.fixture
def a(tmp_path, episode):
    """Solves the first 4 of 12, in 4 s each."""
    return store(tmp_path / 'a', [episode(seed=i, success=i < 4) for i in range(12)])


@pytest.fixture
def b(tmp_path, episode):
    """Solves the first 11 of 12, each 0.1 s slower than the one before; in another order."""
    found = [episode(seed=i, success=i < 11, duration=4 + i / 10) for i in range(12)]
    return store(tmp_path / 'b', found[::-1], policy='bbbb')


def test_two_evaluations_by_hand(a, b):
    found = compare_evaluations(a, b)
    suite = found['suites']['nominal']
    assert found['differs'] == ['policy']
    assert (suite['both'], suite['only_a'], suite['only_b'], suite['neither']) == (4, 0, 7, 1)
    assert (suite['rate_a'], suite['rate_b']) == (4 / 12, 11 / 12)
    assert suite['difference'] == pytest.approx(7 / 12)
    assert suite['difference_low'] > 0
    assert suite['p_value'] == 2 / 2**7
    assert suite['verdict'] == 'better'
    # seeds 0 to 3 were solved by both: 0, 0.1, 0.2 and 0.3 s longer
    assert suite['time']['pairs'] == 4
    assert suite['time']['difference_s'] == pytest.approx(0.15)
    assert 0 <= suite['time']['difference_low_s'] < 0.15 < suite['time']['difference_high_s'] <= 0.3
    assert compare_evaluations(b, a)['suites']['nominal']['verdict'] == 'worse'
    json.dumps(found, allow_nan=False)


def test_the_same_twice_is_open(a):
    suite = compare_evaluations(a, a)['suites']['nominal']
    assert (suite['difference'], suite['p_value'], suite['verdict']) == (0, 1, 'open')
    assert suite['difference_low'] < 0 < suite['difference_high']
    assert suite['pairs_needed'] is None
    assert suite['pairs_needed_for']['0.1'] > suite['pairs_needed_for']['0.2'] > 0


def test_episodes_without_a_partner_are_refused(a, b, episode):
    short = replace(b, episodes=b.episodes[:-2])
    longer = replace(short, episodes=[*short.episodes, episode(seed=40)])
    with pytest.raises(EvaluationError) as caught:
        compare_evaluations(a, longer)
    assert str(caught.value) == (
        f'suite nominal: 2 episodes are only in {a.folder} (reach: seeds 0-1); '
        f'1 episodes are only in {b.folder} (reach: seeds 40); '
        'allowed: the same tasks, seeds and perturbations in both; '
        'to fix: evaluate both with the same options, or extend the shorter one with --episodes'
    )


def test_a_suite_that_only_one_has_is_refused_unless_others_are_named(a, b, episode):
    more = replace(a, episodes=[*a.episodes, episode('ood', 5, perturbations=('push',))])
    with pytest.raises(EvaluationError, match=re.escape(f'suite ood: no episode in {b.folder}')):
        compare_evaluations(more, b)
    assert list(compare_evaluations(more, b, suites=('nominal',))['suites']) == ['nominal']
    with pytest.raises(EvaluationError, match='no suite to compare'):
        compare_evaluations(replace(a, episodes=[]), replace(b, episodes=[]))


def test_experts_are_compared_only_on_request(a, b, episode):
    some = [episode('expert', 1)]
    both = [replace(x, episodes=[*x.episodes, *some]) for x in (a, b)]
    assert list(compare_evaluations(*both)['suites']) == ['nominal']
    assert list(compare_evaluations(*both, suites=('expert',))['suites']) == ['expert']


def test_perturbations_of_one_name_must_be_the_same(a, episode):
    pushed = [episode('ood', 5, perturbations=('push',))]
    one = replace(a, episodes=pushed)
    other = replace(one, identity={**a.identity, 'perturbations.push': '13'})
    with pytest.raises(EvaluationError, match='suite ood: push differs: 12 and 13'):
        compare_evaluations(one, other)
    assert compare_evaluations(one, one)['suites']['ood']['pairs'] == 1


def test_a_folder_that_is_no_evaluation_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match=r'evaluation\.json: cannot be read: '):
        read_evaluation(tmp_path)


def test_the_verb_shows_a_table_and_writes_json(a, b, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '160')
    path = tmp_path / 'found.json'
    assert main(['compare', a.folder, b.folder, '--json', str(path)]) == 0
    assert json.loads(path.read_text()) == compare_evaluations(a, b)
    shown = capsys.readouterr().out
    assert 'they differ in: policy' in ' '.join(shown.split())  # a folder's name may be long
    assert 'policy, unseen seeds: B is better than A.' in shown
    assert '+58.3' in shown
    assert main(['compare', a.folder, a.folder]) == 0
    text = ' '.join(capsys.readouterr().out.split())
    assert 'not told apart, and no difference was seen; a difference of 10 points' in text
    assert main(['compare', a.folder, str(tmp_path / 'none')]) == 2
    assert 'error: ' in capsys.readouterr().err
