"""Which observation a command of a simulated controller answers."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from il_ros.core.robots.franka import FRANKA
from il_ros.core.trajectory import Trajectory
from il_ros.ros.output_adapters import JointTrajectoryOutput
from il_ros.ros.simulated_output import SimulatedOutput

NS = 1_000_000_000
PERIOD = 50_000_000  # ns


@pytest.mark.parametrize(
    ('stamped', 'answered'),
    [(0, 0), (-PERIOD, -PERIOD), (round(0.85 * PERIOD), 0), (8 * PERIOD, 0)],
    ids=['now', 'the one before', 'less than a period ahead', 'many periods ahead'],
)
def test_a_command_answers_no_observation_that_is_still_to_come(contract, stamped, answered):
    """A trajectory begins later where commands were late: what it answers was there before it."""
    node = SimpleNamespace(create_publisher=lambda *_: SimpleNamespace(topic_name=''))
    [config] = contract.outputs
    output = SimulatedOutput(node, contract, config, replacement=True)
    output.begin(FRANKA.home)
    newest = 20 * PERIOD
    home, still = FRANKA.home[None], np.zeros((1, len(FRANKA.home)))
    trajectory = Trajectory(
        start=0.0, times=np.array([0.1]), positions=home, velocities=still, accelerations=still
    )
    adapter = JointTrajectoryOutput(contract)
    message = adapter.trajectory_message(trajectory, newest + stamped)
    output.take(message, newest / NS, newest)
    assert output.answered == newest + answered
