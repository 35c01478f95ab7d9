import numpy as np

from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.planned_motion import Motion
from il_ros.monitors.trajectory import points_of

DT = 0.05
BOX = np.array([-2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0])


def moving_plan():
    made = Motion(FRANKA.limits(*BOX, force=1.0, torque=1.0), dt=DT, geometry=None, margin=0.0)
    made.begin(FRANKA.home, 0.0)
    for tick in range(5):
        made.drive(FRANKA.home + 0.05 * np.eye(8)[0] * (tick + 1), np.eye(8)[0], tick * DT)
    return made.plan


def test_points_follow_the_plan_and_the_last_one_rests():
    plan = moving_plan()
    points = points_of(plan, plan.begin, DT)
    assert points.times[0] == DT
    assert (np.diff(points.times) > 1e-3 - 1e-9).all()
    np.testing.assert_allclose(plan.begin + points.times[-1], plan.end_time)
    np.testing.assert_allclose(points.position, plan.at(plan.begin + points.times)[0])
    assert not points.velocity[-1].any()
    assert not points.acceleration[-1].any()
    assert points.velocity[0].any()


def test_a_plan_that_has_ended_is_one_point_at_rest():
    plan = moving_plan()
    points = points_of(plan, plan.end_time + 1.0, DT)
    assert points.times.tolist() == [DT]
    np.testing.assert_array_equal(points.position, [plan.end])
    assert not points.velocity.any()
