"""Whatever `bags check` calls ok can be read whole; what it does not, has a way out or a reason."""

import os
import random
import shutil

import pytest
import yaml
import zstandard
from foreign_bags import TYPE, cdr_text, edit_metadata
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from il_ros.bags.bag_check import check
from il_ros.bags.bag_paths import find_episodes
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.bags.bag_recovery import recover
from il_ros.core.errors import DatasetError

STORE = get_typestore(Stores.ROS2_JAZZY)
PACK = zstandard.ZstdCompressor().compress

METADATA = (
    'whole', 'none', 'empty storage', 'other storage', 'no files', 'half', 'counts', 'version 3',
    'says file', 'says message', 'absent file',
)  # fmt: skip
FILES = st.fixed_dictionaries(
    {
        'kind': st.sampled_from(['.mcap', '.db3']),
        'packed': st.sampled_from(['', 'message', 'file']),
        'chunked': st.booleans(),
        'compression': st.sampled_from(list(CompressionType)),
        'summary': st.booleans(),
        'schemaless': st.booleans(),
        'shuffled': st.booleans(),
        'damage': st.sampled_from(['', '', '', 'cut', 'byte', 'empty']),
        'after': st.sampled_from([0.0, 0.01, 90.0, -0.5]),
        'topics': st.sampled_from([('/a', '/b'), ('/a',), ('/c',), ('/c', '/tf')]),
        'count': st.integers(0, 30),
    }
)
BAGS = st.fixed_dictionaries(
    {
        'files': st.lists(FILES, min_size=1, max_size=3),
        'names': st.sampled_from(['bag_{}', 'episode_{:03d}', 'abc{}']),
        'metadata': st.sampled_from(METADATA),
        'seed': st.integers(0, 2**20),
    }
)


def messages_in(about, draw, start, first):
    """Topic, time [ns], number; in the order in which they are written."""
    times = [start + 10**7 * i for i in range(about['count'])]
    found = [(draw.choice(about['topics']), time, first + i) for i, time in enumerate(times)]
    if about['shuffled']:
        draw.shuffle(found)
    return found


def write_file(path, about, messages):
    """Write one file; gives its path, which has another ending if it is compressed as a whole."""
    pack = PACK if about['packed'] == 'message' else bytes
    if about['kind'] == '.mcap':
        with path.open('wb') as file:
            writer = McapWriter(
                file,
                chunk_size=300,
                use_chunking=about['chunked'],
                compression=about['compression'],
                use_statistics=about['summary'],
                use_summary_offsets=about['summary'],
                repeat_channels=about['summary'],
                repeat_schemas=about['summary'],
            )
            writer.start(profile='ros2', library='other')
            schema = writer.register_schema(TYPE, 'ros2msg', b'string data')
            channels = {}
            for topic, time, value in messages:
                if topic not in channels:
                    number = 0 if about['schemaless'] and topic == '/a' else schema
                    channels[topic] = writer.register_channel(topic, 'cdr', number)
                writer.add_message(channels[topic], time, pack(cdr_text(value)), time)
            writer.finish()
    else:
        folder = path.with_suffix('')
        with Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
            topics = {}
            for topic, time, value in messages:
                if topic not in topics:
                    topics[topic] = writer.add_connection(topic, TYPE, typestore=STORE)
                writer.write(topics[topic], time, pack(cdr_text(value)))
        (folder / f'{folder.name}.db3').rename(path)
        shutil.rmtree(folder)
    if about['packed'] == 'file':
        packed = path.with_name(f'{path.name}.zstd')
        packed.write_bytes(PACK(path.read_bytes()))
        path.unlink()
        return packed
    return path


def damage(path, kind, draw):
    content = bytearray(path.read_bytes())
    if kind == 'cut':
        del content[draw.randrange(len(content)) :]
    if kind == 'byte':
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if kind:
        path.write_bytes(b'' if kind == 'empty' else content)


def write_metadata(bag, how, files, written):
    """A metadata.yaml as rosbag2 writes it, and what may become of it."""
    if how == 'none':
        return
    mode = {about['packed'] for about in written} - {''}
    times = [time for about in written for _, time, _ in about['messages']]
    counts = {}
    for about in written:
        for topic, _, _ in about['messages']:
            counts[topic] = counts.get(topic, 0) + 1
    information = {
        'version': 9,
        'storage_identifier': 'sqlite3' if '.db3' in files[0].name else 'mcap',
        'duration': {'nanoseconds': max(times, default=0) - min(times, default=0)},
        'starting_time': {'nanoseconds_since_epoch': min(times, default=0)},
        'message_count': len(times),
        'topics_with_message_count': [
            {
                'topic_metadata': {
                    'name': topic, 'type': TYPE, 'serialization_format': 'cdr',
                    'offered_qos_profiles': '', 'type_description_hash': '',
                },
                'message_count': count,
            }
            for topic, count in counts.items()
        ],
        'compression_format': 'zstd' if mode else '',
        'compression_mode': max(mode, default='').upper(),
        'relative_file_paths': [file.name for file in files],
    }  # fmt: skip
    (bag / 'metadata.yaml').write_text(yaml.safe_dump({'rosbag2_bagfile_information': information}))
    changes = {
        'empty storage': {'storage_identifier': ''},
        'other storage': {'storage_identifier': 'rosbag_v2'},
        'no files': {'relative_file_paths': []},
        'counts': {'message_count': 10**6},
        'version 3': {'version': 3, 'relative_file_paths': [f'bag/{file.name}' for file in files]},
        'says file': {'compression_mode': 'FILE', 'compression_format': 'zstd'},
        'says message': {'compression_mode': 'MESSAGE', 'compression_format': 'zstd'},
        'absent file': {'relative_file_paths': [*(f.name for f in files), 'bag_9.mcap']},
    }
    edit_metadata(bag, **changes.get(how, {}))
    if how == 'half':
        text = (bag / 'metadata.yaml').read_text()
        (bag / 'metadata.yaml').write_text(text[: len(text) // 2])


def make(bag, spec):
    """Write a bag; gives the messages of each file by its number, and whether all is whole."""
    draw = random.Random(spec['seed'])
    bag.mkdir(parents=True)
    files, written, end = [], [], 10**9
    for number, about in enumerate(spec['files']):
        start = max(0, end + int(about['after'] * 1e9))
        messages = messages_in(about, draw, start, 1000 * number)
        name = spec['names'].format(number) + about['kind']
        files.append(write_file(bag / name, about, messages))
        written.append({**about, 'messages': messages})
        end = max([end, *(time for _, time, _ in messages)])
    write_metadata(bag, spec['metadata'], files, written)
    for file, about in zip(files, written, strict=True):
        damage(file, about['damage'], draw)
    return [message for about in written for message in about['messages']]


def is_checked(about):
    """Whether a changed byte in a message can be seen: where chunks have a checksum."""
    return about['damage'] != 'byte' or (about['kind'] == '.mcap' and about['chunked'])


def read_all(path, contract):
    with EpisodeReader(path, contract) as reader:
        return [(f'/{m.topic}', m.receive, m.data) for m in reader.messages(reader.relative_topics)]


def held_by(folder):
    """Every file below a folder, by its content."""
    return [path.read_bytes() for path in folder.rglob('*') if path.is_file()]


def examine(folder, contract, spec):
    """Hold check, reader and recovery of one bag against each other."""
    bag = folder / 'bag'
    original = {(topic, time, cdr_text(value)) for topic, time, value in make(bag, spec)}
    exact = all(map(is_checked, spec['files']))
    storage = [path.read_bytes() for path in bag.iterdir() if path.name != 'metadata.yaml']
    found = check([folder])
    for finding in found:
        if finding.state == 'ok':
            assert_whole(finding, contract, original if exact else None)
        before = finding.messages
        try:
            made = recover(finding.path)
        except DatasetError:
            assert finding.wrong
            continue
        (after,) = check([made])
        assert after.state == 'ok', (finding, after)
        assert after.messages == before
        assert_whole(after, contract, original if exact else None)
    held = held_by(folder)
    assert all(content in held for content in storage)
    if len(found) > 1:
        assert find_episodes([bag]) != [bag]


def assert_whole(finding, contract, original):
    """What is called ok is read: every message that was counted, in the order of time."""
    messages = read_all(finding.path, contract)
    assert len(messages) == finding.messages
    if original is not None:
        assert len(set(messages)) == len(messages)
        assert set(messages) <= original
    times = [time for _, time, _ in messages]
    assert times == sorted(times)


@pytest.mark.usefixtures('no_sync')
@settings(
    max_examples=int(os.environ.get('BAG_EXAMPLES', '25')),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BAGS)
def test_what_is_called_ok_is_read_and_what_is_not_is_recovered_or_said(tmp_path, contract, spec):
    shutil.rmtree(tmp_path / 'trial', ignore_errors=True)
    examine(tmp_path / 'trial', contract, spec)
