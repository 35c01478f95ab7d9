"""The registry of arms and the Franka's numbers."""

from __future__ import annotations

import numpy as np
import pytest

from il_ros.core.arms import FRANKA, get_arm
from il_ros.core.errors import UnknownNameError


def test_the_franka_is_known():
    assert get_arm('franka') is FRANKA
    assert FRANKA.names[:2] == ('fr3_joint1', 'fr3_joint2')
    assert FRANKA.names[7:] == ('fr3_finger_joint1',)


def test_an_unknown_arm_is_refused_by_name():
    with pytest.raises(UnknownNameError, match=r"unknown arm 'ur5'; allowed: franka"):
        get_arm('ur5')


def test_every_bound_has_one_number_for_each_joint():
    for name in ('position_min', 'position_max', 'velocity', 'acceleration', 'jerk', 'torque'):
        assert getattr(FRANKA, name).shape == (8,), name
    assert np.all(FRANKA.position_min < FRANKA.position_max)


def test_home_is_inside_the_limits_and_points_straight_down():
    assert np.all((FRANKA.home >= FRANKA.position_min) & (FRANKA.home <= FRANKA.position_max))
    position, rotation = FRANKA.chain.forward(FRANKA.home[:-1])
    np.testing.assert_allclose(position, [0.45, 0.0, 0.3], atol=1e-3)
    np.testing.assert_allclose(rotation, np.diag([1.0, -1.0, -1.0]), atol=1e-3)


def test_limits_carry_the_workspace_and_the_arms_bounds():
    limits = FRANKA.limits(np.zeros(3), np.ones(3), force=40.0, torque=5.0)
    assert limits.names == FRANKA.names
    assert limits.velocity is FRANKA.velocity
    assert (limits.force, limits.torque) == (40.0, 5.0)
