"""What leaves for the robot's controller: trajectories that it accepts, ending at rest."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy')

from trajectory_msgs.msg import JointTrajectory

from il_ros.core import contract_checks, registry
from il_ros.core.contract import parse_contract
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.geometry import matrix_from_quaternion, rotation_vector
from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import Planner, plannable
from il_ros.ros import output_adapters
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.output_adapters import (
    ForwardCommandOutput,
    JointTrajectoryOutput,
    PoseOutput,
    TwistOutput,
    make_output,
)
from il_ros.sim.controller import TrajectoryController


def plans(contract, dt):
    """Plans of every length, from a start at rest to the fastest there is."""
    planner = Planner(contract.limits)
    middle = (contract.limits.position_min + contract.limits.position_max) / 2
    for size in np.linspace(0.0, 1.0, 60):
        plan, target = planner.hold(middle, 0.0), middle.copy()
        for tick in range(6):
            target = target + size * 0.9 * contract.limits.velocity * dt
            plan = planner.towards(plan, tick * dt, target, size * contract.limits.velocity, dt)
        yield plan, 5 * dt


@pytest.mark.parametrize('rate', [10.0, 20.0, 100.0, 250.0])
def test_a_controller_accepts_every_plan_and_follows_it(contract, rate):
    contract = replace(contract, rate=rate)
    output, names = JointTrajectoryOutput(contract), contract.action.names
    stamp = 7_000_000_000
    for plan, begin in plans(contract, contract.period):
        message = output.message(plan, begin, stamp)
        controller = TrajectoryController(names, plan.at(begin)[0])
        assert output.apply(message, controller, stamp / 1e9) == stamp
        last = message.points[-1]
        assert not np.any(last.velocities)
        due = stamp / 1e9 + contract.period + contract.command_delay
        reached = controller.positions(np.array([due]))[0]
        wanted = plan.at(begin + contract.period)[0]
        np.testing.assert_allclose(reached, wanted, atol=2e-3)
        at_rest = controller.positions(np.array([stamp / 1e9 + 60.0]))[0]
        np.testing.assert_allclose(at_rest, plan.end, atol=1e-6)


def test_forward_command_is_the_position_at_the_next_tick(contract):
    output = ForwardCommandOutput(contract)
    plan, begin = list(plans(contract, contract.period))[-1]
    message = output.message(plan, begin, 1)
    np.testing.assert_allclose(message.data, plan.at(begin + contract.period)[0])
    controller = TrajectoryController(contract.action.names, plan.end, period=contract.period)
    assert output.apply(message, controller, 3.0) == 0
    there = controller.positions(np.array([3.0 + contract.period]))[0]
    np.testing.assert_allclose(there, message.data)


def test_a_twist_is_what_the_tool_does(contract):
    output = TwistOutput(contract)
    plan, begin = list(plans(contract, contract.period))[-10]
    message = output.message(plan, begin, 7_000_000_000)
    assert message.header.frame_id == contract.base_frame
    ends = [FRANKA.chain.forward(plan.at(begin + t)[0][:7]) for t in (0.0, contract.period)]
    linear, angular = message.twist.linear, message.twist.angular
    moved = (ends[1][0] - ends[0][0]) / contract.period
    turned = rotation_vector(ends[1][1] @ ends[0][1].T) / contract.period
    assert np.linalg.norm(moved) > 0.1
    assert np.linalg.norm(turned) > 0.1
    # At nearly full speed of all joints; what is of third order in the period is lost.
    slack = 0.01 * np.linalg.norm(moved), 0.01 * np.linalg.norm(turned)
    np.testing.assert_allclose([linear.x, linear.y, linear.z], moved, atol=slack[0])
    np.testing.assert_allclose([angular.x, angular.y, angular.z], turned, atol=slack[1])
    rest = output.message(plan, plan.end_time + 1.0, 1).twist
    assert (rest.linear.x, rest.angular.z) == (0.0, 0.0)


def test_a_twist_is_the_same_whatever_the_order_of_the_joints(contract):
    order = [3, 7, 0, 6, 1, 5, 2, 4]
    names = [contract.action.names[i] for i in order]
    other = replace(contract, action=replace(contract.action, names=tuple(names)))
    plan, begin = list(plans(contract, contract.period))[-10]
    same = replace(plan, pieces=plan.pieces[:, :, order].copy())
    message = TwistOutput(contract).message(plan, begin, 1)
    assert TwistOutput(other).message(same, begin, 1) == message
    reached = []
    for own, home in ((contract, FRANKA.home), (other, FRANKA.home[order])):
        controller = TrajectoryController(own.action.names, home, period=own.period)
        TwistOutput(own).apply(message, controller, 5.0)
        reached.append(controller.positions(np.array([5.0 + own.period]))[0])
    np.testing.assert_allclose(reached[1], reached[0][order], atol=1e-12)


def test_a_pose_is_where_the_tool_is_at_the_next_tick_and_takes_it_there(contract):
    output, dt = PoseOutput(contract), contract.period
    plan, begin = list(plans(contract, dt))[-10]
    message = output.message(plan, begin, 7_000_000_000)
    assert message.header.frame_id == contract.base_frame
    position, matrix = FRANKA.chain.forward(plan.at(begin + dt)[0][:7])
    place, turn = message.pose.position, message.pose.orientation
    np.testing.assert_allclose([place.x, place.y, place.z], position)
    got = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
    np.testing.assert_allclose(got, matrix, atol=1e-9)
    controller = TrajectoryController(contract.action.names, plan.at(begin)[0], period=dt)
    assert output.apply(message, controller, 3.0) == 7_000_000_000
    reached = FRANKA.chain.forward(controller.positions(np.array([3.0 + dt]))[0][:7])
    np.testing.assert_allclose(reached[0], position, atol=1e-3)
    np.testing.assert_allclose(rotation_vector(reached[1] @ matrix.T), 0.0, atol=5e-3)


def test_a_pose_of_the_arm_alone_leaves_its_gripper_to_another_output(contract):
    data = yaml.safe_load(contract.text)
    del data['action']['output']
    *arm, finger = contract.action.names
    data['action']['outputs'] = [
        {'joints': arm, 'adapter': 'pose', 'topic': 'servo/pose'},
        {'joints': [finger], 'adapter': 'gripper_command', 'topic': 'hand/gripper_cmd'},
    ]
    both = parse_contract(yaml.safe_dump(data))
    output = make_output(both.part(both.outputs[0]))
    plan, begin = list(plans(contract, contract.period))[-10]
    whole = PoseOutput(contract).message(plan, begin, 1)
    assert output.message(plan.of_joints(np.arange(7)), begin, 1) == whole
    assert both.setpoints


def test_twists_take_the_tool_where_the_plan_goes(contract):
    output, planner, dt = TwistOutput(contract), Planner(contract.limits), contract.period
    rng, plan = np.random.default_rng(0), planner.hold(FRANKA.home, 0.0)
    controller = TrajectoryController(contract.action.names, FRANKA.home, period=dt)
    for tick in range(100):
        if tick % 20 == 0:
            goal = FRANKA.home + rng.normal(0.0, 0.25, 8)
        here = plan.at(tick * dt)[0]
        step = np.clip(goal - here, -0.5 * dt, 0.5 * dt) if tick < 80 else np.zeros(8)
        plan = planner.towards(plan, tick * dt, here + step, 0.9 * step / dt, dt)
        output.apply(output.message(plan, tick * dt, 1), controller, tick * dt)
    wanted = FRANKA.chain.forward(plan.end[:7])[0]
    reached = FRANKA.chain.forward(controller.positions(np.array([100 * dt]))[0][:7])[0]
    assert np.linalg.norm(wanted - FRANKA.chain.forward(FRANKA.home[:7])[0]) > 0.05
    np.testing.assert_allclose(reached, wanted, atol=2e-3)


def test_a_twist_moves_an_arm_whose_contract_has_no_gripper(contract):
    output, names = TwistOutput(contract), contract.action.names[:7]
    controller = TrajectoryController(names, FRANKA.home[:7], period=contract.period)
    message = output.message_type()
    message.twist.linear.z = 0.1
    output.apply(message, controller, 5.0)
    assert controller.positions(np.array([5.0 + contract.period])).shape == (1, 7)


def test_a_twist_that_is_no_number_is_refused(contract):
    output = TwistOutput(contract)
    controller = TrajectoryController(contract.action.names, FRANKA.home)
    message = output.message_type()
    message.twist.angular.x = float('nan')
    with pytest.raises(IlRosError, match='command: velocity: not finite'):
        output.apply(message, controller, 0.0)
    np.testing.assert_array_equal(controller.positions(np.array([1.0]))[0], FRANKA.home)


def test_a_simulated_servo_moves_the_tool_as_the_twist_says(contract):
    output, home = TwistOutput(contract), FRANKA.home
    controller = TrajectoryController(contract.action.names, home, period=contract.period)
    message = output.message_type()
    message.twist.linear.x, message.twist.angular.z = 0.1, 0.2
    assert output.apply(message, controller, 5.0) == 0
    at = 5.0 + contract.period
    q = controller.positions(np.array([at]))[0]
    moved = FRANKA.chain.forward(q[:7])[0] - FRANKA.chain.forward(home[:7])[0]
    np.testing.assert_allclose(moved, [0.1 * contract.period, 0, 0], atol=3e-4)
    assert q[7] == home[7]
    rest = controller.positions(np.array([at + 2.0, at + 3.0]))
    np.testing.assert_array_equal(rest[0], rest[1])  # nobody asks any more


# What joint_trajectory_controller demands of a message (ros2_controllers, its user documentation
# and `validate_trajectory_msg`): the joints it has, once each; an end that is not in the past; a
# last point at rest (unless it may end moving); times that increase strictly; as many positions,
# velocities and accelerations in each point as there are joints, and no effort. That every number
# is finite is ours.
def refusals(message, names, now):
    if sorted(message.joint_names) != sorted(names):
        yield 'joint names'
    if not message.points:
        yield 'no points'
        return
    stamp = to_ns(message.header.stamp)
    times = [to_ns(point.time_from_start) for point in message.points]
    if stamp and stamp + times[-1] < now:
        yield 'ends in the past'
    if any(abs(v) > np.finfo(np.float32).eps for v in message.points[-1].velocities):
        yield 'the last point moves'
    if times[0] < 0 or any(b <= a for a, b in pairwise(times)):
        yield 'times do not increase'
    for point in message.points:
        for part in (point.positions, point.velocities, point.accelerations):
            if len(part) != len(names):
                yield 'sizes'
            if not np.isfinite(part).all():
                yield 'not finite'
        if len(point.effort):
            yield 'effort'


@pytest.mark.parametrize('rate', [10.0, 20.0, 100.0, 500.0])
def test_a_joint_trajectory_controller_accepts_every_message(contract, rate):
    contract = replace(contract, rate=rate)
    output, rng = JointTrajectoryOutput(contract), np.random.default_rng(int(rate))
    planner, dt, now = Planner(contract.limits), contract.period, 1_700_000_000_000_000_000
    low, high = contract.limits.position_min, contract.limits.position_max
    plan = planner.hold((low + high) / 2, 0.0)
    for tick in range(150):
        begin = tick * dt
        if rng.random() < 0.1:
            plan = planner.stop(plan, begin)
        else:
            target = rng.uniform(low - 0.2, high + 0.2)
            speed = rng.uniform(-1, 1, len(low)) * contract.limits.velocity
            plan = planner.towards(plan, begin, target, speed, dt)
        stamp = now + round(begin * 1e9)
        message = output.message(plan, begin, stamp)
        # It may come up to a period late and still has something to say.
        assert not list(refusals(message, contract.action.names, stamp + round(dt * 1e9)))


def test_the_rules_refuse_what_they_should(contract):
    output = JointTrajectoryOutput(contract)
    plan, begin = list(plans(contract, contract.period))[-1]

    def found(change, now=0):
        message = output.message(plan, begin, 1_000)
        change(message)
        return set(refusals(message, contract.action.names, now))

    def last_moves(m):
        m.points[-1].velocities = [0.1] * 8

    assert found(lambda m: None) == set()
    assert found(last_moves) == {'the last point moves'}
    assert found(lambda m: m.joint_names.pop()) == {'joint names'}
    assert found(lambda m: setattr(m, 'points', [])) == {'no points'}
    assert found(lambda m: m.points.reverse()) >= {'times do not increase'}
    assert found(lambda m: setattr(m.points[0], 'positions', [0.0])) == {'sizes'}
    assert found(lambda m: None, now=10**12) == {'ends in the past'}


def test_an_empty_trajectory_is_refused(contract):
    output = JointTrajectoryOutput(contract)
    controller = TrajectoryController(contract.action.names, np.zeros(8))
    with pytest.raises(IlRosError, match='trajectory: no points'):
        output.apply(output.message_type(), controller, 0.0)


@pytest.mark.parametrize('late', [0.0, 0.5])
@pytest.mark.parametrize('rate', [20.0, 50.0, 100.0])
def test_a_controllers_splines_keep_the_limits_of_speed_and_acceleration(contract, rate, late):
    """However late a command is, up to half a period: trajectories begin as far ahead."""
    contract = replace(contract, rate=rate)
    limits, dt = contract.limits, contract.period
    planned = plannable(limits, MonitorConfig().motion_share, dt, splines=True)
    output, planner = JointTrajectoryOutput(contract), Planner(planned)
    rng, middle = np.random.default_rng(int(rate)), (limits.position_min + limits.position_max) / 2
    plan, speed = planner.hold(middle, 0.0), np.zeros(len(middle))
    controller = TrajectoryController(contract.action.names, middle)
    fastest, sharpest, before = 0.0, 0.0, 0.0
    for tick in range(200):
        now = tick * dt
        comes = now + rng.uniform(0.0, late) * dt
        times = 1.0 + np.linspace(before, comes, 50, endpoint=False)
        _, velocity, acceleration = controller._sample(times)
        fastest = max(fastest, float((np.abs(velocity) / limits.velocity).max()))
        sharpest = max(sharpest, float((np.abs(acceleration) / limits.acceleration).max()))
        if tick % 20 == 0:
            speed = rng.uniform(-1, 1, len(middle)) * planned.velocity
        target = plan.at(now)[0] + speed * dt
        if tick % 20 < 15:
            plan = planner.towards(plan, now, target, speed, dt)
        elif tick % 20 == 15:
            plan = planner.stop(plan, now)
        output.apply(output.message(plan, now, round((now + 1.0) * 1e9)), controller, comes + 1.0)
        before = comes
    assert 0.7 < fastest <= 1.0
    assert 0.8 < sharpest <= 1.0
    # The stop that is carried out when nothing comes any more: its points lie further apart.
    speed = np.full(len(middle), 0.9) * planned.velocity
    for tick in range(200, 212):
        plan = planner.towards(plan, tick * dt, plan.at(tick * dt)[0] + speed * dt, speed, dt)
        output.apply(
            output.message(plan, tick * dt, round((tick * dt + 1.0) * 1e9)),
            controller,
            tick * dt + 1.0,
        )
    tail = controller._sample(1.0 + np.linspace(211 * dt, plan.end_time + dt, 2000))[2]
    assert (np.abs(tail) <= 1.1 * limits.acceleration).all()


class Theirs:
    message_type = JointTrajectory

    def __init__(self, contract):
        self.joints = contract.action.names


def with_adapter(contract, name):
    output = replace(contract.action.output, adapter=name)
    return replace(contract, action=replace(contract.action, output=output))


def test_the_contract_knows_the_names_of_all_adapters():
    assert set(contract_checks.OUTPUT_ADAPTERS) == set(output_adapters.OUTPUT_ADAPTERS)


def test_third_parties_bring_adapters_by_entry_point(contract, monkeypatch):
    def points(group):
        assert group == 'il_ros.output_adapter'
        return [SimpleNamespace(name='theirs', load=lambda: Theirs)]

    monkeypatch.setattr(registry, 'entry_points', points)
    theirs = with_adapter(contract, 'theirs')
    assert make_output(theirs).joints == contract.action.names
    # What nobody knows to brake by itself gets its stops sent.
    assert theirs.setpoints
    assert theirs.command_delay == 0.0
    known = (
        'forward_command, gripper_command, joint_group_command, joint_single_command, '
        'joint_trajectory, parallel_gripper_command, pose, theirs'
    )
    with pytest.raises(UnknownNameError, match=known):
        make_output(with_adapter(contract, 'unknown'))
