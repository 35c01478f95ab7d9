import dataclasses
import json
import time

import pytest

from il_ros.bags.bag_paths import find_episodes
from il_ros.bags.episode_info import (
    EpisodeInfo,
    TopicInfo,
    read_episode_info,
    salvage_episode_info,
    write_episode_info,
)
from il_ros.core.errors import DatasetError

INFO = EpisodeInfo(
    episode_id='e', contract='text', contract_hash='ab', seed=3,
    topics={'/wrench': TopicInfo(type='x', messages=2)}, outcome='failure',
)  # fmt: skip


def test_what_is_written_is_read_again(tmp_path):
    write_episode_info(tmp_path, INFO)
    assert read_episode_info(tmp_path) == INFO


def test_an_episode_of_format_1_is_read_still(tmp_path):
    text = """{"format": 1, "episode_id": "e", "contract": "text", "contract_hash": "ab",
     "namespace": "/", "task": "", "seed": 3, "notes": "", "outcome": "failure", "reason": "",
     "started": "", "ended": "", "duration": 0.0, "messages": 0, "state": "complete",
     "topics": {"/wrench": {"type": "x", "messages": 2}}}"""
    (tmp_path / 'episode.json').write_text(text)
    info = read_episode_info(tmp_path)
    assert info == dataclasses.replace(INFO, format=1, state='complete')
    assert (info.flagged, info.recovery, info.topics['/wrench'].lost) == (False, None, 0)


def test_a_bag_of_somebody_else_has_none(tmp_path):
    assert read_episode_info(tmp_path) is None


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('{"format": 1', r'episode\.json: not JSON: .*; to fix: run "il_ros bags recover" '),
        ('{"format": 3}', r'episode\.json: format 3, newer than .* knows; allowed: 1, 2'),
        ('{"format": true}', r'episode\.json: format True; allowed: 1, 2'),
        ('[]', r'episode\.json: format None; allowed: 1, 2'),
        (100_000 * '[', r'episode\.json: not JSON: '),
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
    with pytest.raises(DatasetError, match=r'file: not a bag; allowed: a bag \(a folder, or an'):
        find_episodes([tmp_path / 'file'])
    with pytest.raises(DatasetError, match='none: no such folder'):
        find_episodes([tmp_path / 'none'])
    with pytest.raises(DatasetError, match='no episode in it; to fix: record some'):
        find_episodes([tmp_path])


def test_text_without_a_code_in_utf_8_is_kept(tmp_path):
    info = dataclasses.replace(INFO, notes='a \udcff b, ä')
    write_episode_info(tmp_path, info)
    assert read_episode_info(tmp_path) == info


def test_what_a_recovery_kept_is_no_episode_and_a_bare_database_is(tmp_path):
    for name in ('a', 'a.damaged', 'b'):
        (tmp_path / name).mkdir()
    (tmp_path / 'a' / 'a.mcap').touch()
    (tmp_path / 'a.damaged' / 'metadata.yaml').touch()
    (tmp_path / 'b' / 'b_0.db3').touch()
    assert find_episodes([tmp_path]) == [tmp_path / 'a', tmp_path / 'b']
    with pytest.raises(DatasetError, match=r'a\.damaged: no episode in it'):
        find_episodes([tmp_path / 'a.damaged'])


@pytest.mark.parametrize('letter', [',', '\x01', '\U0001f9be'])
def test_what_is_written_can_be_read_however_long_its_texts_are(tmp_path, letter):
    endless = letter * (17 << 20)
    info = dataclasses.replace(INFO, task=endless, notes=endless, reason=endless)
    write_episode_info(tmp_path, info)
    found = read_episode_info(tmp_path)
    for text in (found.task, found.notes, found.reason):
        assert len(text) == 1 << 16
        assert text.startswith(letter * 60_000)
        assert text.endswith(f'... ({17 << 20} characters)')
    assert dataclasses.replace(found, task='', notes='', reason='') == dataclasses.replace(
        INFO, task='', notes='', reason=''
    )


def test_white_space_in_a_damaged_description_takes_no_more_time_than_its_size(tmp_path):
    text = '{"format": 2, "task": "pick" ' + ' ' * 200_000 + 'x'
    (tmp_path / 'episode.json').write_text(text)
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more/episode.json').write_text(text.replace(' x', ' , x'))
    begin = time.process_time()
    assert salvage_episode_info(tmp_path) == {'format': 2}
    assert salvage_episode_info(tmp_path / 'more') == {'format': 2, 'task': 'pick'}
    assert time.process_time() - begin < 2.0  # the square of it would be minutes
