"""The stand-in of ALOHA's driver: what is peculiar to two arms without ros2_control."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('interbotix_xs_msgs')

from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand

from il_ros.core.driver_description import read_driver
from il_ros.core.errors import IlRosError
from il_ros.ros.stand_in_controllers import StandInControllers

DRIVER = read_driver(Path(__file__).parents[2] / 'config/drivers/aloha.yaml')
NAMES = [*DRIVER.home]
HOME = np.array([*DRIVER.home.values()])


@pytest.fixture
def controllers():
    made = StandInControllers(None, DRIVER, NAMES, delay=0.0)
    made.begin(HOME)
    return made


def of(controllers, topic):
    return next(one for one in controllers.commanded if one.topic == topic)


def test_each_arm_takes_its_commands_in_its_own_namespace(controllers):
    topics = {one.topic: one.message_type for one in controllers.commanded}
    assert topics == {
        f'follower_{side}/commands/joint_{kind}': message
        for side in ('left', 'right')
        for kind, message in (('group', JointGroupCommand), ('single', JointSingleCommand))
    }


def test_servos_go_there_at_once_and_the_other_arm_stays(controllers):
    goal = HOME[7:13] + 0.3
    message = JointGroupCommand(name='arm', cmd=goal.tolist())
    of(controllers, 'follower_right/commands/joint_group').take(message, 1.0, 5)
    grip = JointSingleCommand(name='gripper', cmd=1.0)
    of(controllers, 'follower_left/commands/joint_single').take(grip, 1.0, 5)
    (reached,) = controllers.positions(np.array([1.002]))
    wanted = HOME.copy()
    wanted[7:13], wanted[6] = goal, 1.0
    np.testing.assert_allclose(reached, wanted, atol=1e-6)
    np.testing.assert_allclose(controllers.positions(np.array([9.0]))[0], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ('topic', 'message'),
    [
        ('joint_group', JointGroupCommand(name='arm', cmd=[0.0] * 7)),
        ('joint_group', JointGroupCommand(name='arm', cmd=[])),
        ('joint_group', JointGroupCommand(name='all', cmd=[0.0] * 6)),
        ('joint_single', JointSingleCommand(name='waist', cmd=0.0)),
    ],
)
def test_what_is_not_for_its_servos_changes_nothing_and_the_next_command_counts(
    controllers, topic, message
):
    one = of(controllers, f'follower_left/commands/{topic}')
    with pytest.raises(IlRosError, match='numbers for'):
        one.take(message, 1.0, 5)
    np.testing.assert_array_equal(controllers.positions(np.array([1.1]))[0], HOME)
    assert one.active
    assert one.answered == 0
    one.take(
        JointGroupCommand(name='arm', cmd=(HOME[:6] + 0.1).tolist())
        if topic == 'joint_group'
        else JointSingleCommand(name='gripper', cmd=1.0),
        2.0,
        7,
    )
    assert one.answered == 7
    assert np.any(controllers.positions(np.array([2.1]))[0] != HOME)
