import os

import pytest
import yaml
from rosbags.highlevel import AnyReader

from il_ros.core.errors import DatasetError
from il_ros.datasets.bags import EpisodeWriter
from il_ros.datasets.episode import read_episode_info
from il_ros.datasets.writer import absolute


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


@pytest.mark.parametrize('name', ['', '.hidden', 'a/b'])
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
