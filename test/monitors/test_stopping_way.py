"""However late commands are, no joint goes further before it rests than the bound says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import plannable
from il_ros.monitors.planned_motion import Motion, StoppingWay

DT = 0.05
BOX = np.array([-2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0])
LIMITS = plannable(FRANKA.limits(*BOX, force=1.0, torque=1.0), 0.95, DT, splines=True)
FREE = MonitorConfig.full_speed_lead + DT
WAY = StoppingWay(LIMITS, FREE)


def motion():
    made = Motion(LIMITS, dt=DT, geometry=None, margin=0.0)
    made.begin((LIMITS.position_min + LIMITS.position_max) / 2, 0.0)
    return made


def way_left(plan, now):
    """Path of each joint from `now` until it rests (N,) [rad or m], and how long that takes [s]."""
    turns = plan.at(np.linspace(now, max(plan.end_time, now + DT), 300))[0]
    return np.abs(np.diff(turns, axis=0)).sum(axis=0), plan.end_time - now


def swing(made, now, sign):
    """As fast as it goes, in this direction."""
    here = made.plan.at(made.start(now))[0]
    return made.drive(here + sign * LIMITS.velocity, sign * LIMITS.velocity, now)


def test_speed_and_way_are_each_others_inverse():
    assert WAY.speed(0.0) is WAY.speed(FREE) is None
    for time in (FREE + 0.001, 0.2, 0.5, 5.0):
        speed = WAY.speed(time)
        assert (speed < LIMITS.velocity).all()
        np.testing.assert_allclose(WAY.way(speed, time), WAY.bound)


@pytest.mark.parametrize('lead', [0.0, 0.1, 0.2, 0.3, 0.44])
def test_a_steady_lead_costs_speed_and_not_way(lead):
    made, fastest, longest = motion(), np.zeros(8), 0.0
    for tick in range(40):
        now = tick * DT
        made.lead = lead
        assert swing(made, now, 1.0 if tick % 32 < 16 else -1.0) is None
        way, _ = way_left(made.plan, now)
        assert (way <= WAY.bound).all()
        fastest = np.maximum(fastest, made.plan.extremes()[2])
        longest = max(longest, (way / WAY.bound).max())
    allowed = LIMITS.velocity if lead == 0.0 else WAY.speed(lead + DT)
    assert (fastest <= 1.001 * allowed).all()
    assert (fastest > 0.99 * allowed).any()  # no slower than necessary
    assert longest > 0.7


@given(
    ticks=st.lists(
        st.tuples(
            st.floats(0.0, 0.4),  # s since the tick before
            st.sampled_from([0.0, 0.0, 0.03, 0.1, 0.2, 0.35, 0.5]),  # lead
            st.sampled_from([-1.0, 0.0, 1.0]) | st.just(1.0),
            st.booleans(),  # whether it is withheld
        ),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_delays_makes_the_way_longer(ticks):
    made, now = motion(), 0.0
    for passed, lead, sign, withheld in ticks:
        now += passed
        made.mark()
        made.lead = lead
        if sign:
            assert swing(made, now, sign) is None
        else:
            made.brake(now)
        if withheld:
            made.withdraw()
        way, time = way_left(made.plan, now)
        assert (way <= WAY.bound * (1 + 1e-6)).all()
        slowest = 2 * (LIMITS.velocity / LIMITS.acceleration).max()
        assert time <= 0.5 + DT + slowest
