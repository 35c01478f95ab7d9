"""What is granted holds at the moment of the grant and after it: who speaks, and what is answered.

The node is the real one on a virtual clock; `VirtualRobot` judges every command and all motion.
"""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from rclpy.serialization import serialize_message  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from virtual_robot import CONTRACT, VirtualRobot, leading, make_node  # noqa: E402

from il_ros.core import topics  # noqa: E402
from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.ros.controller_state_publisher import controller_state  # noqa: E402
from il_ros.ros.controller_watch import STATE, state_topic  # noqa: E402
from il_ros.ros.message_types import message_type  # noqa: E402
from il_ros.ros.qos import LATCHED  # noqa: E402
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


OWN, OTHER = 'a' * 64, 'b' * 64


@pytest.fixture
def policy(node, robot, monkeypatch):
    """A policy with chunks; gives what states which one it is."""
    monkeypatch.setattr(node, '_policy_hash', OWN)
    publisher = node.others.create_publisher(String, topics.POLICY_HASH, LATCHED)
    heard, deadline = node._heard_policy, time.monotonic() + 20.0
    while not heard._heard.get_publisher_count():
        assert time.monotonic() < deadline, 'the publisher is never seen'
        time.sleep(0.01)

    def state(policy_hash):
        with robot._time():
            heard._heard.callback(String(data=policy_hash), {})

    state(OWN)
    robot.chunks['policy'] = leading(np.array([0.8, -0.4]), 0.8)
    robot.wires['chunks'].delay = 0.02
    robot.run(0.3)
    assert robot.request(Mode.HOLD).success
    robot.run(0.3)
    yield state
    node.others.destroy_publisher(publisher)
    state('')


def between_frame_and_chunk(robot):
    node = robot.node
    for _ in range(100):
        robot.run(0.001)
        if node._frame.stamp > node._answered[Mode.POLICY]:
            return
    raise AssertionError('no frame waits for its chunk')


@pytest.mark.parametrize('waits', [0, 30])
def test_a_policy_that_states_another_hash_after_the_grant_does_not_go_on(robot, policy, waits):
    between_frame_and_chunk(robot)
    assert robot.request(Mode.POLICY).success
    robot.run(0.001 * waits)
    assert (robot.node._verdict.mode is Mode.HOLD) is (waits == 0)  # the last tick was before
    policy(OTHER)
    before = robot.posture.copy()
    robot.run(0.5)
    assert robot.mode is Mode.ALARM
    assert 'policy/hash: the policy is bbbb' in robot.node._monitor._machine.reason
    assert np.abs(robot.posture - before).max() < 1e-3 or waits
    robot.run(0.5)
    policy(OWN)
    assert robot.request(Mode.HOLD, resume=True).success
    robot.run(0.2)
    assert robot.request(Mode.POLICY).success
    robot.run(0.5)
    assert robot.mode is Mode.POLICY


def test_a_tick_compares_the_statement_though_its_callback_failed(robot, policy, monkeypatch):
    assert robot.request(Mode.POLICY).success
    robot.run(0.3)
    assert robot.mode is Mode.POLICY
    monkeypatch.setattr(robot.node._heard_policy, '_hash', OTHER)
    robot.run(0.1)
    assert robot.mode is Mode.ALARM


def test_a_mode_is_not_denied_while_it_is_granted(robot, policy, monkeypatch):
    node = robot.node

    def fails():
        monkeypatch.undo()
        raise RuntimeError('injected')

    between_frame_and_chunk(robot)
    monkeypatch.setattr(node, '_tick_if_answered', fails)
    monkeypatch.setattr(node, '_policy_hash', OWN)
    answer = robot.request(Mode.POLICY)
    assert answer.success
    assert answer.message == ''
    before = robot.posture.copy()
    robot.run(0.5)
    assert robot.mode is Mode.ALARM
    reason = node._monitor._machine.reason
    assert 'MonitorNode tick on request failed: RuntimeError: injected' in reason
    assert np.abs(robot.posture - before).max() < 1e-3
