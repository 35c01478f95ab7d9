import dataclasses
import os
import shutil

import pytest

from il_ros.bags.episode_info import MessageLoss, read_episode_info, write_episode_info
from il_ros.bags.episode_writer import EpisodeWriter, Storage
from il_ros.cli.main import main
from il_ros.core.contract import parse_contract

CONTRACT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], names: [a]}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity], names: [a]}
action:
  names: [a]
  position: [arm]
  velocity: [speed]
  limits: {position_min: [-1], position_max: [1], velocity: [1], acceleration: [1], jerk: [1]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""


@pytest.fixture
def start(tmp_path):
    """A writer with some messages written."""

    def make(name):
        contract = parse_contract(CONTRACT)
        storage = Storage(chunk_size=500, reserve=0)
        writer = EpisodeWriter(tmp_path / 'episodes', name, contract, storage=storage, task='pick')
        writer.add_topic('/text', 'std_msgs/msg/String')
        for i in range(20):
            writer.write('/text', b'\0\1\0\0' + bytes(100), 10**9 + i * 10**7)
        return writer

    return make


@pytest.fixture
def episode(start):
    def make(name='one', **options):
        return start(name).close('success', **options)

    return make


def test_what_is_in_order_is_not_listed_and_the_exit_code_is_0(episode, capsys):
    path = episode()
    assert main(['bags', 'check', str(path.parent)]) == 0
    assert capsys.readouterr().out == '1 bags, 0 with problems\n'
    assert main(['bags', 'check', str(path.parent), '--all']) == 0
    assert '21' in capsys.readouterr().out


def test_damage_is_found_and_mended(episode, capsys):
    episode('good')
    path = episode('bad')
    os.truncate(path / 'bad.mcap', (path / 'bad.mcap').stat().st_size // 2)
    assert main(['bags', 'check', str(path.parent)]) == 1
    out = capsys.readouterr().out
    assert f'{path}: damaged: bad.mcap: no summary at its end' in out
    assert f'\n    il_ros bags recover {path}\n' in out
    assert '2 bags, 1 with problems' in out
    assert main(['bags', 'recover', str(path.parent)]) == 0
    assert f'{path}: dropped bad.mcap: ' in capsys.readouterr().out
    assert main(['bags', 'check', str(path.parent)]) == 0


def test_what_cannot_be_recovered_gives_exit_code_1(episode, capsys):
    path = episode()
    os.truncate(path / 'one.mcap', 20)
    assert main(['bags', 'recover', str(path)]) == 1
    assert 'no whole message in it' in capsys.readouterr().out


def test_a_running_episode_is_named_and_left_alone(start, capsys):
    writer = start('one')
    assert main(['bags', 'check', str(writer.path.parent)]) == 0
    assert 'running' in capsys.readouterr().out
    assert main(['bags', 'recover', str(writer.path.parent)]) == 0
    assert f'{writer.part}: is being recorded: left alone' in capsys.readouterr().out
    writer.close('success')


def test_info_says_topics_losses_and_who_recorded_it(episode, capsys):
    path = episode(losses={'/text': MessageLoss(lost=4, expected_rate=50.0)}, flagged=True)
    assert main(['bags', 'info', str(path)]) == 0
    out = capsys.readouterr().out
    for text in ('success', 'pick', '/text', '100.0', '50', ' 4 ', '21 messages, 0.190 s'):
        assert text in out


def test_mark_changes_what_an_episode_says(episode, capsys):
    path = episode()
    arguments = ['--outcome', 'failure', '--reason', 'dropped it', '--notes', 'n', '--flagged']
    assert main(['bags', 'mark', str(path), *arguments]) == 0
    info = read_episode_info(path)
    assert (info.outcome, info.reason, info.notes, info.flagged) == (
        'failure', 'dropped it', 'n', True,
    )  # fmt: skip
    assert "outcome 'success' is now 'failure'" in capsys.readouterr().out
    assert main(['bags', 'mark', str(path), '--no-flagged']) == 0
    assert not read_episode_info(path).flagged
    assert read_episode_info(path).outcome == 'failure'
    assert main(['bags', 'check', str(path)]) == 0


def test_mark_refuses_what_it_cannot_do(episode, tmp_path, capsys):
    path = episode()
    assert main(['bags', 'mark', str(path)]) == 2
    assert 'nothing to change; allowed: outcome, reason' in capsys.readouterr().err
    assert main(['bags', 'mark', str(path), '--flagged', '--no-flagged']) == 2
    (path / 'episode.json').unlink()
    assert main(['bags', 'mark', str(path), '--flagged']) == 2
    assert 'no episode.json in it' in capsys.readouterr().err


@pytest.mark.parametrize('verb', ['check', 'recover'])
def test_a_path_has_to_be_given(verb, capsys):
    assert main(['bags', verb]) == 2
    assert 'no path given; allowed: bags, or folders of bags' in capsys.readouterr().err


@pytest.mark.parametrize('verb', ['info', 'mark'])
def test_a_path_that_is_no_bag_is_named_for_what_it_is(verb, episode, tmp_path, capsys):
    path = episode()
    more = ['--flagged'] if verb == 'mark' else []
    assert main(['bags', verb, str(path.parent), *more]) == 2
    assert f'holds 1 bags, is not one; allowed: {path}' in capsys.readouterr().err
    assert main(['bags', verb, str(tmp_path / 'nowhere'), *more]) == 2
    allowed = 'a bag: a folder, or an .mcap or .db3 file'
    assert f'nowhere: no such folder; allowed: {allowed}\n' in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    assert main(['bags', verb, str(tmp_path / 'empty'), *more]) == 2
    assert 'empty: not a bag; allowed: the folder of a bag' in capsys.readouterr().err


def test_brackets_and_odd_bytes_are_printed_and_do_not_end_a_command(episode, capsys):
    path = episode('a[red]b')
    info = read_episode_info(path)
    write_episode_info(path, dataclasses.replace(info, episode_id='a[/red]b', notes='[/b] \udcff'))
    assert main(['bags', 'info', str(path)]) == 0
    out = capsys.readouterr().out
    assert 'a[/red]b' in out
    assert '[/b] \\udcff' in out
    odd = path.with_name(os.fsdecode(b'odd \xff[x]'))
    shutil.copytree(path, odd)
    assert main(['bags', 'check', str(odd), '--all']) == 0
    assert 'odd \\udcff[x]' in capsys.readouterr().out


def test_notes_that_are_not_utf_8_are_refused(episode, capsys):
    path = episode()
    assert main(['bags', 'mark', str(path), '--notes', os.fsdecode(b'a\xff')]) == 2
    assert '--notes: got a\\udcff; allowed: text in UTF-8' in capsys.readouterr().err
    assert main(['bags', 'mark', str(path), '--notes', 'ein Grüner']) == 0
    assert read_episode_info(path).notes == 'ein Grüner'


@pytest.mark.parametrize('verb', ['info', 'mark'])
def test_an_episode_file_that_leads_out_of_the_folder_is_refused(verb, episode, tmp_path, capsys):
    path = episode()
    outside = tmp_path / 'outside.json'
    (path / 'episode.json').rename(outside)
    (path / 'episode.json').symlink_to(outside)
    before = outside.read_bytes()
    more = ['--flagged'] if verb == 'mark' else []
    assert main(['bags', verb, str(path), *more]) == 2
    assert 'is a link that leads out of the folder' in capsys.readouterr().err
    assert outside.read_bytes() == before
    assert (path / 'episode.json').is_symlink()
