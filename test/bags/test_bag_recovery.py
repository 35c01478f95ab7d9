"""Damaged bags, and what comes back of them."""

import errno
import json
import os
import random
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from bag_faults import (
    SMALL,
    STRING,
    messages_of,
    number,
    state_of,
    text,
    whole_chunks,
)
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as BagWriter
from rosbags.typesys import Stores, get_typestore

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_check import assess_bag, check
from il_ros.bags.bag_paths import find_episodes
from il_ros.bags.bag_recovery import recover
from il_ros.bags.episode_info import MessageLoss, read_episode_info
from il_ros.bags.mcap_file import Storage
from il_ros.core.errors import DatasetError, IlRosError


@pytest.fixture
def orphan(open_writer):
    """The hidden folder of an episode whose recorder went away."""

    def make(name='one', count=200):
        writer = open_writer(name, topics=(), storage=SMALL)
        writer.add_topic('/text', STRING)
        for i in range(count):
            writer.write('/text', text(i), 10**9 + i * 10**6)
        writer.flush()
        writer._bag.discard()
        os.close(writer._lock)
        return writer.part

    return make


@pytest.mark.parametrize('cuts', [40, pytest.param(200, marks=pytest.mark.slow)])
def test_a_file_cut_anywhere_gives_back_every_whole_chunk_and_nothing_else(
    episode, tmp_path, no_sync, cuts
):
    path = episode(count=60)
    content = (path / 'one.mcap').read_bytes()
    chunks = whole_chunks(content)
    assert len(chunks) >= 5
    draw = random.Random(cuts)
    offsets = [draw.randrange(len(content)) for _ in range(cuts)]
    offsets += [end + by for end, _ in chunks[:4] for by in (-1, 0)] + [0, len(content) - 1]
    for offset in offsets:
        bag = tmp_path / 'cut' / 'one'
        shutil.rmtree(bag.parent, ignore_errors=True)
        shutil.copytree(path, bag)
        (bag / 'one.mcap').write_bytes(content[:offset])
        expected = [message for end, inside in chunks if end <= offset for message in inside]
        if not expected:
            with pytest.raises(
                DatasetError, match='no whole message in it; to fix: there is nothing'
            ):
                recover(bag)
            assert (bag / 'one.mcap').stat().st_size == offset
            continue
        assert recover(bag) == bag
        assert messages_of(bag / 'one.mcap') == expected, offset
        info = read_episode_info(bag)
        assert (info.messages, info.outcome, info.state) == (len(expected), 'success', 'recovered')
        assert state_of(bag) == 'ok'
        assert sorted(os.listdir(bag.parent)) == ['one', 'one.damaged']
        assert (bag.parent / 'one.damaged' / 'one.mcap').read_bytes() == content[:offset]


def test_what_was_dropped_is_said(episode):
    path = episode()
    content = (path / 'one.mcap').read_bytes()
    end = whole_chunks(content)[3][0]
    (path / 'one.mcap').write_bytes(content[: end + 70])
    said = []
    recover(path, report=said.append)
    recovery = read_episode_info(path).recovery
    assert recovery.chunks == 4
    assert recovery.dropped_bytes == 70  # half a message index; the chunk before it is whole
    assert said[0].endswith('is kept as one.damaged')
    assert said[2:] == [f'{path}: dropped {line}' for line in recovery.dropped]
    assert 'one.mcap: ' in said[2]
    assert 'bytes at' in said[2]


def test_readers_agree_about_what_was_recovered(episode):
    path = episode()
    file = path / 'one.mcap'
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    recover(path)
    expected = [data for *_, data in messages_of(file)][1:]
    with AnyReader([path]) as bag:
        read = [bytes(data) for c, _, data in bag.messages() if c.topic == '/text']
        assert bag.message_count == len(expected) + 1
    assert read == expected
    with file.open('rb') as opened:
        reader = make_reader(opened, decoder_factories=[DecoderFactory()])
        ros = [message.data for *_, message in reader.iter_decoded_messages(topics=['/text'])]
    assert [int(data[:8]) for data in ros] == list(range(len(expected)))


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_bad_bytes_in_a_chunk_cost_that_chunk_only(episode, compression):
    path = episode(storage=Storage(chunk_size=2000, compression=compression))
    file = path / 'one.mcap'
    content = bytearray(file.read_bytes())
    chunks = whole_chunks(bytes(content))
    content[chunks[2][0] - 20] ^= 0x55
    file.write_bytes(content)
    finding = assess_bag(path)
    assert (finding.state, finding.fix) == ('damaged', f'il_ros bags recover {path}')
    recover(path)
    expected = [m for i, (_, inside) in enumerate(chunks) if i != 2 for m in inside]
    assert messages_of(file) == expected
    assert read_episode_info(path).recovery.dropped[0].startswith('one.mcap: ')


def test_a_broken_length_costs_that_chunk_only(episode):
    path = episode()
    file = path / 'one.mcap'
    content = bytearray(file.read_bytes())
    chunks = whole_chunks(bytes(content))
    start = content.rindex(b'\x06', 0, chunks[2][0] - 2000)
    content[start + 3] ^= 0xFF
    file.write_bytes(content)
    recover(path)
    expected = [m for i, (_, inside) in enumerate(chunks) if i != 2 for m in inside]
    assert messages_of(file) == expected


def test_definitions_in_a_damaged_first_chunk_come_from_the_summary(episode):
    path = episode()
    file = path / 'one.mcap'
    content = bytearray(file.read_bytes())
    chunks = whole_chunks(bytes(content))
    content[chunks[0][0] - 5] ^= 1
    file.write_bytes(content)
    recover(path)
    assert messages_of(file) == [m for _, inside in chunks[1:] for m in inside]


def test_an_orphan_becomes_an_episode(orphan):
    part = orphan()
    path = recover(part)
    assert not part.exists()
    assert sorted(os.listdir(path)) == ['episode.json', 'metadata.yaml', 'one.mcap']
    info = read_episode_info(path)
    assert (info.state, info.outcome, info.messages) == ('recovered', 'unknown', 201)
    assert info.topics['/text'].messages == 200
    assert info.topics['/text'].rate == pytest.approx(1000)


def test_an_episode_that_was_closed_but_not_named_keeps_its_outcome(episode):
    path = episode()
    part = path.with_name('.one.part')
    part.mkdir()
    path.rename(part / 'one')
    (part / 'lock').touch()
    assert state_of(part) == 'orphan'
    assert read_episode_info(recover(part)).outcome == 'success'


def test_a_running_episode_is_left_alone(open_writer):
    writer = open_writer('one', topics=())
    (finding,) = check([writer.path.parent])
    assert (finding.state, finding.wrong) == ('running', False)
    with pytest.raises(DatasetError, match='is being recorded, or recovered; to fix: wait'):
        recover(writer.part)
    writer.close('success')


def test_a_bag_that_is_open_for_writing_is_left_alone(episode):
    path = episode()
    (path / 'metadata.yaml').unlink()
    with (path / 'one.mcap').open('ab'):
        assert state_of(path) == 'running'
        with pytest.raises(DatasetError, match='is being written'):
            recover(path)
    assert state_of(path) == 'incomplete'


def test_an_orphan_whose_name_is_taken_is_kept(orphan):
    part = orphan()
    target = part.with_name('one')
    target.mkdir()
    with pytest.raises(DatasetError, match='one: exists already'):
        recover(part)
    assert (part / 'one' / 'one.mcap').exists()


def test_leftovers_are_named_with_what_to_do(episode, tmp_path):
    path = episode()
    shell = path.with_name('.one.part')
    shell.mkdir()
    old = path.with_name('.two.0123abcd.old')
    shutil.copytree(path, old)
    half = path.with_name('.one.0123abcd.tmp')
    shutil.copytree(path, half)
    found = {f.path: (f.state, f.fix) for f in check([path.parent]) if f.wrong}
    assert found == {
        shell: ('leftover', ''),
        old: ('leftover', f'mv {old} {path.with_name("two")}'),
        half: ('leftover', ''),
    }


def test_the_damaged_one_stays_on_demand_and_other_files_are_taken_along(episode):
    path = episode()
    (path / 'calibration').mkdir()
    (path / 'calibration' / 'hand.yaml').write_text('x')
    file = path / 'one.mcap'
    os.truncate(file, 5000)
    recover(path, keep=True)
    assert (path / 'calibration' / 'hand.yaml').read_text() == 'x'
    assert (path.with_name('one.damaged') / 'one.mcap').stat().st_size == 5000
    assert [finding.state for finding in check([path.parent])] == ['ok']


def test_split_files_are_recovered_each(episode):
    path = episode(storage=Storage(chunk_size=2000, max_file_size=8000))
    files = sorted(path.glob('*.mcap'), key=lambda f: int(f.stem.split('_')[1]))
    assert len(files) > 3
    os.truncate(files[1], 4000)
    lost = len(messages_of(files[2]))
    recover(path)
    assert state_of(path) == 'ok'
    assert len(messages_of(files[2])) == lost
    assert 0 < len(messages_of(files[1])) < lost
    with AnyReader([path]) as bag:
        numbers = [number(data) for c, _, data in bag.messages() if c.topic == '/text']
    assert numbers == sorted(numbers)


def test_a_missing_file_is_named_and_the_rest_recovered(episode):
    path = episode(storage=Storage(chunk_size=2000, max_file_size=8000))
    (path / 'one_1.mcap').unlink()
    finding = assess_bag(path)
    assert (finding.state, finding.problem) == ('incomplete', 'no one_1.mcap')
    recover(path)
    assert state_of(path) == 'ok'


@pytest.fixture
def foreign(tmp_path):
    """A bag of somebody else, by the writer of `rosbags`."""

    def make(plugin=StoragePlugin.MCAP, count=50):
        path = tmp_path / 'theirs' / 'bag'
        path.parent.mkdir()
        with BagWriter(path, version=9, storage_plugin=plugin) as bag:
            connection = bag.add_connection(
                '/text', STRING, typestore=get_typestore(Stores.ROS2_JAZZY)
            )
            for i in range(count):
                bag.write(connection, 10**9 + i, text(i))
        return path

    return make


@pytest.mark.parametrize('plugin', list(StoragePlugin))
def test_a_foreign_bag_without_metadata_gets_it_again(foreign, plugin):
    path = foreign(plugin)
    key = 'rosbag2_bagfile_information'
    before = yaml.safe_load((path / 'metadata.yaml').read_text())[key]
    assert state_of(path) == 'ok'
    (path / 'metadata.yaml').unlink()
    finding = assess_bag(path)
    assert (finding.state, finding.problem) == ('incomplete', 'no metadata.yaml')
    assert (finding.topics, finding.messages) == ({'/text': 50}, 50)
    recover(path)
    assert not (path / 'episode.json').exists()
    after = yaml.safe_load((path / 'metadata.yaml').read_text())[key]
    for name in ('storage_identifier', 'relative_file_paths', 'duration', 'message_count'):
        assert after[name] == before[name]
    assert after['topics_with_message_count'][0]['topic_metadata']['type'] == STRING
    with AnyReader([path]) as bag:
        assert [number(data) for _, _, data in bag.messages()] == list(range(50))


def test_a_damaged_database_is_named_and_left(foreign):
    path = foreign(StoragePlugin.SQLITE3, count=2000)
    file = path / 'bag.db3'
    os.truncate(file, file.stat().st_size // 2)
    before = file.read_bytes()
    assert state_of(path) == 'unreadable'
    with pytest.raises(DatasetError, match=r'bag\.db3: cannot be read: .*; to fix: .*\.recover'):
        recover(path)
    assert file.read_bytes() == before


def test_a_database_of_something_else_is_named(tmp_path):
    (tmp_path / 'bag').mkdir()
    with closing(sqlite3.connect(tmp_path / 'bag' / 'bag.db3')) as base:
        base.execute('CREATE TABLE other (x)')
    with pytest.raises(DatasetError, match="'topics' is no plain table"):
        recover(tmp_path / 'bag')


@pytest.mark.parametrize('chunked', [True, False])
@pytest.mark.parametrize('compression', list(CompressionType))
def test_files_of_other_writers_cut_short(tmp_path, chunked, compression):
    path = tmp_path / 'bag'
    path.mkdir()
    with (path / 'bag.mcap').open('wb') as file:
        writer = Writer(file, chunk_size=1000, compression=compression, use_chunking=chunked)
        writer.start('ros2')
        schema = writer.register_schema(STRING, 'ros2msg', b'string data')
        channel = writer.register_channel('/text', 'cdr', schema)
        writer.add_attachment(1, 2, 'a.txt', 'text/plain', b'attached')
        writer.add_metadata('mine', {'a': 'b'})
        for i in range(100):
            writer.add_message(channel, 10**9 + i, text(i), 10**9 + i, i)
        writer.flush()
    recover(path)
    found = messages_of(path / 'bag.mcap')
    assert [(number(data), sequence) for _, _, sequence, data in found] == [
        (i, i) for i in range(100)
    ]
    with (path / 'bag.mcap').open('rb') as file:
        reader = make_reader(file)
        assert [a.data for a in reader.iter_attachments()] == [b'attached']
        assert 'mine' in [m.name for m in reader.iter_metadata()]


def compressed_one_by_one(path, plugin):
    """A bag of 20 messages that has lost its metadata, recovered."""
    bag = BagWriter(path, version=9, storage_plugin=plugin)
    bag.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with bag:
        store = get_typestore(Stores.ROS2_JAZZY)
        connection = bag.add_connection('/text', STRING, typestore=store)
        for i in range(20):
            bag.write(connection, 10**9 + i, text(i))
    (path / 'metadata.yaml').unlink()
    recover(path)
    with AnyReader([path]) as reader:
        assert [number(data) for _, _, data in reader.messages()] == list(range(20))


def test_messages_that_are_compressed_one_by_one_stay_so(tmp_path):
    compressed_one_by_one(tmp_path / 'bag', StoragePlugin.MCAP)


def test_files_that_only_say_that_they_are_compressed_as_a_whole_are_unreadable(foreign):
    path = foreign()
    (path / 'bag.mcap').rename(path / 'bag.mcap.zstd')
    finding = assess_bag(path)
    assert (finding.state, finding.fix) == ('unreadable', '')
    with pytest.raises(DatasetError, match='no whole message in it'):
        recover(path)
    assert sorted(os.listdir(path)) == ['bag.mcap.zstd', 'metadata.yaml']


def test_a_bag_whose_files_were_unpacked_gets_metadata_of_plain_files(foreign):
    path = foreign()
    file = path / 'metadata.yaml'
    packed = file.read_text().replace('bag.mcap', 'bag.mcap.zstd')
    packed = packed.replace("compression_mode: ''", 'compression_mode: FILE')
    file.write_text(packed.replace("compression_format: ''", 'compression_format: zstd'))
    assert assess_bag(path).problem == 'no bag.mcap.zstd'
    recover(path)
    assert state_of(path) == 'ok'
    with AnyReader([path]) as bag:
        assert len(list(bag.messages())) == 50


def test_a_lost_episode_file_is_made_again_from_the_contract_in_the_bag(record, contract):
    path = record('one', namespace='/left')
    (path / 'episode.json').write_text('{"format": ')
    assert state_of(path) == 'damaged'
    recover(path)
    info = read_episode_info(path)
    assert (info.contract_hash, info.namespace, info.outcome) == (
        contract.hash,
        '/left',
        'unknown',
    )
    with EpisodeReader(path) as reader:
        assert len(list(reader.messages(['wrench']))) == 10


def test_counts_that_are_not_those_of_the_file_are_found_and_mended(episode):
    path = episode()
    file = path / 'metadata.yaml'
    file.write_text(file.read_text().replace('message_count: 201', 'message_count: 7'))
    info = path / 'episode.json'
    info.write_text(json.dumps(json.loads(info.read_text()) | {'topics': {}}))
    finding = assess_bag(path)
    assert (finding.state, finding.problem) == (
        'mismatch',
        'metadata.yaml says 7 messages, 201 are there; '
        'episode.json says 201 messages, 201 are there',
    )
    recover(path)
    assert state_of(path) == 'ok'


def test_a_sound_bag_is_left_as_it_is(episode):
    path = episode()
    before = {entry: entry.stat().st_mtime_ns for entry in path.iterdir()}
    said = []
    assert recover(path, report=said.append) == path
    assert said == [f'{path}: nothing to recover']
    assert {entry: entry.stat().st_mtime_ns for entry in path.iterdir()} == before


@pytest.mark.parametrize('name', ['../outside.mcap', '/etc/passwd', 'a/../../b.mcap', '..'])
def test_a_path_out_of_the_folder_is_refused(episode, name):
    path = episode()
    file = path / 'metadata.yaml'
    file.write_text(file.read_text().replace('- one.mcap', f'- {name}'))
    with pytest.raises(DatasetError, match=r'relative_file_paths: got .*; allowed: files in the'):
        recover(path)
    assert state_of(path) == 'unreadable'


def test_a_link_out_of_the_folder_is_refused(episode, tmp_path):
    path = episode()
    (path / 'one.mcap').rename(tmp_path / 'outside.mcap')
    (path / 'one.mcap').symlink_to(tmp_path / 'outside.mcap')
    with pytest.raises(DatasetError, match=r'one\.mcap: leads to .*outside\.mcap; allowed: files'):
        recover(path)
    assert state_of(path) == 'unreadable'
    part = path.with_name('.two.part')
    part.mkdir()
    (part / 'two').symlink_to(path)
    with pytest.raises(DatasetError, match='two: is a link; allowed: a folder'):
        recover(part)


def test_a_folder_that_cannot_be_read_is_not_passed_over(episode, monkeypatch):
    path = episode()

    def refuse(folder):
        raise PermissionError(13, 'Permission denied', str(folder))

    monkeypatch.setattr(os, 'scandir', refuse)
    with pytest.raises(DatasetError, match='cannot be read: Permission denied'):
        check([path.parent])


def test_a_path_that_is_no_bag_is_refused(tmp_path):
    with pytest.raises(
        DatasetError, match=r'not a bag; allowed: an \.mcap or \.db3 file, a folder wi'
    ):
        recover(tmp_path)
    with pytest.raises(DatasetError, match=r'no such folder; allowed: a bag \(a folder'):
        check([tmp_path / 'none'])
    assert check([tmp_path]) == []


def test_only_a_chunk_of_its_own_is_needed_to_know_the_contract(orphan, contract):
    part = orphan()
    file = part / 'one' / 'one.mcap'
    end = whole_chunks_of_open_file(file)
    os.truncate(file, end + 40)
    path = recover(part)
    assert read_episode_info(path).messages == 1
    with AnyReader([path]) as bag:
        connection, _, data = next(bag.messages())
        assert bag.deserialize(data, connection.msgtype).data == contract.text


def whole_chunks_of_open_file(path: Path) -> int:
    """Where the first chunk of a file without a summary ends."""
    with path.open('rb') as file:
        for record in StreamReader(file, emit_chunks=True).records:
            if isinstance(record, Chunk):
                return file.tell()
    raise AssertionError


def said_by(path, text):
    """Change the text of `episode.json`; gives what is now in it."""
    file = path / 'episode.json'
    file.write_text(text(file.read_text()))
    return file.read_bytes()


@pytest.fixture
def noted(open_writer):
    """An episode about which somebody said something; 200 ms from one second on."""

    def make(name='one', start=10**9):
        writer = open_writer(
            name, topics=(), storage=SMALL, seed=7, notes='the cup fell', start_ns=start
        )
        writer.add_topic('/text', STRING)
        for i in range(200):
            writer.write('/text', text(i), start + i * 10**6)
        return writer.close(
            'success',
            'done',
            flagged=True,
            losses={'/text': MessageLoss(lost=3)},
            stop_ns=start + 200 * 10**6,
        )

    return make


@pytest.mark.parametrize('cut_too', [False, True])
def test_one_bad_field_costs_that_field_only_and_the_file_is_kept(noted, cut_too):
    path = noted()
    before = said_by(path, lambda t: t.replace('"outcome": "success"', '"outcome": "Success"'))
    if cut_too:
        file = path / 'one.mcap'
        os.truncate(file, file.stat().st_size - 3000)
    said = []
    recover(path, report=said.append)
    assert (path / 'episode.json.damaged').read_bytes() == before
    assert any(line.endswith(' is kept as episode.json.damaged') for line in said)
    info = read_episode_info(path)
    assert (info.outcome, info.notes, info.flagged, info.seed, info.start_ns) == (
        'unknown', 'the cup fell', True, 7, 10**9,
    )  # fmt: skip
    assert (info.reason, info.topics['/text'].lost) == ('done', 3)
    assert state_of(path) == 'ok'


@pytest.mark.parametrize('key', ['"flagged"', '"topics"', '"seed"'])
def test_of_a_cut_episode_file_comes_back_what_is_before_the_cut(noted, key):
    path = noted()
    said_by(path, lambda t: t[: t.index(key) + len(key) + 3])
    recover(path)
    info = read_episode_info(path)
    if key != '"seed"':  # the notes and the outcome come behind it
        assert (info.seed, info.notes, info.outcome) == (7, 'the cup fell', 'success')
    assert info.flagged == (key == '"topics"')
    assert info.messages == 201


def test_a_second_recovery_overwrites_nothing_that_the_first_kept(noted):
    path = noted()
    first = said_by(path, lambda t: '{')
    recover(path)
    second = said_by(path, lambda t: '[')
    (path / 'metadata.yaml').write_text('a: [')
    recover(path)
    assert (path / 'episode.json.damaged').read_bytes() == first
    assert (path / 'episode.json.2.damaged').read_bytes() == second
    assert (path / 'metadata.yaml.damaged').read_text() == 'a: ['


@pytest.mark.parametrize(
    ('name', 'old', 'new'),
    [
        ('episode.json', '"format": 2', '"format": 3'),
        ('metadata.yaml', 'version: 9', 'version: 10'),
    ],
)
def test_a_newer_format_is_refused_and_not_called_damaged(noted, name, old, new):
    path = noted()
    file = path / name
    file.write_text(file.read_text().replace(old, new))
    before = file.read_bytes()
    finding = assess_bag(path)
    assert (finding.state, finding.fix) == ('unreadable', '')
    with pytest.raises(DatasetError, match='newer than this version of il_ros knows') as problem:
        recover(path)
    assert 'recover' not in str(problem.value)
    assert file.read_bytes() == before


def test_a_kept_bag_is_no_episode(noted):
    path = noted()
    os.truncate(path / 'one.mcap', 9000)
    recover(path, keep=True)
    assert path.with_name('one.damaged').is_dir()
    assert find_episodes([path.parent]) == [path]


def test_messages_of_a_database_that_are_compressed_one_by_one_stay_so(tmp_path):
    path = tmp_path / 'bag'
    compressed_one_by_one(path, StoragePlugin.SQLITE3)
    assert state_of(path) == 'ok'
    file = path / 'metadata.yaml'
    lost = file.read_text().replace('compression_mode: message', "compression_mode: ''")
    file.write_text(lost)
    assert assess_bag(path).problem == (
        'metadata.yaml says compression none, the files have message'
    )


def test_commands_can_be_copied_whatever_the_path(episode, tmp_path):
    path = episode()
    odd = tmp_path / "a b;c$(d)'"
    shutil.copytree(path, odd)
    (odd / 'metadata.yaml').unlink()
    assert shlex.split(assess_bag(odd).fix) == ['il_ros', 'bags', 'recover', str(odd)]
    old = tmp_path / '.two bags.0123abcd.old'
    odd.rename(old)
    assert shlex.split(assess_bag(old).fix) == ['mv', str(old), str(tmp_path / 'two bags')]


def test_a_bag_is_recovered_from_inside(episode, monkeypatch):
    path = episode()
    os.truncate(path / 'one.mcap', 9000)
    monkeypatch.chdir(path)
    assert [f.path for f in check([Path()])] == [path]
    assert recover(Path()) == path
    assert recover(path.parent / 'one' / '..' / 'one') == path
    assert state_of(path) == 'ok'


def test_files_that_were_exchanged_are_found_and_the_outcome_is_not_believed(noted, tmp_path):
    one, two = noted('one'), noted('two', start=10**12)
    assert [state_of(path) for path in (one, two)] == ['ok', 'ok']
    (one / 'one.mcap').rename(tmp_path / 'away')
    (two / 'two.mcap').rename(one / 'one.mcap')
    (tmp_path / 'away').rename(two / 'two.mcap')
    for path in (one, two):
        finding = assess_bag(path)
        assert finding.state == 'mismatch'
        assert 'it is of another recording' in finding.problem
        before = (path / 'episode.json').read_bytes()
        recover(path)
        info = read_episode_info(path)
        assert (info.outcome, info.start_ns) == ('unknown', 0)
        assert info.reason == 'episode.json was of another recording, which said: success done'
        assert (path / 'episode.json.damaged').read_bytes() == before
        assert state_of(path) == 'ok'


@pytest.mark.parametrize('name', ['episode.json', 'metadata.yaml'])
def test_a_description_that_is_a_link_out_of_the_folder_is_refused(episode, tmp_path, name):
    path = episode()
    (path / name).rename(tmp_path / 'outside')
    (path / name).symlink_to(tmp_path / 'outside')
    before = (tmp_path / 'outside').read_bytes()
    assert state_of(path) == 'unreadable'
    with pytest.raises(DatasetError, match='is a link that leads out of the folder; allowed: '):
        recover(path)
    assert (tmp_path / 'outside').read_bytes() == before
    (path / name).unlink()
    (path / name).symlink_to('inside')
    shutil.copy(tmp_path / 'outside', path / 'inside')
    assert state_of(path) == 'ok'


@pytest.mark.parametrize('cut', [False, True])
@pytest.mark.parametrize(
    ('number', 'advice'), [(errno.EROFS, 'make it writable'), (errno.ENOSPC, 'make room')]
)
def test_what_the_disk_refuses_is_told_with_fitting_advice(
    episode, monkeypatch, cut, number, advice
):
    path = episode()
    if cut:
        os.truncate(path / 'one.mcap', 9000)
    else:
        (path / 'episode.json').write_text('{')

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, 'mkdir' if cut else 'open', refuse)
    if not cut:  # the files themselves are read with `open` too
        real = open
        monkeypatch.setattr(
            Path, 'open', lambda p, mode='r', *a, **k: refuse() if 'x' in mode else real(p, mode)
        )
    with pytest.raises(IlRosError, match=f'to fix: .*{advice}'):
        recover(path)
    assert (path / 'one.mcap').exists()


def test_links_that_go_round_are_missing_files(episode):
    path = episode()
    for name in ('episode.json', 'two.mcap'):
        (path / name).unlink(missing_ok=True)
        (path / name).symlink_to(name)
    assert state_of(path) == 'ok'
