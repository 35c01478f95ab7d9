"""A servo keeps to its own speed and acceleration, whatever it is sent, and gets there."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.sim.servo_motion import ServoMotion

STEP = 1e-3  # s


@settings(max_examples=20)
@given(
    speed=st.floats(0.5, 4.0),
    acceleration=st.floats(5.0, 50.0),
    seed=st.integers(0, 10_000),
)
def test_positions_are_reached_within_its_speed_and_acceleration(speed, acceleration, seed):
    """Each leaves the one before in the middle of the motion, also back."""
    rng = np.random.default_rng(seed)
    servo, now, rows = ServoMotion(np.zeros(4), speed=speed, acceleration=acceleration), 0.0, []
    for _ in range(20):
        target, count = rng.uniform(-0.3, 0.3, 4), int(rng.integers(5, 60))
        servo.go(target, now)
        rows.append(servo.positions(now + STEP * np.arange(count)))
        now += STEP * count
    rows.append(servo.positions(now + STEP * np.arange(2000)))
    speeds = np.diff(np.concatenate(rows), axis=0) / STEP
    assert np.abs(speeds).max() <= speed * (1 + 1e-6)
    assert np.abs(np.diff(speeds, axis=0) / STEP).max() <= acceleration * (1 + 1e-6)
    np.testing.assert_allclose(rows[-1][-1], target, atol=1e-9)


def test_it_is_as_fast_as_that():
    """0.1 rad from rest at 10 rad/s^2: 0.2 s, half of the way in half of the time."""
    servo = ServoMotion(np.zeros(1), speed=4.0, acceleration=10.0)
    servo.go(np.array([0.1]), 1.0)
    np.testing.assert_allclose(
        servo.positions(np.array([0.0, 1.0, 1.1, 1.2]))[:, 0], [0.0, 0.0, 0.05, 0.1], atol=1e-12
    )
