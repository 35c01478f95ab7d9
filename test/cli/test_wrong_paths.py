"""Every path of every verb: a wrong one gives one line of error, and nothing is written.

The verbs and their paths are read from their functions, so that a new one is tested as well.
"""

from __future__ import annotations

import inspect
import os
import typing
from pathlib import Path

import pytest
from bag_faults import SMALL, STRING, text

from il_ros.bags.episode_writer import EpisodeWriter
from il_ros.cli.main import VERBS, guarded
from il_ros.core.registry import load
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.policies.bundle_signature import key_files
from il_ros.rollouts.episode_runner import EpisodeRunner

ROOT = Path(__file__).parents[2]
REACH = ROOT / 'config/contracts/franka_reach.yaml'
BOUNDS = """
scenes: {count: 1}
perturbations:
  goal: {kind: sensor_bias, target: goal_position, value: [0, [0.05, 0.06], 0]}
"""
SETTINGS = {
    'dagger': {'task': 'reach', 'in_process': True},
    'dataset filter': {'query': 'frames > 0'},
    'dataset split': {'parts': ('a=0.5', 'b=0.5')},
    'evaluate': {'task': 'reach', 'in_process': True, 'episodes': 1},
    'metaworld evaluate': {'task': 'reach-v3'},
    'metaworld record': {'task': 'reach-v3'},
    'monitor evaluate': {'task': 'reach', 'episodes': 1},
    'adversarial search': {'task': 'reach'},
    'adversarial replay': {'task': 'reach'},
}
"""What a verb needs that is no path."""
ELSEWHERE = {
    ('record', 'out'): 'the recorder of the running graph looks at it',
    ('record', 'bundle'): 'the nodes of the running graph look at it',
    ('metaworld evaluate', 'bundle'): 'MetaWorld is asked for first',
    ('metaworld evaluate', 'out'): 'MetaWorld is asked for first',
    ('metaworld record', 'out'): 'MetaWorld is asked for first',
    ('demo', 'out'): 'the demo begins with its graph',
    ('dataset import', 'out'): 'test/interop: it needs a dataset of another format',
    ('dataset report', 'out'): 'its charts take seconds; test_atomic_files',
    ('dataset report', 'json'): 'likewise',
    ('compare', 'out'): 'test_compare_command: it needs evaluations',
    ('monitor replay', 'json'): 'test_monitor_command: it needs a bag of its policy',
}
HOLDS_NONE = {('bags check', 'paths'), ('bags recover', 'paths'), ('migrate', 'paths')}
"""Take a folder of anything: one with nothing of theirs is in order."""
OUTPUTS = ('out', 'json', 'private', 'public')


def paths_of(verb):
    """A verb's parameters that are paths, with the text of their types."""
    hints = typing.get_type_hints(load(VERBS[verb][0]))
    return {name: str(hint) for name, hint in hints.items() if 'Path' in str(hint)}


PATHS = [(verb, name) for verb in VERBS for name in paths_of(verb)]
INPUTS = [one for one in PATHS if one[1] not in OUTPUTS and one not in ELSEWHERE]
OUTS = [one for one in PATHS if one[1] in OUTPUTS and one not in ELSEWHERE]


@pytest.fixture(scope='module')
def good(tmp_path_factory, task, reach_bundle):
    """What the verbs take, by the name of their parameter."""
    folder = tmp_path_factory.mktemp('good')
    save_dataset(task.dataset([1, 2]), folder / 'dataset')
    (folder / 'bounds.yaml').write_text(BOUNDS)
    (folder / 'suite.yaml').write_text(
        'goal_seed_7:\n  - {kind: sensor_dropout, target: goal_position}\n'
    )
    writer = EpisodeWriter(folder / 'bags', 'one', task.contract, storage=SMALL, task='pick')
    writer.add_topic('/text', STRING)
    writer.write('/text', text(1), 10**9)
    bag = writer.close('success')
    key_files().generate_keys(folder / 'key', folder / 'key.pub')
    with EvaluationJournal(folder / 'evaluation', {'policy_id': 'p'}):
        pass
    return {
        'a': folder / 'evaluation',
        'b': folder / 'evaluation',
        'bag': bag,
        'bags': [bag],
        'bounds': folder / 'bounds.yaml',
        'bundle': reach_bundle,
        'contract': REACH,
        'dataset': folder / 'dataset',
        'datasets': [folder / 'dataset'],
        'key': folder / 'key',
        'paths': [bag],
        'perturbations': folder / 'suite.yaml',
        'source': folder / 'dataset',
    }


@pytest.fixture(scope='module')
def wrong(tmp_path_factory):
    """Paths that are wrong for every input: none is there, none holds what it should."""
    folder = tmp_path_factory.mktemp('wrong')
    (folder / 'empty').mkdir()
    (folder / 'words').write_text('hello')
    (folder / 'bytes').write_bytes(bytes(range(256)))
    (folder / 'loop').symlink_to('loop')
    os.mkfifo(folder / 'pipe')
    return folder


def content(*folders):
    """Everything in some folders: name, kind, size, and time of the last change."""
    found = [path for folder in folders for path in sorted(folder.rglob('*'))]
    return [(path, (s := path.lstat()).st_mode, s.st_size, s.st_mtime_ns) for path in found]


@pytest.fixture
def refused(good, wrong, tmp_path, capfd, monkeypatch):
    """Calls a verb with a wrong path and else with good ones; gives what it said."""
    monkeypatch.chdir(tmp_path)
    folders = tmp_path, wrong, good['dataset'].parent, good['bundle']

    def call(verb, name, path):
        function = load(VERBS[verb][0])
        parameters, hint = inspect.signature(function).parameters, paths_of(verb)[name]
        needed = [key for key, one in parameters.items() if one.default is one.empty]
        given = {key: good[key] for key in needed if key in good} | SETTINGS.get(verb, {})
        given |= {key: tmp_path / key for key in needed if key in OUTPUTS}
        given[name] = [path] if 'list[' in hint else (path,) if 'tuple[' in hint else path
        before = content(*folders)
        code = guarded(lambda: function(**given))
        out, err = capfd.readouterr()
        assert code == 2, (out, err)
        assert content(*folders) == before
        if verb != 'migrate':  # tells of each path by itself
            assert err.startswith('error: ')
            assert err.count('error: ') == 1
        return err or out

    return call


@pytest.mark.parametrize('what', ['missing', 'words/inside', 'bytes', 'loop', 'empty', 300 * 'n'])
@pytest.mark.parametrize(('verb', 'name'), INPUTS, ids=str)
def test_a_wrong_input_is_one_error_that_names_it(verb, name, what, wrong, refused):
    if what == 'empty' and (verb, name) in HOLDS_NONE:
        pytest.skip('a folder with nothing to do is in order')
    text = refused(verb, name, wrong / what)
    assert Path(what).name in text
    assert '[Errno' not in text
    assert 'not JSON' not in text


@pytest.fixture
def no_episode(monkeypatch):
    monkeypatch.setattr(EpisodeRunner, 'run', lambda *_, **__: pytest.fail('an episode ran'))


@pytest.mark.usefixtures('no_episode')
@pytest.mark.parametrize('what', ['words/inside', 'pipe'])
@pytest.mark.parametrize(('verb', 'name'), OUTS, ids=str)
def test_a_wrong_output_is_one_error_before_any_episode(verb, name, what, wrong, refused):
    text = refused(verb, name, wrong / what)
    assert text.count('\n') == 1
    assert Path(what).name in text
