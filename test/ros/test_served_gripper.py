"""The grippers of drivers' stand-ins, asked by a real client: what is peculiar to each."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
actions = pytest.importorskip('control_msgs.action')

from action_msgs.msg import GoalStatus  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.node import Node  # noqa: E402

from il_ros.core.driver_description import read_driver  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.ros.served_gripper import ServedGripper  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

DRIVERS = Path(__file__).parents[2] / 'config/drivers'
PATIENCE = 20.0  # s


class Bench:
    """A driver's gripper and its client on one executor; time is the test's."""

    def __init__(self, node, executor, driver, *, tells_speed):
        self.now, self.lock, self.executor = 0, threading.Condition(), executor
        about, names = driver.grippers[0], [*driver.home]
        self.posture = np.array([*driver.home.values()])
        self.gripper = ServedGripper(
            node,
            about,
            names,
            tells_speed=tells_speed,
            lock=self.lock,
            clock=lambda: self.now,
        )
        self.kind = getattr(actions, about.type)
        self.client = ActionClient(node, self.kind, about.action)
        self.gripper.begin(self.posture)
        self.until(self.client.server_is_ready)

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline
            self.executor.spin_once(timeout_sec=0.02)

    def done(self, future):
        self.until(future.done)
        return future.result()

    def send(self, position):
        goal = self.kind.Goal()
        if self.kind is actions.ParallelGripperCommand:
            goal.command.position = [position]
        else:
            goal.command.position = position
        handle = self.done(self.client.send_goal_async(goal))
        assert handle.accepted
        return handle.get_result_async()

    def run(self, seconds):
        """Let the time go on, in steps of 10 ms; the joint follows what it is sent."""
        for _ in range(round(seconds * 100)):
            self.now += NS // 100
            self.posture[-1] = self.gripper.positions(np.array([self.now / NS]))[0, 0]
            self.gripper.look(self.posture, self.now)


@pytest.fixture
def bench(domain):
    context = rclpy.Context()
    context.init()
    node, executor = Node('bench', context=context), make_executor(context=context)
    executor.add_node(node)

    def make(name, *, tells_speed=True):
        driver = read_driver(DRIVERS / f'{name}.yaml')
        return Bench(node, executor, driver, tells_speed=tells_speed)

    yield make
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def test_a_goal_for_a_2f85_ends_while_it_still_moves(bench):
    ur = bench('ur', tells_speed=False)
    answer = ur.send(0.4)
    ur.run(0.1)
    ended = ur.done(answer)
    assert ended.status == GoalStatus.STATUS_SUCCEEDED
    assert (ended.result.stalled, ended.result.reached_goal) == (True, False)
    assert ur.posture[-1] == pytest.approx(0.025, abs=0.01)
    ur.run(1.0)
    assert ur.posture[-1] == pytest.approx(0.4)


def test_a_franka_hand_takes_half_of_the_width_and_tells_all_of_it(bench):
    franka = bench('franka')
    answer = franka.send(0.02)
    franka.run(1.0)
    ended = franka.done(answer)
    assert ended.status == GoalStatus.STATUS_SUCCEEDED
    assert ended.result.position == pytest.approx(0.04, abs=0.01)
    assert franka.posture[-1] == pytest.approx(0.02, abs=0.006)
    beyond = franka.send(0.05)
    franka.run(0.1)
    assert franka.done(beyond).status == GoalStatus.STATUS_ABORTED
