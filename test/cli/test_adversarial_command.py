"""The verbs write what they say, and what they write runs again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from il_ros.cli.adversarial_command import replay, search
from il_ros.cli.main import main
from il_ros.evaluation.suites import SEEDS
from il_ros.rollouts.adversarial.adversarial_search import SearchConfig

REACH = Path('config/contracts/franka_reach.yaml')
BOUNDS = """
scenes: {count: 1}
perturbations:
  goal: {kind: sensor_bias, target: goal_position, value: [0, [0.05, 0.06], 0]}
"""


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('adversarial')
    (folder / 'bounds.yaml').write_text(BOUNDS, encoding='utf-8')
    config = SearchConfig(random=1, searches=0, boundaries=0)
    search(REACH, folder / 'bounds.yaml', folder, task='reach', guard='none', config=config)
    return folder


def test_it_writes_a_list_and_every_trial(out):
    facts = json.loads((out / 'trials.json').read_text(encoding='utf-8'))
    assert [trial['phase'] for trial in facts['trials']] == ['undisturbed', 'random']
    assert [trial['failed'] for trial in facts['trials']] == [False, True]
    assert facts['bounds'] == BOUNDS
    assert (facts['task'], facts['guard'], facts['policy_id']) == ('reach', 'none', '')
    assert facts['settings']['random'] == 1
    listed = (out / 'adversarial.yaml').read_text(encoding='utf-8')
    assert f'001_seed_{SEEDS["adversarial"][0]}:' in listed
    assert 'the expert fail (reach, guard none)' in listed.replace('\n# ', ' ')


def test_what_is_listed_fails_again(out, capsys):
    assert replay(out / 'adversarial.yaml', REACH, task='reach', guard='none') == 0
    said = capsys.readouterr().out
    assert 'time limit' in said
    assert 'failed: 1 of 1 = 100 %' in said


def test_faults_of_the_bounds_end_the_command(tmp_path, capsys):
    (tmp_path / 'b.yaml').write_text('perturbations: {a: {kind: kick}}', encoding='utf-8')
    given = [
        'adversarial',
        'search',
        '--contract',
        str(REACH),
        '--bounds',
        str(tmp_path / 'b.yaml'),
    ]
    assert main([*given, '--out', str(tmp_path / 'out')]) == 2
    assert "b.yaml.perturbations.a.kind: unknown perturbation 'kick'" in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
