"""Set-points are no further apart than time allows, whenever ticks come and messages leave."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.planned_motion import Motion
from il_ros.monitors.punctuality import SetpointPace

DT = 0.05
BOX = np.array([-2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0])
LIMITS = FRANKA.limits(*BOX, force=1.0, torque=1.0)
MIDDLE = (LIMITS.position_min + LIMITS.position_max) / 2
PUNCTUAL = DT, 0.0, 1.0


class Sender:
    """Ticks, plans and sends, as the monitor and its sender do."""

    def __init__(self, *, waits):
        self.motion = Motion(LIMITS, dt=DT, geometry=None, margin=0.0)
        self.motion.begin(MIDDLE, 0.0)
        self.pace = SetpointPace(DT, 1.0, waits=waits)
        self.rows, self.now = [], 0.0

    def tick(self, passed, late, sign):
        """Tick `passed` s after the last message; what is planned leaves `late` s later."""
        self.now += passed
        motion = self.motion
        waited, motion.lead = self.pace.prepare(self.now)
        motion.wait(waited)
        if sign:
            here = motion.plan.at(motion.start(self.now))[0]
            assert motion.drive(here + sign * LIMITS.velocity, 0 * here, self.now) is None
        else:
            motion.brake(self.now)
        self.send(late)

    def send(self, late=0.0):
        """Send what follows, `late` s from now on."""
        begin = self.motion.start(self.now)
        self.now += late
        begin = self.pace.begin(self.now, begin)
        self.pace.sent(self.now, begin)
        ends = self.motion.plan.at(np.array([begin, begin + DT]))[0]
        self.rows.append((self.now, ends[1], (ends[1] - ends[0]) / DT))


def ticks():
    passed = st.sampled_from([DT, DT, 0.0, 0.001, 0.02, 0.08, 0.2]) | st.floats(0.0, 0.3)
    late = st.sampled_from([0.0, 0.0, 0.004, 0.1]) | st.floats(0.0, 0.3)
    sign = st.sampled_from([-1.0, 0.0, 1.0, 1.0])
    return st.lists(st.tuples(passed, late, sign), min_size=2, max_size=30)


def positions(sender):
    """Steps between set-points (K, N), and times that the controller has for them (K, 1)."""
    steps = np.array([after[1] - before[1] for before, after in pairwise(sender.rows)])
    passed = np.array([after[0] - before[0] for before, after in pairwise(sender.rows)])
    times = np.minimum(passed, DT)[:, None]
    return steps, times


@given(ticks=ticks())
@settings(max_examples=60, deadline=None)
def test_positions_keep_speed_and_acceleration_by_the_time_that_has_passed(ticks):
    sender = Sender(waits=True)
    for passed, late, sign in ticks:
        sender.tick(passed, late, sign)
    steps, times = positions(sender)
    assert (np.abs(steps) <= LIMITS.velocity * times + 1e-9).all()
    # Between two set-points a plan may be left a millisecond early, which is no more than this.
    slack = 2 * LIMITS.acceleration * 0.001**2
    long = np.maximum(times, 1e-9)
    change = np.abs(np.diff(steps / long, axis=0))
    allowed = LIMITS.acceleration * (long[1:] + long[:-1]) / 2
    assert (change <= allowed + slack * (1 / long[1:] + 1 / long[:-1])).all()


@given(ticks=ticks())
@settings(max_examples=60, deadline=None)
def test_velocities_change_by_no_more_than_the_time_that_has_passed_allows(ticks):
    sender = Sender(waits=False)
    for passed, late, sign in ticks:
        sender.tick(passed, late, sign)
    slack = 2 * LIMITS.acceleration * 0.001**2 / DT
    for before, after in pairwise(sender.rows):
        most = LIMITS.acceleration * (after[0] - before[0]) + slack
        assert (np.abs(after[2] - before[2]) <= most).all()
        assert (np.abs(after[2]) <= LIMITS.velocity * (1 + 1e-9)).all()


@pytest.mark.parametrize('waits', [True, False])
def test_in_time_a_plan_is_sent_as_it_is(waits):
    sender = Sender(waits=waits)
    for tick in range(20):
        begin = sender.now + DT if tick else DT
        sender.tick(*PUNCTUAL)
        expected = sender.motion.plan.at(begin + DT)[0]
        np.testing.assert_allclose(sender.rows[-1][1], expected, rtol=0, atol=1e-12)


def test_a_controller_that_waits_gets_all_of_the_plan():
    sender = Sender(waits=True)
    for _ in range(10):
        sender.tick(*PUNCTUAL)
    before = sender.rows[-1][1]
    sender.tick(0.2, 0.2, 1.0)
    step = sender.rows[-1][1] - before
    assert (step > 0.5 * LIMITS.velocity * DT)[:4].all()  # it goes on where the arm waits
    for _ in range(40):
        sender.now += DT
        sender.send()
    np.testing.assert_allclose(sender.rows[-1][1], sender.motion.plan.end)


@pytest.mark.parametrize('silence', [1.5, -0.2])
def test_after_a_long_silence_nothing_counts_that_was_before(silence):
    pace = SetpointPace(DT, 1.0, waits=True)
    pace.sent(5.0, 5.0)
    assert pace.prepare(5.0 + silence) == (0.0, 0.0)
    assert pace.begin(5.0 + silence, 7.0) == 7.0
