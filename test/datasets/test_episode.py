import json

import pytest

from il_ros.core.errors import DatasetError
from il_ros.datasets.episode import (
    EpisodeInfo,
    TopicInfo,
    find_episodes,
    read_episode_info,
    write_episode_info,
)

INFO = EpisodeInfo(
    episode_id='e', contract='text', contract_hash='ab', seed=3,
    topics={'/wrench': TopicInfo(type='x', messages=2)}, outcome='failure',
)  # fmt: skip


def test_what_is_written_is_read_again(tmp_path):
    write_episode_info(tmp_path, INFO)
    assert read_episode_info(tmp_path) == INFO


def test_a_bag_of_somebody_else_has_none(tmp_path):
    assert read_episode_info(tmp_path) is None


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('{"format": 1', r'episode\.json: not JSON: .*; to fix: leave this episode out'),
        ('{"format": 2}', r'episode\.json: format 2; allowed: 1'),
        ('[]', r'episode\.json: format None; allowed: 1'),
        ('{"format": 1, "episode_id": "e"}', r'episode\.json\.contract: missing; allowed: str'),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, error):
    (tmp_path / 'episode.json').write_text(text)
    with pytest.raises(DatasetError, match=error):
        read_episode_info(tmp_path)


def test_an_outcome_that_is_not_one_is_refused(tmp_path):
    write_episode_info(tmp_path, INFO)
    path = tmp_path / 'episode.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'outcome': 'maybe'}))
    with pytest.raises(DatasetError, match="outcome: got 'maybe'; allowed: success, failure"):
        read_episode_info(tmp_path)


def test_a_folder_of_episodes_counts_as_its_episodes_without_the_unfinished(tmp_path):
    for name in ('b', 'a', '.c.part', 'other'):
        (tmp_path / name).mkdir()
    (tmp_path / 'a' / 'metadata.yaml').write_text('')
    (tmp_path / 'b' / 'b.mcap').write_text('')  # crashed: listed, so that it can be reported
    (tmp_path / '.c.part' / 'episode.json').write_text('')
    expected = [tmp_path / 'a', tmp_path / 'b']
    assert find_episodes([tmp_path]) == expected
    assert find_episodes([tmp_path / 'a', tmp_path]) == expected


def test_paths_without_an_episode_are_refused(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DatasetError, match='file: not a folder; allowed: the folder of a bag'):
        find_episodes([tmp_path / 'file'])
    with pytest.raises(DatasetError, match='none: no such folder'):
        find_episodes([tmp_path / 'none'])
    with pytest.raises(DatasetError, match='no episode in it; to fix: record some'):
        find_episodes([tmp_path])
