"""What fails while the arm moves, on a live graph: noticed, named, at rest within limits, latched.

Each check has tests of its own that need no clock; here they meet on one graph.
"""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.msg import MonitorStatus  # noqa: E402
from rclpy.node import Node  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from il_ros.ros.qos import COMMAND  # noqa: E402

from ..support.live_arm import LiveArm  # noqa: E402
from .conftest import CONTRACT  # noqa: E402

pytestmark = [pytest.mark.real_time, pytest.mark.slow]


@pytest.fixture
def arm(domain, tmp_path):
    with LiveArm(CONTRACT, tmp_path) as arm:
        arm.drive()
        yield arm


def stops(arm, *reasons, within=1.0):
    """Wait for the alarm, and see that the arm rests, stays so, and was never too fast."""
    arm.until(lambda: arm.mode == MonitorStatus.ALARM, seconds=5.0)
    assert any(reason in arm.reason for reason in reasons), arm.reason
    begin = time.monotonic()
    arm.until(lambda: len(arm.speeds) > 10 and np.abs(arm.speeds[-10:]).max() < 0.01)
    assert time.monotonic() - begin < within
    arm.spin(0.3)
    assert np.abs(arm.speeds[-5:]).max() < 0.01
    assert arm.mode == MonitorStatus.ALARM
    # A late timer of this process makes one sample of the speed too large, not its mean.
    speeds = np.abs(arm.speeds)
    smooth = (speeds[2:] + speeds[1:-1] + speeds[:-2]) / 3
    assert (smooth <= 1.05 * arm.contract.limits.velocity).all()


def test_a_driver_that_restarts_is_noticed_and_its_return_moves_nothing(arm):
    arm.end_driver()
    stops(arm, 'no observation for', 'joint_position (joint_states)')
    arm.begin_driver()
    arm.silent, arm.ahead = False, -0.5  # and its clock is another one
    arm.spin(0.5)
    assert arm.mode == MonitorStatus.ALARM
    refusal = arm.set_mode(MonitorStatus.HOLD, resume=True)
    assert any(text in refusal for text in ('nothing newer for', 'before the last sample'))


def test_a_driver_that_comes_back_with_other_stamps_is_named(arm):
    arm.ahead = 0.2
    stops(arm, 'in the future', 'ahead of the clock here')


def test_a_controller_that_is_deactivated_is_noticed_by_its_arm(arm):
    arm.inactive = True
    arm._controller.hold(arm.position)
    stops(arm, 'from its command', 'no digit has changed')


def test_a_controller_that_is_unloaded_is_named(arm):
    arm.leave()
    stops(arm, '/arm_controller/joint_trajectory: nobody subscribes to it')


def test_a_gripper_that_does_not_move_is_named(arm):
    arm.stuck, arm.grasp = True, 0.0
    arm.until(lambda: arm.mode == MonitorStatus.ALARM, seconds=5.0)
    stops(arm, 'fr3_finger_joint1: the gripper has not moved')


def test_a_gripper_that_falls_silent_is_named(arm):
    arm.gripper_silent = True
    stops(arm, 'gripper_position (gripper_states)')


def test_a_foreign_publisher_ends_the_motion(arm):
    rogue = Node('rogue')
    rogue.create_publisher(JointTrajectory, 'arm_controller/joint_trajectory', COMMAND)
    stops(arm, '/arm_controller/joint_trajectory: also published by /rogue')
    rogue.destroy_node()


@pytest.mark.parametrize(
    ('adapter', 'end'),
    [
        ('forward_command', 'trigger_deactivate'),
        ('twist', 'trigger_deactivate'),
        ('twist', 'wind_down'),  # as on SIGINT and SIGTERM
    ],
)
def test_a_monitor_that_ends_brings_the_arm_to_rest(domain, tmp_path, adapter, end):
    """The controller would brake by itself only after its time-out, or not at all."""
    with LiveArm(CONTRACT, tmp_path, adapter=adapter) as arm:
        arm.drive()
        sent = []
        arm.robot.create_subscription(
            arm._output.message_type, 'arm_controller/joint_trajectory', sent.append, 100
        )
        arm.until(lambda: len(sent) > 2)
        getattr(arm.monitor, end)()
        arm.spin(0.3)
        if adapter == 'twist':
            linear = sent[-1].twist.linear
            assert max(map(abs, (linear.x, linear.y, linear.z))) < 1e-6
        else:
            np.testing.assert_allclose(sent[-1].data, sent[-2].data, atol=0.02)
        arm.until(lambda: np.abs(arm.speeds[-10:]).max() < 0.01)


def test_a_clock_that_differs_is_named_before_anything_moves(domain, tmp_path):
    """At 20 Hz trajectories begin 0.025 s ahead: by that clock each would be late."""
    arm = LiveArm(CONTRACT, tmp_path)
    arm.ahead = 0.04
    with arm:
        text = 'ahead of the clock here, allowed 0.025 s, or trajectories come after their begin'
        arm.until(lambda: text in arm.set_mode(MonitorStatus.EXPERT))
        arm.spin(0.3)
        assert text in arm.set_mode(MonitorStatus.HOLD)
        assert arm.mode == MonitorStatus.IDLE
        assert np.abs(arm.speeds).max() < 0.01
