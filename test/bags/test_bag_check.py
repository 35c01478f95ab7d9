"""One bag that cannot be assessed does not hide the others; what is said is true."""

import dataclasses
import fcntl
import os

import pytest
from bag_faults import state_of

from il_ros.bags.bag_check import assess_bag, check, find_bags
from il_ros.bags.bag_recovery import recover
from il_ros.bags.episode_info import read_episode_info, write_episode_info
from il_ros.core.errors import DatasetError


def test_a_lock_that_cannot_be_opened_is_reported_with_the_rest(episode, tmp_path):
    path = episode(count=5)
    part = path.with_name('.two.part')
    part.mkdir()
    (part / 'lock').symlink_to('lock')
    states = {finding.path.name: finding.state for finding in check([path.parent])}
    assert states == {'one': 'ok', '.two.part': 'unreadable'}


def test_a_lock_of_a_process_that_is_gone_does_not_count(open_writer, messages):
    writer = open_writer()
    writer.write('/wrench', messages.wrench(1, 0.0), 5)
    writer.flush()
    assert state_of(writer.part) == 'running'
    held = os.open(writer.part / 'lock', os.O_RDWR)
    writer._let_go()  # as the kernel does when the process dies
    assert state_of(writer.part) == 'orphan'
    fcntl.flock(held, fcntl.LOCK_EX)
    assert state_of(writer.part) == 'running'
    os.close(held)
    assert state_of(writer.part) == 'orphan'


def test_an_inner_folder_that_is_a_link_is_neither_read_nor_recovered(episode, tmp_path):
    path = episode(count=5)
    part = path.with_name('.two.part')
    part.mkdir()
    (part / 'two').symlink_to(path)
    finding = assess_bag(part)
    assert finding.state == 'unreadable'
    assert 'is a link; allowed: a folder' in finding.problem
    with pytest.raises(DatasetError, match='is a link'):
        recover(part)
    assert state_of(path) == 'ok'


def test_links_are_not_followed_and_bags_in_bags_are_not_counted(episode, tmp_path):
    path = episode(count=5)
    (path / 'inner').mkdir()
    (path / 'inner' / 'metadata.yaml').touch()
    (path.parent / 'again').symlink_to(path)
    (path.parent / 'deep' / 'down').mkdir(parents=True)
    (path.parent / 'deep' / 'down' / 'metadata.yaml').touch()
    (path.parent / '.git').mkdir()
    assert find_bags([path.parent, path]) == [path.parent / 'deep' / 'down', path]


@pytest.mark.parametrize(
    ('changes', 'problem'),
    [
        ({'messages': 1, 'topics': {}}, 'episode.json says 1 messages, 6 are there'),
        ({'state': 'recording'}, 'episode.json says that it is still being recorded'),
        ({'start_ns': 10**15, 'stop_ns': 0}, 'it is of another recording'),
        ({'start_ns': 1, 'stop_ns': 2}, 'it is of another recording'),
    ],
)
def test_an_episode_file_that_does_not_fit_is_found_and_corrected(episode, changes, problem):
    path = episode(count=5)
    write_episode_info(path, dataclasses.replace(read_episode_info(path), **changes))
    finding = assess_bag(path)
    assert finding.state == 'mismatch'
    assert problem in finding.problem
    recover(path)
    assert state_of(path) == 'ok'
    assert read_episode_info(path).messages == 6


def test_a_file_that_the_metadata_does_not_name_is_found(episode):
    path = episode(count=5)
    (path / 'extra_1.mcap').write_bytes((path / 'one.mcap').read_bytes())
    finding = assess_bag(path)
    assert finding.state == 'mismatch'
    assert 'metadata.yaml does not name extra_1.mcap' in finding.problem
    assert finding.messages == 12


def test_what_a_finding_counts_is_what_the_files_hold(episode):
    path = episode(count=11)
    finding = assess_bag(path)
    assert finding.topics == {'/text': 11, '/contract': 1}
    assert finding.seconds == pytest.approx(0.010)
    assert finding.bytes == (path / 'one.mcap').stat().st_size
    assert not finding.wrong


@pytest.mark.parametrize('keep', [True, False])
def test_a_recovery_that_cannot_replace_the_original_leaves_it_in_its_place(
    episode, monkeypatch, keep
):
    path = episode(count=50)
    os.truncate(path / 'one.mcap', 4000)
    before = {entry.name: entry.read_bytes() for entry in path.iterdir()}

    def refuse(*_):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr('il_ros.bags.bag_recovery.publish', refuse)
    with pytest.raises(DatasetError, match=r'cannot be recovered: .*Input/output error'):
        recover(path, keep=keep)
    assert {entry.name: entry.read_bytes() for entry in path.iterdir()} == before
    assert [entry.name for entry in path.parent.iterdir()] == ['one']
    monkeypatch.undo()
    recover(path, keep=keep)
    assert state_of(path) == 'ok'


def test_a_recovery_whose_copy_is_not_the_same_is_thrown_away(episode, monkeypatch):
    from il_ros.bags.bag_writer import BagWriter

    path = episode(count=50)
    os.truncate(path / 'one.mcap', 4000)
    before = (path / 'one.mcap').read_bytes()
    real = BagWriter.write

    def write(self, handle, log, data, *others):
        changed = bytes(data[:-2]) + b'!\0'  # as bad memory might
        real(self, handle, log, changed if others[1] == 2 else data, *others)

    monkeypatch.setattr(BagWriter, 'write', write)
    with pytest.raises(DatasetError, match='what was recovered is not what is there: other mess'):
        recover(path)
    assert (path / 'one.mcap').read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ['one']
