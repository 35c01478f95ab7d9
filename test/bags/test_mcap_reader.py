"""MCAP files of any writer are read in the order of time, by their chunks and not their summary."""

import itertools
import random
import struct
import tracemalloc

import pytest

from benchmarks.bags import make_bag
from benchmarks.file_bombs import CONTRACT, make_indexed, make_mcap
from il_ros.bags import mcap_scan
from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_metadata import RefusedError
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.bags.mcap_reader import in_time
from il_ros.bags.mcap_scan import ChunkPlace, McapOutline, most_at_once
from il_ros.core.contract import load_contract
from il_ros.core.errors import DatasetError

SMALL = (2 << 20) + (1 << 19)


def chunks_of(path):
    with path.open('rb') as file:
        return McapOutline(file, path.stat().st_size).chunks


def read(folder):
    with EpisodeReader(folder, load_contract(CONTRACT)) as reader:
        return [message.receive for message in reader.messages(['joint_states'])]


def test_every_chunk_of_a_sound_bag_is_listed(tmp_path):
    bag, count = make_bag(tmp_path, 0.5)
    (path,) = bag.glob('*.mcap')
    assert chunks_of(path)
    with EpisodeReader(bag) as reader:
        assert sum(1 for _ in reader.messages(reader.relative_topics)) >= count


def test_chunks_come_in_the_order_of_the_file_and_are_read_by_time(tmp_path):
    make_indexed(tmp_path, [2, 0, 1], size=SMALL, times=lambda number: (9 - number, 9 - number))
    chunks = chunks_of(tmp_path / 'bag.mcap')
    assert [chunk.start_time for chunk in chunks] == [9, 8, 7]
    assert [time for time, _ in itertools.groupby(read(tmp_path))] == [7, 8, 9]


@pytest.mark.parametrize(
    ('listed', 'how'),
    [
        ([0, 1, 0], {}),
        ([1, 0], {'shift': 1}),
        ([0], {'shift': 1 << 63}),
        ([0], {'shift': 1 << 40}),
    ],
)
def test_a_summary_of_other_chunks_is_damage_and_changes_nothing(listed, how, tmp_path):
    make_indexed(tmp_path, listed, size=SMALL, **how)
    assert len(read(tmp_path)) == 2 * len(set(listed))
    finding = assess_bag(tmp_path)
    assert (finding.state, 'its summary is of other content' in finding.problem) == (
        'damaged', True
    )  # fmt: skip


def test_what_stands_before_the_chunks_hides_nothing(tmp_path):
    make_indexed(tmp_path, [0, 0], size=SMALL, begin=b'\x80' + bytes(7) + b'\1')
    with pytest.raises(DatasetError, match=r'cut in a record at byte 29.*run "il_ros bags recover'):
        read(tmp_path)
    assert assess_bag(tmp_path).state == 'damaged'


@pytest.mark.parametrize('count', [2, 3])
def test_chunks_of_one_time_are_held_up_to_a_bound(count, tmp_path, monkeypatch):
    monkeypatch.setattr(mcap_scan, 'CHUNK_LIMIT', 5 << 20)
    make_indexed(tmp_path, range(count), size=SMALL, times=lambda _: (0, 5))
    if count == 2:
        assert len(read(tmp_path)) == 2 * 2
        return
    with pytest.raises(RefusedError, match=r'chunks of one time become 629\d* bytes, at most 5242'):
        read(tmp_path)


def test_the_most_at_once_is_that_of_every_single_time():
    chance = random.Random(0)
    for _ in range(200):
        times = [(chance.randrange(9), chance.randrange(9)) for _ in range(chance.randrange(7))]
        chunks = [
            ChunkPlace(offset=0, end=1, start_time=start, end_time=end, size=chance.randrange(5))
            for start, end in times
        ]
        held = [
            sum(c.size for c in chunks if c.start_time <= time < c.end_time)
            + max((c.size for c in chunks if c.end_time <= c.start_time == time), default=0)
            for time in range(9)
        ]
        assert most_at_once(chunks) == max(held)


def test_a_chunk_of_tiny_messages_takes_little_more_than_its_own_size(tmp_path):
    count = 20_000
    record = struct.pack('<BQHIQQ', 5, 22, 1, 0, 0, 0)
    make_mcap([('', len(record) * count, record * count)])(tmp_path)
    path = tmp_path / 'bag.mcap'
    tracemalloc.start()
    with path.open('rb') as file:
        outline = McapOutline(file, path.stat().st_size)
        tracemalloc.reset_peak()
        assert sum(1 for _ in in_time(outline.read(outline.chunks[0]).messages)) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(record) * count  # tuples in a list take over ten times
