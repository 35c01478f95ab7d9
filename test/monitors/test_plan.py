"""Plans: inside every limit, without a step, ending at rest, whatever is asked for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.limits import Limits
from il_ros.monitors.plan import POSITION_TOLERANCE, Planner, joined

DT = 0.05
LIMITS = Limits(
    names=('shoulder', 'elbow', 'finger'),
    position_min=np.array([-2.7, -3.0, 0.0]),
    position_max=np.array([2.7, -0.1, 0.04]),
    velocity=np.array([2.6, 2.0, 0.1]),
    acceleration=np.array([10.0, 7.5, 2.0]),
    jerk=np.array([5000.0, 500.0, 100.0]),
    workspace_min=-np.ones(3),
    workspace_max=np.ones(3),
    force=50.0,
    torque=10.0,
)
MIDDLE = (LIMITS.position_min + LIMITS.position_max) / 2
ZERO = np.zeros(3)


def assert_inside(plan):
    times = plan.begin + np.linspace(0, plan.end_time - plan.begin + 0.1, 400)
    position, velocity, acceleration = plan.at(times)
    assert (position >= LIMITS.position_min - POSITION_TOLERANCE).all()
    assert (position <= LIMITS.position_max + POSITION_TOLERANCE).all()
    assert (np.abs(velocity) <= LIMITS.velocity * (1 + 1e-9)).all()
    assert (np.abs(acceleration) <= LIMITS.acceleration * (1 + 1e-9)).all()
    jerk = np.diff(acceleration, axis=0) / np.diff(times)[:, None]
    assert (np.abs(jerk) <= LIMITS.jerk * (1 + 1e-6)).all()


def assert_continuous(before, after, t):
    for old, new in zip(before.at(t), after.at(t), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-9)


def assert_ends_at_rest(plan):
    position, velocity, acceleration = plan.at(plan.end_time + 1.0)
    np.testing.assert_array_equal(position, plan.end)
    np.testing.assert_array_equal(velocity, ZERO)
    np.testing.assert_array_equal(acceleration, ZERO)
    # The last moment before the rest is one, too: nothing is cut off.
    almost = plan.at(plan.end_time - 1e-9)
    np.testing.assert_allclose(almost[0], plan.end, atol=1e-7)
    np.testing.assert_allclose(almost[1], 0.0, atol=1e-6)


def targets():
    anywhere = st.floats(-1e3, 1e3)
    near = st.sampled_from([*LIMITS.position_min, *LIMITS.position_max, 0.0, 0.039999, 0.02])
    return st.lists(st.one_of(anywhere, near), min_size=3, max_size=3).map(np.array)


steps = st.tuples(
    targets(),
    st.lists(st.floats(-10, 10), min_size=3, max_size=3).map(np.array),
    st.floats(0.0, 2.5),  # when the next tick comes, in periods: at once, late, in the tail
    st.integers(0, 9).map(lambda n: n == 0),  # stop now and then
)


@settings(max_examples=120, deadline=None)
@given(st.lists(steps, min_size=1, max_size=25))
def test_never_beyond_a_limit_and_never_a_step(sequence):
    planner, t = Planner(LIMITS), 1.7e9  # as large as the time of day
    plan = planner.hold(MIDDLE, t)
    for target, velocity, wait, halt in sequence:
        t += wait * DT
        new = planner.stop(plan, t) if halt else planner.towards(plan, t, target, velocity, DT)
        assert not new.problem
        assert_continuous(plan, new, t)
        assert_inside(new)
        assert_ends_at_rest(new)
        plan = new


def test_a_smooth_path_is_followed_exactly():
    planner = Planner(LIMITS)
    span = (LIMITS.position_max - LIMITS.position_min) * 0.1

    def path(t):
        return MIDDLE + span * np.sin(1.5 * t), span * 1.5 * np.cos(1.5 * t)

    plan = planner.hold(MIDDLE, 0.0)
    for k in range(1, 60):
        plan = planner.towards(plan, k * DT, *path(k * DT + DT), DT)
        if k > 20:
            np.testing.assert_allclose(plan.at(k * DT + DT)[0], path(k * DT + DT)[0], atol=1e-7)


def test_a_slow_joint_does_not_hold_back_the_others():
    planner = Planner(LIMITS)
    plan = planner.hold(np.array([0.0, -1.0, 0.04]), 0.0)
    plan = planner.towards(plan, 0.0, np.array([0.005, -1.0, 0.0]), ZERO, DT)
    reached = plan.at(DT)[0]
    assert reached[0] == pytest.approx(0.005, abs=1e-8)
    assert reached[2] > 0.03  # 0.1 m/s and 0.05 s


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=1, max_size=25))
def test_what_the_gripper_is_asked_does_not_change_how_the_arm_moves(sequence):
    planner, t = Planner(LIMITS), 0.0
    both = alone = planner.hold(MIDDLE, t)
    for target, velocity, wait, halt in sequence:
        t += wait * DT
        if halt:
            both, alone = planner.stop(both, t), planner.stop(alone, t)
        else:
            arm, arm_speed = target.copy(), velocity.copy()
            arm[2], arm_speed[2] = MIDDLE[2], 0.0
            both = planner.towards(both, t, target, velocity, DT)
            alone = planner.towards(alone, t, arm, arm_speed, DT)
        times = t + np.linspace(0.0, 1.0, 21)
        for with_gripper, without in zip(both.at(times), alone.at(times), strict=True):
            np.testing.assert_allclose(with_gripper[:, :2], without[:, :2], rtol=0, atol=1e-9)


def test_left_alone_it_brakes_after_one_tick():
    planner = Planner(LIMITS)
    plan = planner.hold(MIDDLE, 0.0)
    for k in range(10):
        plan = planner.towards(plan, k * DT, LIMITS.position_max, ZERO, DT)
    speed = np.abs(plan.at(np.linspace(10 * DT, plan.end_time, 50))[1])
    assert speed[0, 0] > 1.0
    assert (np.diff(speed[5:, 0]) <= 1e-9).all()
    assert plan.at_rest(plan.end_time)
    assert not plan.at_rest(plan.begin + DT)


def test_a_target_that_is_no_number_brakes_along_the_plan_in_hand():
    planner = Planner(LIMITS)
    plan = planner.towards(planner.hold(MIDDLE, 0.0), 0.0, LIMITS.position_max, ZERO, DT)
    new = planner.towards(plan, DT, np.array([0.0, np.nan, 0.0]), ZERO, DT)
    assert 'nan' in new.problem
    np.testing.assert_array_equal(new.pieces, plan.pieces)


def test_staying_at_the_goal_does_not_wiggle():
    planner = Planner(LIMITS)
    plan = planner.hold(MIDDLE, 0.0)
    # What rounding leaves behind: the goal is one bit away from where the joints rest.
    new = planner.towards(plan, DT, np.nextafter(MIDDLE, np.inf), ZERO, DT)
    low, high, speed = new.extremes()
    np.testing.assert_allclose(low, MIDDLE, atol=1e-9)
    np.testing.assert_allclose(high, MIDDLE, atol=1e-9)
    np.testing.assert_allclose(speed, 0.0, atol=1e-4)


def test_extremes_are_those_of_a_fine_sampling():
    planner = Planner(LIMITS)
    plan = planner.towards(planner.hold(MIDDLE, 0.0), 0.0, LIMITS.position_max, ZERO, 0.3)
    plan = planner.towards(plan, 0.2, LIMITS.position_min, -LIMITS.velocity, 0.3)
    position, velocity, _ = plan.at(plan.begin + np.linspace(0, 2, 20001))
    low, high, speed = plan.extremes()
    np.testing.assert_allclose(low, position.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(high, position.max(axis=0), atol=1e-6)
    np.testing.assert_allclose(speed, np.abs(velocity).max(axis=0), atol=1e-3)


def test_hold_clips_to_the_limits():
    planner = Planner(LIMITS)
    plan = planner.hold(np.array([9.0, -1.0, -9.0]), 1.0)
    np.testing.assert_array_equal(plan.end, [2.7, -1.0, 0.0])


def test_a_plan_cannot_be_changed_from_outside():
    plan = Planner(LIMITS).hold(MIDDLE, 0.0)
    with pytest.raises(ValueError, match='read-only'):
        plan.end[0] = 1.0


def test_a_short_way_with_much_speed_at_its_end_takes_no_run_up():
    """From rest 11 mm ahead at 0.45 rad/s in a tick: just out of reach at 9 rad/s^2."""
    limits = replace(
        LIMITS,
        position_min=-np.ones(3),
        position_max=np.ones(3),
        velocity=np.full(3, 2.0),
        acceleration=np.full(3, 9.0),
        jerk=np.full(3, 3800.0),
    )
    planner = Planner(limits)
    plan = planner.hold(np.zeros(3), 0.0)
    plan = planner.towards(plan, 0.0, np.full(3, 0.011), np.full(3, 0.45), 0.05)
    assert plan.at(np.linspace(0.0, 0.05, 200))[0].min() >= -1e-6
    assert (plan.at(0.05)[0] > 0.009).all()


@settings(max_examples=15)
@given(
    acceleration=st.floats(1.0, 30.0),
    ramp=st.floats(0.001, 0.05),  # s in which the jerk builds that up
    share=st.floats(0.02, 0.9),
    forwards=st.booleans(),
)
def test_a_joint_never_goes_back_on_its_way_to_a_speed(acceleration, ramp, share, forwards):
    """Asked in each tick to be where its target speed takes it, whatever its limits are."""
    top, sign = 2.0, 1.0 if forwards else -1.0
    limits = replace(
        LIMITS,
        position_min=np.full(3, -50.0),
        position_max=np.full(3, 50.0),
        velocity=np.full(3, top),
        acceleration=np.full(3, acceleration),
        jerk=np.full(3, acceleration / ramp),
    )
    planner, speed = Planner(limits), np.full(3, sign * share * top)
    plan, ticks = planner.hold(np.zeros(3), 0.0), 2 * math.ceil((top / acceleration + 0.2) / 0.05)
    for tick in range(ticks):
        now = tick * 0.05
        target = plan.at(now)[0] + speed * 0.05
        plan = planner.towards(plan, now, target, speed, 0.05)
        assert not plan.problem
        assert (sign * plan.at(np.linspace(now, now + 0.05, 50))[1]).min() >= -1e-3 * share * top
    np.testing.assert_allclose(plan.at(ticks * 0.05)[1], speed, rtol=0.02)


def test_what_two_controllers_follow_is_one_plan_of_all_joints():
    """Whatever each has got, and whenever each begins: also in the past, and at rest."""
    planner, rng = Planner(LIMITS), np.random.default_rng(0)
    plans = []
    for begin in (0.3, 0.1):
        plan = planner.hold(MIDDLE + 0.01 * rng.normal(size=3), begin - 0.15)
        for tick in range(3):
            start = begin + tick * DT
            target = plan.at(start)[0] + 0.5 * rng.uniform(-1, 1, 3) * LIMITS.velocity * DT
            plan = planner.towards(plan, start, target, ZERO, DT).after(plan, begin - 0.1)
        plans.append(plan)
    arm, finger = np.array([0, 2]), np.array([1])
    parts = [(arm, plans[0].of_joints(arm)), (finger, plans[1].of_joints(finger))]
    whole = joined(parts)
    times = np.arange(-0.1, 1.5, 0.007)
    wanted = [np.empty((len(times), 3)) for _ in range(3)]
    for plan, columns in zip(plans, (arm, finger), strict=True):
        for part, values in zip(wanted, plan.at(times), strict=True):
            part[:, columns] = values[:, columns]
    for part, values in zip(whole.at(times), wanted, strict=True):
        np.testing.assert_allclose(part, values, atol=1e-9)
    assert whole.end_time == pytest.approx(max(part.end_time for _, part in parts))
    np.testing.assert_allclose(whole.end, [plans[0].end[0], plans[1].end[1], plans[0].end[2]])


def driven(planner, plan, target, ticks=60):
    """Where joints are (N,) at every moment while they are driven towards `target`."""
    way = []
    for tick in range(ticks):
        plan = planner.towards(plan, tick * DT, target, ZERO, DT)
        assert not plan.problem
        way.append(plan.at(tick * DT + np.linspace(0, DT, 20))[0])
    return np.concatenate([*way, plan.end[None]])


@pytest.mark.parametrize('end', ['position_min', 'position_max'])
def test_plans_stay_the_margin_inside_the_position_limits(end):
    planner = Planner(LIMITS, np.array([0.01, 0.01, 0.0]))
    limit = getattr(LIMITS, end)
    way = driven(planner, planner.hold(MIDDLE, 0.0), limit + np.sign(limit - MIDDLE))
    np.testing.assert_allclose(np.abs(way - limit).min(axis=0), [0.01, 0.01, 0.0], atol=1e-6)


def test_a_margin_is_at_most_a_hundredth_of_the_range():
    planner = Planner(LIMITS, 0.1)
    way = driven(planner, planner.hold(MIDDLE, 0.0), LIMITS.position_max + 1)
    span = LIMITS.position_max - LIMITS.position_min
    np.testing.assert_allclose(way.max(axis=0), LIMITS.position_max - 0.01 * span, atol=1e-6)


def test_a_joint_that_begins_within_the_margin_neither_jumps_nor_goes_nearer_to_the_limit():
    planner, begin = Planner(LIMITS, 0.02), LIMITS.position_max - np.array([0.001, 0.01, 0.0])
    plan = planner.hold(begin, 0.0)
    np.testing.assert_array_equal(plan.end, begin)
    way = driven(planner, plan, LIMITS.position_max + 1)
    np.testing.assert_allclose(way, np.broadcast_to(begin, way.shape), atol=1e-6)
    # It may leave, and come back to where it began, in this motion; in another one it may not.
    back = driven(planner, plan, MIDDLE)[-1]
    assert (back < begin - 0.01).all()
    way = driven(planner, planner.hold(MIDDLE, 0.0), LIMITS.position_max + 1)
    span = LIMITS.position_max - LIMITS.position_min
    margin = np.minimum(0.02, 0.01 * span)
    np.testing.assert_allclose(way.max(axis=0), LIMITS.position_max - margin, atol=1e-6)
