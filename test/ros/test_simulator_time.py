"""What the simulator's time is for a command that comes at any moment."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from il_ros.nodes.simulator_node import SimulatorNode

NS = 1_000_000_000
PERIOD, SUBSTEPS = 0.05, 10


class World:
    """Asks for the time while it moves, as a goal that comes in another thread does."""

    def __init__(self):
        self.period, self.substeps, self.time, self.seen = PERIOD, SUBSTEPS, 0.0, []

    def step(self, setpoints):
        self.seen.append(self.now())
        self.time += self.period
        self.seen.append(self.now())


class Node(SimpleNamespace):
    """What of the node moves."""

    _now = SimulatorNode._now


def test_a_command_that_comes_while_the_physics_follows_is_not_carried_out_in_the_past():
    """Its motion would begin where the joint was a period ago: a jump."""
    world, asked = World(), []
    node = Node(
        _world=world,
        _robot=SimpleNamespace(
            positions=lambda times: asked.append(times) or np.zeros((len(times), 1)),
            say_what_is_followed=lambda stamp: None,
        ),
        _base=NS,
        _passed=0,
        _rows=[],
        _timestep=PERIOD / SUBSTEPS,
        _commanded=threading.Condition(),
        _config=SimpleNamespace(enforce_command_limits=False),
        _tell_time=lambda stamp: None,
        _publish=lambda: None,
    )
    world.now = lambda: node._now
    for tick in range(3):
        for part in (4, 6):
            SimulatorNode._advance(node, part)
        end = NS + round((tick + 1) * PERIOD * NS)
        assert world.seen[-2:] == [end, end]
        assert asked[-1][-1] * NS == pytest.approx(end)
        assert node._now == end
