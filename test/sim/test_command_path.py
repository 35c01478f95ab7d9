"""The way of the set-points to the servos, by its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

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
