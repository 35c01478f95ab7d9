"""URDFs of every joint type, and contracts of the arms in them."""

from __future__ import annotations

import yaml

INERTIAL = (
    '<inertial><origin xyz="0 0 0.05"/><mass value="1"/>'
    '<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>'
)


def link(name, body=''):
    return f'<link name="{name}">{INERTIAL}{body}</link>'


def joint(name, kind, parent, child, *, xyz='0 0 0', rpy='0 0 0', axis='0 0 1', more=''):
    limit = {
        'revolute': '<limit lower="-2" upper="2.5" velocity="1.5" effort="10"/>',
        'prismatic': '<limit lower="0" upper="0.4" velocity="0.25" effort="10"/>',
        'continuous': '<limit velocity="1.2" effort="10"/>',
    }.get(kind, '')
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>{limit}{more}</joint>'
    )


def robot(*parts, name='odd'):
    # The extension tells MuJoCo, the referee, to keep links that do not move.
    keep = '<mujoco><compiler fusestatic="false"/></mujoco>'
    return f'<?xml version="1.0"?><robot name="{name}">{keep}{"".join(parts)}</robot>'


ODD = robot(
    *(link(name) for name in ('world', 'base', 'a', 'b', 'c', 'd', 'e', 'tip', 'finger')),
    joint('stand', 'fixed', 'world', 'base', xyz='0.1 0 0.5', rpy='0 0 0.3'),
    joint('turn', 'continuous', 'base', 'a', xyz='0 0 0.2', rpy='0.1 0 0'),
    joint('lean', 'revolute', 'a', 'b', xyz='0.05 0 0.1', rpy='0 0.2 0.4', axis='1 2 -2'),
    joint('rise', 'prismatic', 'b', 'c', xyz='0 0.1 0', rpy='0.3 0 0', axis='0 -1 0'),
    joint('mount', 'fixed', 'c', 'd', xyz='0 0 0.07', rpy='0 0 1'),
    joint('nod', 'revolute', 'd', 'e', xyz='0.2 0 0', axis='0 0 -1',
          more='<mimic joint="lean" multiplier="-0.5" offset="0.1"/>'),
    joint('flange', 'fixed', 'e', 'tip', xyz='0 0 0.1', rpy='0 1.5 0'),
    joint('grip', 'prismatic', 'tip', 'finger', xyz='0 0.02 0', axis='0 1 0'),
)  # fmt: skip
"""Continuous, revolute about an odd axis, prismatic, mimic, two fixed ones, and a finger."""


def stream(names, field):
    return {
        'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState', 'fields': [field],
        'names': list(names), 'rate': 20.0,
    }  # fmt: skip


def contract_data(arm, names, **limits):
    """A contract, as a mapping, of an arm whose commanded joints are `names`."""
    n = len(names)
    return {
        'version': 1, 'name': 'made', 'arm': arm, 'base_frame': 'base', 'rate': 20.0,
        'clock': 'joint_position',
        'observations': {
            'joint_position': stream(names, 'position'),
            'joint_velocity': stream(names, 'velocity'),
        },
        'action': {
            'names': list(names), 'position': ['joint_position'], 'velocity': ['joint_velocity'],
            'limits': {'acceleration': [5.0] * n, 'jerk': [500.0] * n, **limits},
        },
        'workspace': {'min': [-2.0, -2.0, -2.0], 'max': [2.0, 2.0, 2.0]},
    }  # fmt: skip


ODD_NAMES = ('turn', 'lean', 'rise', 'grip')
ODD_LIMITS = {
    'position_min': [-3.0, None, None, None],
    'position_max': [3.0, None, None, None],
}
"""What the URDF has not: how far a joint that turns without end may go."""


def write_contract(folder, text=ODD, names=ODD_NAMES, limits=None, **arm):
    """A URDF and a contract that names it; gives the contract's path."""
    (folder / 'odd.urdf').write_text(text)
    arm = {'urdf': 'odd.urdf', 'tip': 'tip', **arm}
    data = contract_data(arm, names, **(ODD_LIMITS if limits is None else limits))
    path = folder / 'made.yaml'
    path.write_text(yaml.safe_dump(data))
    return path
