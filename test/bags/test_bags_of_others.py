"""Bags as other tools leave them: read, checked and recovered without losing a message."""

import random
import shutil
import struct
from operator import itemgetter

import pytest
import yaml
import zstandard
from bag_faults import state_of
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_recovery import recover

EMPTY = 'std_msgs/msg/String'
SUFFIX = {StoragePlugin.MCAP: '.mcap', StoragePlugin.SQLITE3: '.db3'}
PLUGINS = list(SUFFIX)


def text(number):
    body = f'{number:06d}'.encode() + b'\0'
    return struct.pack('<4sI', b'\0\1\0\0', len(body)) + body


def number(data):
    return int(data[8:14])


def make_bag(path, messages, plugin=StoragePlugin.MCAP, store=None):
    """A bag of `messages`: topic, time [ns], number."""
    from rosbags.typesys import Stores, get_typestore

    store = store or get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        topics = {}
        for topic, time, value in messages:
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, EMPTY, typestore=store)
            writer.write(topics[topic], time, text(value))
    return path


def write_mcap(path, messages, *, schemaless=(), profile='ros2', **options):
    """An MCAP file of `messages`, in their order, by the writer of the mcap library."""
    with path.open('wb') as file:
        writer = McapWriter(file, **options)
        writer.start(profile=profile, library='other')
        schema = writer.register_schema(EMPTY, 'ros2msg', b'string data')
        channels = {}
        for topic, time, value in messages:
            if topic not in channels:
                channels[topic] = writer.register_channel(
                    topic, 'cdr', 0 if topic in schemaless else schema
                )
            writer.add_message(channels[topic], time, text(value), time, value)
        writer.finish()
    return path


def edit(bag, **changes):
    """Change keys of a bag's metadata."""
    file = bag / 'metadata.yaml'
    data = yaml.safe_load(file.read_text())
    data['rosbag2_bagfile_information'] |= changes
    file.write_text(yaml.safe_dump(data))


def read(path, contract):
    """Topic, time and number of every message."""
    with EpisodeReader(path, contract) as reader:
        found = reader.messages(reader.relative_topics)
        return [(f'/{m.topic}', m.receive, number(m.data)) for m in found]


@pytest.mark.parametrize('plugin', PLUGINS)
def test_files_of_two_recorders_are_merged_by_time(tmp_path, contract, plugin):
    arm = [('/arm', 1000 + 10 * i, i) for i in range(50)]
    camera = [('/camera', 1003 + 20 * i, i) for i in range(25)]
    both = tmp_path / 'both'
    both.mkdir()
    for name, messages in {'b': arm, 'a': camera}.items():
        make_bag(tmp_path / name, messages, plugin)
        (file,) = (tmp_path / name).glob(f'*{SUFFIX[plugin]}')
        shutil.copy(file, both / f'{name}{SUFFIX[plugin]}')
    recover(both)
    assert state_of(both) == 'ok'
    assert read(both, contract) == sorted([*arm, *camera], key=lambda m: m[1])


@pytest.mark.parametrize('plugin', PLUGINS)
@pytest.mark.parametrize('storage', ['', 'mcap', 'sqlite3', 'my_plugin'])
def test_the_storage_is_that_of_the_files_whatever_the_metadata_says(
    tmp_path, contract, plugin, storage
):
    messages = [('/text', 5 * i, i) for i in range(20)]
    bag = make_bag(tmp_path / 'bag', messages, plugin)
    edit(bag, storage_identifier=storage)
    assert read(bag, contract) == messages
    right = storage == {'.mcap': 'mcap', '.db3': 'sqlite3'}[SUFFIX[plugin]]
    assert state_of(bag) == ('ok' if right else 'mismatch')
    recover(bag)
    assert state_of(bag) == 'ok'
    assert read(bag, contract) == messages


def test_a_bag_without_metadata_is_read_by_its_files(tmp_path, contract):
    messages = [('/text', 5 * i, i) for i in range(20)]
    bag = make_bag(tmp_path / 'bag', messages)
    (bag / 'metadata.yaml').unlink()
    assert read(bag, contract) == messages
    assert state_of(bag) == 'incomplete'


@pytest.mark.parametrize('compression', list(CompressionType))
@pytest.mark.parametrize('chunked', [True, False])
@pytest.mark.parametrize('indexed', [True, False])
def test_an_mcap_of_any_writer_is_read_in_the_order_of_time(
    tmp_path, contract, compression, chunked, indexed
):
    draw = random.Random(1)
    messages = [(draw.choice(['/a', '/b']), draw.randrange(500), i) for i in range(200)]
    path = tmp_path / 'bag'
    path.mkdir()
    write_mcap(
        path / 'bag.mcap',
        messages,
        profile='ros2' if indexed else '',
        compression=compression,
        use_chunking=chunked,
        chunk_size=700,
        use_statistics=indexed,
        use_summary_offsets=indexed,
        repeat_channels=indexed,
        repeat_schemas=indexed,
    )
    recover(path)
    assert state_of(path) == 'ok'
    found = read(path, contract)
    assert [time for _, time, _ in found] == sorted(time for _, time, _ in messages)
    assert sorted(found, key=itemgetter(2)) == messages


@pytest.mark.parametrize('damaged', [False, True])
def test_channels_without_a_schema_stay_as_they_are(tmp_path, contract, damaged):
    messages = [('/raw' if i % 10 == 0 else '/text', 5 * i, i) for i in range(100)]
    path = tmp_path / 'bag'
    path.mkdir()
    file = write_mcap(path / 'bag.mcap', messages, schemaless=['/raw'], chunk_size=700)
    (path / 'more').touch()
    recover(path)
    assert state_of(path) == 'ok'
    if damaged:
        file.write_bytes(file.read_bytes()[:-60])
        assert state_of(path) == 'damaged'
        recover(path)
        assert state_of(path) == 'ok'
    assert read(path, contract) == messages
    found = {name: count.messages for name, count in topics_of(path).items()}
    assert found == {'/raw': 10, '/text': 90}


def topics_of(path):
    from il_ros.bags.bag_check import read_bag

    return read_bag(path).topics


def packed(path, plugin, messages, keep=1.0):
    """A bag whose file is compressed as a whole, as `ros2 bag` does it, and cut."""
    make_bag(path, messages, plugin)
    (file,) = path.glob(f'*{SUFFIX[plugin]}')
    data = zstandard.ZstdCompressor().compress(file.read_bytes())
    file.with_name(file.name + '.zstd').write_bytes(data[: int(keep * len(data))])
    file.unlink()
    edit(
        path,
        compression_format='zstd',
        compression_mode='FILE',
        relative_file_paths=[f'{file.name}.zstd'],
    )
    return path


@pytest.mark.parametrize('plugin', PLUGINS)
def test_files_compressed_as_a_whole_are_looked_into(tmp_path, contract, plugin):
    messages = [('/text', 5 * i, i) for i in range(500)]
    bag = packed(tmp_path / 'bag', plugin, messages)
    finding = assess_bag(bag)
    assert (finding.state, finding.topics) == ('ok', {'/text': 500})
    assert read(bag, contract) == messages
    edit(bag, message_count=7)
    assert state_of(bag) == 'mismatch'
    recover(bag)
    assert state_of(bag) == 'ok'
    assert read(bag, contract) == messages


def test_a_compressed_file_that_is_cut_is_damaged_and_gives_back_what_is_whole(tmp_path, contract):
    draw = random.Random(0)
    messages = [('/text', 5 * i, draw.randrange(10**6)) for i in range(15_000)]
    bag = packed(tmp_path / 'bag', StoragePlugin.MCAP, messages)
    plain = write_mcap(tmp_path / 'plain.mcap', messages, chunk_size=5000)
    data = zstandard.ZstdCompressor().compress(plain.read_bytes())
    (file,) = bag.glob('*.zstd')
    file.write_bytes(data[: len(data) * 7 // 10])
    finding = assess_bag(bag)
    assert finding.state == 'damaged'
    assert 'cut before the end of its zstd frame' in finding.problem
    assert 1000 < finding.messages < 15_000
    recover(bag)
    assert state_of(bag) == 'ok'
    assert read(bag, contract) == messages[: finding.messages]
    assert not list(bag.glob('*.zstd'))
    file.write_bytes(data[:20])
    assert state_of(bag) == 'ok'  # its twin, which metadata.yaml names, counts
