"""The simulated gripper's action, asked by a real client."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs.action')

from action_msgs.msg import GoalStatus  # noqa: E402
from control_msgs.action import GripperCommand, ParallelGripperCommand  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.node import Node  # noqa: E402

from il_ros.core.driver_description import GripperAction  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.ros.gripper_server import GripperServer  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 20.0  # s


class Bench:
    """A server and a client on one executor; time is the test's."""

    def __init__(self, node, executor, action, **about):
        self.now, self.lock = 0, threading.Condition()
        self.about = GripperAction(
            **{'action': action, 'type': 'GripperCommand', 'joint': 'finger', 'speed': 0.05} | about
        )
        self.node, self.executor = node, executor
        self.server = GripperServer(node, self.about, lock=self.lock, clock=lambda: self.now)
        self.parallel = self.about.type == 'ParallelGripperCommand'
        self.kind = ParallelGripperCommand if self.parallel else GripperCommand
        self.client = ActionClient(node, self.kind, action)
        with self.lock:
            self.server.begin(0.04)
        self.until(self.client.server_is_ready)

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline
            self.executor.spin_once(timeout_sec=0.02)

    def done(self, future):
        self.until(future.done)
        return future.result()

    def send(self, *position):
        goal = self.kind.Goal()
        if self.parallel:
            goal.command.position = list(position)
        else:
            (goal.command.position,) = position
        return self.done(self.client.send_goal_async(goal))

    def at(self, seconds, **blocked):
        """Let the time go on; where the gripper is, unless it is `blocked` there."""
        self.now = round(seconds * NS)
        with self.lock:
            there = float(self.server.positions(np.array([seconds]))[0])
            here = max(there, blocked.get('at', there))
            self.server.look(here, 0.0 if 'at' in blocked else 0.05)
            return here

    def result(self, handle):
        answer = self.done(handle.get_result_async())
        return SimpleNamespace(status=answer.status, **{
            name: getattr(answer.result, name)
            for name in answer.result.get_fields_and_field_types()
        })  # fmt: skip


@pytest.fixture(scope='module')
def graph(domain):
    rclpy.init()
    node, executor = Node('gripper'), make_executor()
    executor.add_node(node)
    yield node, executor
    node.destroy_node()
    executor.shutdown()
    rclpy.shutdown()


@pytest.fixture
def bench(graph, request):
    action = f'gripper_{abs(hash(request.node.name))}/gripper_cmd'
    return lambda **about: Bench(*graph, action, **about)


def test_a_half_width_goes_in_and_the_full_width_comes_out(bench):
    gripper = bench(told=2.0, range=(0.0, 0.04), goal_tolerance=0.002)
    handle = gripper.send(0.01)
    assert handle.accepted
    assert gripper.at(0.25) == pytest.approx(0.03)
    gripper.at(0.7)
    result = gripper.result(handle)
    assert (result.status, result.reached_goal) == (GoalStatus.STATUS_SUCCEEDED, True)
    assert result.position == pytest.approx(0.02)
    far = gripper.send(0.05)  # taken, and then aborted
    assert far.accepted
    assert gripper.result(far).status == GoalStatus.STATUS_ABORTED


def test_a_newer_goal_takes_the_place_of_one_and_a_cancelled_one_holds(bench):
    gripper = bench(type='ParallelGripperCommand', goal_tolerance=0.001)
    first = gripper.send(0.0)
    gripper.at(0.2)
    second = gripper.send(0.04)
    assert gripper.result(first).status == GoalStatus.STATUS_CANCELED
    gripper.at(0.3)
    gripper.done(second.cancel_goal_async())
    result = gripper.result(second)
    assert (result.status, list(result.state.position)) == (GoalStatus.STATUS_CANCELED, [])
    assert gripper.at(2.0) == pytest.approx(0.0325)  # 0.04 - 0.01 + 0.0025: it gets up to speed


def test_what_it_holds_stalls_it_and_a_goal_of_two_fingers_is_rejected(bench):
    gripper = bench(type='ParallelGripperCommand', stall_timeout=0.5, stall_succeeds=True)
    assert not gripper.send(0.0, 0.0).accepted
    handle = gripper.send(0.0)
    for now in (0.2, 0.5, 0.8):
        gripper.at(now, at=0.03)
    result = gripper.result(handle)
    assert (result.status, result.stalled) == (GoalStatus.STATUS_SUCCEEDED, True)
    assert result.reached_goal is False
    assert list(result.state.position) == [0.03]
