import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import EvaluationError, IlRosError
from il_ros.evaluation.episode_result import episode_line, read_episodes
from il_ros.evaluation.evaluation_journal import (
    EPISODES,
    MANIFEST,
    EvaluationJournal,
)

IDENTITY = {'policy': 'aaaa', 'task': 'reach', 'perturbations.push': '1234'}


def seeds(episodes):
    return [episode.seed for episode in episodes]


def test_it_resumes_where_it_stopped(tmp_path, episode, traced):
    with EvaluationJournal(tmp_path / 'run', IDENTITY) as journal:
        assert journal.episodes == []
        journal.add(episode(seed=1))
        journal.add(traced(seed=2, reason='two\nlines'))
        assert seeds(read_episodes(tmp_path / 'run' / EPISODES)) == [1, 2]
    with EvaluationJournal(tmp_path / 'run', IDENTITY) as journal:
        assert seeds(journal.episodes) == [1, 2]
        assert journal.done == {('nominal', ('reach', 1, ())), ('nominal', ('reach', 2, ()))}
        journal.add(episode(seed=3))
    assert seeds(read_episodes(tmp_path / 'run' / EPISODES)) == [1, 2, 3]
    assert EvaluationJournal.read_identity(tmp_path / 'run') == IDENTITY


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_wherever_it_is_cut_whole_lines_stay_and_the_rest_goes(data, tmp_path_factory, episode):
    folder = tmp_path_factory.mktemp('cut')
    with EvaluationJournal(folder, IDENTITY) as journal:
        for seed in range(3):
            journal.add(episode(seed=seed))
    path = folder / EPISODES
    content = path.read_bytes()
    length = data.draw(st.integers(0, len(content)))
    zeros = data.draw(st.integers(0, 5)) if length < len(content) else 0
    path.write_bytes(content[:length] + bytes(zeros))
    whole = content[:length].count(b'\n')
    with EvaluationJournal(folder, IDENTITY) as journal:
        assert seeds(journal.episodes) == list(range(whole))
        journal.add(episode(seed=9))
    assert seeds(read_episodes(path)) == [*range(whole), 9]


def test_results_of_something_else_are_not_mixed_in(tmp_path, episode):
    with EvaluationJournal(tmp_path, IDENTITY) as journal:
        journal.add(episode())
    other = {'policy': 'bbbb', 'task': 'reach', 'perturbations.lost': '77'}
    with pytest.raises(EvaluationError) as caught:
        EvaluationJournal(tmp_path, other)
    assert str(caught.value) == (
        f'{tmp_path}: the episodes there are of another evaluation: '
        'policy is aaaa there and bbbb here, perturbations.push is 1234 there and none here, '
        'perturbations.lost is none there and 77 here; '
        'to fix: choose another folder with --out, or replace them with --overwrite'
    )
    assert len(read_episodes(tmp_path / EPISODES)) == 1
    with EvaluationJournal(tmp_path, other, anew=True) as journal:
        assert journal.episodes == []
    assert EvaluationJournal.read_identity(tmp_path) == other


def test_episodes_of_unknown_origin_are_not_mixed_in(tmp_path, episode):
    (tmp_path / EPISODES).write_text(episode_line(episode()))
    with pytest.raises(EvaluationError, match=r'episodes without evaluation\.json: .*--overwrite'):
        EvaluationJournal(tmp_path, IDENTITY)


def test_damage_before_the_last_line_is_named(tmp_path, episode):
    with EvaluationJournal(tmp_path, IDENTITY) as journal:
        journal.add(episode(seed=1))
        journal.add(episode(seed=2))
    path = tmp_path / EPISODES
    path.write_text(path.read_text().replace('"seed": 1', '"seed": x'))
    with pytest.raises(EvaluationError, match=re.escape(f'{path}:1: not JSON')):
        EvaluationJournal(tmp_path, IDENTITY)
    path.write_bytes(b'\xff\n')
    with pytest.raises(EvaluationError, match=r'episodes\.jsonl: damaged: '):
        EvaluationJournal(tmp_path, IDENTITY)


@pytest.mark.parametrize('text', ['', '[]', '{"format": 2, "identity": {}}', '{"format": 1}'])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(EvaluationError, match=r'evaluation\.json: (cannot be read|not understood)'):
        EvaluationJournal(tmp_path, IDENTITY)


def test_two_at_once_are_refused(tmp_path):
    with (
        EvaluationJournal(tmp_path, IDENTITY),
        pytest.raises(IlRosError, match='another process is writing here'),
    ):
        EvaluationJournal(tmp_path, IDENTITY)
    with EvaluationJournal(tmp_path, IDENTITY):
        pass


def test_what_was_added_outlives_a_kill(tmp_path):
    """The process ends within the next line, with no chance to tidy up."""
    script = """
import os, signal, sys
from pathlib import Path
from il_ros.evaluation.episode_result import EpisodeResult, episode_line
from il_ros.evaluation.evaluation_journal import EPISODES, EvaluationJournal
folder = Path(sys.argv[1])
made = [EpisodeResult(suite='nominal', task='reach', seed=i, success=True, duration=1.0,
                      progress=1.0) for i in range(2)]
journal = EvaluationJournal(folder, {'policy': 'aaaa'})
journal.add(made[0])
with (folder / EPISODES).open('a') as file:
    file.write(episode_line(made[1])[:-30])
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = str(Path(__file__).parents[2])
    code = f'import sys; sys.path.insert(0, {root!r}); ' + 'exec(sys.argv.pop(1))'
    ended = subprocess.run([sys.executable, '-c', code, script, str(tmp_path)], check=False)
    assert ended.returncode == -9
    with EvaluationJournal(tmp_path, {'policy': 'aaaa'}) as journal:
        assert seeds(journal.episodes) == [0]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(IlRosError, match=r'episodes\.jsonl: cannot be written'):
        EvaluationJournal(tmp_path / 'file', IDENTITY)
    assert os.listdir(tmp_path) == ['file']


def test_the_manifest_is_plain(tmp_path):
    with EvaluationJournal(tmp_path, IDENTITY):
        pass
    assert json.loads((tmp_path / MANIFEST).read_text()) == {'format': 1, 'identity': IDENTITY}
