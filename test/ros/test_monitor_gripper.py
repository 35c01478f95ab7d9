"""With a gripper that is moved by an action, arm and gripper stop for one another.

As in `test_monitor_orders`; goals may be rejected, aborted, canceled or not answered, the server
may go, and something may be in the gripper's way.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs.action')

from order_steps import (  # noqa: E402
    DRIVEN,
    OF_A_GRIPPER,
    STEPS,
    any_order,
    carry_out,
    good,
    judge,
    start,
)
from virtual_robot import GRIPPER, make_node  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402

FURTHER = good((0.8, -0.9))
MORE_STEPS = st.one_of(STEPS, STEPS, OF_A_GRIPPER)


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('gripper') / 'contract.yaml'
    path.write_text(GRIPPER)
    return path


@pytest.fixture(scope='module')
def contract(path):
    return load_contract(path)


@pytest.fixture(scope='module')
def node(domain, path):
    node, others = make_node(path, simulated=False)
    yield node
    others.destroy_node()
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def robot(node, contract):
    robot = start(node, contract)
    yield robot
    robot.close()


@any_order(8, MORE_STEPS)
def test_no_order_moves_arm_or_gripper_unasked_or_alone(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


@pytest.mark.slow
@any_order(120, MORE_STEPS)
def test_no_order_of_many_does(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


def test_the_gripper_goes_where_the_policy_wants_it_with_few_goals(robot):
    carry_out(robot, [*DRIVEN, ('run', 2.0)])
    np.testing.assert_allclose(robot.posture, [0.8, -0.4], atol=0.021)  # a goal is 1 % of 2 rad
    (gripper,) = robot.grippers
    steps = np.diff([at for at, _ in gripper.goals]) / 1e9
    assert len(gripper.goals) > 5
    assert steps.min() > 0.049  # 20 a second
    count = len(gripper.goals)
    robot.run(1.0)
    assert len(gripper.goals) == count


def test_nothing_is_asked_of_a_gripper_before_it_is_to_move(robot):
    robot.run(0.3)
    assert robot.request(Mode.HOLD).success
    robot.run(1.0)
    assert robot.mode is Mode.HOLD
    assert robot.grippers[0].goals == []


def test_a_stop_sends_a_gripper_that_moves_to_where_it_is(robot):
    carry_out(robot, DRIVEN)
    (gripper,) = robot.grippers
    robot.force = 150.0
    robot.run(0.3)
    assert robot.mode is Mode.ALARM
    here = robot.posture[1]
    assert gripper.goals[-1][1] == pytest.approx(here, abs=0.02)
    count = len(gripper.goals)
    robot.run(1.0)
    assert len(gripper.goals) == count
    assert robot.posture[1] == pytest.approx(here, abs=1e-6)


def test_a_stop_leaves_a_gripper_that_stands_with_its_goal(robot):
    """It may hold something."""
    robot.grippers[0].block(-0.1)
    carry_out(robot, DRIVEN[:-1])
    robot.run(2.0)
    robot.chunks['policy'] = lambda _: (np.tile([0.8, -0.4], (12, 1)), lambda message: message)
    robot.run(1.0)
    (gripper,) = robot.grippers
    assert gripper.goals[-1][1] < -0.35
    assert robot.posture[1] == pytest.approx(-0.1)
    count = len(gripper.goals)
    robot.force = 150.0
    robot.run(0.5)
    assert robot.mode is Mode.ALARM
    assert len(gripper.goals) == count


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'answer': 'reject'}, 'hand/gripper_cmd: a goal was rejected'),
        ({'answer': 'silence'}, 'hand/gripper_cmd: no answer to a goal for 1.'),
        ({'end': 'aborted'}, 'hand/gripper_cmd: a goal was aborted'),
        ({'end': 'canceled'}, 'hand/gripper_cmd: a goal was canceled by another node'),
        ({'end': 'unknown'}, 'hand/gripper_cmd: a goal was ended with status 77'),
        ({'served': False}, 'hand/gripper_cmd: nobody serves it'),
    ],
)
def test_what_becomes_of_a_goal_stops_all_and_does_so_until_it_is_over(robot, change, reason):
    (gripper,) = robot.grippers
    carry_out(robot, DRIVEN[:-1])
    robot.chunks['policy'] = FURTHER
    robot.run(0.1)
    if 'served' in change:
        gripper.serve(False)
    for name, value in change.items():
        setattr(gripper, name, value)
    robot.run(1.5)
    assert robot.mode is Mode.ALARM
    assert reason in robot.node._verdict.reason
    before = robot.posture.copy()
    robot.run(0.5)
    np.testing.assert_allclose(robot.posture, before, atol=1e-6)
    if 'served' in change:
        answer = robot.request(Mode.HOLD, resume=True)
        assert not answer.success
        assert reason in answer.message
    gripper.serve(True)
    gripper.answer, gripper.end = 'accept', 'none'
    robot.run(1.1)
    assert robot.request(Mode.HOLD, resume=True).success


def test_a_gripper_that_holds_something_stops_nothing(robot):
    robot.grippers[0].block(-0.1)
    carry_out(robot, DRIVEN[:-1])
    robot.run(2.5)
    assert robot.mode is Mode.POLICY
    assert robot.posture[1] == pytest.approx(-0.1)


def test_where_goals_do_not_replace_one_another_each_ends_first_and_a_stop_cancels(robot):
    (sender,), (gripper,) = robot.node._sender._grippers, robot.grippers
    kept = sender._config
    sender._config = sender._goals._config = replace(kept, replaces=False)
    try:
        carry_out(robot, DRIVEN)
        assert 1 <= len(gripper.goals) < 7  # of those that a policy of 0.3 s is worth
        robot.chunks['policy'] = FURTHER
        robot.run(0.2)
        robot.force = 150.0
        robot.run(0.3)
        assert robot.mode is Mode.ALARM
        assert gripper.canceled == 1
        here = robot.posture[1]
        robot.run(1.2)
        assert robot.posture[1] == pytest.approx(here, abs=1e-6)
        robot.force = 0.0
        robot.run(0.2)
        assert robot.request(Mode.HOLD, resume=True).success  # its own cancel is no fault
    finally:
        sender._config = sender._goals._config = kept


def slow(gripper, speed=0.1):
    """It lags what it is asked for."""
    gripper.motion._about = replace(gripper.motion._about, speed=speed)


def test_a_stop_that_cannot_be_sent_is_tried_until_it_can(robot):
    (gripper,) = robot.grippers
    slow(gripper)
    carry_out(robot, DRIVEN)
    send, left = gripper.send_goal_async, [6]

    def fails(*goal, **more):
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError('no goal leaves')
        return send(*goal, **more)

    gripper.send_goal_async = fails
    before = robot.posture[1]
    robot.force = 150.0
    robot.run(1.0)
    assert robot.mode is Mode.ALARM
    assert robot.posture[1] == pytest.approx(before, abs=0.05)


@pytest.fixture
def one_by_one(robot, monkeypatch):
    """A goal does not take the place of the one before."""
    (sender,) = robot.node._sender._grippers
    config = replace(sender._config, replaces=False)
    for owner in (sender, sender._goals):
        monkeypatch.setattr(owner, '_config', config)
    sender._busy, sender._handle = False, None  # what was asked in an earlier life
    return robot


def far(position):
    """Wanted at once, and sent in one goal."""
    return np.tile([position[0], -0.8], (12, 1)), lambda message: message


def test_a_stop_cancels_a_goal_that_is_not_replaced(one_by_one):
    robot, (gripper,) = one_by_one, one_by_one.grippers
    slow(gripper, 0.3)
    carry_out(robot, DRIVEN[:-1])
    robot.chunks['policy'] = far
    robot.run(1.0)
    assert gripper.motion.busy
    robot.force, count, before = 150.0, len(gripper.goals), robot.posture[1]
    robot.run(1.0)
    assert robot.mode is Mode.ALARM
    assert len(gripper.goals) == count
    assert not gripper.motion.busy
    assert robot.posture[1] == pytest.approx(before, abs=0.15)


def test_a_server_that_refuses_to_cancel_is_a_problem_while_its_gripper_moves(one_by_one):
    robot, (gripper,) = one_by_one, one_by_one.grippers
    slow(gripper, 0.3)
    gripper.cancels = False
    carry_out(robot, DRIVEN[:-1])
    robot.chunks['policy'] = far
    robot.run(1.0)
    assert gripper.motion.busy
    robot.force = 150.0
    robot.run(0.3)
    robot.force = 0.0
    robot.run(0.3)
    refused = 'a goal was to be canceled, and the server refuses'
    answer = robot.request(Mode.HOLD, resume=True)
    assert not answer.success
    assert refused in answer.message


def test_a_goal_that_was_never_answered_is_not_waited_for_without_end(one_by_one):
    robot, (gripper,) = one_by_one, one_by_one.grippers
    carry_out(robot, DRIVEN[:-1])
    gripper.answer = 'silence'
    robot.chunks['policy'] = far
    robot.run(2.0)
    assert robot.mode is Mode.ALARM
    gripper.answer = 'accept'
    robot.run(1.2)
    assert robot.request(Mode.HOLD, resume=True).success
    robot.run(0.3)
    assert robot.request(Mode.POLICY).success
    robot.run(1.5)
    assert robot.posture[1] < -0.7


@pytest.mark.parametrize('jump', [5.0, -5.0])
def test_a_jump_of_the_clock_stops_a_gripper_that_moves(robot, jump):
    slow(robot.grippers[0])
    carry_out(robot, DRIVEN)
    before = robot.posture[1]
    robot.offset += round(jump * 1e9)
    robot.run(1.0)
    assert robot.mode is Mode.ALARM
    assert robot.posture[1] == pytest.approx(before, abs=0.03)
    count = len(robot.grippers[0].goals)
    robot.run(1.0)
    assert len(robot.grippers[0].goals) == count
