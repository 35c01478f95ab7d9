"""The numbers of the built-in arms against their makers' URDFs, where `IL_ROS_URDFS` names these.

The variable holds `FILE:BASE:TIP`, several separated by commas, as for `benchmarks.urdf_arms`.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from il_ros.core.kinematics import LimbDescription
from il_ros.core.robots.franka import FRANKA
from il_ros.core.robots.ur5e import UR5E
from il_ros.core.urdf import moving_joints, read_urdf

FILES = {
    Path(entry.split(':')[0]).stem: Path(entry.split(':')[0])
    for entry in os.environ.get('IL_ROS_URDFS', '').split(',')
    if entry
}


@pytest.mark.parametrize(
    ('arm', 'file', 'base', 'tip', 'beyond'),
    [(FRANKA, 'fr3', 'base', 'fr3_hand_tcp', 0.0), (UR5E, 'ur5e', 'base', 'tool0', 0.1034)],
    ids=['franka', 'ur5e'],
)
def test_a_built_in_arm_is_as_its_maker_describes_it(arm, file, base, tip, beyond):
    if file not in FILES:
        pytest.skip(f'IL_ROS_URDFS names no {file}.urdf')
    urdf = read_urdf(FILES[file].read_text(), file)
    joints, tool = moving_joints(urdf, base, tip)
    assert tuple(joint.name for joint in joints) == arm.joints
    limb = LimbDescription(tip=tip, joints=joints, tool=tool, home=(0.0,) * len(joints))
    chain, _ = limb.chain()
    for q in np.random.default_rng(0).uniform(
        arm.position_min[:-1], arm.position_max[:-1], (200, len(joints))
    ):
        position, rotation = chain.forward(q)
        own, turned = arm.chain.forward(q)
        np.testing.assert_allclose(own, position + beyond * rotation[:, 2], atol=1e-4)
        np.testing.assert_allclose(turned, rotation, atol=1e-4)
    for i, name in enumerate(arm.joints):
        joint = urdf.joints[name]
        assert arm.position_min[i] >= joint.lower - 1e-3
        assert arm.position_max[i] <= joint.upper + 1e-3
        assert arm.velocity[i] <= joint.velocity + 1e-3
