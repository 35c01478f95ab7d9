"""The verbs of `il_ros dataset`, as they are typed."""

import json
import os

import pytest

from il_ros.cli.main import main
from il_ros.datasets.dataset import load_dataset


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a verb in the test's folder; gives the exit code and what was printed, on one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '200')

    def call(*words):
        code = main(['dataset', *words])
        captured = capsys.readouterr()
        return code, ' '.join((captured.out + captured.err).split())

    return call


@pytest.fixture
def built(record, run):
    record('a', frames=5, seed=1)
    record('b', frames=7, seed=2)
    record('c', frames=6, seed=3, outcome='failure')
    return run('build', 'episodes', '--out', 'out', '--jobs', '1')


def test_build_says_what_was_left_out_and_why(built, tmp_path):
    code, printed = built
    assert code == 0
    assert '2, 5 to 7 frames each' in printed
    assert '12, 0.6 s' in printed
    assert '1 left out: outcome failure; allowed: success' in printed
    assert 'segmentation' in printed
    assert sorted(os.listdir(tmp_path)) == ['episodes', 'out']


def test_build_does_not_overwrite_unasked(built, run, tmp_path):
    code, printed = run('build', 'episodes', '--out', 'out', '--jobs', '1')
    assert code == 2
    assert (
        'error: out: exists already; to fix: choose another name, or replace it (--overwrite)'
        in printed
    )
    assert run('build', 'episodes/a', '--out', 'out', '--jobs', '1', '--overwrite')[0] == 0
    assert json.loads((tmp_path / 'out/manifest.json').read_text())['frames'] == 5


def test_build_leaves_nothing_where_nothing_can_be_used(record, run, tmp_path):
    record('c', outcome='failure')
    code, printed = run('build', 'episodes', '--out', 'out')
    assert code == 2
    assert 'none of 1 episodes can be used' in printed
    assert os.listdir(tmp_path) == ['episodes']


def test_build_takes_settings_of_the_preprocessing_and_names_what_is_wrong_in_them(
    record, run, tmp_path
):
    record('a')
    (tmp_path / 'settings.yaml').write_text('grippers: [thumb]\n')
    options = ('build', 'episodes', '--out', 'out', '--jobs', '1', '--preprocessing')
    assert run(*options, 'settings.yaml')[0] == 0
    assert load_dataset(tmp_path / 'out').manifest.preprocessing['grippers'] == ['thumb']
    (tmp_path / 'settings.yaml').write_text('gripers: [thumb]\n')
    code, printed = run(*options, 'settings.yaml', '--overwrite')
    assert code == 2
    assert "error: settings.yaml: unknown key 'gripers'; allowed: grippers, filter" in printed


def test_datasets_of_datasets(built, record, run, tmp_path):
    record('d', frames=9, seed=4)
    assert run('append', 'out', 'episodes', '--jobs', '1')[0] == 0
    assert run('split', 'out', '--out', 'parts', '--parts', 'x=a,d', 'y=b')[0] == 0
    assert run('merge', 'parts/x', 'parts/y', '--out', 'merged')[0] == 0
    code, printed = run('filter', 'merged', '--out', 'long', '--query', 'frames > 6')
    assert code == 0
    assert '2, 7 to 9 frames each' in printed
    assert [e.id for e in load_dataset(tmp_path / 'long').episodes] == ['d', 'b']
    assert (
        run('split', 'out', '--out', 'shares', '--parts', 'x=0.7', 'y=0.3', '--seed', '1')[0] == 0
    )
    assert len(load_dataset(tmp_path / 'shares/x').episodes) == 2


@pytest.mark.parametrize('parts', ['x=', 'x', 'x=0.5 x=0.5'])
def test_parts_that_say_nothing_are_refused(built, run, parts):
    code, printed = run('split', 'out', '--out', 'parts', '--parts', *parts.split())
    assert code == 2
    assert f'error: parts: got {parts}; allowed: different NAME=FRACTION or NAME=ID,…' in printed


def test_info_verifies(built, run, tmp_path):
    code, printed = run('info', 'out', '--verify', '--episodes')
    assert code == 0
    assert 'every file matches its hash' in printed
    assert 'a success 5 0.20 0 1' in printed.replace('│', '').replace('  ', ' ')
    with (tmp_path / 'out/action.npy').open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        file.write(b'\x55')
    assert run('info', 'out')[0] == 0
    code, printed = run('info', 'out', '--verify')
    assert code == 2
    assert 'error: out: action not as written; to fix: build the dataset again' in printed


@pytest.mark.parametrize('verb', ['build', 'append'])
def test_a_folder_without_a_name_is_no_traceback(built, run, verb, tmp_path):
    words = {'build': ('episodes', '--out', '.'), 'append': ('.', 'episodes')}[verb]
    code, printed = run(verb, *words)
    assert code == 2
    assert printed.startswith('error: .: ')


def test_append_to_the_current_folder(built, record, run, tmp_path, monkeypatch):
    record('d', frames=9, seed=4)
    monkeypatch.chdir(tmp_path / 'out')
    assert run('append', '.', '../episodes', '--jobs', '1')[0] == 0
    assert len(load_dataset(tmp_path / 'out').episodes) == 3


def test_bags_have_to_be_given(run):
    assert run('build', '--out', 'x') == (
        2, 'error: BAGS: no bag given; allowed: folders of episodes; to fix: name one or more'
    )  # fmt: skip


def test_a_group_lists_its_verbs(run):
    code, printed = run('bogus')
    assert code == 2
    assert "unknown verb 'dataset bogus'; allowed: dataset build, dataset append" in printed
    assert 'train bc' not in printed
    assert 'dataset what?' in run()[1]


def test_a_file_is_no_dataset(run, tmp_path):
    (tmp_path / 'file').write_text('x')
    assert run('info', 'file') == (
        2, 'error: file: not a folder; allowed: the folder of a dataset'
    )  # fmt: skip


def test_names_are_printed_as_they_are(record, run, tmp_path):
    os.rename(record('a', frames=5, outcome='failure'), tmp_path / 'episodes/[red]f')
    record('b', frames=5)
    code, printed = run('build', 'episodes', '--out', '[/x]', '--jobs', '1')
    assert (code, '[/x]' in printed) == (0, True)
    assert run('append', '[/x]', 'episodes/[red]f', '--outcomes', 'failure', '--jobs', '1')[0] == 0
    assert run('info', '[/x]', '--episodes')[0] == 0
    odd = os.fsdecode(b'odd\xff')
    os.rename('[/x]', odd)
    code, printed = run('info', odd)
    assert code == 0
    assert 'odd' in printed


def test_of_many_joints_the_summary_names_the_one_that_changed_most(record, run, tmp_path):
    record('a', frames=40)
    (tmp_path / 's.yaml').write_text('filter: {cutoff: 5.0}\n')
    code, printed = run(
        'build', 'episodes', '--out', 'out', '--jobs', '1', '--preprocessing', 's.yaml'
    )
    assert code == 0
    assert printed.count('rms_change') == printed.count('removed_fraction') == 1
    assert '(a)' in printed or '(b)' in printed


def test_what_the_system_refuses_is_one_line(run, monkeypatch):
    def refuse(problem):
        def call(*_, **__):
            raise problem

        monkeypatch.setattr('il_ros.cli.dataset_command.load_dataset', call)
        return run('info', 'out')

    full = OSError(28, 'No space left on device', '/disk/x')
    assert refuse(full) == (2, 'error: /disk/x: No space left on device')
    assert refuse(UnicodeError('bad')) == (2, 'error: a text or a name is not UTF-8: bad')
