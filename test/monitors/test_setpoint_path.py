"""Set-points at a rate of their own lie on one motion, whenever ticks end and messages leave."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.plan import Planner, resting
from il_ros.monitors.planned_motion import Motion
from il_ros.monitors.punctuality import Punctuality, SetpointPath

DT, PERIOD, LONGEST = 0.05, 0.01, 0.5
BOX = np.array([-2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0])
LIMITS = FRANKA.limits(*BOX, force=1.0, torque=1.0)
MIDDLE = (LIMITS.position_min + LIMITS.position_max) / 2


class Rig:
    """Ticks that take their time, and beside them a sender that is late at times.

    Attributes:
        between: Whether it is late between making a set-point and sending it.
        offset: By how much the clock of plans is ahead of that of set-points [s].
        rows: When a set-point left [s], where it is (N,), and the mean speed of its period (N,).
    """

    def __init__(self, *, waits=True, between=False):
        self.between = between
        self.motion = Motion(LIMITS, dt=DT, geometry=None, margin=0.0)
        self.motion.begin(MIDDLE, 0.0)
        self.path = SetpointPath(PERIOD, LONGEST, waits=waits)
        self.punctuality = Punctuality(0.0)
        self.at, self.offset, self.due, self.rows, self.refused = 0.0, 0.0, 0.0, [], 0

    def beat(self, late=0.0):
        before, after = (0.0, late) if self.between else (late, 0.0)
        self.at += before
        begin = self.path.next(self.at)
        if begin is None:
            return
        self.at += after
        self.path.sent(begin, self.at)
        ends = self.path.plan.at(np.array([begin, begin + PERIOD]))[0]
        self.rows.append((self.at, ends[1], (ends[1] - ends[0]) / PERIOD))

    def until(self, at, lates=()):
        """Send what is due, each one so late [s]."""
        lates = iter(lates)
        while self.due <= at:
            self.at = max(self.at, self.due)
            self.beat(next(lates, 0.0))
            self.due = max(self.due + PERIOD, self.at + PERIOD / 2)
        self.at = max(self.at, at)

    def tick(self, cost, sign, lates=()):
        """Plan, which takes `cost` [s]; set-points go on meanwhile."""
        motion, now = self.motion, self.at + self.offset
        motion.wait(self.path.prepare(now, self.at))
        motion.lead = self.punctuality.lead(now)
        motion.mark()
        if sign:
            here = motion.plan.at(motion.start(now))[0]
            assert motion.drive(here + sign * LIMITS.velocity, 0 * here, now) is None
        else:
            motion.brake(now)
        self.until(self.at + cost, lates)
        begin = max(motion.start(now), now)
        end = begin + PERIOD if self.path.plan is None else self.path.end
        taken = self.path.take(motion.plan, begin, self.at)
        self.punctuality.add(now, end - now)
        if not taken:
            self.refused += 1
            motion.withdraw()
        return taken


def steps_of(rig):
    """Steps between set-points (K, N), and times that the controller has for them (K, 1)."""
    steps = np.array([after[1] - before[1] for before, after in pairwise(rig.rows)])
    passed = np.array([after[0] - before[0] for before, after in pairwise(rig.rows)])
    return steps, np.minimum(passed, PERIOD)[:, None]


LATES = st.lists(
    st.sampled_from([0.0, 0.0, 0.0005, 0.003, 0.02]) | st.floats(0.0, 0.1), max_size=20
)
TICKS = st.lists(
    st.tuples(
        st.sampled_from([DT, DT, 0.0, 0.08, 0.3]) | st.floats(0.0, 0.2),
        st.sampled_from([0.0, 0.002, 0.01, 0.06]) | st.floats(0.0, 0.2),
        st.sampled_from([-1.0, 0.0, 1.0, 1.0]),
        LATES,
        st.sampled_from([0.0] * 8 + [-5.0, -0.02, 0.02, 0.3]),
    ),
    min_size=2,
    max_size=12,
)


@given(ticks=TICKS, between=st.booleans())
@settings(max_examples=20, deadline=None)
def test_positions_keep_speed_and_acceleration_by_the_time_that_has_passed(ticks, between):
    rig = Rig(between=between)
    for passed, cost, sign, lates, jump in ticks:
        rig.offset += jump
        rig.until(rig.at + passed, lates)
        rig.tick(cost, sign, lates)
    rig.until(rig.at + 1.0)
    steps, times = steps_of(rig)
    assert (np.abs(steps) <= LIMITS.velocity * times + 1e-9).all()
    np.testing.assert_allclose(rig.rows[-1][1], rig.path.plan.end, atol=1e-9)  # it stands
    if between:  # then an arm that waits is slower than that
        return
    long = np.maximum(times, 1e-6)
    change = np.abs(np.diff(steps / long, axis=0))
    allowed = LIMITS.acceleration * (long[1:] + long[:-1]) / 2
    assert (change <= allowed + 3e-7 * (1 / long[1:] + 1 / long[:-1])).all()


@given(ticks=TICKS)
@settings(max_examples=10, deadline=None)
def test_velocities_change_by_no_more_than_the_time_that_has_passed_allows(ticks):
    rig = Rig(waits=False)
    for passed, cost, sign, lates, _ in ticks:
        rig.until(rig.at + passed, lates)
        rig.tick(cost, sign, lates)
    rig.until(rig.at + 1.0)
    for before, after in pairwise(rig.rows):
        most = LIMITS.acceleration * (after[0] - before[0]) + 3e-7 / PERIOD
        assert (np.abs(after[2] - before[2]) <= most).all()
        assert (np.abs(after[2]) <= LIMITS.velocity * (1 + 1e-6)).all()


@pytest.mark.parametrize('waits', [True, False])
def test_in_time_every_plan_is_taken_and_sent_as_it_is(waits):
    rig = Rig(waits=waits)
    for _ in range(20):
        rig.tick(0.003, 1.0)
        rig.until(rig.at + DT - 0.003)
    assert rig.refused <= 1  # before anything is known of how late they are
    here = rig.rows[-1]
    np.testing.assert_allclose(here[1], rig.motion.plan.at(here[0] + PERIOD)[0], atol=2e-3)
    assert (rig.rows[-1][1] - MIDDLE > 0.4 * LIMITS.velocity * 1.0)[:4].all()
    times = np.diff([row[0] for row in rig.rows])
    np.testing.assert_allclose(times, PERIOD, atol=1e-9)


def test_where_no_plan_comes_any_more_it_ends_at_rest_and_falls_silent():
    rig = Rig()
    for _ in range(5):
        rig.tick(0.003, 1.0)
        rig.until(rig.at + DT - 0.003)
    rig.until(rig.at + 3.0)
    last = rig.rows[-1]
    np.testing.assert_allclose(last[1], rig.motion.plan.end, atol=1e-9)
    heard = 4 * DT + 0.003
    assert LONGEST - 2 * PERIOD <= last[0] - heard <= LONGEST + 1e-9
    assert rig.path.silence(rig.at) == 0.0
    rig.tick(0.0, 0.0)  # who speaks again is heard
    rig.until(rig.at + 0.1)
    assert rig.rows[-1][0] > last[0] + 1.0


def test_what_is_let_go_in_a_motion_comes_to_its_end_first():
    rig = Rig()
    for _ in range(4):
        rig.tick(0.003, 1.0)
        rig.until(rig.at + DT - 0.003)
    end, sent = rig.path.plan.end, len(rig.rows)
    assert not rig.path.plan.at_rest(rig.path.end)
    rig.path.let_go()
    rig.until(rig.at + 1.0)
    assert rig.path.plan is None
    assert len(rig.rows) > sent
    np.testing.assert_allclose(rig.rows[-1][1], end, atol=1e-9)


def test_what_is_let_go_at_rest_is_silent_at_once():
    rig = Rig()
    rig.tick(0.0, 0.0)
    rig.until(0.1)
    rig.path.let_go()
    assert rig.path.next(rig.at) is None


def test_a_sender_that_was_stopped_stays_silent_until_somebody_looks():
    """The arm may have been moved meanwhile, which only a tick can see."""
    rig = Rig()
    for _ in range(4):
        rig.tick(0.003, 1.0)
        rig.until(rig.at + DT - 0.003)
    sent = rig.rows[-1]
    rig.at = rig.due = rig.at + 2.0
    rig.beat()
    assert rig.rows[-1] is sent
    assert rig.path.silence(rig.at) > LONGEST
    assert rig.tick(0.0, 0.0)
    rig.until(rig.at + 0.5)
    step = rig.rows[rig.rows.index(sent) + 1][1] - sent[1]
    assert (np.abs(step) <= LIMITS.velocity * PERIOD + 1e-9).all()


def test_a_plan_of_elsewhere_is_refused():
    path, planner = SetpointPath(PERIOD, LONGEST, waits=True), Planner(LIMITS)
    still = resting(MIDDLE, 0.0)
    assert path.take(still, 0.0, 0.0)
    moving = planner.towards(still, 0.02, MIDDLE + 0.1, 0 * MIDDLE, DT).after(still, 0.0)
    path.sent(path.next(0.004), 0.004)
    assert path.take(moving, 0.0, 0.004)
    for at in np.arange(0.008, 0.045, 0.004):
        path.sent(path.next(at), at)
    assert not path.take(resting(MIDDLE, 0.0), 0.04, 0.04)
    assert not path.take(planner.stop(moving, 0.03).after(moving, 0.0), 0.04, 0.04)
    assert path.take(planner.stop(moving, path.end).after(moving, 0.0), 0.04, 0.04)
