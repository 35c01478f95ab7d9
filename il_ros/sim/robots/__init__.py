"""How the known arms look and move in the simulator: one file and one line each."""

from __future__ import annotations

from il_ros.core.arms import AnyArm
from il_ros.core.errors import UnknownNameError
from il_ros.core.registry import lookup, names_of
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
    try:
        model = lookup('arm_model', arm.name, MODELS)
    except UnknownNameError as unknown:
        raise UnknownNameError(
            f'no model of the arm {arm.name!r} to simulate',
            allowed=names_of('arm_model', MODELS),
            fix="start a vendor's arm as its driver's stand-in (il_ros launch demo driver:=NAME), "
            'and run the verb without --start; or give an MJCF file (model:=FILE)',
        ) from unknown
    return drawn_robot(arm, model)
