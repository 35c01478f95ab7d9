"""How many lines of a drafted contract a person edits, for what six robots' drivers show.

``rows()`` gives the row of ``make bench GROUP=robot``. A line counts where it does not say what the
driver's own documentation says, and the workspace's does always: no driver knows the table. With
these lines edited the contract has to load, and `contract check` to find nothing wrong.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.rows import ROOT, Row
from il_ros.contracts.contract_check import check_robot
from il_ros.contracts.contract_draft import draft_contract
from il_ros.contracts.contract_replay import ContractNames
from il_ros.core.contract import load_contract

sys.path.insert(0, str(ROOT / 'test/support'))

from seen_graphs import (
    ALOHA_ARM,
    DRIVERS,
    FINGER,
    FR3_JOINTS,
    GEN3_JOINTS,
    KNUCKLE,
    ROBOTS,
    SO101_ARM,
    UR_JOINTS,
    XARM_JOINTS,
    aloha,
)

MOST = 3
"""Lines to edit by hand that are few enough."""

_JTC, _PARALLEL = 'joint_trajectory', 'parallel_gripper_command'
_WORKSPACE = {'min': [0.2, -0.5, 0.0], 'max': [0.8, 0.5, 0.8]}


def _right(
    link: tuple[str, str],
    joints: tuple[str, ...],
    states: tuple[str, float],
    output: tuple[str, str],
) -> dict[str, Any]:
    """What a contract of an arm has to say, by dotted paths."""
    return {
        'arm.tip': link[1],
        'base_frame': link[0],
        'rate': 20.0,
        'clock': 'joint_position',
        'observations.joint_position.topic': states[0],
        'observations.joint_position.names': list(joints),
        'observations.joint_position.rate': states[1],
        'observations.joint_velocity.topic': states[0],
        'arm output': output,
    }


RIGHT: Mapping[str, Mapping[str, Any]] = {
    'ur': {
        **_right(
            ('base', 'tool0'), UR_JOINTS, ('joint_states', 500.0),
            (_JTC, 'scaled_joint_trajectory_controller/joint_trajectory'),
        ),
        'observations.tcp_pose.topic': 'tcp_pose_broadcaster/pose',
        'observations.wrench.frame_id': 'tool0_controller',
        'gripper output': (_PARALLEL, 'robotiq_gripper_controller/gripper_cmd', KNUCKLE),
    },
    'fr3': {
        **_right(
            ('base', 'fr3_hand_tcp'), FR3_JOINTS, ('franka/joint_states', 1000.0),
            (_JTC, 'fr3_arm_controller/joint_trajectory'),
        ),
        'observations.gripper_position.topic': 'franka_gripper/joint_states',
        'observations.tcp_pose.topic': 'franka_robot_state_broadcaster/current_pose',
        'gripper output': ('gripper_command', 'franka_gripper/gripper_action', FINGER),
    },
    'xarm': {
        **_right(
            ('link_base', 'link_tcp'), XARM_JOINTS, ('xarm/joint_states', 100.0),
            (_JTC, 'xarm7_traj_controller/joint_trajectory'),
        ),
        'observations.gripper_position.topic': 'joint_states',
        'gripper output': ('gripper_command', 'xarm_gripper/gripper_action', 'drive_joint'),
    },
    'gen3': {
        **_right(
            ('base_link', 'end_effector_link'), GEN3_JOINTS, ('joint_states', 1000.0),
            (_JTC, 'joint_trajectory_controller/joint_trajectory'),
        ),
        'gripper output': (_PARALLEL, 'robotiq_gripper_controller/gripper_cmd', KNUCKLE),
    },
    'so101': _right(
        ('base_link', 'gripper_frame_link'), SO101_ARM, ('follower/joint_states', 100.0),
        ('forward_command', 'follower/forward_controller/commands'),
    ),
    'aloha': _right(
        ('follower_left/base_link', 'follower_left/ee_gripper_link'), ALOHA_ARM,
        ('follower_left/joint_states', 100.0),
        (_JTC, 'follower_left/arm_controller/joint_trajectory'),
    ),
}  # fmt: skip
"""By driver what its own sources say; of ALOHA with `interbotix_xsarm_ros_control`."""


@dataclass(frozen=True, kw_only=True)
class Edits:
    """What is to be edited in one draft.

    Attributes:
        lines: The path of each line.
        wrong: What `contract check` finds wrong after that.
    """

    lines: tuple[str, ...]
    wrong: tuple[str, ...]


def edits(driver: str) -> Edits:
    """Draft the contract of a driver, edit it, and check it."""
    seen = aloha(ros2_control=True) if driver == 'aloha' else DRIVERS[driver]()
    draft = draft_contract(seen, name=driver, robot=ROBOTS.get(driver, ''))
    data = yaml.safe_load(draft.text)
    lines = [*_edit(data, RIGHT[driver]), 'workspace']
    data['workspace'] = _WORKSPACE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f'{driver}.yaml')
        path.with_name(draft.urdf_file).write_text(draft.urdf)
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        findings = check_robot(load_contract(path), seen, ContractNames())
    wrong = tuple(f'{each.subject}: {each.text}' for each in findings if each.state == 'wrong')
    return Edits(lines=tuple(lines), wrong=wrong)


def _edit(data: dict[str, Any], right: Mapping[str, Any]) -> Iterator[str]:
    """Put in what is right; gives the path of each line that said something else."""
    for path, value in right.items():
        if path == 'arm output':
            yield from _edit_output(data['action'], *value)
            continue
        if path == 'gripper output':
            yield from _edit_gripper(data['action'], *value)
            continue
        *above, name = path.split('.')
        at = data
        for key in above:
            at = at.setdefault(key, {})
        if at.get(name) != value:
            at[name] = value
            yield path


def _edit_output(action: dict[str, Any], adapter: str, topic: str) -> Iterator[str]:
    output = action['outputs'][0] if 'outputs' in action else action['output']
    for name, value in (('adapter', adapter), ('topic', topic)):
        if output[name] != value:
            output[name] = value
            yield f'action.output.{name}'


def _edit_gripper(action: dict[str, Any], adapter: str, topic: str, joint: str) -> Iterator[str]:
    right = {'joints': [joint], 'adapter': adapter, 'topic': topic}
    outputs = action.setdefault('outputs', [])
    output = next((each for each in outputs if each['joints'] == [joint]), None)
    if output is None:
        outputs.append(output := {})
    for name, value in right.items():
        if output.get(name) != value:
            output[name] = value
            yield f'action.outputs.{joint}.{name}'


def rows(drivers: Iterable[str] = tuple(RIGHT)) -> Iterator[Row]:
    """The figure, and which lines they are."""
    found = {driver: edits(driver) for driver in drivers}
    for driver, each in found.items():
        if each.wrong:
            raise RuntimeError(f'{driver}: {"; ".join(each.wrong)}')
    texts = [f'{driver}: {", ".join(each.lines)}' for driver, each in found.items()]
    yield Row(
        name='contract_init_edits_min',
        value=max(len(each.lines) for each in found.values()),
        unit='lines',
        target=MOST,
        better='less',
        how=f'of the driver that needs the most; contract check is clean then. {"; ".join(texts)}',
    )


if __name__ == '__main__':
    for row in rows():
        print(row.name, row.value, row.unit, row.how)
