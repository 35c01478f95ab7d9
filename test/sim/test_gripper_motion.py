"""A goal of a gripper ends as the action controllers of ros2_controllers end it."""

from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.driver_description import GripperAction
from il_ros.core.errors import IlRosError
from il_ros.sim.gripper_motion import GripperMotion

GRIPPER = GripperAction(
    action='gripper_cmd', type='ParallelGripperCommand', joint='knuckle', speed=0.5
)


def ends(motion, blocked_at=np.inf, speed=None):
    """When a goal of 1 s ends, and how; an obstacle is at `blocked_at`."""
    for now in np.arange(1.0, 5.0, 0.01):
        wanted = float(motion.positions(np.array([now]))[0])
        here = min(wanted, blocked_at)
        moves = 0.5 if here == wanted < motion._to else 0.0
        if outcome := motion.look(now, here, moves if speed is None else speed):
            return now, outcome
    pytest.fail('it does not end')


def test_it_goes_to_its_goal_at_its_speed_and_is_there():
    motion = GripperMotion(GRIPPER, 0.1)
    assert motion.goal(0.6, 1.0) is None
    np.testing.assert_allclose(
        motion.positions(np.array([0.5, 1.0, 1.45, 9.0])), [0.1, 0.1, 0.3, 0.6]
    )
    now, outcome = ends(motion)
    assert now == pytest.approx(2.04, abs=0.021)  # 0.01 rad before
    assert (outcome.succeeded, outcome.reached, outcome.stalled) == (True, True, False)
    assert not motion.busy


def test_its_speed_has_no_steps_and_no_more_than_it_is_told_wherever_it_is_sent_meanwhile():
    rng = np.random.default_rng(0)
    motion, now, places = GripperMotion(GRIPPER, 0.3), 1.0, []
    for _ in range(60):
        motion.goal(rng.uniform(0.0, 0.8), now)
        passed = rng.choice([0.002, 0.05, 0.3, 2.0])
        places.append(motion.positions(np.arange(now, now + passed - 1e-9, 0.002)))
        now += passed
    speed = np.diff(np.concatenate(places)) / 0.002
    assert np.abs(speed).max() <= 0.5 + 1e-9
    # From full speed one way to full speed the other within a tenth of a second.
    assert np.abs(np.diff(speed)).max() <= 1.0 * 0.002 / 0.1 * 3


@pytest.mark.parametrize('stall_succeeds', [False, True])
def test_what_it_holds_stalls_it(stall_succeeds):
    motion = GripperMotion(replace(GRIPPER, stall_succeeds=stall_succeeds), 0.0)
    motion.goal(0.8, 1.0)
    now, outcome = ends(motion, blocked_at=0.2)
    assert now == pytest.approx(1.0 + 0.45 + 1.0, abs=0.03)
    assert (outcome.succeeded, outcome.reached, outcome.stalled) == (stall_succeeds, False, True)


def test_a_driver_that_always_says_it_stands_ends_a_goal_while_it_moves():
    motion = GripperMotion(replace(GRIPPER, stall_timeout=0.05, stall_succeeds=True), 0.0)
    motion.goal(0.8, 1.0)
    now, outcome = ends(motion, speed=0.0)
    assert now == pytest.approx(1.06, abs=0.011)
    assert outcome.stalled
    assert motion.positions(np.array([3.0]))[0] == pytest.approx(0.8)  # it goes on


def test_a_goal_out_of_range_or_no_number_changes_nothing():
    motion = GripperMotion(replace(GRIPPER, range=(0.0, 0.04), scale=0.5), 0.01)
    assert motion.goal(0.015, 1.0) is None
    outcome = motion.goal(0.021, 1.0)  # of 0.042
    assert (outcome.succeeded, outcome.stalled) == (False, False)
    with pytest.raises(IlRosError, match='gripper_cmd: position nan'):
        motion.goal(np.nan, 1.0)
    assert motion.positions(np.array([9.0]))[0] == pytest.approx(0.015)
