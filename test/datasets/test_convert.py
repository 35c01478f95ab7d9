from types import SimpleNamespace as Value

import numpy as np
import pytest

from il_ros.core.decoders import decoder_for
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS, FrameBuilder
from il_ros.datasets.bags import EpisodeReader, Message
from il_ros.datasets.convert import actions_of, convert

MS = 1_000_000


def read(path):
    with EpisodeReader(path) as reader:
        return convert(reader)


def test_frames_and_the_actions_that_followed_them(record):
    conversion = read(record(frames=5))
    assert [f.stamp for f in conversion.frames] == [NS + i * 50 * MS for i in range(5)]
    assert conversion.frames[3].values['position'].tolist() == [0.03, -0.03]  # the contract's order
    assert conversion.frames[3].values['wrench'].tolist() == [3, 0, 0]
    np.testing.assert_allclose(conversion.actions[:, 0], [0.01, 0.02, 0.03, 0.04, 0.05])
    assert conversion.rejected == {}


def test_a_live_node_sees_the_same_frames(record, contract):
    """The same messages through a builder of their own, as `ros.frames` feeds it."""
    path = record(frames=8)
    builder, live, receive = FrameBuilder(contract), [], 0
    with EpisodeReader(path) as reader:
        for message in reader.messages(['joint_states', 'wrench']):
            receive = message.receive
            live += builder.poll(receive)  # a timer that fires in between changes nothing
            for key in ('speed', 'position') if message.topic == 'joint_states' else ('wrench',):
                stream = contract.observations[key]
                value = decoder_for(stream.type).decode(message.value, stream.fields, stream.names)
                stamp = message.value.header.stamp
                header = stamp.sec * NS + stamp.nanosec
                live += builder.add(key, value, header=header, receive=receive)
    live += builder.poll(receive + NS)
    found = read(path).frames
    assert len(found) == len(live) == 8
    for mine, theirs in zip(found, live, strict=True):
        assert mine.stamp == theirs.stamp
        for key in contract.observations:
            np.testing.assert_equal(mine.values[key], theirs.values[key])
            np.testing.assert_equal(mine.age[key], theirs.age[key])
            assert mine.valid[key] == theirs.valid[key]


def test_privileged_observations_come_along_and_are_nan_where_they_are_missing(record):
    frame = read(record()).frames[0]
    assert np.isnan(frame.values['object']).all()
    assert not frame.valid['object']


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
    assert conversion.frames == ()
    assert conversion.rejected['position'].startswith('no joint b in the message; allowed: a; ')


def command(stamp, position, source='expert', names=('a', 'b')):
    header = Value(stamp=Value(sec=stamp // NS, nanosec=stamp % NS))
    chunk = Value(header=header, names=list(names), positions=[position, 0.0], source=source)
    return Message(topic='monitor/executed', receive=stamp, value=chunk)


def test_a_command_belongs_to_the_nearest_frame_within_half_a_period(contract):
    stamps = [NS, NS + 50 * MS, NS + 100 * MS]
    given = [
        command(NS + 10 * MS, 1.0),
        command(NS + 4 * MS, 2.0),  # nearer to the same frame
        command(NS + 70 * MS, 3.0),
        command(NS + 130 * MS, 4.0),  # too far from the last
    ]
    found = actions_of(given, contract, stamps)[:, 0]
    np.testing.assert_equal(found, [2.0, 3.0, np.nan])
    assert actions_of(given, contract, []).shape == (0, 2)


@pytest.mark.parametrize('source', ['hold', 'HOLD', 'idle', 'alarm'])
def test_what_the_monitor_did_by_itself_is_no_demonstration(contract, source):
    assert np.isnan(actions_of([command(NS, 1.0, source)], contract, [NS])).all()


def test_a_command_of_other_joints_is_refused(contract):
    with pytest.raises(DatasetError, match=r"monitor/executed: got joints \['b', 'a'\] and 2 pos"):
        actions_of([command(NS, 1.0, names=('b', 'a'))], contract, [NS])
