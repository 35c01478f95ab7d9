"""The simulated controller follows what it is sent, refuses what a real one refuses, and stops."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from il_ros.core.errors import IlRosError
from il_ros.core.trajectory import Trajectory
from il_ros.sim.controller import TIMEOUT, TrajectoryController

NAMES = ('a', 'b')
PERIOD, LIMIT = 0.05, 10.0


def trajectory(**changes):
    fields = {
        'start': 1.0,
        'times': np.array([0.5, 1.0]),
        'positions': np.array([[0.5, 1.0], [1.0, 2.0]]),
        'velocities': np.array([[1.0, 2.0], [0.0, 0.0]]),
        'accelerations': np.zeros((2, 2)),
    }
    return Trajectory(**{**fields, **changes})


@pytest.fixture
def controller():
    return TrajectoryController(NAMES, np.zeros(2), period=PERIOD, acceleration=LIMIT)


def motion(controller, begin, end, step=1e-4):
    """Speeds, shape (T, 2), and accelerations, shape (T - 1, 2), by finite differences."""
    speed = np.diff(controller.positions(np.arange(begin, end, step)), axis=0) / step
    return speed, np.diff(speed, axis=0) / step


def test_holds_until_told(controller):
    np.testing.assert_array_equal(controller.positions(np.array([0.0, 9.0])), np.zeros((2, 2)))


def test_passes_through_every_point_and_rests_on_the_last(controller):
    controller.follow(NAMES, trajectory(), now=1.0)
    reached = controller.positions(np.array([1.0, 1.5, 2.0, 7.0]))
    np.testing.assert_allclose(reached, [[0, 0], [0.5, 1], [1, 2], [1, 2]], atol=1e-12)


def test_the_spline_is_a_quintic_with_the_given_ends(controller):
    # Rest to rest over one second by one unit: 10 t^3 - 15 t^4 + 6 t^5; at a quarter
    # 10/64 - 15/256 + 6/1024 = (160 - 60 + 6) / 1024.
    rest = {'velocities': np.zeros((1, 2)), 'accelerations': np.zeros((1, 2))}
    one = trajectory(times=np.array([1.0]), positions=np.array([[1.0, 2.0]]), **rest)
    controller.follow(NAMES, one, now=1.0)
    np.testing.assert_allclose(controller.positions(np.array([1.25]))[0, 0], 106 / 1024)


def test_a_replacement_continues_position_and_velocity(controller):
    controller.follow(NAMES, trajectory(), now=1.0)
    before = controller.positions(np.array([1.3 - 1e-4, 1.3]))
    controller.follow(NAMES, trajectory(start=1.3), now=1.3)
    after = controller.positions(np.array([1.3, 1.3 + 1e-4]))
    np.testing.assert_allclose(before[1], after[0], atol=1e-9)
    np.testing.assert_allclose(np.diff(before, axis=0), np.diff(after, axis=0), atol=1e-6)


def test_joints_are_found_by_name_not_by_place(controller):
    swapped = trajectory(positions=np.array([[1.0, 0.5], [2.0, 1.0]]))
    controller.follow(('b', 'a'), swapped, now=1.0)
    np.testing.assert_allclose(controller.positions(np.array([3.0]))[0], [1, 2])


def test_a_trajectory_of_the_future_is_approached_from_now_on(controller):
    # It begins at 3.0 and its first point is due at 3.5; until then the controller has 2.5 s.
    controller.follow(NAMES, trajectory(start=3.0), now=1.0)
    reached = controller.positions(np.array([1.0, 3.5, 4.0, 9.0]))
    np.testing.assert_allclose(reached, [[0, 0], [0.5, 1], [1, 2], [1, 2]], atol=1e-12)


def test_a_position_is_reached_linearly_within_one_period(controller):
    controller.command(np.array([0.1, -0.2]), now=2.0)
    reached = controller.positions(2.0 + PERIOD * np.array([0.0, 0.25, 0.5, 1.0]))
    share = np.array([[0.0], [0.25], [0.5], [1.0]])
    np.testing.assert_allclose(reached, share * [0.1, -0.2], atol=1e-12)


def test_positions_in_time_are_passed_through_at_an_even_speed(controller):
    reached = []
    for tick in range(10):
        controller.command(np.array([0.05, 0.02]) * (tick + 1), now=tick * PERIOD)
        reached.append(motion(controller, tick * PERIOD, (tick + 1) * PERIOD)[0])
    speed = np.concatenate(reached)
    np.testing.assert_allclose(speed, np.tile([1.0, 0.4], (len(speed), 1)), atol=1e-8)


def test_at_a_position_the_arm_waits_for_the_next(controller):
    controller.command(np.array([0.05, 0.0]), now=0.0)
    rest = controller.positions(PERIOD * np.array([1.0, 1.5, 40.0]))
    np.testing.assert_allclose(rest, [[0.05, 0.0]] * 3, atol=1e-12)


@pytest.mark.parametrize('passed', [0.2, 1.5, 7.0])
def test_steps_that_fit_the_time_between_them_keep_the_speed_limit(controller, passed):
    """However late or close together they come, a stream of them does not swing up."""
    most, goal, now = 2.0, 0.0, 0.0
    for tick in range(40):
        goal += most * min(passed, 1.0) * PERIOD * (1 if tick < 20 else 0)
        controller.command(np.array([goal, 0.0]), now=now)
        speed, _ = motion(controller, now, now + passed * PERIOD)
        assert np.abs(speed).max() <= most * (1 + 1e-6)
        now += passed * PERIOD
    np.testing.assert_allclose(controller.positions(np.array([now + PERIOD]))[0], [goal, 0.0])


def test_silence_after_a_velocity_ends_in_a_standstill_within_the_limit(controller):
    # 2 rad/s: it goes on for the time-out, then needs 2 / 10 = 0.2 s and 2^2 / (2 * 10) = 0.2 rad.
    controller.command_velocity(np.array([2.0, -1.0]), now=1.0)
    timeout, braking = TIMEOUT * PERIOD, 0.2
    speed, acceleration = motion(controller, 1.0, 1.0 + timeout + braking + 1.0)
    assert np.abs(acceleration).max() <= LIMIT * (1 + 1e-3)
    np.testing.assert_allclose(speed[: round(timeout / 1e-4) - 1], [[2.0, -1.0]] * 999, atol=1e-8)
    np.testing.assert_allclose(speed[round((timeout + braking) / 1e-4) + 1 :], 0.0, atol=1e-9)
    rest = controller.positions(np.array([1.0 + timeout + braking, 60.0]))
    np.testing.assert_allclose(rest, [[2 * timeout + 0.2, -timeout - 0.1]] * 2, atol=1e-12)


def test_each_joint_brakes_within_its_own_limit():
    limits = np.array([10.0, 1.0])
    controller = TrajectoryController(NAMES, np.zeros(2), period=PERIOD, acceleration=limits)
    controller.command_velocity(np.array([1.0, 0.5]), now=0.0)
    _, acceleration = motion(controller, 0.0, 1.0)
    # The second joint needs 0.5 s; the first one takes as long, at 2 rad/s^2.
    np.testing.assert_allclose(np.abs(acceleration).max(axis=0), [2.0, 1.0], rtol=1e-3)


def test_after_a_standstill_it_takes_commands_again(controller):
    controller.command_velocity(np.array([1.0, 0.0]), now=0.0)
    rest = controller.positions(np.array([5.0]))[0]
    controller.command(rest + 0.01, now=5.0)
    reached = controller.positions(np.array([5.0, 5.0 + PERIOD]))
    np.testing.assert_allclose(reached, [rest, rest + 0.01], atol=1e-12)
    controller.follow(NAMES, trajectory(start=6.0), now=6.0)
    np.testing.assert_allclose(controller.positions(np.array([9.0]))[0], [1, 2], atol=1e-12)


def test_velocities_are_integrated(controller):
    for tick, speed in enumerate([0.2, 0.4, 0.6, 0.4, 0.2, 0.0]):
        controller.command_velocity(np.array([speed, -speed]), now=tick * PERIOD)
    # (0.2 + 0.4 + 0.6 + 0.4 + 0.2) * 0.05
    np.testing.assert_allclose(controller.positions(np.array([9.0]))[0], [0.09, -0.09], atol=1e-12)


@pytest.mark.parametrize(
    ('kind', 'value', 'text'),
    [
        ('command', [0.0, np.nan], r'command: position: not finite; allowed: finite, shape \(2,\)'),
        ('command', [0.0] * 3, r'command: position: shape \(3,\); allowed: finite, shape \(2,\)'),
        ('command_velocity', [np.inf, 0.0], 'command: velocity: not finite'),
    ],
)
def test_a_position_or_velocity_that_is_none_is_refused(controller, kind, value, text):
    controller.command_velocity(np.array([0.1, 0.1]), now=0.0)
    before = controller.positions(np.array([0.05, 9.0]))
    with pytest.raises(IlRosError, match=text):
        getattr(controller, kind)(np.array(value), now=0.02)
    np.testing.assert_array_equal(controller.positions(np.array([0.05, 9.0])), before)


@pytest.mark.parametrize(
    ('names', 'changes', 'text'),
    [
        (('a', 'c'), {}, r"joints \['a', 'c'\]; allowed: a, b"),
        (NAMES, {'positions': np.zeros((2, 3))}, 'points do not have 2 values each'),
        (NAMES, {'times': np.zeros(0)}, 'points do not have 2 values each'),
        (NAMES, {'positions': np.full((2, 2), np.nan)}, 'a value is not finite'),
        (NAMES, {'times': np.array([1.0, 0.5])}, 'times of the points do not increase'),
        (NAMES, {'start': -5.0}, 'it ends in the past'),
        (NAMES, {'velocities': np.ones((2, 2))}, 'the last point still moves'),
    ],
)
def test_refuses_what_a_joint_trajectory_controller_refuses(controller, names, changes, text):
    with pytest.raises(IlRosError, match=text):
        controller.follow(names, trajectory(**changes), now=1.0)
    np.testing.assert_array_equal(controller.positions(np.array([5.0])), np.zeros((1, 2)))


def test_positions_alone_are_joined_by_straight_lines(controller):
    # One unit in half a second, then another one in a second.
    points = {'times': np.array([0.5, 1.5]), 'velocities': None, 'accelerations': None}
    controller.follow(NAMES, trajectory(**points), now=1.0)
    reached = controller.positions(1.0 + np.array([0.125, 0.25, 0.5, 1.0, 1.5, 9.0]))
    share = np.array([0.125, 0.25, 0.5, 0.75, 1.0, 1.0])[:, None]
    np.testing.assert_allclose(reached, share * [1.0, 2.0], atol=1e-12)


def test_positions_with_velocities_are_joined_by_cubics(controller):
    # Rest to rest over one second by one unit: 3 t^2 - 2 t^3; at a quarter 3/16 - 2/64 = 10/64.
    rest = {'velocities': np.zeros((1, 2)), 'accelerations': None}
    one = trajectory(times=np.array([1.0]), positions=np.array([[1.0, 2.0]]), **rest)
    controller.follow(NAMES, one, now=1.0)
    np.testing.assert_allclose(controller.positions(np.array([1.25]))[0], [10 / 64, 20 / 64])
    # From speed 1 to rest over one second by half a unit: t - t^2 / 2.
    controller.hold(np.zeros(2))
    controller.command_velocity(np.array([1.0, 1.0]), now=0.0)
    half = trajectory(start=0.0, times=np.array([1.0]), positions=np.full((1, 2), 0.5), **rest)
    controller.follow(NAMES, half, now=0.0)
    np.testing.assert_allclose(controller.positions(np.array([0.5]))[0], 0.375, atol=1e-12)


@pytest.mark.parametrize(
    'changes',
    [
        {'start': np.nan},
        {'start': np.inf},
        {'times': np.array([0.5, np.nan])},
        {'times': np.array([np.nan, 1.0])},
        {'times': np.array([0.5, np.inf])},
        {'accelerations': np.full((2, 2), np.nan)},
        {'velocities': np.array([[np.nan, 0.0], [0.0, 0.0]])},
    ],
)
def test_a_number_that_is_none_is_refused_wherever_it_stands(controller, changes):
    with pytest.raises(IlRosError, match='trajectory: a value is not finite'):
        controller.follow(NAMES, trajectory(**changes), now=1.0)
    np.testing.assert_array_equal(controller.positions(np.array([5.0])), np.zeros((1, 2)))


def test_a_trajectory_that_ends_now_cannot_be_followed_and_does_not_stop_the_motion(controller):
    controller.command_velocity(np.array([1.0, 0.0]), now=1.0)
    before = controller.positions(np.arange(1.0, 3.0, 0.01))
    with pytest.raises(IlRosError, match='it ends in the past'):
        controller.follow(NAMES, trajectory(start=0.05), now=1.05)
    np.testing.assert_array_equal(controller.positions(np.arange(1.0, 3.0, 0.01)), before)


numbers = st.floats(-1.0, 1.0)
values = arrays(np.float64, 2, elements=numbers)


@st.composite
def trajectories(draw, degree=None):
    """A trajectory that may be followed from 0 s on; its first point is never due at once."""
    count = draw(st.integers(1, 4))
    gaps = draw(st.lists(st.floats(0.05, 1.0), min_size=count, max_size=count))
    degree = draw(st.sampled_from([1, 3, 5])) if degree is None else degree
    rows = arrays(np.float64, (count, 2), elements=numbers)
    velocities, accelerations = draw(rows), draw(rows)
    velocities[-1] = 0.0
    return Trajectory(
        start=draw(st.floats(0.0, 1.0)),
        times=np.cumsum(gaps),
        positions=draw(rows),
        velocities=velocities if degree > 1 else None,
        accelerations=accelerations if degree > 3 else None,
    )


refused = st.sampled_from([
    ('command', (np.array([np.nan, 0.0]),)),
    ('command_velocity', (np.zeros(3),)),
    ('follow', (('a',), trajectory())),
    ('follow', (NAMES, trajectory(start=-1e6))),
    ('follow', (NAMES, trajectory(velocities=np.ones((2, 2))))),
    ('follow', (NAMES, trajectory(times=np.array([1.0, 1.0])))),
])  # fmt: skip
accepted = st.one_of(
    st.tuples(st.just('command'), st.tuples(values)),
    st.tuples(st.just('command_velocity'), st.tuples(values)),
    st.tuples(st.just('follow'), st.tuples(st.just(NAMES), trajectories())),
)
orders = st.tuples(st.just(True), accepted) | st.tuples(st.just(False), refused)


def later(trajectory, now):
    return replace(trajectory, start=now + trajectory.start)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0.0, 2.0), orders), max_size=8))
def test_in_any_order_of_commands_the_set_points_never_jump_and_come_to_rest(steps):
    controller = TrajectoryController(NAMES, np.zeros(2), period=PERIOD, acceleration=LIMIT)
    now = 0.0
    for wait, (valid, (name, given_)) in steps:
        now += wait
        ahead = now + np.array([*np.linspace(0.0, 3.0, 40), 1e3, 2e3])
        before = controller.positions(ahead)
        arguments = given_ if name != 'follow' else (given_[0], later(given_[1], now))
        if not valid:
            with pytest.raises(IlRosError):
                getattr(controller, name)(*arguments, now)
            np.testing.assert_array_equal(controller.positions(ahead), before)
            continue
        if name == 'command':  # from where it is: ever larger leaps take ever longer to brake from
            arguments = (before[0] + given_[0],)
        getattr(controller, name)(*arguments, now)
        after = controller.positions(ahead)
        np.testing.assert_allclose(after[0], before[0], atol=1e-9)
        assert np.isfinite(after).all()
        np.testing.assert_array_equal(after[-1], after[-2])
        if name == 'follow':
            np.testing.assert_array_equal(after[-1], arguments[1].positions[-1])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0.01, 2.0), trajectories(5)), min_size=1, max_size=5))
def test_one_trajectory_after_the_other_is_followed_without_a_step_in_speed(steps):
    controller = TrajectoryController(NAMES, np.zeros(2), period=PERIOD, acceleration=LIMIT)
    now, h = 0.0, 1e-6
    for wait, trajectory_ in steps:
        now += wait
        before = np.diff(controller.positions(np.array([now - h, now])), axis=0) / h
        controller.follow(NAMES, later(trajectory_, now), now)
        after = np.diff(controller.positions(np.array([now, now + h])), axis=0) / h
        # Within h the speed changes by an acceleration of 1e4 at most: 20 / 0.05^2.
        np.testing.assert_allclose(after, before, atol=2e4 * h)


@given(trajectories(), st.permutations(NAMES))
def test_the_order_of_the_joints_in_a_message_makes_no_difference(given_, names):
    order, ahead = [NAMES.index(name) for name in names], np.linspace(0.0, 6.0, 50)
    columns = ('positions', 'velocities', 'accelerations')
    parts = {name: getattr(given_, name) for name in columns}
    swapped = {name: None if part is None else part[:, order] for name, part in parts.items()}
    one, other = (TrajectoryController(NAMES, np.zeros(2), period=PERIOD) for _ in range(2))
    one.follow(NAMES, given_, 0.0)
    other.follow(names, replace(given_, **swapped), 0.0)
    np.testing.assert_array_equal(one.positions(ahead), other.positions(ahead))


def rest_to_rest(**changes):
    """Two points of a motion at 2 rad/s that ends at rest."""
    return trajectory(
        times=np.array([0.1, 0.5]),
        positions=np.array([[0.2, 0.2], [0.6, 0.6]]),
        velocities=np.array([[2.0, 2.0], [0.0, 0.0]]),
        **changes,
    )


def test_a_trajectory_whose_first_point_has_passed_is_joined_where_it_is(controller):
    # ros2_controllers' Trajectory::sample looks for the segment of the present and ignores the
    # state before the trajectory: the set-point jumps.
    punctual = TrajectoryController(NAMES, np.zeros(2), period=PERIOD)
    punctual.follow(NAMES, rest_to_rest(start=1.0), now=1.0)
    controller.follow(NAMES, rest_to_rest(start=1.0), now=1.2)
    times = np.array([1.2, 1.3, 2.0])
    np.testing.assert_allclose(controller.positions(times), punctual.positions(times), atol=1e-12)
    assert controller.positions(np.array([1.2]))[0, 0] > 0.3


def blending():
    controller = TrajectoryController(NAMES, np.zeros(2), period=PERIOD, replacement=True)
    controller.follow(NAMES, trajectory(), now=1.0)
    return controller


def test_with_replacement_what_is_followed_goes_on_until_the_new_one_starts():
    before, controller = blending(), blending()
    # At 1.5 s, in the middle of its way, the first one is at (0.5, 1) with a speed of (1, 2).
    controller.follow(NAMES, rest_to_rest(start=1.75), now=1.2)
    until = np.linspace(1.2, 1.75, 50)
    np.testing.assert_allclose(controller.positions(until), before.positions(until), atol=1e-12)
    reached = controller.positions(np.array([1.85, 2.25, 9.0]))
    np.testing.assert_allclose(reached, [[0.2, 0.2], [0.6, 0.6], [0.6, 0.6]], atol=1e-12)
    for one, other in zip(controller.reference(1.75), before.reference(1.75), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_with_replacement_a_late_trajectory_is_followed_from_its_arrival_on():
    before, controller = blending(), blending()
    controller.follow(NAMES, rest_to_rest(start=1.0), now=1.3)
    here = controller.positions(np.array([1.3]))
    np.testing.assert_allclose(here, before.positions(np.array([1.3])), atol=1e-12)
    # Its points are due 0.1 and 0.5 s after it came, not after its start.
    reached = controller.positions(np.array([1.4, 1.8]))
    np.testing.assert_allclose(reached, [[0.2, 0.2], [0.6, 0.6]], atol=1e-12)


def test_with_replacement_a_rest_after_the_end_goes_on_until_the_next_start():
    controller = blending()
    controller.follow(NAMES, rest_to_rest(start=5.0), now=3.0)
    reached = controller.positions(np.array([3.0, 4.9, 5.0, 5.1]))
    np.testing.assert_allclose(reached, [[1, 2], [1, 2], [1, 2], [0.2, 0.2]], atol=1e-12)


def test_replacement_begins_with_the_second_trajectory():
    # Nothing is blended into a hold: its only point is no trajectory to go on with.
    controller = TrajectoryController(NAMES, np.zeros(2), period=PERIOD, replacement=True)
    controller.follow(NAMES, rest_to_rest(start=1.0), now=1.2)
    assert controller.positions(np.array([1.2]))[0, 0] > 0.3


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 2.0), trajectories(5).filter(lambda x: len(x.times) > 1)),
        min_size=1,
        max_size=5,
    )
)
def test_with_replacement_no_trajectory_that_starts_in_the_future_makes_a_step(steps):
    controller = blending()
    now, h = 1.0, 1e-6
    for wait, trajectory_ in steps:
        now += wait
        new = later(trajectory_, now + h)
        times = np.array([now, *np.linspace(now, new.start - h, 20), new.start, new.start + h])
        before = controller.positions(times)
        controller.follow(NAMES, new, now)
        after = controller.positions(times)
        np.testing.assert_allclose(after[:-1], before[:-1], atol=1e-8)
        speed = np.diff(after[-3:], axis=0) / h
        np.testing.assert_allclose(speed[1], speed[0], atol=4e4 * h)
