"""What is granted holds at the moment of the grant and after it: who speaks, and what is answered.

The node is the real one on a virtual clock; `VirtualRobot` judges every command and all motion.
"""

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from rclpy.serialization import serialize_message  # noqa: E402
from virtual_robot import CONTRACT, VirtualRobot, make_node  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.ros.controller_state_publisher import controller_state  # noqa: E402
from il_ros.ros.controller_watch import STATE, state_topic  # noqa: E402
from il_ros.ros.message_types import message_type  # noqa: E402
from il_ros.sim.controller import TrajectoryController  # noqa: E402


@pytest.fixture(scope='module')
def node(domain, tmp_path_factory):
    path = tmp_path_factory.mktemp('grants') / 'contract.yaml'
    path.write_text(CONTRACT)
    node, others = make_node(path, simulated=False)
    node.contract, node.others = load_contract(path), others
    yield node
    others.destroy_node()
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def robot(node):
    robot = VirtualRobot(node, node.contract)
    robot.state_origin = by('controller')
    robot.run(0.6)
    yield robot
    robot.close()


def by(name):
    return {'publisher_gid': {'data': name.encode()}}


class OtherStates:
    """Another publisher of `controller_state`, off by some way (N,), until it ends."""

    def __init__(self, robot, way):
        self.robot, self.sends = robot, True
        self.names = list(robot.limits.names)
        self.controller = TrajectoryController(self.names, way, period=0.05)
        robot._at(robot.steady, self.send, robot=True)

    def send(self):
        robot, topic = self.robot, state_topic(self.robot.contract.action.output.topic)
        if not self.sends:
            return
        robot._at(robot.steady + NS // 50, self.send, robot=True)
        here = self.controller.positions(np.array([robot.steady / NS]))[0]
        kind = message_type(STATE)
        message = controller_state(kind, self.names, self.controller, here, robot.steady)
        robot._to_node('states', topic, serialize_message(message), by('other'))


@pytest.mark.parametrize('granted', [False, True])
def test_nobody_but_the_controller_says_where_a_motion_begins(robot, granted):
    if granted:  # and the other one speaks before the first tick
        assert robot.request(Mode.HOLD).success
    others = OtherStates(robot, np.array([0.09, 0.09]))
    robot.run(0.3)
    if not granted:
        answer = robot.request(Mode.HOLD)
        assert not answer.success
        assert '/arm_controller/controller_state: from 2 publishers' in answer.message
    robot.run(0.5)
    assert robot.mode is (Mode.ALARM if granted else Mode.IDLE)
    if granted:
        assert 'controller_state: from 2 publishers' in robot.node._verdict.fault.text
    assert np.abs(robot.posture).max() < 1e-3
    others.sends = False
    robot.run(1.3)
    assert robot.request(Mode.HOLD, resume=True).success
    robot.run(0.3)
    assert robot.mode is Mode.HOLD
