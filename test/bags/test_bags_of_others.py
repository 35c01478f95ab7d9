"""Bags as other tools leave them: read, checked and recovered without losing a message."""

import random
import shutil
from operator import itemgetter

import pytest
import zstandard
from bag_faults import state_of
from foreign_bags import TYPE, cdr_text, edit_metadata, number_of
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_check import assess_bag, check, find_bags
from il_ros.bags.bag_paths import find_episodes
from il_ros.bags.bag_recovery import recover
from il_ros.cli.main import main
from il_ros.core.errors import DatasetError

SUFFIX = {StoragePlugin.MCAP: '.mcap', StoragePlugin.SQLITE3: '.db3'}
PLUGINS = list(SUFFIX)


def make_bag(path, messages, plugin=StoragePlugin.MCAP, store=None):
    """A bag of `messages`: topic, time [ns], number."""
    from rosbags.typesys import Stores, get_typestore

    store = store or get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        topics = {}
        for topic, time, value in messages:
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, TYPE, typestore=store)
            writer.write(topics[topic], time, cdr_text(value))
    return path


def write_mcap(path, messages, *, schemaless=(), profile='ros2', **options):
    """An MCAP file of `messages`, in their order, by the writer of the mcap library."""
    with path.open('wb') as file:
        writer = McapWriter(file, **options)
        writer.start(profile=profile, library='other')
        schema = writer.register_schema(TYPE, 'ros2msg', b'string data')
        channels = {}
        for topic, time, value in messages:
            if topic not in channels:
                channels[topic] = writer.register_channel(
                    topic, 'cdr', 0 if topic in schemaless else schema
                )
            writer.add_message(channels[topic], time, cdr_text(value), time, value)
        writer.finish()
    return path


def read(path, contract):
    """Topic, time and number of every message."""
    with EpisodeReader(path, contract) as reader:
        found = reader.messages(reader.relative_topics)
        return [(f'/{m.topic}', m.receive, number_of(m.data)) for m in found]


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
    edit_metadata(bag, storage_identifier=storage)
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
    edit_metadata(
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
    edit_metadata(bag, message_count=7)
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


def episode_files(folder, starts, *, names='episode_{:06d}.mcap', topics=('/text',)):
    """A file each for episodes of 100 messages that begin at these seconds."""
    folder.mkdir(parents=True)
    for number, start in enumerate(starts):
        messages = [
            (topics[number % len(topics)], int(start * 1e9) + 10**7 * i, i) for i in range(1, 101)
        ]
        write_mcap(folder / names.format(number), messages)
    return sorted(folder.iterdir())


@pytest.mark.parametrize('pause', [2.0, 120.0])
def test_a_file_an_episode_is_a_bag_a_file_everywhere(tmp_path, contract, pause, capsys):
    files = episode_files(tmp_path / 'set', [5, 6 + pause, 7 + 2 * pause])
    before = {file: file.read_bytes() for file in files}
    assert find_episodes([tmp_path / 'set']) == find_bags([tmp_path]) == files
    assert find_episodes(files[:1]) == files[:1]
    assert {finding.state for finding in check([tmp_path])} == {'ok'}
    assert main(['bags', 'check', str(tmp_path / 'set')]) == 0
    assert main(['bags', 'recover', str(tmp_path / 'set')]) == 0
    assert {file: file.read_bytes() for file in (tmp_path / 'set').iterdir()} == before
    with pytest.raises(
        DatasetError, match=r'not of one recording: episode_000000\.mcap and .* different times'
    ):
        recover(tmp_path / 'set')
    assert main(['bags', 'info', str(files[1])]) == 0
    with EpisodeReader(files[1], contract) as reader:
        assert reader.name == 'episode_000001'
    assert [number for *_, number in read(files[1], contract)] == list(range(1, 101))


def test_episodes_in_simulated_time_are_not_taken_for_recorders_side_by_side(tmp_path):
    files = episode_files(tmp_path / 'set', [0, 0, 0])
    assert find_episodes([tmp_path / 'set']) == files


@pytest.mark.parametrize('names', ['bag_{}.mcap', 'one.part_{}.mcap'])
def test_parts_of_a_split_bag_are_one_bag_without_metadata_too(tmp_path, contract, names):
    bag = tmp_path / 'bag'
    files = episode_files(bag, [5, 6, 7], names=names)
    (bag / names.format(3)).touch()  # what a crash left of the next one
    assert find_episodes([bag]) == [bag]
    recover(bag)
    assert state_of(bag) == 'ok'
    assert len(read(bag, contract)) == 300
    assert len(files) == 3


def test_a_file_of_another_recording_in_a_bag_is_never_made_a_part_of_it(tmp_path, contract):
    bag = make_bag(tmp_path / 'bag', [('/text', 10**9 + i, i) for i in range(20)])
    other = write_mcap(bag / 'other.mcap', [('/text', 10**12 + i, i) for i in range(20)])
    before = other.read_bytes()
    assert state_of(bag) == 'mismatch'
    with pytest.raises(DatasetError, match='are of different times; to fix: put each into a fold'):
        recover(bag)
    assert other.read_bytes() == before
    assert len(read(bag, contract)) == 20


@pytest.mark.parametrize('keep', [True, False])
@pytest.mark.parametrize('packed_too', [True, False])
def test_a_damaged_file_is_recovered_in_its_place(tmp_path, contract, keep, packed_too):
    file = episode_files(tmp_path / 'set', [5, 60])[1]
    whole = file.read_bytes()
    if packed_too:
        file.unlink()
        file = file.with_name(file.name + '.zstd')
        pack = zstandard.ZstdCompressor().compress
        whole = pack(whole[:-200]) + pack(whole[-200:])
    file.write_bytes(whole[:-30])
    (finding,) = [finding for finding in check([tmp_path]) if finding.wrong]
    assert (finding.path, finding.state) == (file, 'damaged')
    made = recover(file, keep=keep)
    assert made.name == 'episode_000001.mcap'
    assert state_of(made) == 'ok'
    assert len(read(made, contract)) == 100
    kept = {entry.name for entry in file.parent.iterdir()} - {'episode_000000.mcap', made.name}
    assert kept == ({f'{file.name}.damaged'} if keep else set())
    if keep:
        assert file.with_name(f'{file.name}.damaged').read_bytes() == whole[:-30]
    assert len(find_bags([tmp_path])) == 2


def test_what_is_dropped_is_in_the_copy_that_is_kept(tmp_path):
    bag = make_bag(tmp_path / 'bag', [('/text', 10**9 + i, i) for i in range(20)])
    (file,) = bag.glob('*.mcap')
    for number in ('', '.2', '.3'):
        file.write_bytes(damaged := file.read_bytes()[:-9])
        recover(bag)
        assert (tmp_path / f'bag{number}.damaged' / file.name).read_bytes() == damaged
    assert state_of(bag) == 'ok'


def test_compressed_messages_that_are_not_whole_are_found_and_left_out(tmp_path, contract):
    bag = make_bag(tmp_path / 'bag', [('/text', 10**9, 0)])
    (file,) = bag.glob('*.mcap')
    pack = zstandard.ZstdCompressor().compress
    with file.open('wb') as out:
        writer = McapWriter(out)
        writer.start(profile='ros2', library='other')
        schema = writer.register_schema(TYPE, 'ros2msg', b'string data')
        channel = writer.register_channel('/text', 'cdr', schema)
        for i in range(10):
            data = pack(cdr_text(i))
            writer.add_message(channel, 10**9 + i, data[:-3] if i == 4 else data, 1)
        writer.finish()
    edit_metadata(bag, compression_mode='MESSAGE', compression_format='zstd', message_count=10)
    finding = assess_bag(bag)
    assert (finding.state, finding.messages) == ('damaged', 9)
    assert '1 compressed messages that are not whole' in finding.problem
    recover(bag)
    assert state_of(bag) == 'ok'
    assert [n for *_, n in read(bag, contract)] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
