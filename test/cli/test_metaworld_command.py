import json

import free_hand
import pytest
from needs_metaworld import WHY, needs_metaworld

from il_ros.cli import metaworld_command
from il_ros.cli.main import main
from il_ros.core.errors import UnknownNameError
from il_ros.policies.bundle import load_bundle

CONTRACT = str(free_hand.METAWORLD)
FIX = 'to fix: run make metaworld, and then .venv-metaworld/bin/il_ros\n'


@pytest.mark.skipif(not WHY, reason='MetaWorld is installed')
def test_without_metaworld_the_verbs_say_what_to_run(tmp_path, capsys):
    out = str(tmp_path / 'out')
    assert main(['metaworld', 'record', '--contract', CONTRACT, '--out', out, '--task', 'x']) == 2
    assert capsys.readouterr().err.endswith(FIX)
    assert main(['metaworld', 'evaluate', '--bundle', out, '--out', out, '--task', 'x']) == 2
    assert capsys.readouterr().err.endswith(FIX)
    assert not list(tmp_path.iterdir())


@needs_metaworld
def test_from_the_expert_to_the_report(tmp_path, capsys):
    data, bundle, out = (str(tmp_path / name) for name in ('data', 'bundle', 'report'))
    record = ['metaworld', 'record', '--contract', CONTRACT, '--out', data, '--task', 'reach-v3']
    assert main([*record, '--episodes', '12']) == 0
    assert '12 episodes' in capsys.readouterr().out
    train = ['train', 'bc', '--dataset', data, '--out', bundle, '--epochs', '30']
    assert main(train) == 0
    assert load_bundle(bundle).contract.name == 'metaworld'
    evaluate = ['metaworld', 'evaluate', '--bundle', bundle, '--out', out, '--task', 'reach-v3']
    assert main([*evaluate, '--episodes', '2']) == 0
    assert main([*evaluate, '--episodes', '3']) == 0
    summary = json.loads((tmp_path / 'report/report.json').read_text())
    assert summary['suites']['nominal']['episodes'] == summary['suites']['expert']['episodes'] == 3
    assert summary['expert']['success_rate'] == 1.0
    states = {finding['name']: finding['state'] for finding in summary['findings']}
    assert states['false alarms on nominal episodes'] == 'untested'
    assert states['limit violations with the monitor'] == 'untested'
    assert summary['versions']['metaworld'] == '3.1.1'
    capsys.readouterr()
    assert main([*evaluate[:-1], 'push-v3', '--episodes', '3']) == 2
    assert 'task is reach-v3 there and push-v3 here' in capsys.readouterr().err


@needs_metaworld
def test_a_task_that_does_not_exist_is_refused_with_those_that_do(tmp_path, capsys):
    record = ['metaworld', 'record', '--contract', CONTRACT, '--out', str(tmp_path / 'data')]
    assert main([*record, '--task', 'reach']) == 2
    assert "unknown MetaWorld task 'reach'; allowed: assembly-v3," in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not WHY, reason="the bundle's simulator needs another MuJoCo")
def test_a_task_that_does_not_exist_discards_no_evaluation(
    reach_bundle, tmp_path, monkeypatch, capsys
):
    def refuse(policy, task):
        raise UnknownNameError(f'unknown MetaWorld task {task!r}')

    monkeypatch.setattr(metaworld_command, 'require_metaworld', lambda: 'MetaWorld')
    monkeypatch.setattr(metaworld_command, 'MetaWorldEvaluator', refuse)
    (tmp_path / 'episodes.jsonl').write_text('a day of work')
    verb = ['metaworld', 'evaluate', '--bundle', str(reach_bundle), '--out', str(tmp_path)]
    assert main([*verb, '--task', 'nope', '--overwrite']) == 2
    assert "unknown MetaWorld task 'nope'" in capsys.readouterr().err
    assert (tmp_path / 'episodes.jsonl').read_text() == 'a day of work'
