"""Set-points leave the limiter no faster than the joints may move."""

import numpy as np

from il_ros.sim.command_limiter import CommandLimiter

VELOCITY, TIMESTEP = np.array([2.0, 0.5]), 0.01


def limiter():
    return CommandLimiter(VELOCITY, TIMESTEP, np.zeros(2))


def test_what_is_within_the_limits_is_not_touched():
    rows = np.cumsum(np.tile(VELOCITY * TIMESTEP, (10, 1)), axis=0)
    np.testing.assert_array_equal(limiter().apply(rows), rows)


def test_a_jump_is_gone_after_at_the_speed_limit_until_it_is_caught_up():
    # 0.05 away: the first joint moves by 0.02 an update, the second one by 0.005.
    limited, rows = limiter(), np.full((4, 2), 0.05)
    wanted = [[0.02, 0.005], [0.04, 0.01], [0.05, 0.015], [0.05, 0.02]]
    np.testing.assert_allclose(limited.apply(rows), wanted, atol=1e-12)
    np.testing.assert_allclose(limited.apply(rows[:1]), [[0.05, 0.025]], atol=1e-12)


def test_a_joint_that_jumps_does_not_slow_down_another():
    rows = np.array([[1.0, 0.001], [1.0, 0.002]])
    np.testing.assert_allclose(limiter().apply(rows), [[0.02, 0.001], [0.04, 0.002]], atol=1e-12)
