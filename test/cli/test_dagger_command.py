"""Rounds of interactive imitation by one command, in one process."""

import json

import pytest
from small_policies import REACH

from il_ros.cli.main import main
from il_ros.core.errors import IlRosError
from il_ros.interactive.arm_rounds import coached_round
from il_ros.interactive.round_journal import RoundJournal
from il_ros.policies.bundle import load_bundle

# In this order: other modules have the bundle from here, with scores that are trained.
pytestmark = pytest.mark.usefixtures('reach_bundle', 'quick_scores')


def run(out, *more):
    line = (
        f'dagger --contract {REACH} --task reach --out {out} --demonstrations 2 --rounds 1 '
        '--episodes 1 --evaluations 1 --training.epochs 5 --training.policy.hidden-dims 16 '
        '--no-scores --in-process'
    )
    return main([*line.split(), *more])


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('dagger')
    assert run(folder) == 0
    return folder


def test_it_leaves_a_bundle_and_the_curves(out):
    bundle = load_bundle(out / 'bundle')
    assert bundle.training.algorithm == 'dagger'
    assert bundle.scores is None
    rounds = json.loads((out / 'curves.json').read_text())['rounds']
    assert [one['round'] for one in rounds] == [0, 1]
    assert rounds[1]['policy_id'] == bundle.policy_id
    assert rounds[0]['autonomy'] == 0.0 < rounds[1]['autonomy'] == 1.0
    assert all(one['labels'] > 10 for one in rounds)
    assert '<svg' in (out / 'curves.html').read_text()


def test_the_same_command_does_nothing_twice_and_more_rounds_go_on(out, capsys):
    before = (out / 'curves.json').read_text()
    assert run(out) == 0
    assert (out / 'curves.json').read_text() == before
    capsys.readouterr()
    assert run(out, '--rounds', '2') == 0
    said = ' '.join(capsys.readouterr().out.split())
    assert 'round 2: ' in said
    assert '100 % driven by the policy; alone it did' in said
    assert len(json.loads((out / 'curves.json').read_text())['rounds']) == 3


def test_it_is_held_against_the_policy_in_use_once(reach_bundle, tmp_path, capsys):
    old, out = reach_bundle, tmp_path / 'rounds'
    before = {path: path.read_bytes() for path in old.iterdir()}
    against = ('--against.bundle', str(old), '--against.trials', '6')
    assert run(out, *against) == 0
    said = ' '.join(capsys.readouterr().out.split())
    [decision] = out.glob('against_*/decision.json')
    found = json.loads(decision.read_text())
    assert not found['promoted']
    assert f'keep the old one; {found["reason"]}' in said
    assert found['trials']['pairs'] == 6
    assert found['learned_from'] == {
        'rounds': 2, 'episodes': 3, 'labels': found['learned_from']['labels'], 'bags': [],
    }  # fmt: skip
    stamp = decision.stat().st_mtime_ns
    assert run(out, *against) == 0
    assert decision.stat().st_mtime_ns == stamp  # nothing is tried twice
    assert len(list(out.glob('against_*'))) == 1
    assert {path: path.read_bytes() for path in old.iterdir()} == before


def test_a_policy_in_use_is_not_written_over(out, capsys):
    assert run(out, '--against.bundle', str(out / 'bundle')) == 2
    assert 'the new policy would be written over the one in use' in capsys.readouterr().err


def test_a_policy_in_use_that_is_none_is_refused_before_anything(tmp_path, capsys):
    assert run(tmp_path / 'out', '--against.bundle', str(tmp_path)) == 2
    assert 'allowed: the folder of a bundle' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_other_settings_are_refused_where_rounds_are(out, capsys):
    assert run(out, '--rule', 'safe_dagger') == 2
    assert 'the rounds there are of another run: rule is dagger there' in capsys.readouterr().err


def test_an_unknown_rule_is_refused_by_name(tmp_path, capsys):
    assert run(tmp_path, '--rule', 'nagger') == 2
    assert "unknown rule 'nagger'; allowed: dagger" in capsys.readouterr().err


def test_a_round_that_is_not_over_has_no_curve(tmp_path):
    with RoundJournal(tmp_path, {}) as journal:
        assert journal.finished == 0
        with pytest.raises(IlRosError, match='round 0 is not over'):
            coached_round(journal, 0, 0.05)
