import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from cdr_messages import image

from il_ros.bags import EpisodeReader, EpisodeWriter
from il_ros.bags.episode_info import MessageLoss
from il_ros.core.cdr import header_stamp
from il_ros.core.contract import parse_contract
from il_ros.core.decoders import DECODERS, JointState, decoder_for
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS, FrameBuilder, TopicDecoder
from il_ros.core.images import decode
from il_ros.datasets.bag_conversion import EVENT_KINDS, convert

MS = 1_000_000
CHUNK = 'il_ros/msg/ActionChunk'
CHUNK_TEXT = (Path(__file__).parents[2] / 'msg' / 'ActionChunk.msg').read_text()


def read(path, contract=None, **options):
    with EpisodeReader(path, contract) as reader:
        return convert(reader, **options)


def test_frames_and_the_actions_that_followed_them(record):
    conversion = read(record(frames=5))
    arrays = conversion.arrays
    assert arrays.stamp.tolist() == [NS + i * 50 * MS for i in range(5)]
    np.testing.assert_allclose(arrays.values['position'][3], [0.03, -0.03])  # contract's order
    assert arrays.values['wrench'][3].tolist() == [3, 0, 0]
    np.testing.assert_allclose(arrays.action[:, 0], [0.01, 0.02, 0.03, 0.04, 0.05])
    assert arrays.source.tolist() == 5 * [2]
    assert (arrays.entry.id, arrays.entry.outcome, arrays.entry.length) == ('one', 'success', 5)
    assert conversion.rejected == {}


def test_a_live_node_sees_the_same_frames(record, contract):
    """The same bytes through a builder of their own, as `ros.frames` feeds it."""
    path = record(frames=8)
    builder, live, receive = FrameBuilder(contract), [], 0
    with EpisodeReader(path) as reader:
        for message in reader.messages(['joint_states', 'wrench']):
            receive = message.receive
            live += builder.poll(receive)  # a timer that fires in between changes nothing
            for key in ('speed', 'position') if message.topic == 'joint_states' else ('wrench',):
                stream = contract.observations[key]
                value = decoder_for(stream.type).decode(message.data, stream.fields, stream.names)
                header = header_stamp(message.data)
                live += builder.add(key, value, header=header, receive=receive)
    live += builder.poll(receive + NS)
    found = read(path).arrays
    assert found.stamp.tolist() == [frame.stamp for frame in live]
    for key in contract.observations:
        seen = np.array([frame.values[key] for frame in live], np.float32)
        np.testing.assert_array_equal(found.values[key], seen)
        np.testing.assert_array_equal(
            found.age[key], np.array([f.age[key] for f in live], np.float32)
        )
        assert found.valid[key].tolist() == [frame.valid[key] for frame in live]


def test_what_is_in_another_frame_is_refused_and_counted(record):
    conversion = read(record(frames=8, turned=(3, 4)))
    assert conversion.arrays.valid['wrench'].tolist() == 3 * [True] + 2 * [False] + 3 * [True]
    assert np.isnan(conversion.arrays.values['wrench'][3]).all()
    assert conversion.arrays.entry.measures['other_frame.wrench'] == 2
    assert conversion.rejected == {
        'wrench': "2 samples in frame 'tool0'; allowed: 'base'; to fix: say frame_id: tool0 in the "
        'contract, or let its driver change'
    }
    whole = read(record(name='two', frames=8))
    assert not any(name.startswith('other_frame') for name in whole.arrays.entry.measures)


def test_a_live_node_takes_the_same_samples_of_a_stream_that_changes_its_frame(record, contract):
    path, live = record(frames=8, turned=(3, 4)), []
    builder = FrameBuilder(contract)
    decoder, joints = (
        TopicDecoder({key: contract.streams[key] for key in keys}, contract.base_frame)
        for keys in (['wrench'], ['speed', 'position'])
    )
    with EpisodeReader(path) as reader:
        for message in reader.messages(['joint_states', 'wrench']):
            receive = message.receive
            topic = decoder if message.topic == 'wrench' else joints
            header, values, errors = topic.decode(message.data, receive)
            for key, problem in errors.items():
                live += builder.reject(key, problem, now=receive)
            for key, value in values.items():
                live += builder.add(key, value, header=header, receive=receive)
    live += builder.poll(receive + NS)
    found = read(path).arrays
    assert found.stamp.tolist() == [frame.stamp for frame in live]
    assert found.valid['wrench'].tolist() == [frame.valid['wrench'] for frame in live]


def test_a_message_is_read_once_for_all_keys_that_take_a_part_of_it(record, monkeypatch):
    path, reads = record(frames=8), []

    class CountingDecoder(JointState):
        def read(self, data):
            reads.append(data)
            return super().read(data)

    monkeypatch.setitem(DECODERS, 'sensor_msgs/msg/JointState', CountingDecoder())
    arrays = read(path).arrays
    assert (arrays.frames, len(reads)) == (8, 8)
    assert {'position', 'speed'} <= arrays.values.keys()


def test_privileged_observations_come_along_and_are_nan_where_they_are_missing(record):
    arrays = read(record()).arrays
    assert arrays.values['object'].shape == (10, 7)
    assert np.isnan(arrays.values['object']).all()
    assert not arrays.valid['object'].any()
    assert np.isnan(arrays.age['object']).all()


def test_a_required_topic_that_is_not_in_the_bag_is_named(record):
    path = record(skip=['wrench'], topics=('joint_states', 'monitor/executed'))
    with pytest.raises(DatasetError, match='no topic /wrench in the bag; allowed: /contract, '):
        read(path)


def test_a_joint_that_is_missing_is_named(open_writer, messages):
    writer = open_writer()
    for i in range(3):
        stamp = NS + i * 50 * MS
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
        writer.write('/joint_states', messages.joints(stamp, [0.0], names=['a']), stamp)
    conversion = read(writer.close('success'))
    assert conversion.arrays.frames == 0
    assert conversion.rejected['position'].startswith('no joint b in the message; allowed: a; ')


def test_an_arm_and_a_gripper_may_share_a_topic(open_writer, messages):
    """Two drivers publish on joint_states; each message holds the joints of one of them."""
    writer = open_writer()
    for i in range(4):
        stamp = NS + i * 50 * MS
        for names, position in ((('x',), [9.0]), (('b', 'a'), [0.5, 0.1 * i])):
            data = messages.joints(stamp, position, names=names)
            writer.write('/joint_states', data, stamp + len(names))
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
    arrays = read(writer.close('success')).arrays
    np.testing.assert_allclose(arrays.values['position'][:, 0], [0, 0.1, 0.2, 0.3], atol=1e-7)
    assert arrays.valid['position'].all()


EVENT = 'il_ros/msg/EpisodeEvent'
EVENT_TEXT = (Path(__file__).parents[2] / 'msg' / 'EpisodeEvent.msg').read_text()


def test_the_kinds_of_events_are_those_of_the_message():
    constants = re.findall(r'uint8 ([A-Z]+)=(\d+)', EVENT_TEXT)
    assert tuple(name.lower() for name, _ in constants) == EVENT_KINDS
    assert [int(number) for _, number in constants] == list(range(len(EVENT_KINDS)))


def test_events_are_kept_with_their_kind(open_writer, messages):
    writer = open_writer()
    writer.add_topic('/events', EVENT, EVENT_TEXT)
    for i, kind in enumerate((2, 6, 99)):
        writer.write('/events', messages.event(NS + i, kind, f'text {i}'), NS + i)
    writer.write('/wrench', messages.wrench(NS, 0.0), NS)
    writer.write('/joint_states', messages.joints(NS, [0.0, 0.0]), NS)
    events = read(writer.close('success')).arrays.events
    assert [(e.stamp - NS, e.kind, e.text) for e in events] == [
        (0, 'mode', 'text 0'),
        (1, 'note', 'text 1'),
        (2, 'kind 99', 'text 2'),
    ]


CAMERA = """
images:
  front: {topic: front/image_raw, size: [24, 32], rate: 10.0, required: false}
action:
"""
SMOOTH = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8), (9, 9), 3
)


@pytest.fixture
def filmed(contract, messages, tmp_path):
    """An episode of 8 ticks with a camera that gives one image in two ticks."""

    def make(change=lambda i, pixels: pixels):
        seen = parse_contract(contract.text.replace('\naction:\n', CAMERA))
        writer = EpisodeWriter(tmp_path / 'episodes', 'filmed', seen)
        writer.add_topic('/front/image_raw', 'sensor_msgs/msg/Image')
        writer.add_topic('/wrench', 'geometry_msgs/msg/WrenchStamped')
        writer.add_topic('/joint_states', 'sensor_msgs/msg/JointState')
        writer.add_topic('/monitor/executed', CHUNK, CHUNK_TEXT)
        for i in range(8):
            stamp = NS + i * 50 * MS
            if i % 2 == 0:
                data = image(change(i, np.roll(SMOOTH, i, axis=1)), stamp=stamp)
                writer.write('/front/image_raw', data, stamp)
            writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
            writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp + MS)
            writer.write('/monitor/executed', messages.chunk(stamp, [0.0, 0.0]), stamp + 2 * MS)
        return writer.close('success')

    return make


def test_each_frame_has_the_newest_image_encoded(filmed):
    arrays = read(filmed(), image_format='png').arrays
    assert arrays.frames == 8
    assert arrays.valid['front'].all()
    np.testing.assert_allclose(arrays.age['front'], [0, 0.05] * 4, atol=1e-6)
    for i, blob in enumerate(arrays.images['front']):
        np.testing.assert_array_equal(decode(blob), np.roll(SMOOTH, i - i % 2, axis=1))
    assert arrays.images['front'][0] is arrays.images['front'][1]  # encoded once


def test_an_image_of_another_size_is_left_out_and_said(filmed):
    conversion = read(filmed(lambda i, pixels: pixels[::2, ::2] if i == 4 else pixels))
    assert conversion.arrays.valid['front'].tolist() == [True] * 4 + [False] * 2 + [True] * 2
    assert conversion.arrays.images['front'][4] == b''
    assert conversion.rejected['front'].startswith('an image of 12 x 16; allowed: 24 x 32')
    assert (
        '1 of 4 messages of front (front/image_raw) were not taken: an image of 12 x 16'
        in (conversion.arrays.entry.findings['rejected.front'])
    )


def test_the_pre_roll_is_seen_by_the_first_frames_but_gives_none(open_writer, messages):
    """A goal that came before the start is known at the start; ticks before it are left out."""
    writer = open_writer(start_ns=NS + 120 * MS)
    for i in range(6):
        stamp = NS + i * 50 * MS
        if i < 2:
            writer.write('/wrench', messages.wrench(stamp, 7.0), stamp)
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
    arrays = read(writer.close('success')).arrays
    assert ((arrays.stamp - NS) // MS).tolist() == [150, 200, 250]
    assert arrays.values['wrench'][0].tolist() == [7, 0, 0]
    np.testing.assert_allclose(arrays.age['wrench'], [0.1, 0.15, 0.2], atol=1e-6)


def test_what_the_recorder_lost_is_a_measure_of_the_episode(open_writer, messages):
    writer = open_writer()
    for i in range(3):
        stamp = NS + i * 50 * MS
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
    path = writer.close('success', losses={'/wrench': MessageLoss(lost=1)})
    measures = read(path).arrays.entry.measures
    assert measures['loss.wrench'] == 0.25  # 1 of 4
    assert measures['loss.position'] == 0
