"""What leaves for the robot's controller: trajectories that it accepts, ending at rest."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from il_ros.core.errors import IlRosError
from il_ros.monitors.plan import Planner
from il_ros.ros.output import ForwardCommandOutput, JointTrajectoryOutput
from il_ros.sim.controller import TrajectoryController


def plans(contract, dt):
    """Plans of every length, from a start at rest to the fastest there is."""
    planner = Planner(contract.limits)
    middle = (contract.limits.position_min + contract.limits.position_max) / 2
    for size in np.linspace(0.0, 1.0, 60):
        plan, target = planner.hold(middle, 0.0), middle.copy()
        for tick in range(6):
            target = target + size * 0.9 * contract.limits.velocity * dt
            plan = planner.towards(plan, tick * dt, target, size * contract.limits.velocity, dt)
        yield plan, 5 * dt


@pytest.mark.parametrize('rate', [10.0, 20.0, 100.0, 250.0])
def test_a_controller_accepts_every_plan_and_follows_it(contract, rate):
    contract = replace(contract, rate=rate)
    output, names = JointTrajectoryOutput(contract), contract.action.names
    stamp = 7_000_000_000
    for plan, begin in plans(contract, contract.period):
        message = output.message(plan, begin, stamp)
        controller = TrajectoryController(names, plan.at(begin)[0])
        assert output.apply(message, controller, stamp / 1e9) == stamp
        last = message.points[-1]
        assert not np.any(last.velocities)
        reached = controller.positions(np.array([stamp / 1e9 + contract.period]))[0]
        wanted = plan.at(begin + contract.period)[0]
        np.testing.assert_allclose(reached, wanted, atol=2e-3)
        at_rest = controller.positions(np.array([stamp / 1e9 + 60.0]))[0]
        np.testing.assert_allclose(at_rest, plan.end, atol=1e-6)


def test_forward_command_is_the_position_at_the_next_tick(contract):
    output = ForwardCommandOutput(contract)
    plan, begin = list(plans(contract, contract.period))[-1]
    message = output.message(plan, begin, 1)
    np.testing.assert_allclose(message.data, plan.at(begin + contract.period)[0])
    controller = TrajectoryController(contract.action.names, plan.end)
    assert output.apply(message, controller, 3.0) == 0
    np.testing.assert_allclose(controller.positions(np.array([3.0]))[0], message.data)


def test_an_empty_trajectory_is_refused(contract):
    output = JointTrajectoryOutput(contract)
    controller = TrajectoryController(contract.action.names, np.zeros(8))
    with pytest.raises(IlRosError, match='trajectory: no points'):
        output.apply(output.message_type(), controller, 0.0)
