"""A gripper gets few goals, and what becomes of them is heard."""

from dataclasses import replace

import pytest

from il_ros.core.contract import GripperConfig
from il_ros.monitors.gripper_goals import GoalEnd, GoalTroubles, GripperGoals

CONFIG = GripperConfig()


@pytest.fixture
def goals():
    made = GripperGoals(CONFIG, 0.01, 0.1)
    assert made.follow(0.5, 0.0, busy=False) is None  # where the plan begins
    return made


def test_a_goal_is_worth_a_tolerance_and_the_newest_is_sent_when_it_is_due(goals):
    assert goals.follow(0.509, 1.0, busy=True) is None
    assert goals.follow(0.52, 1.1, busy=True) == 0.52
    assert goals.follow(0.56, 1.15, busy=True) is None  # too soon
    assert goals.follow(0.58, 1.21, busy=True) == 0.58
    assert goals.follow(0.58, 9.0, busy=True) is None


def test_where_goals_do_not_replace_one_another_the_next_waits():
    goals = GripperGoals(replace(CONFIG, replaces=False), 0.01, 0.1)
    goals.follow(0.5, 0.0, busy=False)
    goals.follow(0.6, 0.5, busy=False)
    assert goals.follow(0.7, 1.0, busy=True) is None
    assert goals.follow(0.7, 1.1, busy=False) == 0.7
    assert goals.follow(0.8, 11.0, busy=True) is None
    assert goals.follow(0.8, 11.2, busy=True) == 0.8  # its server knows nothing of it


def test_a_stop_is_where_it_is_once_and_only_if_it_moves(goals):
    for tick in range(20):
        goals.see(1.0 + 0.05 * tick, 0.5 + 0.02 * tick)
    assert goals.stop(0.97, 1.96) == pytest.approx(0.88)
    assert goals.stop(0.97, 2.0) is None
    goals.follow(0.97, 3.0, busy=False)
    for tick in range(20):
        goals.see(3.0 + 0.05 * tick, 0.88)
    assert goals.stop(0.97, 4.0) is None  # it stands, and may hold something


def test_a_goal_that_has_just_left_may_move_it_in_a_moment(goals):
    goals.see(1.0, 0.5)
    assert goals.follow(0.7, 1.0, busy=False) == 0.7
    assert goals.stop(0.7, 1.05) == 0.5


def test_a_gripper_that_is_not_seen_is_not_sent_anywhere(goals):
    assert goals.follow(0.7, 1.0, busy=False) == 0.7
    assert goals.stop(0.7, 1.05) is None


@pytest.mark.parametrize(
    ('end', 'aborted', 'problem'),
    [
        (GoalEnd(what='succeeded', stalled=True), 'fault', ''),
        (GoalEnd(what='aborted', stalled=True), 'fault', ''),
        (GoalEnd(what='aborted'), 'grasp', ''),
        (GoalEnd(what='aborted'), 'fault', 'a goal was aborted'),
        (GoalEnd(what='rejected'), 'grasp', 'a goal was rejected'),
        (GoalEnd(what='ended with status 9'), 'grasp', 'a goal was ended with status 9'),
    ],
)
def test_what_an_end_means(end, aborted, problem):
    troubles = GoalTroubles(replace(CONFIG, aborted=aborted))
    troubles.ended(end, 5.0)
    assert troubles.problem(5.1) == problem
    assert troubles.problem(6.1) == ''  # it has been noticed


def test_a_server_that_does_not_answer_is_a_problem_however_many_goals_it_gets():
    troubles = GoalTroubles(CONFIG)
    for now in (1.0, 1.5, 2.0):
        troubles.asked(now)
        assert troubles.problem(now) == ''
    assert troubles.problem(2.1) == 'no answer to a goal for 1.1 s, allowed 1.0 s'
    assert troubles.problem(2.9)
    assert troubles.problem(3.2) == ''
    troubles.asked(4.0)
    troubles.answered()
    assert troubles.problem(9.0) == ''


def test_a_gripper_that_is_seen_seldom_or_across_a_jump_of_the_clock_moves_all_the_same(goals):
    goals.see(1.0, 0.5)
    goals.see(1.5, 0.6)
    assert goals.stop(0.9, 1.5) == 0.6
    goals.follow(0.9, 2.0, busy=True)
    goals.see(2.0, 0.7)
    goals.see(1002.0, 0.8)
    assert goals.stop(0.9, 1002.0) == 0.8


def test_a_goal_that_takes_much_to_be_worth_it_does_not_make_a_gripper_stand():
    goals = GripperGoals(CONFIG, 0.3, 0.1, 0.01)
    goals.follow(0.5, 0.0, busy=False)
    for tick in range(6):
        goals.see(1.0 + 0.05 * tick, 0.5 + 0.02 * tick)
    assert goals.stop(1.0, 1.25) == pytest.approx(0.6)


def test_a_stop_that_did_not_leave_is_tried_again(goals):
    goals.see(1.0, 0.5)
    goals.see(1.1, 0.6)
    assert goals.stop(0.9, 1.1) == 0.6
    goals.unsent()
    assert goals.stop(0.9, 1.1) == 0.6
    assert goals.stop(0.9, 1.1) is None


def test_what_is_released_stops_once_and_only_what_was_moved(goals):
    goals.see(1.0, 0.5)
    goals.see(1.1, 0.6)
    assert goals.halt(1.1) == 0.6
    goals.clear()
    goals.see(1.2, 0.5)
    goals.see(1.3, 0.6)  # by hand
    assert goals.halt(1.3) is None
