"""The way of the set-points to the servos, by its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.sim.command_path import CommandPath
from il_ros.sim.perturbations import Perturbation


def test_a_scaled_command_leaves_the_arm_behind_by_its_share():
    # After each period of v, x' = x + s (u - x): the lag settles at v (1 - s) / s.
    scale = Perturbation(kind='action_scale', start=0.1, duration=1.9, value=(0.25,))
    start, end = np.zeros(3), np.zeros(3)
    path = CommandPath([scale], start, 0.002, np.random.default_rng(0))
    rows = []
    for tick in range(60):
        begin, end = end, end + 0.01
        share = np.arange(1, 26)[:, None] / 25
        rows.append(path.apply(begin + share * (end - begin), tick * 0.05))
        if tick == 1:  # not yet
            np.testing.assert_allclose(rows[-1][-1], end, atol=1e-12)
        if tick == 2:  # 0.02 + 0.25 * 0.01
            np.testing.assert_allclose(rows[-1][-1, :2], 0.0225, atol=1e-12)
        if tick == 39:
            np.testing.assert_allclose(end[:2] - rows[-1][-1, :2], 0.03, atol=1e-6)
        assert rows[-1][-1, 2] == pytest.approx(end[2])  # the gripper
    np.testing.assert_allclose(rows[-1][-1], end, atol=1e-12)  # it has ended
    steps = np.abs(np.diff(np.concatenate(rows), axis=0))
    assert steps.max() < 0.041 / 25  # no jump, also where it ends: 0.01 + 0.03 in one period


def through(perturbations, blocks, hold, timestep=0.002, rng=0):
    """What arrives of these blocks of set-points, one after the other."""
    path = CommandPath(perturbations, hold, timestep, np.random.default_rng(rng))
    times = np.cumsum([0, *map(len, blocks)]) * timestep
    return np.concatenate([path.apply(block, t) for block, t in zip(blocks, times, strict=False)])


@given(
    st.lists(st.integers(0, 30), max_size=3), st.lists(st.integers(1, 30), min_size=1, max_size=6)
)
def test_delays_add_up_and_lose_no_set_point(delays, lengths):
    # What was commanded, later by all delays together; before that, what was held.
    blocks = np.split(np.arange(sum(lengths) * 2.0).reshape(-1, 2), np.cumsum(lengths)[:-1])
    late = [Perturbation(kind='action_delay', value=(0.002 * rows,)) for rows in delays]
    arrived = through(late, blocks, hold := np.array([-1.0, -2.0]))
    sent = np.concatenate([np.tile(hold, (sum(delays), 1)), *blocks])
    np.testing.assert_array_equal(arrived, sent[: sum(lengths)])


def test_a_delay_that_has_ended_leaves_nothing_behind():
    late = [Perturbation(kind='action_delay', start=0.02, duration=0.02, value=(0.01,))]
    blocks = np.split(np.arange(60.0).reshape(-1, 2), 3)  # of 0.02 s each
    arrived = through(late, blocks, np.zeros(2))
    expected = np.concatenate([np.arange(10), np.arange(5, 15), np.arange(20, 30)])
    np.testing.assert_array_equal(arrived[:, 0] / 2, expected)


@settings(max_examples=30)
@given(st.data())
def test_what_disturbs_a_command_changes_neither_the_command_nor_the_gripper(data):
    window = st.fixed_dictionaries({'start': st.floats(0, 0.1), 'duration': st.floats(0.01, 0.2)})
    perturbations = [
        Perturbation(kind=kind, value=(data.draw(st.floats(0.0, 1.5)),), **data.draw(window))
        for kind in data.draw(st.lists(st.sampled_from(['action_scale', 'command_noise'])))
    ]
    steps = np.random.default_rng(1).uniform(-1, 1, (8, 25, 3)).cumsum(axis=1)
    kept = steps.copy()
    arrived = through(perturbations, list(steps), np.zeros(3))
    np.testing.assert_array_equal(steps, kept)
    np.testing.assert_allclose(arrived[:, -1], kept.reshape(-1, 3)[:, -1], atol=1e-12)
    again = through(perturbations, list(steps), np.zeros(3))
    np.testing.assert_array_equal(arrived, again)
    if not perturbations:
        np.testing.assert_array_equal(arrived, kept.reshape(-1, 3))


def test_a_stuck_arm_stays_where_it_was_sent_last():
    stuck = [Perturbation(kind='action_scale', start=0.05, value=(0.0,))]
    blocks = [np.full((25, 3), level) for level in (1.0, 2.0, 3.0)]
    arrived = through(stuck, blocks, np.zeros(3))
    np.testing.assert_allclose(arrived[24, :2], 1.0)
    np.testing.assert_allclose(arrived[[49, 74], :2], 1.0)
    np.testing.assert_allclose(arrived[[49, 74], 2], [2.0, 3.0])  # the gripper


def test_the_noise_of_a_command_has_its_standard_deviation():
    noise = [Perturbation(kind='command_noise', value=(0.1,))]
    offsets = through(noise, [np.zeros((25, 3))] * 4000, np.zeros(3))[1000::25, :2]
    # 200 s of a correlation of 0.3 s are some 330 independent numbers of each joint.
    assert np.std(offsets) == pytest.approx(0.1, rel=0.15)
    assert abs(np.mean(offsets)) < 0.02
