"""What the controller follows is told from its state, and what it should have is missed."""

from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.followed_plans import ControllerState, FollowedPlans
from il_ros.monitors.plan import Planner
from il_ros.monitors.punctuality import Punctuality

DT, DELAY = 0.05, 0.025
BOX = np.array([-2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0])
LIMITS = FRANKA.limits(*BOX, force=1.0, torque=1.0)
SPEED = np.eye(8)[0]  # rad/s


@pytest.fixture
def punctuality():
    return Punctuality(DELAY)


@pytest.fixture
def followed(punctuality):
    return FollowedPlans(punctuality, 0.15 * LIMITS.velocity * DT, DELAY)


@pytest.fixture
def plans(followed):
    """Six plans, one a tick, which speed up; all of them sent."""
    planner = Planner(LIMITS)
    plan, made = planner.hold(FRANKA.home, 0.0), []
    for tick in range(6):
        now = tick * DT
        plan = planner.towards(plan, now, plan.at(now)[0] + SPEED * DT, SPEED, DT)
        made.append(plan)
        followed.sent(plan, now, now)
    return made


def state(plan, stamp, start):
    """Of a controller that follows `plan`, which began at `start`."""
    return ControllerState(stamp=stamp, start=start, position=plan.at(stamp - DELAY)[0])


def test_a_controller_that_has_the_newest_misses_nothing(followed, plans, punctuality):
    assert followed.late(state(plans[5], 0.3, 0.25 + DELAY)) is None
    assert punctuality.worst(0.3) == 0.0


def test_what_is_not_due_yet_is_not_missed(followed, plans):
    # The last one leaves the one before at 0.275 s; at 0.28 s it may still be on its way in.
    assert followed.late(state(plans[4], 0.27, 0.20 + DELAY)) is None
    assert followed.late(state(plans[4], 0.28, 0.20 + DELAY)) is None


def test_a_trajectory_that_is_due_and_not_followed_is_missed(followed, plans, punctuality):
    # It follows the third one, planned at 0.10 s; the fourth is due since 0.175 s.
    assert followed.late(state(plans[2], 0.30, 0.10 + DELAY)) is plans[2]
    assert punctuality.worst(0.30) == pytest.approx(0.15)


def test_when_it_came_is_known_from_the_state_before(followed, plans, punctuality):
    followed.hear(0.02, 0.0 + DELAY)
    assert punctuality.worst(0.1) == 0.0
    followed.hear(0.12, 0.0 + DELAY)
    followed.hear(0.13, 0.05 + DELAY)  # planned at 0.05 s, not there at 0.12 s
    assert punctuality.worst(0.2) == pytest.approx(0.07)
    followed.hear(0.14, 0.05 + DELAY)
    assert punctuality.worst(0.2) == pytest.approx(0.07)


def test_of_a_controller_that_blends_the_reference_tells_what_it_follows(followed, plans):
    # Its trajectories begin when they come, which is the time of nothing that was sent.
    assert followed.late(state(plans[5], 0.45, 0.26)) is None
    assert followed.late(state(plans[2], 0.45, 0.11)) is plans[2]
    later = followed.late(state(plans[2], 0.45 - 0.06, 0.10 + DELAY + 0.06))
    moved = later.at(0.45 - DELAY)[0]  # the same motion, 0.06 s later
    np.testing.assert_allclose(moved, plans[2].at(0.45 - DELAY - 0.06)[0], atol=0.01)


def test_one_that_came_when_an_older_one_was_to_begin_is_not_taken_for_that(
    followed, plans, punctuality
):
    planner = Planner(LIMITS)
    older = planner.towards(plans[5], 0.275, plans[5].at(0.275)[0] + SPEED * DT, SPEED, DT)
    followed.sent(older, 0.26, 0.275)  # begins at 0.30 s
    newest = planner.stop(older, 0.325)
    followed.sent(newest, 0.29, 0.325)  # is blended in at 0.30 s
    assert followed.late(state(older, 0.40, 0.30)) is older
    assert followed.late(state(plans[5], 0.28, 0.26)) is None  # it is a controller that blends
    assert followed.late(state(newest, 0.40, 0.30)) is None
    before = punctuality.worst(0.4)
    followed.hear(0.30, 0.30)
    assert punctuality.worst(0.4) == before


def test_a_reference_that_is_of_no_plan_says_nothing(followed, plans):
    strange = ControllerState(stamp=0.3, start=0.2, position=FRANKA.home + 1.0)
    assert followed.late(strange) is None
    np.testing.assert_allclose(followed.distance(strange)[1:], 1.0)


def test_a_reference_that_must_be_of_a_plan_and_is_of_none_is_strange(followed, plans):
    rest = plans[5].at(9.0)[0]
    for position, stamp, start, expected in (
        (FRANKA.home + 1.0, 0.50, 0.2, False),  # the first may still be on its way
        (FRANKA.home + 1.0, 0.60, 0.2, True),
        (FRANKA.home + 1.0, 0.60, 0.1 + DELAY, False),  # its start is that of one
        (rest, 0.60, 0.2, False),
        (rest + 0.2 * LIMITS.velocity * DT, 0.60, 0.2, False),  # no exact copy
        (rest + 0.6 * LIMITS.velocity * DT, 0.60, 0.2, True),
    ):
        state = ControllerState(stamp=stamp, start=start, position=position)
        assert followed.strange(state) is expected
    followed.clear()
    assert not followed.strange(ControllerState(stamp=9.0, start=0.2, position=rest + 1.0))


def test_a_state_that_misses_nothing_is_newer_than_a_measured_lateness(
    followed, plans, punctuality
):
    punctuality.add(0.0, 0.1, transit=True)
    assert punctuality.lead(50.0) > 0.1
    followed.late(ControllerState(stamp=50.0, start=0.26, position=plans[5].at(9.0)[0]))
    assert punctuality.lead(50.0) == 0.0


def test_joints_that_another_controller_moves_are_left_out(followed, plans):
    position = plans[2].at(0.45 - DELAY)[0].copy()
    position[7] = np.nan
    assert followed.late(ControllerState(stamp=0.45, start=0.11, position=position)) is plans[2]


def test_where_nothing_was_sent_nothing_is_missed(followed, plans):
    followed.clear()
    assert followed.late(state(plans[2], 0.45, 0.10 + DELAY)) is None
    assert followed.distance(state(plans[2], 0.45, 0.10 + DELAY)) is None


def test_a_controller_that_got_nothing_yet_is_at_rest_where_the_first_plan_begins(
    followed, plans, punctuality
):
    begun_long_ago = ControllerState(stamp=0.1, start=-5.0, position=FRANKA.home)
    plan = followed.late(begun_long_ago)
    np.testing.assert_array_equal(plan.at(0.1)[0], FRANKA.home)
    assert plan.at_rest(0.1)
    assert punctuality.worst(0.1) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ('stamp', 'start', 'away'),
    [
        (0.03, -5.0, 0.0),  # not due yet
        (0.1, -0.2, 0.0),  # by a clock that may be behind
        (0.1, -5.0, 0.1),  # somewhere else: `strange` says so
    ],
)
def test_it_is_not_said_to_rest_where_that_is_not_sure(followed, plans, stamp, start, away):
    found = followed.late(ControllerState(stamp=stamp, start=start, position=FRANKA.home + away))
    assert found is None or not found.at_rest(stamp)


def test_what_began_before_a_plan_was_made_is_not_taken_for_it(followed, plans):
    assert followed.late(state(plans[0], 0.05, 0.01)) is None  # blended: it began when it came
    assert followed.strange(state(plans[0], 0.8, 0.01)) is False
    assert followed.strange(state(plans[0], 0.8, -5.0)) is True


@pytest.mark.parametrize('turns', [-2, 0, 1])
def test_a_joint_without_end_may_be_in_another_turn_of_the_controller(punctuality, turns):
    endless = np.arange(8) == 0
    tolerance = 0.15 * LIMITS.velocity * DT
    alike = FollowedPlans(punctuality, tolerance, DELAY, endless)
    ordinary = FollowedPlans(punctuality, tolerance, DELAY)
    plan = Planner(LIMITS).hold(FRANKA.home, 0.0)
    for followed in (alike, ordinary):
        followed.sent(plan, 0.0, 0.0)
    there = state(plan, 2.0, 0.26)  # it was blended in, so its reference tells
    moved = replace(there, position=there.position + 2 * np.pi * turns * endless)
    assert alike.distance(moved).max() < 1e-9
    assert alike.late(moved) is None
    assert not alike.strange(moved)
    assert ordinary.strange(moved) == bool(turns)
    elsewhere = replace(there, position=moved.position + 0.5 * endless)
    assert alike.distance(elsewhere)[0] == pytest.approx(0.5)
    assert alike.strange(elsewhere)
