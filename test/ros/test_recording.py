"""What may go wrong while an episode is written, and what must not come of it."""

import threading
import time

import pytest

pytest.importorskip('rclpy')

from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from benchmarks.camera_load import Load, contract_text
from il_ros.bags.episode_writer import EpisodeWriter
from il_ros.core.contract import parse_contract
from il_ros.core.errors import IlRosError
from il_ros.core.streams import ImageStream
from il_ros.ros.message_loss import RawSample
from il_ros.ros.recorded_topics import RecordedTopic, definition_of, planned_topics
from il_ros.ros.recording import Recording

CONTRACT = parse_contract(contract_text(Load(cameras=1)))
CAMERA = ImageStream(topic='cam', size=(4, 6), record='jpeg')


def sample(receive=1):
    return RawSample('/a', b'x', receive)


def described(name):
    if name == '/cam':
        return RecordedTopic(type='sensor_msgs/msg/Image', image=CAMERA)
    return RecordedTopic(type='std_msgs/msg/String')


def begun(tmp_path, queue=10_000):
    recording = Recording(queue, described)
    recording.begin(EpisodeWriter(tmp_path, 'one', CONTRACT), ['/a', '/cam'])
    return recording


def stored(path):
    from rosbags.rosbag2 import Reader

    with Reader(path) as reader:
        return [(c.topic, stamp, bytes(data)) for c, stamp, data in reader.messages()][1:]


def test_nothing_unforeseen_ends_the_writer_unheard(tmp_path, monkeypatch):
    recording = begun(tmp_path)
    failed = threading.Event()

    def broken(*_, **__):
        failed.set()
        raise ZeroDivisionError('nobody foresaw this')

    monkeypatch.setattr(recording.writer, 'write', broken)
    recording.take(sample())
    assert failed.wait(10)
    recording.take(sample())
    recording.close('unknown', 'broken')
    assert 'ZeroDivisionError: nobody foresaw this' in str(recording.problem)
    assert recording.counts['/a'].overflow == 2


def test_an_image_that_no_jpeg_can_hold_is_stored_raw(tmp_path):
    message = Image(height=70_000, width=1, encoding='mono8', step=1)
    message.data.frombytes(bytes(70_000))
    tall = RawSample('/cam', serialize_message(message), 5)
    recording = begun(tmp_path, queue=10**6)
    recording.take(tall)
    recording.take(sample(receive=60))
    found = stored(recording.close('success', ''))
    assert [topic for topic, *_ in found] == ['/cam', '/a']
    assert recording.counts['/cam'].faults == 1


def test_where_the_process_must_end_what_waits_for_a_slow_disk_is_counted(tmp_path, monkeypatch):
    recording = begun(tmp_path, queue=10**6)
    write, begun_writing = recording.writer.write, threading.Event()

    def slow(*arguments, **named):
        begun_writing.set()
        time.sleep(0.01)
        write(*arguments, **named)

    monkeypatch.setattr(recording.writer, 'write', slow)
    for number in range(1000):
        recording.take(sample(receive=number + 1))
    assert begun_writing.wait(10)
    path = recording.close('unknown', 'the recorder was stopped', patience=0.1)
    there = len(stored(path))
    assert 0 < there < 1000
    assert recording.counts['/a'].overflow == 1000 - there


def test_a_topic_of_an_unknown_type_costs_itself_alone_where_it_is_optional(tmp_path):
    def strange(name):
        if name == '/strange':
            return RecordedTopic(type='far_msgs/msg/Away', definition='Unknown x', optional=True)
        return described(name)

    recording = Recording(10_000, strange)
    recording.begin(EpisodeWriter(tmp_path, 'one', CONTRACT), ['/a', '/strange'])
    recording.take(RawSample('/strange', b'x', 1))
    recording.take(sample(receive=60))
    assert [topic for topic, *_ in stored(recording.close('success', ''))] == ['/a']
    assert recording.problem is None
    (first, second) = recording.complaints(0.0)
    assert first == '/strange: 1 lost in the full queue'
    assert second.startswith('/strange: is not recorded: no definition of far_msgs/msg/Away')


def test_two_streams_cannot_get_into_one_topic_of_the_bag():
    jpeg = CONTRACT.text.replace('encoding: rgb8', 'encoding: rgb8\n    record: jpeg')
    kind = 'sensor_msgs/msg/CompressedImage'
    extra = f'  other: {{topic: camera0/image/compressed, type: {kind}, size: [4, 4]}}'
    text = jpeg.replace('images:', f'images:\n{extra}')
    with pytest.raises(IlRosError, match='camera0/image/compressed is recorded, too; allowed: raw'):
        planned_topics(parse_contract(text), lambda name: f'/{name}')
    twice = jpeg.replace('images:', 'images:\n  other: {topic: camera0/image, size: [4, 4]}')
    with pytest.raises(IlRosError, match='camera0/image is to be recorded in two ways'):
        planned_topics(parse_contract(twice), lambda name: f'/{name}')


def test_a_definition_holds_those_of_its_parts():
    from rosbags.typesys import get_types_from_msg

    text = definition_of('trajectory_msgs/msg/JointTrajectory')
    assert set(get_types_from_msg(text, 'trajectory_msgs/msg/JointTrajectory')) == {
        'trajectory_msgs/msg/JointTrajectory',
        'trajectory_msgs/msg/JointTrajectoryPoint',
        'builtin_interfaces/msg/Duration',
        'builtin_interfaces/msg/Time',
        'std_msgs/msg/Header',
    }
    with pytest.raises(IlRosError):
        definition_of('nobody_msgs/msg/Nothing')
