from types import SimpleNamespace as Message

import pytest

from il_ros.core.decoders import DECODERS, decoder_for
from il_ros.core.errors import ContractError, IlRosError

JOINTS = decoder_for('sensor_msgs/msg/JointState')
POSE = decoder_for('geometry_msgs/msg/PoseStamped')


def joints(**changes):
    values = {'name': ['c', 'a', 'b'], 'position': [3.0, 1.0, 2.0], 'velocity': [], 'effort': []}
    return Message(**values | changes)


def pose(quaternion):
    position = Message(x=1.0, y=2.0, z=3.0)
    orientation = Message(**dict(zip('xyzw', quaternion, strict=True)))
    return Message(pose=Message(position=position, orientation=orientation))


def test_joints_are_taken_by_name_whatever_their_order_in_the_message():
    assert JOINTS.decode(joints(), ('position',), ('a', 'b')).tolist() == [1, 2]
    assert JOINTS.size(('position', 'velocity'), ('a', 'b')) == 4


def test_several_fields_follow_one_another():
    message = joints(velocity=[0.3, 0.1, 0.2])
    values = JOINTS.decode(message, ('velocity', 'position'), ('b', 'c'))
    assert values.tolist() == [0.2, 0.3, 2.0, 3.0]


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
    values = POSE.decode(pose((0, 0, 0, 1)), ('pose.orientation', 'pose.position'), ())
    assert values.tolist() == [0, 0, 0, 1, 1, 2, 3]


def test_every_decoder_counts_what_it_gives():
    xyz = Message(x=1.0, y=2.0, z=3.0)
    both = Message(force=xyz, torque=xyz, linear=xyz, angular=xyz)
    message = Message(point=xyz, wrench=both, twist=both)
    for name, fields in {
        'geometry_msgs/msg/PointStamped': ('point',),
        'geometry_msgs/msg/WrenchStamped': ('wrench.torque', 'wrench.force'),
        'geometry_msgs/msg/TwistStamped': ('twist.linear',),
    }.items():
        decoder = DECODERS[name]
        assert decoder.stamped
        assert decoder.decode(message, fields, ()).shape == (decoder.size(fields, ()),)


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
