"""A goal that somebody sends to the controller by its action is no secret."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.action import RecordEpisode  # noqa: E402
from rclpy.action import ActionClient, ActionServer  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402

from il_ros.ros.command_topic_watch import ControllerGoalWatch, trajectory_action  # noqa: E402

ACTION = '/left/arm_controller/follow_joint_trajectory'


def test_a_goal_of_another_node_is_a_problem_until_it_ends(domain):
    """The status topic is the same for every type of action; the controller's own is not here."""
    context = rclpy.Context()
    rclpy.init(context=context)
    watcher, controller, planner = (
        Node(name, context=context) for name in ('monitor', 'controller', 'planner')
    )
    executor, told, accepted = SingleThreadedExecutor(context=context), [], []
    for node in (watcher, controller, planner):
        executor.add_node(node)

    def end(goal):
        goal.succeed()
        return RecordEpisode.Result()

    server = ActionServer(
        controller, RecordEpisode, ACTION, end, handle_accepted_callback=accepted.append
    )
    client = ActionClient(planner, RecordEpisode, ACTION)
    action = trajectory_action('/left/arm_controller/joint_trajectory')
    watch = ControllerGoalWatch(watcher, action, told.append)
    unknown = trajectory_action('/left/arm_controller/commands')
    other = ControllerGoalWatch(watcher, unknown, told.append)
    own = ControllerGoalWatch(watcher, action, told.append, own=lambda goal: len(goal) == 16)

    def wait(happened):
        deadline = time.monotonic() + 20.0
        while not happened():
            assert time.monotonic() < deadline, 'it never happened'
            executor.spin_once(timeout_sec=0.02)

    wait(client.server_is_ready)
    assert not list(watch.problems())  # a client alone harms nothing
    client.send_goal_async(RecordEpisode.Goal())
    problem = f'{ACTION}: another node has a goal there'
    wait(lambda: list(watch.problems()) == [problem])
    accepted[0].execute()
    wait(lambda: not list(watch.problems()))
    assert told == [problem, f'{ACTION}: no goal any more']

    client.send_goal_async(RecordEpisode.Goal())
    wait(lambda: list(watch.problems()))
    assert not [*other.problems(), *own.problems()]
    server.destroy()
    wait(lambda: not list(watch.problems()))  # a controller that is gone has none
    client.destroy()
    for node in (watcher, controller, planner):
        node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown(context=context)
