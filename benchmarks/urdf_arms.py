"""Arms from URDFs: how exact their kinematics are, and what the checks of their geometry cost.

The referee is MuJoCo's own reader of URDF. The files are those of `config/robots`, and what the
environment variable `IL_ROS_URDFS` names: `FILE:BASE:TIP`, several separated by commas; makers'
packages are found by `ROS_PACKAGE_PATH`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np
import yaml

from benchmarks.rows import ROOT, Row
from il_ros.core.arm_geometry import Geometry
from il_ros.core.arms import Arm, arm_of, require_single
from il_ros.core.contract import Contract, load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array, Zone
from il_ros.core.urdf import Urdf, read_urdf
from il_ros.monitors import checks

SHIPPED = (
    ('fr3.urdf', 'base', 'fr3_hand_tcp'),
    ('gen3_2f85.urdf', 'base_link', 'grasp_link'),
    ('so101.urdf', 'base_link', 'gripper_frame_link'),
    ('ur10e_2f85.urdf', 'base_link', 'tool0'),
    ('xarm7.urdf', 'link_base', 'link_tcp'),
)
_EXACT = 1e-6  # m
_ZONES = tuple(
    Zone(name=x, min=(5.0, 5.0, z), max=(6.0, 6.0, z + 1)) for x, z in (('a', 0), ('b', 2))
)


@dataclass(frozen=True, kw_only=True)
class UrdfSizes:
    """How much of everything.

    Attributes:
        postures: At which kinematics are compared.
        rounds: Of timing, of which the best counts.
        calls: Of a round.
    """

    postures: int = 1000
    rounds: int = 50
    calls: int = 200


SMOKE = UrdfSizes(postures=10, rounds=2, calls=5)


def rows(sizes: UrdfSizes, runs: Path) -> Iterator[Row]:
    """How many are right, by how much, and what the checks cost."""
    folder = runs / 'urdf_arms'
    folder.mkdir(parents=True, exist_ok=True)
    errors, costs = {}, {}
    for file, base, tip in _arms():
        name = f'{file.parent.name}/{file.stem}'
        try:
            errors[name], costs[name] = _measured(file, base, tip, folder, sizes)
        except IlRosError as problem:
            errors[name] = np.inf
            print(f'{name}: {problem}')
    good = [name for name, error in errors.items() if error <= _EXACT]
    each = ', '.join(f'{name} {error:.1e} m' for name, error in errors.items())
    yield Row(
        name='urdf_arms_ok', value=len(good), unit='', target=6, better='more',
        how=f'URDFs read, whose tool is where MuJoCo has it in {sizes.postures} postures: {each}',
    )  # fmt: skip
    yield Row(
        name='urdf_fk_error_max_m', value=max(errors.values()), unit='m', target=_EXACT,
        better='less', how='largest distance of the tool from where MuJoCo has it, of all arms',
    )  # fmt: skip
    each = ', '.join(f'{name} {cost:.0f}' for name, cost in costs.items())
    yield Row(
        name='geometry_check_us', value=max(costs.values()), unit='us', target=100, better='less',
        how=f'workspace, self-collision and two keep-out zones of one posture at rest, best of '
        f'{sizes.rounds} rounds of {sizes.calls}, the slowest of: {each}',
    )  # fmt: skip


def _arms() -> Iterator[tuple[Path, str, str]]:
    for name, base, tip in SHIPPED:
        yield ROOT / 'config/robots' / name, base, tip
    for entry in filter(None, os.environ.get('IL_ROS_URDFS', '').split(',')):
        file, base, tip = entry.rsplit(':', 2)
        yield Path(file), base, tip


def _measured(
    file: Path, base: str, tip: str, folder: Path, sizes: UrdfSizes
) -> tuple[float, float]:
    """Largest distance from the referee's tool [m], and the cost of the checks [us]."""
    text = file.read_text(encoding='utf-8')
    urdf = read_urdf(text, file.name)
    contract = _contract(file, urdf, base, tip, folder)
    arm = require_single(arm_of(contract), where='robot')
    return _error(arm, urdf, _referee(text), (base, tip), sizes.postures), _cost(
        arm, contract, sizes
    )


def _contract(file: Path, urdf: Urdf, base: str, tip: str, folder: Path) -> Contract:
    way = urdf.path(base, tip)[1]
    joints = [joint for joint in way if joint.type != 'fixed' and joint.mimic is None]
    names, count = [joint.name for joint in joints], len(joints)
    topic = {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState', 'rate': 20.0}
    parts = {'joint_position': 'position', 'joint_velocity': 'velocity'}
    limits = {
        'position_min': [None if joint.lower is not None else -np.pi for joint in joints],
        'position_max': [None if joint.upper is not None else np.pi for joint in joints],
        'velocity': [None if joint.velocity is not None else 1.0 for joint in joints],
        'acceleration': [5.0] * count, 'jerk': [500.0] * count,
    }  # fmt: skip
    data = {
        'version': 1, 'name': file.stem, 'base_frame': base, 'rate': 20.0,
        'clock': 'joint_position',
        'arm': {'urdf': f'file://{file.resolve()}', 'tip': tip},
        'observations': {k: {**topic, 'fields': [v], 'names': names} for k, v in parts.items()},
        'action': {
            'names': names, 'position': ['joint_position'], 'velocity': ['joint_velocity'],
            'limits': limits,
        },
        'workspace': {'min': [-3.0] * 3, 'max': [3.0] * 3},
    }  # fmt: skip
    path = folder / f'{file.stem}.yaml'
    path.write_text(yaml.safe_dump(data), encoding='utf-8')
    return load_contract(path)


def _error(
    arm: Arm, urdf: Urdf, model: mujoco.MjModel, links: tuple[str, str], postures: int
) -> float:
    """Largest distance [m] between the tool and the referee's, the tip in the base's frame."""
    base, tip = links
    data, rng, worst = mujoco.MjData(model), np.random.default_rng(0), 0.0
    for q in rng.uniform(-np.pi, np.pi, (postures, len(arm.joints))):
        at = dict(zip(arm.joints, q, strict=True))
        for name, joint in urdf.joints.items():
            if joint.mimic is not None and joint.mimic.joint in at:
                at[name] = joint.mimic.multiplier * at[joint.mimic.joint] + joint.mimic.offset
        for name, value in at.items():
            data.joint(name).qpos = value
        mujoco.mj_kinematics(model, data)
        (origin, turn), (tool, _) = _pose(model, data, base), _pose(model, data, tip)
        position = arm.chain.forward(q)[0]
        worst = max(worst, float(np.linalg.norm(turn.T @ (tool - origin) - position)))
    return worst


def _referee(text: str) -> mujoco.MjModel:
    """MuJoCo's model of a URDF without its bodies, whose meshes need not be there."""
    text = re.sub(r'<(visual|collision)\b.*?</\1>', '', text, flags=re.DOTALL)
    keep = '<mujoco><compiler fusestatic="false" boundmass="1" boundinertia="1"/></mujoco>'
    return mujoco.MjModel.from_xml_string(re.sub(r'(<robot\b[^>]*>)', rf'\1{keep}', text, count=1))


def _pose(model: mujoco.MjModel, data: mujoco.MjData, link: str) -> tuple[Array, Array]:
    if mujoco.mj_name2id(model, int(mujoco.mjtObj.mjOBJ_BODY), link) < 0:
        return np.zeros(3), np.eye(3)  # MuJoCo calls the root `world`
    return data.body(link).xpos, data.body(link).xmat.reshape(3, 3)


def _cost(arm: Arm, contract: Contract, sizes: UrdfSizes) -> float:
    geometry = Geometry.of_arm(arm, contract.action.names)
    limits, q = replace(contract.limits, keep_out=_ZONES), arm.home[None]
    best = np.inf
    for _ in range(sizes.rounds):
        begun = time.perf_counter()
        for _ in range(sizes.calls):
            checks.space(geometry, limits, q)
        best = min(best, (time.perf_counter() - begun) / sizes.calls)
    return 1e6 * float(best)
