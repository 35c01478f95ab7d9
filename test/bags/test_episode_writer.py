import errno
import os
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Bag

from il_ros.bags import EpisodeWriter
from il_ros.bags.bag_recovery import recover
from il_ros.bags.bag_scan import scan_file
from il_ros.bags.episode_info import MessageLoss, read_episode_info
from il_ros.bags.episode_writer import absolute
from il_ros.bags.mcap_file import Storage
from il_ros.core.errors import DatasetError


def test_an_episode_is_a_rosbag2_folder_and_says_what_it_is(record, contract, tmp_path):
    path = record('first', frames=4, task='pick', seed=7, notes='a note')
    assert path == tmp_path / 'episodes' / 'first'
    assert sorted(os.listdir(path)) == ['episode.json', 'first.mcap', 'metadata.yaml']
    info = read_episode_info(path)
    assert (info.task, info.seed, info.notes, info.state) == ('pick', 7, 'a note', 'complete')
    assert (info.outcome, info.reason) == ('success', 'done')
    assert info.contract_hash == contract.hash
    assert info.messages == 13
    assert info.duration == pytest.approx(0.153)
    assert info.started <= info.ended
    assert info.topics['/monitor/executed'].type == 'il_ros/msg/ActionChunk'
    assert info.topics['/joint_states'].messages == 4
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert metadata['storage_identifier'] == 'mcap'
    assert metadata['relative_file_paths'] == ['first.mcap']


def test_the_mcap_alone_says_its_contract(record, contract):
    with AnyReader([record(namespace='/left') / 'one.mcap']) as bag:
        connection, _, data = next(bag.messages())
        assert connection.topic == '/left/contract'
        assert bag.deserialize(data, connection.msgtype).data == contract.text


def test_nothing_is_seen_before_the_end(open_writer, messages, tmp_path):
    writer = open_writer()
    writer.write('/wrench', messages.wrench(1, 0.0), 1)
    assert os.listdir(tmp_path / 'episodes') == ['.one.part']
    assert sorted(os.listdir(writer.part)) == ['lock', 'one', 'reserve']
    part = tmp_path / 'episodes' / '.one.part' / 'one'
    assert read_episode_info(part).state == 'recording'
    assert writer.messages == 2
    writer.close('unknown')
    assert os.listdir(tmp_path / 'episodes') == ['one']


def test_an_aborted_episode_leaves_nothing_and_a_closed_one_stays(open_writer, messages, tmp_path):
    writer = open_writer()
    writer.write('/wrench', messages.wrench(1, 0.0), 1)
    writer.abort()
    assert os.listdir(tmp_path / 'episodes') == []
    writer = open_writer()
    writer.close('discarded')
    writer.abort()
    assert os.listdir(tmp_path / 'episodes') == ['one']


def test_an_episode_without_a_message_is_whole_too(open_writer):
    assert read_episode_info(open_writer().close('failure', 'no robot')).messages == 1


def test_a_name_that_is_taken_is_refused(record, open_writer):
    path = record()
    with pytest.raises(DatasetError, match=f'{path}: exists already; to fix: '):
        record()
    open_writer('two')
    with pytest.raises(DatasetError, match=r'\.two\.part: exists already'):
        open_writer('two')


@pytest.mark.parametrize('name', ['', '.hidden', 'a/b', 'a.damaged'])
def test_a_name_that_is_no_folder_name_is_refused(open_writer, name):
    with pytest.raises(DatasetError, match=r'episode_id: got .*; allowed: a plain folder name'):
        open_writer(name)


def test_misuse_is_named(open_writer):
    writer = open_writer()
    with pytest.raises(DatasetError, match='/camera: not announced; allowed: /joint_states, '):
        writer.write('/camera', b'', 1)
    with pytest.raises(
        DatasetError, match=r'/x: no definition of robot_msgs/msg/Foo: .*; to fix: '
    ):
        writer.add_topic('/x', 'robot_msgs/msg/Foo')
    with pytest.raises(DatasetError, match='/x: no definition of robot_msgs/msg/Foo: '):
        writer.add_topic('/x', 'robot_msgs/msg/Foo', 'this is; no definition')
    writer.close('success')
    with pytest.raises(DatasetError, match='one: is closed; to fix: start a new episode'):
        writer.write('/wrench', b'', 1)


def test_types_of_ones_own_may_build_on_others(open_writer):
    writer = open_writer()
    writer.add_topic('/a', 'robot_msgs/msg/Leaf', 'float64 x\n')
    writer.add_topic('/b', 'robot_msgs/msg/Tree', 'std_msgs/Header header\nLeaf[] leaves\n')
    writer.add_topic('/b', 'robot_msgs/msg/Tree')  # announced twice: nothing happens
    with AnyReader([writer.close('success')]) as bag:
        assert {c.topic for c in bag.connections} >= {'/a', '/b'}


def test_a_folder_that_cannot_be_written_is_named(contract, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DatasetError, match='cannot be written: Not a directory; to fix: choose'):
        EpisodeWriter(tmp_path / 'file', 'one', contract)


def test_names_below_a_namespace():
    assert absolute('/', 'wrench') == '/wrench'
    assert absolute('/left', 'wrench') == '/left/wrench'
    assert absolute('left/', 'a/b') == '/left/a/b'


QOS = {'reliability': 'best_effort', 'durability': 'transient_local', 'depth': 1}


def mcap_messages(path):
    with path.open('rb') as file:
        return [
            (channel.topic, m.log_time, m.publish_time, m.sequence)
            for _, channel, m in make_reader(file, validate_crcs=True).iter_messages()
        ]


def test_all_three_stamps_and_the_sequence_are_kept(open_writer, messages):
    writer = open_writer()
    writer.write('/wrench', messages.wrench(1, 0.0), 20, source_ns=10, sequence=7)
    writer.write('/wrench', messages.wrench(1, 0.0), 30, sequence=2**32 + 5)
    path = writer.close('success', stop_ns=40) / 'one.mcap'
    assert mcap_messages(path) == [
        ('/contract', 20, 20, 0),
        ('/wrench', 20, 10, 7),
        ('/wrench', 30, 30, 5),
    ]


def test_offered_qos_is_in_the_metadata_and_in_the_channel(open_writer):
    writer = open_writer(topics=())
    writer.add_topic('/a', 'std_msgs/msg/String', qos=(QOS, {'durability': 2}))
    path = writer.close('success')
    with AnyReader([path]) as bag:
        found = {c.topic: c.ext.offered_qos_profiles for c in bag.connections}['/a']
    assert [(q.reliability.name, q.durability.name, q.depth, q.deadline.sec) for q in found] == [
        ('BEST_EFFORT', 'TRANSIENT_LOCAL', 1, 9223372036),
        ('RELIABLE', 'VOLATILE', 10, 9223372036),
    ]
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    said = metadata['topics_with_message_count'][0]['topic_metadata']
    assert said['offered_qos_profiles'][0]['durability'] == 'transient_local'
    assert said['type_description_hash'].startswith('RIHS01_')
    with (path / 'one.mcap').open('rb') as file:
        channel = next(c for c in make_reader(file).get_summary().channels.values())
    assert yaml.safe_load(channel.metadata['offered_qos_profiles']) == said['offered_qos_profiles']
    assert channel.metadata['topic_type_hash'] == said['type_description_hash']
    assert read_episode_info(path).topics['/a'].qos == tuple(said['offered_qos_profiles'])


@pytest.mark.parametrize(
    ('qos', 'error'),
    [
        ({'history': 'some'}, r"/a: QoS\.history: got 'some'; allowed: system_default, keep_last"),
        ({'depht': 1}, r"/a: QoS: unknown policy 'depht'; allowed: history, depth, "),
    ],
)
def test_qos_that_does_not_exist_is_refused(open_writer, qos, error):
    with pytest.raises(DatasetError, match=error):
        open_writer(topics=()).add_topic('/a', 'std_msgs/msg/String', qos=(qos,))


def test_metadata_is_what_rosbags_writes(record, tmp_path):
    def information(path):
        text = (path / 'metadata.yaml').read_text()
        return yaml.safe_load(text)['rosbag2_bagfile_information']

    ours = information(record('ours'))
    with (
        AnyReader([tmp_path / 'episodes' / 'ours']) as bag,
        Bag(tmp_path / 'theirs', version=9, storage_plugin=StoragePlugin.MCAP) as other,
    ):
        connections = {
            c.topic: other.add_connection(c.topic, c.msgtype, typestore=bag.typestore)
            for c in bag.connections
        }
        for connection, stamp, data in bag.messages():
            other.write(connections[connection.topic], stamp, data)
    theirs = information(tmp_path / 'theirs')
    for entry in (ours, theirs):
        entry['relative_file_paths'] = entry['files'][0]['path'] = entry['ros_distro'] = None
    assert ours == theirs


def test_a_bag_is_split_and_every_file_stands_alone(open_writer, messages):
    writer = open_writer(storage=Storage(max_file_size=20_000))
    for i in range(300):
        writer.write('/wrench', messages.wrench(i, 0.0), 10**9 + i, sequence=i)
    path = writer.close('success')
    names = [f'one_{i}.mcap' for i in range(len(list(path.glob('*.mcap'))))]
    assert len(names) > 1
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert metadata['relative_file_paths'] == names
    files = metadata['files']
    sequences = []
    for name, said in zip(names, files, strict=True):
        assert (path / name).stat().st_size < 30_000  # with definitions and index
        found = mcap_messages(path / name)
        assert said['message_count'] == len(found)
        assert said['starting_time']['nanoseconds_since_epoch'] == found[0][1]
        sequences += [m[3] for m in found if m[0] == '/wrench']
        with AnyReader([path / name]) as bag:
            assert {c.topic for c in bag.connections} >= {'/wrench', '/monitor/executed'}
    assert sequences == list(range(300))
    with AnyReader([path]) as bag:
        assert bag.message_count == 301


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_what_was_flushed_is_in_the_file(open_writer, messages, compression):
    writer = open_writer(storage=Storage(compression=compression))
    writer.write('/wrench', messages.wrench(1, 0.0), 20)
    writer.flush()
    writer.flush()  # nothing new: nothing happens
    writer.write('/wrench', messages.wrench(1, 0.0), 30)
    scan = scan_file(writer.part / 'one' / 'one.mcap')
    assert (scan.messages, scan.chunks, scan.dropped) == (2, 2, [])
    assert scan.faults == ['no summary at its end']
    path = writer.close('success')
    scan = scan_file(path / 'one.mcap')
    assert (scan.messages, scan.chunks, scan.faults) == (3, 3, [])
    assert scan.compression == ('zstd' if compression == 'zstd' else '')


def test_what_the_recorder_knows_of_losses_is_written_down(open_writer, messages):
    writer = open_writer(start_ns=25, notes='before')
    for stamp in (20, 30, 40):
        writer.write('/wrench', messages.wrench(1, 0.0), stamp * 10**9)
    loss = MessageLoss(lost=2, overflow=1, expected_rate=0.2, publishers=1, latched=True)
    path = writer.close('failure', notes='after', flagged=True, losses={'/wrench': loss})
    info = read_episode_info(path)
    assert (info.notes, info.flagged, info.start_ns) == ('before\nafter', True, 25)
    topic = info.topics['/wrench']
    assert (topic.messages, topic.rate, topic.lost, topic.overflow) == (3, 0.1, 2, 1)
    assert (topic.expected_rate, topic.publishers, topic.latched) == (0.2, 1, True)
    assert topic.bytes == 3 * len(messages.wrench(1, 0.0))
    assert info.versions['mcap']
    assert info.storage == Storage()


@pytest.mark.parametrize(
    'wrong', [{'compression': 'lz5'}, {'chunk_size': 0}, {'reserve': -1}, {'max_file_size': -1}]
)
def test_storage_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r'compression|chunk_size has to be positive'):
        Storage(**wrong)


def test_a_closed_episode_is_closed(open_writer):
    writer = open_writer()
    writer.close('success')
    with pytest.raises(DatasetError, match='one: is closed'):
        writer.close('success')
    with pytest.raises(DatasetError, match='is closed'):
        writer.flush()


@pytest.mark.parametrize('function', ['publish', 'write_episode_info', 'release'])
def test_an_episode_that_cannot_be_closed_can_be_recovered_at_once(
    open_writer, messages, monkeypatch, function
):
    writer = open_writer()
    writer.write('/wrench', messages.wrench(1, 0.0), 1)
    writer.flush()

    def refuse(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(f'il_ros.bags.episode_writer.{function}', refuse)
        with pytest.raises(DatasetError, match=r'cannot be finished: .*il_ros bags recover'):
            writer.close('success')
    assert recover(writer.part) == writer.path
    assert read_episode_info(writer.path).messages == 2


def test_an_episode_whose_file_was_closed_by_the_system_is_dropped(open_writer, messages, tmp_path):
    writer = open_writer()
    writer.write('/wrench', messages.wrench(1, 0.0), 1)
    os.close(writer._bag._file._out.fd)
    writer.abort()
    assert os.listdir(tmp_path / 'episodes') == []


def test_an_episode_that_cannot_begin_leaves_no_open_file(open_writer, monkeypatch, tmp_path):
    open_writer('zero').abort()  # whatever is opened once and for all
    before = sorted(os.listdir('/proc/self/fd'))

    def refuse(_):
        raise OSError(errno.EIO, 'Input/output error')

    monkeypatch.setattr('il_ros.bags.episode_writer.sync', refuse)
    with pytest.raises(DatasetError, match='cannot be written: Input/output error'):
        open_writer()
    assert sorted(os.listdir('/proc/self/fd')) == before
    assert list(Path(tmp_path / 'episodes').iterdir()) == []


BRANCH = """Leaf[] leaves
other_made_msgs/Seed[<=2] seeds
{line}
MSG: made_msgs/{msg}Leaf
std_msgs/Header header
float64 x
{line}
MSG: other_made_msgs/{msg}Seed
uint8 KIND=1
string name
{line}
MSG: std_msgs/{msg}Header
builtin_interfaces/Time stamp
string frame_id
"""


@pytest.mark.parametrize('line', ['=' * 80, '===', '=' * 80 + '\r'])
@pytest.mark.parametrize('msg', ['', 'msg/'])
def test_a_definition_may_bring_the_types_in_it(open_writer, line, msg):
    writer = open_writer(topics=())
    name = 'made_msgs/msg/Branch'
    with pytest.raises(DatasetError, match='/a: no definition of made_msgs/msg/Branch: '):
        writer.add_topic('/a', name, 'Leaf[] leaves\nother_made_msgs/Seed[<=2] seeds\n')
    writer.add_topic('/a', name, BRANCH.format(line=line, msg=msg))
    writer.write('/a', bytes.fromhex('000100000000000000000000'), 1)
    with AnyReader([writer.close('success')]) as bag:
        connection = next(c for c in bag.connections if c.topic == '/a')
        assert set(bag.typestore.fielddefs) >= {'made_msgs/msg/Leaf', 'other_made_msgs/msg/Seed'}
        ((_, _, data),) = bag.messages([connection])
        assert bag.deserialize(data, name).leaves == []
