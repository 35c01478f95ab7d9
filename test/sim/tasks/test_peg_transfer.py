"""Peg transfer: a ring around one peg, another peg for its goal, and what counts as transferred."""

from __future__ import annotations

import math

import numpy as np
import pytest

from il_ros.sim.tasks.peg_transfer import HOLE, PEGS, RADIUS, RESTING, PegTransfer
from il_ros.sim.world import World


def draw(seed, outside=0.0):
    return PegTransfer().draw(np.random.default_rng(seed), outside)


def peg_of(place, board):
    """Index of the peg that `place` is at, on a board at the pose `board`."""
    turn = 2 * math.atan2(board[5], board[6])
    x, y = place[:2] - board[:2]
    c, s = math.cos(turn), math.sin(turn)
    gaps = [math.dist((c * x + s * y, c * y - s * x), peg) for peg in PEGS]
    assert min(gaps) < 1e-9
    return int(np.argmin(gaps))


def test_ring_and_goal_are_at_two_pegs_of_the_board():
    pairs = set()
    for seed in range(200):
        it = draw(seed)
        board = it.bodies['board']
        pair = (peg_of(it.bodies['object'], board), peg_of(it.goal, board))
        assert pair[0] != pair[1]
        pairs.add(pair)
    assert len(pairs) == 30  # each pair, in both orders


def test_the_ring_goes_outside_on_its_board():
    it, task = draw(3, 0.1), PegTransfer()
    board = it.bodies['board']
    peg_of(it.bodies['object'], board)
    beyond = max(board[0] - task.box_max[0], task.box_min[1] - board[1])
    assert beyond == pytest.approx(0.1)


def test_a_ring_stays_around_its_peg_until_it_is_taken():
    world = World('peg_transfer')
    for seed in range(4):
        world.reset(seed)
        start = world.privileged()
        hold = np.concatenate([start['joint_position'], start['gripper_position']])
        for _ in range(10):
            world.step(np.tile(hold, (world.substeps, 1)))
        np.testing.assert_allclose(
            world.privileged()['object_pose'], start['object_pose'], atol=2e-3
        )
        assert world.state().progress < 0.05


@pytest.mark.parametrize(
    ('change', 'success'),
    [
        ({}, True),
        ({'aside': HOLE / 2 - RADIUS}, True),
        ({'aside': HOLE}, False),
        ({'lift': 0.01}, False),
        ({'opening': 0.02}, False),
        ({'tool': 0.02}, False),
    ],
)
def test_the_ring_must_lie_around_the_peg_and_the_hand_be_gone(change, success):
    it = {'aside': 0.0, 'lift': 0.0, 'opening': 0.04, 'tool': 0.1, **change}
    scene = {
        'goal_position': np.array([0.5, 0.0, RESTING]),
        'object_pose': np.array([0.5 + it['aside'], 0.0, RESTING + it['lift'], 0, 0, 0, 1.0]),
        'tcp_pose': np.array([0.5, 0.0, RESTING + it['tool'], 1.0, 0, 0, 0]),
        'gripper_position': np.array([it['opening']]),
    }
    assert bool(PegTransfer().success(scene)) is success
