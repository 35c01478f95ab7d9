"""Killed recorders and full disks, real ones."""

import os
import random
import shutil
import signal
import subprocess
import sys

import pytest
from bag_faults import (
    STRING,
    messages_of,
    number,
    state_of,
    text,
)

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_check import check
from il_ros.bags.bag_recovery import recover
from il_ros.bags.episode_info import read_episode_info
from il_ros.bags.mcap_file import DiskFullError, Storage
from il_ros.core.errors import DatasetError

RECORD = """
import sys
from pathlib import Path
from il_ros.core.contract import parse_contract
from il_ros.bags.episode_writer import EpisodeWriter, Storage

def text(number):
    body = f'{number:08d}'.encode().ljust(100, b'.') + bytes(1)
    return bytes((0, 1, 0, 0)) + len(body).to_bytes(4, 'little') + body

root, contract = Path(sys.argv[1]), parse_contract(Path(sys.argv[2]).read_text())
writer = EpisodeWriter(root, 'killed', contract, storage=Storage(chunk_size=4000))
writer.add_topic('/text', 'std_msgs/msg/String')
for number in range(10**9):
    writer.write('/text', text(number), 10**9 + number)
    if number % 97 == 96:
        writer.flush()
        print(number, flush=True)
"""


def killed_recorder(folder, contract, lines):
    """A recorder killed when it has said `lines` times what is on the disk; gives the last."""
    (folder / 'contract.yaml').write_text(contract.text)
    command = [sys.executable, '-c', RECORD, str(folder / 'episodes'), folder / 'contract.yaml']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(lines):
            process.stdout.readline()
        running = check([folder / 'episodes'])
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().split('\n')
        complete = [line for line in said[:-1] if line]
    assert [finding.state for finding in running] == ['running']
    return int(complete[-1]) if complete else 0


def assert_recovered(folder, flushed):
    part = folder / 'episodes' / '.killed.part'
    (finding,) = check([folder / 'episodes'])
    assert (finding.state, finding.path, finding.wrong) == ('orphan', part, True)
    path = recover(part, keep=False)
    assert path == folder / 'episodes' / 'killed'
    numbers = [number(data) for *_, data in messages_of(path / 'killed.mcap')[1:]]
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] >= flushed
    info = read_episode_info(path)
    assert (info.outcome, info.state, info.messages) == (
        'unknown',
        'recovered',
        len(numbers) + 1,
    )
    assert [finding.state for finding in check([folder / 'episodes'])] == ['ok']
    assert os.listdir(folder / 'episodes') == ['killed']


@pytest.mark.parametrize('lines', [1, 7, 40])
def test_a_killed_recorder_loses_nothing_it_flushed(tmp_path, contract, lines):
    assert_recovered(tmp_path, killed_recorder(tmp_path, contract, lines))


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(20))
def test_a_recorder_killed_at_any_moment_loses_nothing_it_flushed(tmp_path, contract, seed):
    lines = random.Random(seed).randrange(1, 400)
    assert_recovered(tmp_path, killed_recorder(tmp_path, contract, lines))


def _fails(command):
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.fixture
def small_disk(tmp_path):
    """A filesystem of 4 MB."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', str(folder)]
    if shutil.which('mount') is None or _fails(command):
        pytest.skip('needs the right to mount a tmpfs')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


def fill(writer, flush):
    for i in range(10**6):
        writer.write('/text', text(i, 1000), 10**9 + i)
        if flush and i % 50 == 49:
            writer.flush()


@pytest.mark.parametrize(('split', 'flush'), [(0, False), (0, True), (600_000, False)])
def test_a_full_disk_ends_the_episode_whole(small_disk, contract, open_writer, split, flush):
    storage = Storage(chunk_size=100_000, max_file_size=split, reserve=300_000)
    writer = open_writer('full', topics=(), root=small_disk, storage=storage)
    writer.add_topic('/text', STRING)
    with pytest.raises(DiskFullError, match=r'the disk is full: .*; to fix: end the episode, '):
        fill(writer, flush)
    with pytest.raises(DiskFullError):
        writer.write('/text', text(0), 1)
    path = writer.close('failure', 'disk full')
    assert state_of(path) == 'ok'
    info = read_episode_info(path)
    assert (info.outcome, info.messages) == ('failure', writer.messages)
    found = [m for file in sorted(path.glob('*.mcap')) for m in messages_of(file)]
    numbers = [number(data) for *_, data in found[1:]]
    assert numbers == list(range(info.messages - 1))
    assert len(numbers) > 2500
    assert info.topics['/text'].bytes == sum(len(data) for *_, data in found[1:])
    with EpisodeReader(path) as reader:
        assert len(list(reader.messages(['text']))) == len(numbers)


def test_an_episode_can_be_ended_when_others_filled_the_disk(small_disk, open_writer):
    storage = Storage(chunk_size=10**7, reserve=300_000)
    writer = open_writer('full', topics=(), root=small_disk, storage=storage)
    writer.add_topic('/text', STRING)
    for i in range(100):
        writer.write('/text', text(i, 1000), 10**9 + i)
    writer.flush()
    with pytest.raises(OSError, match='No space left'):
        (small_disk / 'filler').write_bytes(bytes(10**7))
    for i in range(100, 1100):  # a megabyte in memory: more than the reserve
        writer.write('/text', text(i, 1000), 10**9 + i)
    path = writer.close('success')
    assert state_of(path) == 'ok'
    numbers = [number(data) for *_, data in messages_of(path / 'full.mcap')[1:]]
    assert numbers == list(range(100))
    assert read_episode_info(path).topics['/text'].messages == 100


def test_a_recovery_without_room_leaves_the_original(small_disk, episode):
    path = episode('big', count=2500, storage=Storage(chunk_size=10**5, reserve=0))
    bag = small_disk / 'big'
    shutil.copytree(path, bag)
    (bag / 'filler').write_bytes(bytes(3_400_000))
    file = bag / 'big.mcap'
    os.truncate(file, file.stat().st_size - 50)
    before = file.read_bytes()
    with pytest.raises(DatasetError, match=r'the disk is full|cannot be recovered'):
        recover(bag)
    assert file.read_bytes() == before
    assert sorted(os.listdir(small_disk)) == ['big']


@pytest.mark.parametrize('reserve', [0, 300_000])
def test_an_episode_that_filled_the_disk_can_be_dropped(small_disk, open_writer, reserve):
    storage = Storage(chunk_size=100_000, reserve=reserve)
    writer = open_writer('full', topics=(), root=small_disk, storage=storage)
    writer.add_topic('/text', STRING)
    with pytest.raises(DatasetError, match=r'the disk is full|cannot be closed'):
        fill(writer, flush=False)
    writer.abort()
    assert os.listdir(small_disk) == []


@pytest.mark.parametrize('cut', [False, True])
def test_a_disk_that_is_read_only_is_not_called_full(small_disk, episode, cut):
    bag = small_disk / 'one'
    shutil.copytree(episode(), bag)
    if cut:
        os.truncate(bag / 'one.mcap', 9000)
    else:
        (bag / 'episode.json').write_text('{')
    subprocess.run(['mount', '-o', 'remount,ro', str(small_disk)], check=True)
    with pytest.raises(DatasetError, match=r'Read-only file system.*; to fix: make it wr'):
        recover(bag)
    assert os.listdir(small_disk) == ['one']
