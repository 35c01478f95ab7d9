"""Files of bags that others made: databases of any content, names of any kind."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from bag_faults import state_of

from il_ros.bags.bag_check import assess_bag, check
from il_ros.bags.bag_recovery import recover
from il_ros.bags.bag_scan import scan_file
from il_ros.bags.bag_storage import bag_files, open_stored
from il_ros.core.errors import DatasetError

TOPICS = 'CREATE TABLE topics (id, name, type, serialization_format)'
MESSAGES = 'CREATE TABLE messages (topic_id, timestamp, data)'
TOPIC = "INSERT INTO topics VALUES (1, '/text', 'std_msgs/msg/String', 'cdr')"


def read_file(path):
    with open_stored(path) as stored:
        return [(time, data) for time, _, data in stored.messages(stored.topics)]


@pytest.fixture
def database(tmp_path):
    """A bag whose one file is a database made by these statements."""

    def make(*statements):
        (tmp_path / 'bag').mkdir()
        path = tmp_path / 'bag' / 'bag_0.db3'
        with closing(sqlite3.connect(path)) as base:
            base.executescript(';'.join(statements))
            base.commit()
        return path

    return make


def test_a_database_without_what_newer_versions_add_is_read(database):
    path = database(
        TOPICS, MESSAGES, TOPIC, "INSERT INTO messages VALUES (1, 7, x'00'), (1, 5, x'0000')"
    )
    scan = scan_file(path)
    assert (scan.count.first, scan.count.last) == (5, 7)
    assert (scan.count.messages, scan.count.bytes) == (2, 3)
    assert [topic.name for topic in scan.topics.values()] == ['/text']
    assert scan.topics[1].metadata == {'offered_qos_profiles': '', 'topic_type_hash': ''}


def test_messages_of_a_topic_that_is_not_there_are_counted_as_strays(database):
    path = database(
        TOPICS, MESSAGES, TOPIC, "INSERT INTO messages VALUES (1, 5, x'00'), (9, 6, x'00')"
    )
    scan = scan_file(path)
    assert (scan.messages, scan.strays) == (1, 1)
    assert scan.dropped == ['bag_0.db3: 1 messages without a definition']
    assert state_of(path.parent) == 'damaged'


@pytest.mark.parametrize(
    'statements',
    [
        (),
        (TOPICS,),
        ('CREATE TABLE topics (a)', 'INSERT INTO topics VALUES (1)', MESSAGES),
        ('CREATE TABLE topics (id)', 'INSERT INTO topics VALUES (1)', MESSAGES),
        (TOPICS, TOPIC, MESSAGES, 'INSERT INTO messages VALUES (1, NULL, NULL)'),
        (TOPICS, TOPIC, MESSAGES, "INSERT INTO messages VALUES (1, 'noon', x'00')"),
        (TOPICS, TOPIC, MESSAGES, "INSERT INTO messages VALUES (1, 5, x'00'), (1, 'x', x'00')"),
        (TOPICS, TOPIC, MESSAGES, "INSERT INTO messages VALUES (1, 9e999, x'00')"),
        (TOPICS, "INSERT INTO topics VALUES (1, CAST(x'ff' AS TEXT), 'a', 'cdr')", MESSAGES),
        (TOPICS, TOPIC, 'CREATE TABLE messages (topic_id, data)'),
    ],
)
def test_a_database_of_anything_else_is_unreadable_and_stays_as_it_is(database, statements):
    path = database(*statements)
    before = path.read_bytes()
    with pytest.raises(DatasetError, match=r'bag_0\.db3: cannot be read: .*sqlite3 FILE'):
        scan_file(path)
    finding = assess_bag(path.parent)
    assert (finding.state, finding.fix) == ('unreadable', '')
    with pytest.raises(DatasetError):
        recover(path.parent)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ['bag_0.db3']


@pytest.mark.parametrize('end', ['-journal', '-wal'])
def test_a_fifo_beside_a_database_does_not_keep_its_reader_waiting(database, end):
    path = database(TOPICS, MESSAGES, TOPIC, "INSERT INTO messages VALUES (1, 5, x'00')")
    os.mkfifo(f'{path}{end}')
    with pytest.raises(DatasetError, match=f'a FIFO, not a regular file.*{end}'):
        scan_file(path)
    assert assess_bag(path.parent).state == 'unreadable'
    with pytest.raises(OSError, match='a FIFO, not a regular file'):
        read_file(path)


def test_a_log_with_messages_beside_a_database_is_named_with_how_to_take_it_in(database, tmp_path):
    path = database(TOPICS, MESSAGES, TOPIC, 'PRAGMA journal_mode = WAL')
    with closing(sqlite3.connect(path)) as base:
        base.execute("INSERT INTO messages VALUES (1, 5, x'00')")
        base.commit()
        shutil.copytree(path.parent, tmp_path / 'crashed')
    crashed = tmp_path / 'crashed' / path.name
    for read in (scan_file, read_file):
        with pytest.raises(
            DatasetError, match=r'bytes of a log .*beside it: bag_0\.db3-wal; to fi'
        ):
            read(crashed)
    with pytest.raises(DatasetError, match=r'sqlite3 .*bag_0\.db3 .*PRAGMA quick_check'):
        recover(crashed.parent)
    with closing(sqlite3.connect(crashed)) as base:
        base.execute('PRAGMA quick_check')
    assert scan_file(crashed).messages == 1


def test_a_database_beside_an_empty_log_is_read(database):
    path = database(TOPICS, MESSAGES, TOPIC, "INSERT INTO messages VALUES (1, 5, x'00')")
    path.with_name('bag_0.db3-journal').touch()
    assert scan_file(path).messages == 1


@pytest.mark.parametrize('name', ['b.db3?x=.db3', '%2e%2e%2fother%2fbag.db3', 'b#.db3'])
def test_a_database_is_read_under_any_name_and_no_other_file(database, name):
    path = database(TOPICS, MESSAGES, TOPIC, "INSERT INTO messages VALUES (1, 5, x'00')")
    renamed = path.rename(path.with_name(name))
    assert scan_file(renamed).messages == 1
    assert read_file(renamed) == [(5, b'\0')]


@pytest.mark.parametrize('name', ['bag_0.bin', 'bag_0.mcap', 'bag_0'])
def test_a_database_under_another_name_is_not_read_without_a_look(database, name):
    path = database(TOPICS, 'CREATE VIEW messages AS SELECT 1 AS topic_id')
    with pytest.raises(ValueError, match=r'a file of a bag ends in|does not begin as a \.mcap'):
        read_file(path.rename(path.with_name(name)))


def test_files_come_in_the_order_of_their_numbers_and_not_of_the_alphabet(tmp_path):
    names = ['b_10.mcap', 'b_2.mcap', 'b_1.mcap', 'b_1_2.mcap', 'a.db3', 'b.mcap']
    for name in [*names, 'notes.txt', 'mcap', '.b_0.mcap']:
        (tmp_path / name).touch()
    (tmp_path / 'folder.mcap').mkdir()
    assert [path.name for path in bag_files(tmp_path)] == [
        'a.db3', 'b.mcap', 'b_1.mcap', 'b_1_2.mcap', 'b_2.mcap', 'b_10.mcap'
    ]  # fmt: skip


def test_what_another_system_leaves_next_to_a_copy_is_no_part_of_the_bag(episode):
    path = episode(count=5)
    for name in ('._one.mcap', '.DS_Store'):
        (path / name).write_bytes(b'\0\5\x16\7' + 4000 * b'\0')
    assert state_of(path) == 'ok'
    content = (path / 'one.mcap').read_bytes()
    (path / 'one.mcap').write_bytes(content[:-200])
    recover(path)
    assert state_of(path) == 'ok'
    assert (path / '._one.mcap').exists()  # nothing is deleted for the user


def test_a_bag_with_only_a_hidden_file_is_none(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / '.a.mcap').touch()
    assert check([tmp_path]) == []


def test_a_file_that_the_disk_cannot_read_is_named(episode, monkeypatch):
    path = episode(count=5)

    def broken(*_):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr('il_ros.bags.bag_scan.whole_blocks', broken)
    finding = assess_bag(path)
    assert (finding.state, finding.fix) == ('unreadable', '')
    assert 'one.mcap: cannot be read: [Errno 5] Input/output error' in finding.problem
