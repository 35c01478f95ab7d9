"""A controller that takes each trajectory at once stays on the plan, however far ahead that is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.plan import Planner, plannable
from il_ros.monitors.planned_motion import Motion, trajectory_of
from il_ros.monitors.spliced_trajectories import SplicedTrajectories
from il_ros.sim.controller import TrajectoryController

DT, UPDATE = 0.05, 0.002  # s
FAR = np.full(3, 2.0)
CONTRACT = FRANKA.limits(-FAR, FAR, force=1.0, torque=1.0)
LIMITS = plannable(CONTRACT, 0.95, DT, splines=True)
TOLERANCE = 0.15 * LIMITS.velocity * DT
TICKS, DRIVEN = 45, 25


class Plain:
    """Each trajectory begins where its plan leaves the one before."""

    def make(self, plan, begin, lead):
        return trajectory_of(plan, begin, DT, start=begin)

    def sent(self, trajectory):
        pass


def swing(trajectories, lead, *, jitter=0.0, late=0.0, seed=0):
    """Random swings; gives shares of speed and acceleration, and the distance from the plan."""
    rng = np.random.default_rng(seed)
    motion = Motion(LIMITS, dt=DT, geometry=None, margin=0.0)
    middle = (LIMITS.position_min + LIMITS.position_max) / 2
    motion.begin(middle, 0.0)
    controller = TrajectoryController(LIMITS.names, middle, period=DT)
    times = np.arange(TICKS) * DT + jitter * rng.uniform(size=TICKS)
    on_the_way, rows, off, arrival = [], [], 0.0, 0.0
    for tick, now in enumerate(times[:-1]):
        if tick % 7 == 0:
            motion.lead = lead * rng.uniform(0.9, 1.0) if jitter else lead
            way = rng.choice([-1, 0, 1], len(middle))
        target = motion.plan.at(motion.start(now))[0] + way * LIMITS.velocity * DT
        if tick > DRIVEN or motion.drive(target, way * LIMITS.velocity, now):
            motion.brake(now)
        begin = motion.start(now)
        trajectory = trajectories.make(motion.plan, begin, begin - now)
        trajectories.sent(trajectory)
        arrival = max(arrival, now + late * rng.uniform())
        on_the_way.append((arrival, trajectory))
        for time in UPDATE * np.arange(np.ceil(now / UPDATE), np.ceil(times[tick + 1] / UPDATE)):
            while on_the_way and on_the_way[0][0] <= time:
                controller.follow(LIMITS.names, on_the_way.pop(0)[1], time)
            rows.append(controller.reference(time)[0])
            off = max(off, np.abs(rows[-1] - motion.plan.at(time)[0]).max())
    speed = np.diff(rows, axis=0) / UPDATE
    change = np.diff(speed, axis=0) / UPDATE
    speed, change = np.abs(speed) / CONTRACT.velocity, np.abs(change) / CONTRACT.acceleration
    return speed.max(), change.max(), off


@settings(max_examples=12)
@given(
    lead=st.sampled_from([0.03, 0.1, 0.17, 0.3, 0.5]),
    jitter=st.sampled_from([0.0, 0.001, 0.02]),
    late=st.sampled_from([0.0, 0.5, 0.9]),
    seed=st.integers(0, 1000),
)
def test_the_arm_follows_the_plan_also_with_trajectories_as_late_as_the_lead(
    lead, jitter, late, seed
):
    spliced = SplicedTrajectories(DT, TOLERANCE)
    speed, change, off = swing(spliced, lead, jitter=jitter, late=late * lead, seed=seed)
    assert speed <= 1.0
    assert change <= 1.0 + 1e-3
    assert off < 2.5e-3


def test_without_them_it_leaves_the_plan():
    assert swing(Plain(), 0.35)[2] > 0.02
    assert swing(SplicedTrajectories(DT, TOLERANCE), 0.35)[2] < 2.5e-3


def plan_to(target):
    planner = Planner(LIMITS)
    rest = planner.hold(FRANKA.home, 0.0)
    return planner.towards(rest, 0.0, FRANKA.home + target, np.zeros(8), 0.3)


def test_without_a_lead_nothing_is_added():
    plan, spliced = plan_to(0.02), SplicedTrajectories(DT, TOLERANCE)
    plain = trajectory_of(plan, 0.1, DT, start=0.1)
    for before in (None, trajectory_of(plan, 0.05, DT, start=0.05)):
        spliced.sent(before)
        made = spliced.make(plan, 0.1, 0.0)
        assert made.start == plain.start
        for part in ('times', 'positions', 'velocities', 'accelerations'):
            np.testing.assert_array_equal(getattr(made, part), getattr(plain, part))


@pytest.mark.parametrize('shift', [None, 0.3, 10.0, -10.0])
def test_what_is_not_of_the_plan_is_not_repeated(shift):
    """Nothing was sent, or a clock has jumped since."""
    plan, spliced = plan_to(0.02), SplicedTrajectories(DT, TOLERANCE)
    spliced.sent(None if shift is None else trajectory_of(plan_to(-0.1), 0.0, DT, start=shift))
    made = spliced.make(plan, 0.2, 0.15)
    assert made.start == pytest.approx(0.05)
    assert (np.diff(made.times) > 1e-3 - 1e-9).all()
    np.testing.assert_allclose(made.times[:7], 0.025 * np.array([1, 2, 3, 4, 5, 6, 8]))
    np.testing.assert_allclose(made.positions, plan.at(0.05 + made.times)[0], atol=1e-9)


def test_what_was_sent_a_moment_ago_is_repeated_also_where_its_first_point_is_far_ahead():
    plan, spliced = plan_to(0.02), SplicedTrajectories(DT, TOLERANCE)
    before = trajectory_of(plan, 0.1, DT, start=0.1)
    spliced.sent(replace(before, start=0.095, times=before.times + 0.005))
    made = spliced.make(plan, 0.195, 0.1)
    assert made.times[0] == pytest.approx(0.055)
    np.testing.assert_allclose(made.positions[0], before.positions[0], atol=1e-12)
