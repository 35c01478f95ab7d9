"""What counts as a handover, and how far it has got."""

from __future__ import annotations

import numpy as np
import pytest

from il_ros.sim.tasks import make_task
from il_ros.sim.tasks.bimanual_handover import GRIP, MEETING
from il_ros.sim.tasks.task import upright

TASK = make_task('bimanual_handover')
GOAL = np.array([0.12, 0.05, 0.16])
DOWN = [1.0, 0.0, 0.0, 0.0]


def scene(
    *, bar=GOAL, turn=0.0, left=(-0.22, 0.0, 0.28), right=None, open_left=True, open_right=False
):
    """One that counts as done, with changes; the right tool is at its end of the bar by default."""
    along = GRIP * np.array([np.cos(turn), np.sin(turn), 0.0])
    right = np.asarray(bar) + along if right is None else right
    return {
        'object_pose': upright(bar, turn),
        'goal_position': GOAL,
        'left_tcp_pose': np.array([*left, *DOWN]),
        'right_tcp_pose': np.array([*right, *DOWN]),
        'left_gripper_position': np.array([0.037 if open_left else 0.012]),
        'right_gripper_position': np.array([0.037 if open_right else 0.012]),
    }


@pytest.mark.parametrize(
    ('changes', 'success'),
    [
        ({}, True),
        ({'bar': np.add(GOAL, [0.0, 0.025, 0.0])}, True),
        ({'bar': np.add(GOAL, [0.0, 0.035, 0.0])}, False),
        ({'turn': 0.4}, True),
        ({'turn': np.pi}, False),  # the right hand holds the other end then
        (
            {'turn': np.pi, 'right': np.add(GOAL, [GRIP, 0.0, 0.0])},
            True,
        ),  # either end may be the first
        ({'open_right': True}, False),
        ({'right': np.add(GOAL, [GRIP, 0.0, 0.06])}, False),  # above the bar
        ({'open_left': False}, False),
        ({'left': np.add(GOAL, [-GRIP, 0.0, 0.0])}, False),  # still at its end
    ],
)
def test_done_is_at_the_goal_in_the_right_hand_alone(changes, success):
    assert bool(TASK.success(scene(**changes))) is success


def test_progress_grows_with_every_part_of_it():
    bar, away = np.array([-0.15, 0.05, 0.012]), np.array([0.22, 0.0, 0.28])
    end = np.array([-GRIP, 0.0, 0.0])
    first = scene(bar=bar, right=away, open_right=True)
    parts = [
        first,
        scene(bar=bar, right=away, left=bar + end, open_left=False, open_right=True),
        scene(bar=MEETING, right=away, left=MEETING + end, open_left=False, open_right=True),
        scene(bar=(MEETING + GOAL) / 2),
        scene(),
    ]
    steps = [TASK.progress(part, first) for part in parts]
    assert steps == sorted(steps)
    assert steps[0] == 0.0
    assert steps[1] == pytest.approx(0.2, abs=0.01)
    assert steps[4] == pytest.approx(0.9)


@pytest.mark.parametrize('outside', [0.0, 0.08])
def test_draws_keep_to_their_boxes(outside):
    for seed in range(50):
        draw = TASK.draw(np.random.default_rng(seed), outside)
        place, low, high = draw.bodies['object'], TASK.box_min, TASK.box_max
        inside = bool(np.all(place[:2] >= low) and np.all(place[:2] <= high))
        assert inside is (outside == 0.0)
        assert np.all((draw.goal >= TASK.goal_min) & (draw.goal <= TASK.goal_max))
