"""How the known arms look and move in the simulator: one file and one line each."""

from __future__ import annotations

from il_ros.core.arms import AnyArm
from il_ros.core.registry import lookup
from il_ros.sim.arm_model import drawn_robot
from il_ros.sim.robot import Robot

# By the name of the arm in `il_ros.core.arms`.
MODELS = {
    'franka': 'il_ros.sim.robots.franka_model:FRANKA',
    'ur5e': 'il_ros.sim.robots.ur5e_model:UR5E',
    'viperx_pair': 'il_ros.sim.robots.viperx_pair_model:VIPERX',
}


def make_robot(arm: AnyArm) -> Robot:
    """The arm, or the pair, as the simulator draws it.

    Raises:
        UnknownNameError: If the arm has no model; it lists the arms that have one.
    """
    return drawn_robot(arm, lookup('arm_model', arm.name, MODELS))
