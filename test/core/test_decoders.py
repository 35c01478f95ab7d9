import time
from types import SimpleNamespace

import numpy as np
import pytest
from cdr_messages import cdr, joints, make, plain, pose, xyz
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core import decoders, registry
from il_ros.core.cdr import child_frame, header_frame, header_stamp
from il_ros.core.decoders import DECODERS, decoder_for, is_framed
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.streams import Stream, check_stream

JOINTS = decoder_for('sensor_msgs/msg/JointState')
POSE = decoder_for('geometry_msgs/msg/PoseStamped')


def test_joints_are_taken_by_name_whatever_their_order_in_the_message():
    assert JOINTS.decode(joints(), ('position',), ('a', 'b')).tolist() == [1, 2]
    assert JOINTS.size(('position', 'velocity'), ('a', 'b')) == 4


def test_several_fields_follow_one_another():
    message = joints(velocity=[0.3, 0.1, 0.2])
    values = JOINTS.decode(message, ('velocity', 'position'), ('b', 'c'))
    assert values.tolist() == [0.2, 0.3, 2.0, 3.0]


@given(
    name=st.lists(st.text(max_size=9), min_size=1, max_size=9, unique=True),
    frame=st.text(max_size=9),
    little=st.booleans(),
    stamp=st.integers(0, 2**31 * 10**9 - 1),
    data=st.data(),
)
def test_any_joint_state_gives_what_it_says(name, frame, little, stamp, data):
    """Alignment depends on the lengths of all texts before the numbers."""
    name = [text.replace('\0', '') or f'joint {i}' for i, text in enumerate(name)]
    numbers = st.lists(st.floats(allow_nan=False), min_size=len(name), max_size=len(name))
    position, effort = data.draw(numbers), data.draw(numbers)
    message = joints(
        name, position, effort=effort, little=little, stamp=stamp, frame_id=frame.replace('\0', '')
    )
    last = {text: i for i, text in enumerate(name)}
    for text, i in last.items():
        assert JOINTS.decode(message, ('position', 'effort'), (text,)).tolist() == [
            position[i],
            effort[i],
        ]
    assert header_stamp(message) == stamp


def test_a_missing_joint_is_named():
    with pytest.raises(IlRosError) as caught:
        JOINTS.decode(joints(), ('position',), ('a', 'gripper'))
    assert str(caught.value) == (
        'no joint gripper in the message; allowed: c, a, b; '
        "to fix: correct the contract's names or the driver"
    )


def test_a_missing_field_is_named():
    with pytest.raises(IlRosError, match='0 velocity values for 3 joints; to fix: let the driver'):
        JOINTS.decode(joints(), ('velocity',), ('a',))


def test_a_pose_and_its_opposite_quaternion_are_one_array():
    fields = ('pose.position', 'pose.orientation')
    values = POSE.decode(pose((0.5, -0.5, 0.5, -0.5)), fields, ())
    assert values.tolist() == [1, 2, 3, -0.5, 0.5, -0.5, 0.5]
    assert POSE.decode(pose((-0.5, 0.5, -0.5, 0.5)), fields, ()).tolist() == values.tolist()


def test_the_order_of_the_fields_is_the_order_of_the_numbers():
    values = POSE.decode(pose((0.0, 0.0, 0.0, 1.0)), ('pose.orientation', 'pose.position'), ())
    assert values.tolist() == [0, 0, 0, 1, 1, 2, 3]


@pytest.mark.parametrize('little', [True, False])
def test_every_type_gives_the_leaves_of_its_fields(little):
    up, down = (
        make('geometry_msgs/msg/Vector3', x=1.0, y=2.0, z=3.0),
        make('geometry_msgs/msg/Vector3', x=4.0, y=5.0, z=6.0),
    )
    point = make('geometry_msgs/msg/Point', x=1.0, y=2.0, z=3.0)
    made = {
        ('geometry_msgs/msg/PointStamped', 'point'): {'point': point},
        ('geometry_msgs/msg/WrenchStamped', 'wrench.force'): {
            'wrench': make('geometry_msgs/msg/Wrench', force=up, torque=down)
        },
        ('geometry_msgs/msg/TwistStamped', 'twist.linear'): {
            'twist': make('geometry_msgs/msg/Twist', linear=up, angular=down)
        },
    }
    for (kind, field), parts in made.items():
        decoder = DECODERS[kind]
        assert decoder.stamped
        values = decoder.decode(cdr(kind, little=little, **parts), (field,), ())
        assert values.tolist() == [1, 2, 3]
        assert decoder.size((field,), ()) == 3
    wrench = made['geometry_msgs/msg/WrenchStamped', 'wrench.force']
    kind = 'geometry_msgs/msg/WrenchStamped'
    both = DECODERS[kind].decode(cdr(kind, **wrench), ('wrench.torque', 'wrench.force'), ())
    assert both.tolist() == [4, 5, 6, 1, 2, 3]


PAIRS = {
    'Pose': {'position': ('Point', [1, 2, 3]), 'orientation': ('Quaternion', [0, 0, -0.6, -0.8])},
    'Twist': {'linear': ('Vector3', [1, 2, 3]), 'angular': ('Vector3', [4, 5, 6])},
    'Accel': {'linear': ('Vector3', [1, 2, 3]), 'angular': ('Vector3', [4, 5, 6])},
    'Wrench': {'force': ('Vector3', [1, 2, 3]), 'torque': ('Vector3', [4, 5, 6])},
}


@pytest.mark.parametrize('little', [True, False])
@pytest.mark.parametrize('name', PAIRS)
def test_a_type_without_a_header_gives_what_the_one_with_a_header_does(name, little):
    parts = {part: xyz(*content) for part, content in PAIRS[name].items()}
    bare, stamped = f'geometry_msgs/msg/{name}', f'geometry_msgs/msg/{name}Stamped'
    fields = tuple(DECODERS[stamped].parts)
    data = cdr(stamped, little=little, **{name.lower(): make(bare, **parts)})
    expected = DECODERS[stamped].decode(data, fields, ())
    found = DECODERS[bare].decode(plain(bare, little=little, **parts), fields, ())
    assert found.tolist() == expected.tolist()
    assert found.tolist() == [1, 2, 3, *([0, 0, 0.6, 0.8] if name == 'Pose' else [4, 5, 6])]
    assert not DECODERS[bare].stamped
    assert not is_framed(DECODERS[bare])
    assert is_framed(DECODERS[stamped])
    with pytest.raises(IlRosError, match='ends early'):
        DECODERS[bare].decode(plain(bare, little=little, **parts)[:-1], fields, ())


def test_a_point_without_a_header_is_a_point():
    data = plain('geometry_msgs/msg/Point', x=1.0, y=2.0, z=3.0)
    assert DECODERS['geometry_msgs/msg/Point'].decode(data, ('point',), ()).tolist() == [1, 2, 3]


@pytest.mark.parametrize('child', ['tool0', 'a', 'camera_link'])
def test_a_transform_is_the_pose_of_its_child(child):
    kind = 'geometry_msgs/msg/TransformStamped'
    turn = xyz('Quaternion', [0.0, 0.6, 0.0, -0.8])
    transform = make(
        'geometry_msgs/msg/Transform', translation=xyz('Vector3', [1, 2, 3]), rotation=turn
    )
    data = cdr(kind, child_frame_id=child, transform=transform)
    values = decoder_for(kind).decode(data, ('pose.position', 'pose.orientation'), ())
    assert values.tolist() == [1, 2, 3, 0, -0.6, 0, 0.8]
    assert child_frame(data) == child


def imu(*unknown):
    spread = {
        f'{part}_covariance': np.array([-1.0 if part in unknown else 0.1] + [0.0] * 8)
        for part in ('orientation', 'angular_velocity', 'linear_acceleration')
    }
    return cdr(
        'sensor_msgs/msg/Imu',
        orientation=xyz('Quaternion', [0.6, 0.0, 0.0, 0.8]),
        angular_velocity=xyz('Vector3', [1.0, 2.0, 3.0]),
        linear_acceleration=xyz('Vector3', [4.0, 5.0, 6.0]),
        **spread,
    )


def test_an_imu_gives_what_it_measures_and_nothing_else():
    decoder = decoder_for('sensor_msgs/msg/Imu')
    fields = ('linear_acceleration', 'orientation', 'angular_velocity')
    expected = [4, 5, 6, 0.6, 0, 0, 0.8, 1, 2, 3]
    assert decoder.decode(imu(), fields, ()).tolist() == expected
    with pytest.raises(IlRosError, match='no orientation: orientation_covariance begins with -1'):
        decoder.decode(imu('orientation'), fields, ())
    assert decoder.decode(imu('orientation'), fields[:1], ()).tolist() == [4, 5, 6]
    with pytest.raises(ContractError, match='allowed: orientation, angular_velocity, linear_acc'):
        decoder.check(('orientation_covariance',), (), 'here')


def test_an_imu_in_another_frame_turns_with_it():
    """Of a sensor turned by 90 degrees about z on the body whose frame is wanted."""
    half = np.sqrt(0.5)
    transform = np.array([[0.0, -1, 0, 9], [1, 0, 0, 9], [0, 0, 1, 9], [0, 0, 0, 1]])
    value = np.array([0.0, 0.0, half, half, 1.0, 0.0, 0.0])  # the sensor's x is the world's y
    found = decoder_for('sensor_msgs/msg/Imu').moved(
        value, ('orientation', 'angular_velocity'), transform
    )
    np.testing.assert_allclose(found, [0, 0, 0, 1, 0, 1, 0], atol=1e-12)


@given(cut=st.integers(0, 200), noise=st.binary(max_size=200), kind=st.sampled_from([*DECODERS]))
def test_damaged_bytes_are_an_error_or_numbers_and_nothing_else(cut, noise, kind):
    whole = joints() if kind.endswith('JointState') else pose((0.0, 0.0, 0.0, 1.0))
    names = ('a',) if kind.endswith('JointState') else ()
    decoder = DECODERS[kind]
    fields = {'JointState': ('position',), 'Imu': ('orientation', 'angular_velocity')}.get(
        kind.split('/')[-1]
    ) or tuple(decoder.parts)
    for data in (whole[:cut] + noise, b'\0\1\0\0' + noise):
        try:
            values = decoder.decode(data, fields, names)
        except IlRosError:
            continue
        assert values.shape == (decoder.size(fields, names),)


def test_what_is_not_plain_cdr_is_refused():
    with pytest.raises(IlRosError, match='not plain CDR: begins with 00 0b 00 00'):
        JOINTS.decode(b'\0\x0b\0\0' + bytes(40), ('position',), ('a',))
    with pytest.raises(IlRosError, match='begins with nothing'):
        JOINTS.decode(b'', ('position',), ('a',))


@given(
    frames=st.lists(st.sampled_from(['', 'b', 'base', 'base_link', 'x' * 400]), min_size=2),
    little=st.booleans(),
)
def test_a_header_is_that_of_its_own_message(frames, little):
    """What is known of earlier messages is used only where the bytes are the same."""
    for i, frame in enumerate(frames):
        data = pose((0.0, 0.0, 0.0, 1.0), (i, 0.0, 2.0), frame_id=frame, stamp=i, little=little)
        assert header_frame(data) == frame
        assert POSE.decode(data, ('pose.position',), ()).tolist() == [i, 0.0, 2.0]
        with pytest.raises(IlRosError, match='ends early'):
            POSE.decode(data[:-1], ('pose.position',), ())


def test_a_message_with_a_million_names_is_refused_by_their_count():
    message = joints(name=('',) * 1_000_000, position=(0.0,))
    begin = time.process_time()
    with pytest.raises(IlRosError, match=r'^1000000 names; allowed: up to 1000$'):
        JOINTS.decode(message, ('position',), ('a',))
    assert time.process_time() - begin < 0.1
    many = tuple(f'joint_{i}' for i in range(1_000))
    message = joints(name=many, position=range(1_000))
    assert JOINTS.decode(message, ('position',), ('joint_7',)).tolist() == [7.0]


def test_version_2_aligns_doubles_to_four_bytes():
    message = bytearray(joints(name=('a',), position=(7.0,), frame_id='base'))
    # Version 1 pads the 4 bytes before the first double; version 2 does not.
    at = 4 + 8 + 4 + 5  # encapsulation, stamp, length, 'base\0'
    at += -(at - 4) % 4 + 4 + 4 + 2  # names: count, length, 'a\0'
    at += -(at - 4) % 4 + 4  # positions: count
    assert at % 8 == 0  # so that padding there was
    message[1] = 7
    del message[at : at + 4]
    assert JOINTS.decode(bytes(message), ('position',), ('a',)).tolist() == [7]


def test_a_pose_between_two_turns_the_shorter_way():
    half = np.sqrt(0.5)
    fields = ('pose.position', 'pose.orientation')
    a = np.array([0, 0, 0, 0, 0, 0, 1.0])
    b = np.array([2, 0, 0, 0, 0, -half, -half])  # 90 degrees about z, the other sign
    middle = POSE.blend(a, b, 0.5, fields)
    assert middle[:3].tolist() == [1, 0, 0]
    np.testing.assert_allclose(middle[3:], [0, 0, np.sin(np.pi / 8), np.cos(np.pi / 8)])
    np.testing.assert_allclose(POSE.blend(a, b, 0.0, fields), a)


def test_fields_that_the_type_does_not_have_are_refused():
    with pytest.raises(ContractError) as caught:
        POSE.check(('pose.colour',), (), 'here')
    assert str(caught.value) == (
        "here.fields: got ['pose.colour']; allowed: pose.position, pose.orientation"
    )
    with pytest.raises(ContractError, match=r'here\.fields: got \[\]'):
        JOINTS.check((), ('a',), 'here')
    with pytest.raises(ContractError, match=r"here\.names: got \['a', 'a'\]; allowed: one or more"):
        JOINTS.check(('position',), ('a', 'a'), 'here')


def test_the_bytes_of_the_middleware_are_read_too():
    rclpy = pytest.importorskip('rclpy.serialization')
    from sensor_msgs.msg import JointState

    message = JointState(name=['a', 'b'], position=[1.0, 2.0])
    message.header.stamp.sec, message.header.frame_id = 3, 'base'
    data = rclpy.serialize_message(message)
    assert JOINTS.decode(data, ('position',), ('b', 'a')).tolist() == [2, 1]
    assert header_stamp(data) == 3 * 10**9


class Reading:
    """A third party's decoder: one number behind a header."""

    stamped = True

    def check(self, fields, names, where):
        assert fields == ('value',)

    def size(self, fields, names):
        return 1

    def decode(self, data, fields, names):
        return np.array([7.0])

    def blend(self, a, b, share, fields):
        return b


@pytest.mark.parametrize('loads', [Reading, Reading()])
def test_third_parties_bring_decoders_by_entry_point(monkeypatch, loads):
    def points(group):
        assert group == 'il_ros.decoder'
        return [SimpleNamespace(name='their_msgs/msg/Reading', load=lambda: loads)]

    monkeypatch.setattr(registry, 'entry_points', points)
    monkeypatch.setattr(decoders, 'DECODERS', dict(DECODERS))
    assert 'their_msgs/msg/Reading' in decoders.decoded_types()
    stream = Stream(topic='t', type='their_msgs/msg/Reading', fields=('value',), rate=10.0)
    check_stream(stream, 'c.x')
    assert stream.size == 1
    assert decoder_for('their_msgs/msg/Reading').decode(b'', ('value',), ()) == [7.0]
    unknown = Stream(topic='t', type='their_msgs/msg/Other', fields=('value',), rate=10.0)
    with pytest.raises(ContractError, match=r"c.x.type: got 'their_msgs/msg/Other'; allowed: "):
        check_stream(unknown, 'c.x')
