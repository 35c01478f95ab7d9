"""What `metadata.yaml` says, and what it must not make the reader do."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_metadata import (
    BagTopic,
    MessageCount,
    RefusedError,
    bag_information,
    read_metadata,
    total,
    write_metadata,
)
from il_ros.core.errors import DatasetError

ROOT = 'rosbag2_bagfile_information'
TOPICS = [BagTopic(name=f'/{name}', type='std_msgs/msg/String', definition=b'x') for name in 'ab']
SOUND = {
    'version': 9,
    'relative_file_paths': ['one.mcap'],
    'topics_with_message_count': [{'topic_metadata': {'name': '/a'}, 'message_count': 3}],
    'message_count': 3,
    'duration': {'nanoseconds': 5},
}
NESTED = 'a0: &a0 [x, x]\n' + ''.join(
    f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]\n' for i in range(1, 30)
)


def described(**changes):
    return yaml.safe_dump({ROOT: SOUND | changes})


stamps = st.integers(0, 2**63 - 1)
messages = st.lists(st.tuples(stamps, st.integers(0, 10**6)), max_size=12)


def counted(pairs):
    count = MessageCount()
    for log, size in pairs:
        count.add(log, size)
    return count


@given(messages)
def test_a_count_does_not_depend_on_the_order_of_arrival(pairs):
    logs = [log for log, _ in pairs] or [0]
    count = counted(pairs)
    assert count == counted(reversed(pairs))
    assert (count.messages, count.bytes) == (len(pairs), sum(size for _, size in pairs))
    assert (count.first, count.last) == (min(logs), max(logs))


@given(messages, messages)
def test_the_total_of_two_counts_is_that_of_all_messages(one, other):
    assert total([counted(one), MessageCount(), counted(other)]) == counted(one + other)


def test_a_rate_is_that_between_the_first_message_and_the_last():
    assert counted([(0, 1), (5 * 10**8, 1), (10**9, 1)]).rate == pytest.approx(2.0)
    assert counted([(7, 1)]).rate == 0.0
    assert counted([(7, 1), (7, 1)]).rate == 0.0  # all at once: there is no rate to tell


@pytest.mark.usefixtures('no_sync')
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=st.lists(messages, min_size=1, max_size=3), counts=st.tuples(stamps, stamps))
def test_what_is_written_of_a_bag_is_read_again(tmp_path, files, counts):
    by_name = {f'b_{i}.mcap': counted(pairs) for i, pairs in enumerate(files)}
    whole = total(by_name.values())
    information = bag_information(by_name, zip(TOPICS, counts, strict=True))
    write_metadata(tmp_path, information)
    found = read_metadata(tmp_path)
    assert found.files == tuple(by_name)
    assert found.topics == dict(zip(('/a', '/b'), counts, strict=True))
    assert (found.messages, found.duration) == (whole.messages, whole.last - whole.first)
    assert found.compression_mode == ''


def test_a_topic_that_stands_twice_counts_once_with_all_its_messages(tmp_path):
    twice = [{'topic_metadata': {'name': '/a'}, 'message_count': n} for n in (3, 4)]
    (tmp_path / 'metadata.yaml').write_text(described(topics_with_message_count=twice))
    assert read_metadata(tmp_path).topics == {'/a': 7}


@pytest.mark.parametrize(
    ('said', 'meant'),
    [('MESSAGE', 'message'), ('File', 'file'), ('NONE', ''), (None, ''), ('', '')],
)
def test_the_compression_is_read_as_every_version_writes_it(tmp_path, said, meant):
    (tmp_path / 'metadata.yaml').write_text(described(compression_mode=said))
    assert read_metadata(tmp_path).compression_mode == meant


def test_paths_of_old_versions_begin_with_the_name_of_the_bag(tmp_path):
    (tmp_path / 'metadata.yaml').write_text(
        described(version=3, relative_file_paths=['bag/bag_0.db3', 'bag/bag_1.db3'])
    )
    assert read_metadata(tmp_path).files == ('bag_0.db3', 'bag_1.db3')


@pytest.mark.parametrize('name', ['', '/', '.', 'a/../../b.mcap', '..', '/tmp/a.mcap', 'a\0b.mcap'])
def test_no_path_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / 'metadata.yaml').write_text(described(relative_file_paths=[name]))
    with pytest.raises(RefusedError, match=r'relative_file_paths: got .*do not trust this bag'):
        read_metadata(tmp_path)


@pytest.mark.parametrize(
    'changes',
    [
        {'message_count': float('inf')},
        {'message_count': float('nan')},
        {'message_count': 'many'},
        {'version': float('inf')},
        {'version': [9]},
        {'duration': {'nanoseconds': float('-inf')}},
        {'duration': 5},
        {'relative_file_paths': [['one.mcap']]},
        {'relative_file_paths': 7},
        {'compression_mode': ['message']},
        {'topics_with_message_count': [{'topic_metadata': {'name': {'a': 1}}, 'message_count': 1}]},
        {'topics_with_message_count': [{'topic_metadata': None, 'message_count': 1}]},
        {'topics_with_message_count': [[]]},
    ],
)
def test_a_value_that_cannot_be_is_damage_and_nothing_else(tmp_path, changes):
    (tmp_path / 'metadata.yaml').write_text(described(**changes))
    with pytest.raises(DatasetError, match=r'metadata.yaml: damaged: .*il_ros bags recover'):
        read_metadata(tmp_path)
    (tmp_path / 'one.mcap').write_bytes(b'')
    assert assess_bag(tmp_path).wrong


@pytest.mark.parametrize('key', ['relative_file_paths', 'compression_mode'])
def test_aliases_that_multiply_are_never_written_out(tmp_path, key):
    value = '*a29' if key == 'compression_mode' else '[*a29]'
    text = described().replace('version: 9', f'version: 9\n  {key}: {value}')
    (tmp_path / 'metadata.yaml').write_text(NESTED + text.replace('  - one.mcap\n', ''))
    with pytest.raises(DatasetError, match='damaged: '):
        read_metadata(tmp_path)


@pytest.mark.parametrize('text', [500 * '[', 'a: 2026-13-45', '\0', '- 1', 'a: *b', '!!python/x 1'])
def test_text_that_is_no_metadata_is_damage(tmp_path, text):
    (tmp_path / 'metadata.yaml').write_text(text)
    with pytest.raises(DatasetError, match='damaged: '):
        read_metadata(tmp_path)


@pytest.mark.parametrize(
    'profiles', [500 * '[', '7', 'text', '{a: 1}', '- {1: 2, a: 3}', '- 5', '[[]]', '- ~', '\0']
)
def test_profiles_of_a_foreign_bag_that_make_no_sense_are_left_out(profiles):
    topic = BagTopic(
        name='/a', type='t', definition=b'', metadata={'offered_qos_profiles': profiles}
    )
    information = bag_information({}, [(topic, 0)])
    (entry,) = information['topics_with_message_count']
    assert entry['topic_metadata']['offered_qos_profiles'] == []


def test_profiles_of_before_version_9_are_numbers_and_become_words():
    numbers = '- {history: 1, depth: 5, reliability: 2, durability: 1, liveliness: 1}'
    topic = BagTopic(
        name='/a', type='t', definition=b'', metadata={'offered_qos_profiles': numbers}
    )
    (entry,) = bag_information({}, [(topic, 0)])['topics_with_message_count']
    (profile,) = entry['topic_metadata']['offered_qos_profiles']
    assert (profile['history'], profile['depth']) == ('keep_last', 5)
    assert (profile['reliability'], profile['durability']) == ('best_effort', 'transient_local')


def test_metadata_is_whole_or_the_old_one(tmp_path, monkeypatch):
    write_metadata(tmp_path, bag_information({}, []))
    before = (tmp_path / 'metadata.yaml').read_bytes()

    def refuse(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', refuse)
    with pytest.raises(Exception, match='No space left'):
        write_metadata(tmp_path, bag_information({'a': MessageCount(1, 1, 5, 5)}, []))
    assert (tmp_path / 'metadata.yaml').read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ['metadata.yaml']
