"""The one plan: it stays where the arm may be, all along."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from il_ros.core.arm_geometry import Geometry
from il_ros.core.limits import Zone
from il_ros.core.robots.franka import FRANKA
from il_ros.monitors import checks
from il_ros.monitors.planned_motion import Motion, trajectory_of
from il_ros.sim.controller import TrajectoryController

DT = 0.05
BOX = np.array([-2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0])
LIMITS = FRANKA.limits(*BOX, force=1.0, torque=1.0)
ARM = Geometry.of_arm(FRANKA)
TIP = FRANKA.chain.forward(FRANKA.home[:7])[0]
GANTRY = Geometry(lambda q: q[:, :3])
BASE = np.eye(8)[0]


def motion(*zones, box=BOX, start=FRANKA.home, geometry=ARM):
    limits = replace(LIMITS, keep_out=zones, workspace_min=box[0], workspace_max=box[1])
    made = Motion(limits, dt=DT, geometry=geometry, margin=0.01)
    made.begin(start, 0.0)
    return made


def turn(made, speed=2.0, ticks=40):
    """Turn the whole arm about its base until it may not go on; gives the fault."""
    target = FRANKA.home.copy()
    for tick in range(ticks):
        target = target + BASE * speed * DT
        fault = made.drive(target, BASE * speed, tick * DT)
        if fault:
            made.brake(tick * DT)
            return fault, target[0]
    return None, target[0]


def tool(made, times):
    return ARM.tools(made.plan.at(times)[0])


def clearance(made, zone):
    """Smallest distance of the body from the zone, over all time."""
    points = ARM.outline(made.plan.at(np.linspace(0, 9, 2000))[0])
    gap = np.linalg.norm(np.clip(points, zone.min, zone.max) - points, axis=-1)
    return (gap - ARM.radius).min()


def test_free_motion_goes_on():
    assert turn(motion())[0] is None


def test_without_a_kinematic_model_nothing_is_looked_at():
    nowhere = (np.zeros(3), np.zeros(3))
    assert turn(motion(box=nowhere, geometry=None))[0] is None


def test_the_arm_stops_before_the_workspace_ends():
    box = (BOX[0], np.array([2.0, 0.3, 2.0]))
    made = motion(box=box)
    fault, _ = turn(made)
    assert fault.kind == 'workspace'
    assert fault.text.startswith('planned motion: y = 0.')
    assert fault.text.endswith('m, workspace -1.990 .. 0.290 m')
    assert 0.2 < tool(made, np.linspace(0, 9, 500))[:, 1].max() <= 0.29 + 1e-6


def test_a_way_out_is_seen_though_it_begins_and_ends_inside():
    # An arm of one metre that turns: its tool's x is largest in the middle of the way.
    arm = Geometry(lambda q: np.stack([np.cos(q[:, 0]), np.sin(q[:, 0]), 0 * q[:, 0]], axis=1))
    made = motion(start=FRANKA.home - 0.5 * BASE, geometry=arm)
    for tick in range(20):
        goal = FRANKA.home + (-0.5 + 2.0 * DT * tick) * BASE
        begin, here = tick * DT, made.plan.at(tick * DT)[0]
        if here[0] > -0.2:
            break
        assert made.drive(goal, 2.0 * BASE, begin) is None
    plan = made._planner.towards(made.plan, begin, goal, 2.0 * BASE, DT)
    made._limits = replace(made._limits, workspace_max=np.array([1.006, 2.0, 2.0]))
    ends = arm.tools(np.stack([here, plan.end]))
    assert checks.beyond_workspace(ends, made._limits, 0.01).max() < 0.0
    fault = made.drive(goal, 2.0 * BASE, begin)
    assert fault.text.startswith('planned motion: x = ')
    assert fault.text.endswith('m, workspace -1.990 .. 0.996 m')


def test_an_arm_that_stands_too_near_may_leave_but_not_go_nearer():
    start = FRANKA.home.copy()
    start[:3] = [0.495, 0.0, 0.0]  # 5 mm from the side, where plans keep 10 mm
    box = (np.full(3, -0.5), np.full(3, 0.5))
    made = motion(box=box, start=start, geometry=GANTRY)
    fault = made.drive(start + 0.004 * BASE, np.zeros(8), 0.0)
    assert fault.text.startswith('planned motion: x = 0.49')
    assert made.drive(start, np.zeros(8), 0.0) is None
    for tick in range(10):
        assert made.drive(start - 0.1 * BASE, np.zeros(8), tick * DT) is None
    assert made.plan.at(10 * DT)[0][0] < 0.49  # inside by now, and not to come back
    faults = [made.drive(start, np.zeros(8), (10 + tick) * DT) for tick in range(10)]
    fault = next(fault for fault in faults if fault)
    assert fault.text.startswith('planned motion: x = 0.49')


def test_it_may_leave_a_keep_out_zone_that_it_stands_too_near():
    reach = (ARM.outline(FRANKA.home[None])[0, :, 1] + ARM.radius).max()  # the hand, sideways
    zone = Zone(name='bin', min=np.array([0.0, reach + 0.005, 0.0]), max=np.array([1.0, 1.0, 1.0]))
    assert motion(zone).drive(FRANKA.home - 0.02 * BASE, np.zeros(8), 0.0) is None
    fault = motion(zone).drive(FRANKA.home + 0.02 * BASE, np.zeros(8), 0.0)
    assert fault.text.startswith('planned motion: fr3_hand: within 0.05')
    assert "m of 'bin', at 0." in fault.text


def test_a_link_stops_before_a_keep_out_zone_that_the_tool_would_pass_under():
    # Beside the elbow, high above the tool.
    elbow = FRANKA.chain.frames(FRANKA.home[:7])[3, :3, 3]
    low = np.array([elbow[0] - 0.3, 0.2, elbow[2] - 0.05])
    zone = Zone(name='shelf', min=low, max=low + np.array([0.6, 0.3, 0.2]))
    made = motion(zone)
    fault, angle = turn(made)
    assert fault.kind == 'keep_out'
    assert fault.text.startswith('planned motion: fr3_link')
    assert "of 'shelf', at" in fault.text
    assert 0.05 < angle < 1.5
    assert 0.009 <= clearance(made, zone) < 0.2


@pytest.mark.parametrize('speed', [0.5, 1.0, 2.4])
def test_a_thin_zone_is_not_jumped_over(speed):
    zone = Zone(
        name='post', min=TIP + np.array([-0.05, 0.2, -0.5]), max=TIP + np.array([0.05, 0.21, 0.5])
    )
    made = motion(zone)
    fault, _ = turn(made, speed)
    assert fault.kind == 'keep_out'
    assert clearance(made, zone) >= 0.009


def test_between_the_looks_no_motion_leaves_the_workspace_or_touches_a_zone():
    rng = np.random.default_rng(3)
    zones = (
        Zone(name='post', min=np.array([0.3, 0.3, 0.0]), max=np.array([0.35, 0.35, 0.9])),
        Zone(name='shelf', min=np.array([0.4, -0.6, 0.4]), max=np.array([0.9, -0.3, 0.45])),
    )
    box = (np.array([0.25, -0.45, 0.1]), np.array([0.65, 0.4, 0.6]))
    faults = set()
    for _ in range(12):
        made, goal = motion(*zones, box=box), FRANKA.home
        for tick in range(60):
            if tick % 8 == 0:
                goal = FRANKA.home + rng.normal(0.0, 0.7, 8)
            here = made.plan.at(tick * DT)[0]
            step = np.clip(goal - here, -LIMITS.velocity * DT, LIMITS.velocity * DT)
            fault = made.drive(here + step, 0.9 * step / DT, tick * DT)
            if fault:
                faults.add(fault.kind)
                made.brake(tick * DT)
            q = made.plan.at(np.linspace(tick * DT, made.plan.end_time, 40))[0]
            assert checks.beyond_workspace(ARM.tools(q), made._limits, 0.0).max() <= 0.0
            assert checks.into_zones(ARM.outline(q), made._limits, ARM.radius).max() <= 0.0
    assert faults == {'workspace', 'keep_out'}


def test_looking_at_the_whole_plan_is_quick():
    made = motion()
    turn(made, ticks=6)
    costs = []
    for _ in range(300):
        begin = time.process_time()
        assert made._outside(made.plan) is None
        costs.append(time.process_time() - begin)
    assert np.median(costs) < 5e-4  # 0.06 ms on a busy machine; here it shares a core


def moving_plan():
    made = Motion(LIMITS, dt=DT, geometry=None, margin=0.0)
    made.begin(FRANKA.home, 0.0)
    for tick in range(5):
        made.drive(FRANKA.home + 0.05 * np.eye(8)[0] * (tick + 1), np.eye(8)[0], tick * DT)
    return made.plan


def test_points_follow_the_plan_and_the_last_one_rests():
    plan = moving_plan()
    points = trajectory_of(plan, plan.begin, DT)
    assert points.times[0] == DT
    assert (np.diff(points.times) > 1e-3 - 1e-9).all()
    np.testing.assert_allclose(plan.begin + points.times[-1], plan.end_time)
    np.testing.assert_allclose(points.positions, plan.at(plan.begin + points.times)[0])
    assert not points.velocities[-1].any()
    assert not points.accelerations[-1].any()
    assert points.velocities[0].any()


def test_a_plan_that_has_ended_is_two_points_at_rest():
    plan = moving_plan()
    points = trajectory_of(plan, plan.end_time + 1.0, DT)
    assert points.times.tolist() == pytest.approx([DT, DT + 0.04])
    np.testing.assert_array_equal(points.positions, [plan.end, plan.end])
    assert not points.velocities.any()


@pytest.mark.parametrize('lead', [0.0, 0.2, 0.44])
def test_a_controller_that_blends_stands_when_the_plan_does(lead):
    made, now = motion(geometry=None), 0.0
    made.lead = lead
    names = LIMITS.names
    controller = TrajectoryController(names, FRANKA.home, period=DT, replacement=True)
    for tick in range(40):
        now = tick * DT
        if tick < 15:
            target = made.plan.at(made.start(now))[0] + BASE
            assert made.drive(target, BASE, now) is None
        else:
            made.brake(now)
        begin = made.start(now)
        controller.follow(names, trajectory_of(made.plan, begin, DT, start=begin), now)
        times = now + np.linspace(0.0, DT, 20)
        off = np.abs(controller.positions(times) - made.plan.at(times)[0])
        assert tick < 20 or off.max() < 2e-3  # it has nothing to blend into in the beginning
    assert now > made.plan.end_time


def pace(made, leads, seed=0):
    """Drive to and fro with a lead that changes from tick to tick; gives the plans it went by."""
    rng, target, speed = np.random.default_rng(seed), FRANKA.home.copy(), np.zeros(8)
    plans = []
    for tick, lead in enumerate(leads):
        now, made.lead = tick * DT, lead
        if tick % 8 == 0:
            speed = rng.uniform(-0.9, 0.9, 8) * LIMITS.velocity * [1, 0.2, 1, 0.2, 1, 1, 1, 0]
        start = made.start(now)
        target = made.plan.at(start)[0] + speed * DT
        assert made.drive(target, speed, now) is None
        plans.append((start, made.plan))
    return plans


@pytest.mark.parametrize('seed', range(4))
def test_with_a_lead_the_motion_that_is_under_way_is_kept_until_then(seed):
    leads = np.random.default_rng(seed).choice([0.0, 0.02, 0.1, 0.3], 40)
    plans = pace(motion(geometry=None), leads, seed)
    for tick, ((_, before), (start, after)) in enumerate(pairwise(plans)):
        times = np.linspace((tick + 1) * DT, start, 30)
        for one, other in zip(before.at(times), after.at(times), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
        assert start >= max((tick + 1) * DT + leads[tick + 1], plans[tick][0]) - 1e-12


def test_a_plan_with_a_lead_keeps_all_limits_and_ends_at_rest():
    for start, plan in pace(motion(geometry=None), [0.1, 0.3, 0.0, 0.2] * 15):
        lowest, highest, speed = plan.extremes()
        assert np.all(speed <= LIMITS.velocity * (1 + 1e-6))
        assert np.all((lowest >= LIMITS.position_min) & (highest <= LIMITS.position_max))
        first = min([plan.begin, *(old.begin for old in plan.past)])
        times = np.arange(first, plan.end_time, 1e-3)
        position, velocity, acceleration = plan.at(times)
        assert np.all(np.abs(velocity) <= LIMITS.velocity * (1 + 1e-6))
        assert np.all(np.abs(acceleration) <= LIMITS.acceleration * (1 + 1e-6))
        # Position, velocity and acceleration are of one motion without a step, old part included.
        mean = (velocity[1:] + velocity[:-1]) / 2 * 1e-3
        np.testing.assert_allclose(np.diff(position, axis=0), mean, atol=2e-6)
        assert plan.at_rest(plan.end_time)
        assert start >= plan.begin


def test_a_plan_with_a_lead_shows_half_a_second_of_the_past_and_no_more():
    plans = pace(motion(geometry=None), [0.3] * 80)
    for tick, (_, plan) in enumerate(plans):
        now, shown = tick * DT, plan.past[-1].begin if plan.past else plan.begin
        assert shown <= max(now - 0.5, plans[0][0]) + 1e-9
        assert all(old.past == () for old in plan.past)
        assert len(plan.past) <= (0.5 + 0.3) / DT + 2


def test_a_plan_that_is_put_off_shows_the_same_later_the_past_included():
    *_, (_, plan) = pace(motion(geometry=None), [0.3] * 20)
    times = np.linspace(plan.past[-1].begin - 0.1, plan.end_time + 0.1, 200)
    for one, other in zip(plan.at(times), plan.put_off(0.25).at(times + 0.25), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_without_a_lead_nothing_of_the_plan_before_is_kept():
    for tick, (start, plan) in enumerate(pace(motion(geometry=None), [0.0] * 20)):
        assert start == plan.begin == tick * DT


def test_what_was_not_sent_is_withdrawn():
    made = motion(geometry=None)
    (_, _), (_, sent) = pace(made, [0.0, 0.0])
    made.mark()
    assert made.drive(FRANKA.home + 0.05 * BASE, 0 * BASE, 2 * DT) is None
    assert made.plan is not sent
    made.withdraw()
    assert made.plan is sent
    made.mark()
    made.brake(3 * DT)  # it still has to be braked
    made.withdraw()
    made.brake(3 * DT)
    np.testing.assert_array_equal(made.plan.at(3 * DT)[0], sent.at(3 * DT)[0])
    assert made.plan is not sent


def test_what_was_never_sent_was_never_begun():
    made = Motion(LIMITS, dt=DT, geometry=None, margin=0.01)
    made.mark()
    made.begin(FRANKA.home, 0.0)
    made.withdraw()
    assert made.plan is None


@pytest.mark.parametrize('seed', range(3))
def test_whatever_is_withdrawn_or_recovered_the_motion_stays_within_its_limits(seed):
    """Ticks that are late or missed, trajectories not sent, and a controller that lost some."""
    rng, made, now = np.random.default_rng(seed), motion(geometry=None), 0.0
    sent, followed = [made.plan], made.plan
    for _ in range(60):
        now += DT * rng.choice([1.0, 1.0, 1.3, 4.0])
        made.lead = rng.choice([0.0, 0.05, 0.3])
        made.mark()
        if rng.random() < 0.2:  # it goes on from one of the last that it got
            made.recover(sent[-min(len(sent), rng.integers(1, 4))])
            followed = made.plan
        start, speed = made.start(now), rng.uniform(-0.9, 0.9, 8) * LIMITS.velocity
        if rng.random() < 0.2:
            made.brake(now)
        else:
            made.drive(made.plan.at(start)[0] + speed * DT, speed, now)
        plan = made.plan
        for one, other in zip(followed.at(start), plan.at(start), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
        position, velocity, acceleration = plan.at(np.linspace(now, plan.end_time, 200))
        assert np.all(np.abs(velocity) <= LIMITS.velocity * (1 + 1e-6))
        assert np.all(np.abs(acceleration) <= LIMITS.acceleration * (1 + 1e-6))
        assert np.all(position >= LIMITS.position_min - 1e-6)
        assert np.all(position <= LIMITS.position_max + 1e-6)
        if rng.random() < 0.2:
            before = followed
            made.withdraw()
            if made.plan is not before:  # what was recovered was not sent either
                followed = made.plan
        else:
            sent.append(plan)
            followed = plan
