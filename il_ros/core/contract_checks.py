"""What a contract has to fulfil beyond its types: each rule with the dotted path that breaks it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol

import numpy as np

from il_ros.core.errors import ContractError
from il_ros.core.limits import is_whole_turn
from il_ros.core.registry import names_of
from il_ros.core.streams import check_image, check_stream, without_prefix

if TYPE_CHECKING:
    from il_ros.core.contract import Action, Contract, Fallback, JointBounds, OutputConfig
    from il_ros.core.limits import Box

VERSION = 1
TRAJECTORY, TWIST, POSE = 'joint_trajectory', 'twist', 'pose'
GRIPPERS = {
    'gripper_command': 'control_msgs/action/GripperCommand',
    'parallel_gripper_command': 'control_msgs/action/ParallelGripperCommand',
}
"""Adapters of grippers that are moved by an action, and its type."""

JOINT_GROUP, JOINT_SINGLE = 'joint_group_command', 'joint_single_command'

OUTPUT_ADAPTERS = (
    TRAJECTORY, 'forward_command', TWIST, POSE, JOINT_GROUP, JOINT_SINGLE, *GRIPPERS,
)  # fmt: skip
"""Those of the package (`ros.output_adapters`); third parties add theirs by entry points."""

_FASTEST = 1000.0  # Hz
_KEY = re.compile(r'[A-Za-z][A-Za-z0-9_]*')


class _Fail(Protocol):
    """Raises a ContractError."""

    def __call__(self, problem: str, where: str, allowed: object = '') -> NoReturn:
        """Say what is wrong, where, and what is allowed."""


def check_contract(contract: Contract, source: str) -> None:
    """Check what types cannot say; `source` names the contract in errors.

    Raises:
        ContractError: With the dotted path of what is wrong.
    """

    def fail(problem: str, where: str, allowed: object = '') -> NoReturn:
        raise ContractError(problem, where=f'{source}.{where}', allowed=str(allowed))

    if contract.version != VERSION:
        fail(f'got {contract.version}', 'version', VERSION)
    for name in ('rate', 'grace'):
        if not (0 < getattr(contract, name) < math.inf):
            fail(f'got {getattr(contract, name)}', name, 'a positive number')
    if contract.clock not in contract.observations:
        fail(f'got {contract.clock!r}', 'clock', ', '.join(contract.observations))
    _check_keys(contract, fail)
    types: dict[str, str] = {}
    for key, stream in contract.streams.items():
        part = 'observations' if key in contract.observations else 'privileged'
        check_stream(stream, f'{source}.{part}.{key}')
        if stream.type != types.setdefault(stream.topic, stream.type):
            fail(f'{stream.type} on {stream.topic}', f'{part}.{key}.type', types[stream.topic])
    _check_read_once(contract, fail)
    for key, image in contract.images.items():
        check_image(image, f'{source}.images.{key}')
    if contract.observations[contract.clock].align.strategy == 'interpolate':
        fail('paces the ticks', f'observations.{contract.clock}.align.strategy', 'asof, hold, drop')
    if contract.arm and not contract.workspace.bounded:
        raise ContractError(
            'missing', where=f'{source}.workspace', allowed='a box for the tool', fix='add it'
        )
    _check_action(contract, fail)


def _check_read_once(contract: Contract, fail: _Fail) -> None:
    """Refuse two joints that are one in the messages: an arm would be taken to stand as another."""
    known: dict[tuple[str, str], str] = {}
    for key, stream in contract.observations.items():
        for name, sent in zip(stream.names, stream.sent_names, strict=True):
            other = known.setdefault((stream.topic, sent), name)
            if other != name:
                where = f'observations.{key}.topic'
                fail(f'{sent} on {stream.topic} is {other} and {name}', where, "its own driver's")


def _check_keys(contract: Contract, fail: _Fail) -> None:
    seen: set[str] = set()
    for part in ('observations', 'privileged', 'images'):
        for key in getattr(contract, part):
            if key in seen:
                fail('a key that is there already', f'{part}.{key}')
            # Keys name a dataset's files.
            if not _KEY.fullmatch(key):
                fail(f'got {key!r}', part, 'keys of letters, digits and _, beginning with a letter')
            seen.add(key)


def _check_action(contract: Contract, fail: _Fail) -> None:
    action = contract.action
    if len(set(action.names)) != len(action.names) or not action.names:
        fail(f'got {list(action.names)}', 'action.names', 'one or more different names')
    _check_boxes(contract, fail)
    if action.space == 'normalised':
        _check_normalised(contract, fail)
        return
    _check_outputs(contract, fail)
    if action.limits is None:
        fail('missing', 'action.limits', 'bounds of the joints')
    _check_bounds(action, action.limits, fail)
    _check_continuous(contract, action.limits, fail)
    _check_demonstration(action, fail)
    _check_fallback(contract.fallback, action, action.limits, fail)
    for part in ('position', 'velocity'):
        for key in getattr(action, part):
            if key not in contract.observations:
                fail(f'got {key!r}', f'action.{part}', ', '.join(contract.observations))
    for part in ('position', 'velocity'):
        measured = [n for key in getattr(action, part) for n in contract.observations[key].names]
        if tuple(measured) != action.names:
            fail(f'measures {measured}', f'action.{part}', f'the joints {list(action.names)}')
    _check_tool(contract, fail)
    if not isinstance(contract.arm, str) and contract.arm.base != contract.base_frame:
        fail(f'got {contract.arm.base!r}', 'arm.base', f'the base_frame, {contract.base_frame}')
    if contract.wrench:
        key = contract.wrench.key
        if key not in contract.observations or contract.observations[key].size != 6:
            fail(f'got {key!r}', 'wrench.key', 'an observation of six numbers')


def _check_tool(contract: Contract, fail: _Fail) -> None:
    tool, streams = contract.tool, contract.observations
    for key in tool.keys:
        if key not in streams or streams[key].fields[:1] != ('pose.position',):
            fail(f'got {key!r}', 'tool.keys', 'observations that begin with pose.position')
    for name in ('position', 'orientation'):
        if not 0.0 <= getattr(tool, name) < math.inf:
            fail(f'got {getattr(tool, name)}', f'tool.{name}', '0 or more, finite')


def _check_outputs(contract: Contract, fail: _Fail) -> None:
    action = contract.action
    if action.outputs and action.output != type(action.output)():
        fail('action.output is there as well', 'action.outputs', 'one of the two')
    places = [f'action.outputs[{i}]' for i in range(len(action.outputs))] or ['action.output']
    outputs = contract.outputs
    _check_joints([output.joints for output in outputs], action.names, places, fail)
    for output, where in zip(outputs, places, strict=True):
        _check_output(output, contract.arm, where, fail)
        if output.setpoints and 0.0 < output.rate < contract.rate:
            fail(f'got {output.rate}', f'{where}.rate', f'0, or {contract.rate:g} and more')
    arms = [pair for pair in zip(outputs, places, strict=True) if pair[0].adapter not in GRIPPERS]
    for output, where in arms[1:]:
        _check_together(arms[0][0], output, where, fail)
    topics = Counter(output.topic for output in outputs)
    for output, where in zip(outputs, places, strict=True):
        if topics[output.topic] > 1:
            fail(f'got {output.topic!r} twice', f'{where}.topic', 'a topic for each output')


def _check_joints(
    parts: Sequence[tuple[str, ...]], names: tuple[str, ...], places: Sequence[str], fail: _Fail
) -> None:
    """Each joint of the action in exactly one output."""
    count = Counter(joint for part in parts for joint in part)
    wrong = {
        'in no output': [name for name in names if name not in count],
        'in more than one': [name for name in names if count[name] > 1],
        'no joints of the action': [name for name in count if name not in names],
    }
    texts = [f'{what}: {", ".join(joints)}' for what, joints in wrong.items() if joints]
    if texts or not all(parts):
        where = 'action.outputs' if len(places) > 1 else f'{places[0]}.joints'
        problem = '; '.join(texts) or 'an output without joints'
        fail(problem, where, f'each of {", ".join(names)} in exactly one output')


def _check_output(output: OutputConfig, arm: object, where: str, fail: _Fail) -> None:
    if output.adapter not in OUTPUT_ADAPTERS:
        known = names_of('output_adapter', OUTPUT_ADAPTERS)
        if output.adapter not in known:
            fail(f'got {output.adapter!r}', f'{where}.adapter', ', '.join(known))
    if output.prefix:
        if output.adapter in (TWIST, POSE):
            fail(f'got {output.prefix!r}', f'{where}.prefix', f'none for {TWIST} and {POSE}')
        if wrong := without_prefix(output.prefix, output.joints):
            allowed = f'joints that begin with the prefix {output.prefix!r} and go on'
            fail(f'got {wrong}', f'{where}.joints', allowed)
    if output.adapter == JOINT_SINGLE and len(output.joints) != 1:
        fail(f'got {len(output.joints)} joints', f'{where}.joints', 'one joint for this adapter')
    if output.adapter in (TWIST, POSE) and not arm:
        fail(f'{output.adapter!r} without an arm', f'{where}.adapter', 'an arm, for its kinematics')
    if not (0.0 <= output.ahead < 1.0 and math.isfinite(output.ahead)):
        fail(f'got {output.ahead}', f'{where}.ahead', '0 or more, below 1')
    _check_goals(output, where, fail)


def _check_goals(output: OutputConfig, where: str, fail: _Fail) -> None:
    gripper = output.adapter in GRIPPERS
    if gripper and len(output.joints) != 1:
        fail(f'got {len(output.joints)} joints', f'{where}.joints', 'the one joint of a gripper')
    if output.gripper is not None and not gripper:
        fail(f'{output.adapter!r} has no goals', f'{where}.gripper', f'{", ".join(GRIPPERS)} alone')
    if output.rate and output.trajectories:
        fail(f'got {output.rate}', f'{where}.rate', f'0 for {TRAJECTORY}')
    if not 0.0 <= output.rate <= _FASTEST:
        fail(f'got {output.rate}', f'{where}.rate', f'0 to {_FASTEST:g}')
    for name in ('max_effort', 'tolerance'):
        if not 0.0 <= getattr(output.goals, name) < math.inf:
            fail(f'got {getattr(output.goals, name)}', f'{where}.gripper.{name}', '0 or more')
    for name in ('scale', 'offset'):
        value = getattr(output.goals, name)
        if not math.isfinite(value) or (name == 'scale' and not value):
            fail(f'got {value}', f'{where}.gripper.{name}', 'a finite number, a scale not 0')


def _check_together(first: OutputConfig, output: OutputConfig, where: str, fail: _Fail) -> None:
    """One plan is sent to all: what it is to their controllers has to be the same."""
    kinds = TRAJECTORY, TWIST
    same = first.adapter == output.adapter or not {first.adapter, output.adapter} & {*kinds}
    if not same:
        others = 'joint_trajectory alone, twist alone, or others together'
        fail(f'{output.adapter!r} next to {first.adapter!r}', f'{where}.adapter', others)
    if first.rate != output.rate:
        fail(f'got {output.rate}', f'{where}.rate', f'{first.rate}, as for the first output')
    if first.adapter == TRAJECTORY and first.ahead != output.ahead:
        fail(f'got {output.ahead}', f'{where}.ahead', f'{first.ahead}, as for the first output')


def _check_normalised(contract: Contract, fail: _Fail) -> None:
    """Refuse what would say more of a normalised action than is known."""
    bare = type(contract.action)(names=contract.action.names, space='normalised')
    for name, value in vars(contract.action).items():
        if value != getattr(bare, name):
            fail(f'got {value!r}', f'action.{name}', 'nothing where the space is normalised')
    for name in ('wrench', 'arm'):
        if getattr(contract, name):
            fail(f'got {getattr(contract, name)!r}', name, 'nothing: no arm is commanded')
    if contract.fallback != type(contract.fallback)():
        fail(f'got {contract.fallback}', 'fallback', 'nothing: no monitor goes with the action')


def _check_boxes(contract: Contract, fail: _Fail) -> None:
    workspace = contract.workspace
    boxes: list[tuple[str, Box]] = [('workspace', workspace)]
    boxes += [(f'workspace.keep_out[{i}]', zone) for i, zone in enumerate(workspace.keep_out)]
    for where, box in boxes if workspace.bounded else boxes[1:]:
        if not np.all(np.isfinite([box.min, box.max])):
            fail('not finite', where, 'finite numbers')
        if not np.all(np.less(box.min, box.max)):
            fail(f'not below {where}.max', f'{where}.min')
    if not 0.0 <= workspace.separation < math.inf:
        fail(f'got {workspace.separation}', 'workspace.separation', '0 or more')
    if workspace.separation and not contract.arm:
        fail('the contract names no arm', 'workspace.separation', '0 without a kinematic model')
    if workspace.keep_out and not contract.arm:
        fail('the contract names no arm', 'workspace.keep_out', 'nothing without a kinematic model')


def _check_fallback(fallback: Fallback, action: Action, limits: JointBounds, fail: _Fail) -> None:
    if not 0 < fallback.speed <= 1:
        fail(f'got {fallback.speed}', 'fallback.speed', '0 < speed <= 1')
    if not 0 < fallback.seconds < math.inf:
        fail(f'got {fallback.seconds}', 'fallback.seconds', 'a positive number')
    if fallback.kind != 'posture':
        if fallback.posture:
            fail(f'not used by {fallback.kind}', 'fallback.posture', 'nothing')
        return
    if len(fallback.posture) != len(action.names):
        fail(
            f'got {len(fallback.posture)} entries',
            'fallback.posture',
            f'{len(action.names)}, one a joint',
        )
    bounds = zip(limits.position_min, fallback.posture, limits.position_max, strict=True)
    if not all(low <= value <= high for low, value, high in bounds):
        fail('outside the position limits', 'fallback.posture')


def _check_demonstration(action: Action, fail: _Fail) -> None:
    demonstration = action.demonstration
    if demonstration is None:
        return
    if demonstration.topic.startswith('/'):
        fail(f'got {demonstration.topic!r}', 'action.demonstration.topic', 'a relative name')
    if demonstration.names and len(demonstration.names) != len(action.names):
        fail(
            f'got {len(demonstration.names)} names',
            'action.demonstration.names',
            f'{len(action.names)}, one a joint of the action',
        )
    if demonstration.type.endswith('Float64MultiArray') and demonstration.time == 'header':
        fail('the type has no header', 'action.demonstration.time', 'receive')
    if not 0 < demonstration.max_age < math.inf or not 0 <= demonstration.latency < math.inf:
        fail('got a number out of range', 'action.demonstration', 'max_age > 0, latency >= 0')


def _check_continuous(contract: Contract, limits: JointBounds, fail: _Fail) -> None:
    action, arm = contract.action, contract.arm
    for name in action.continuous:
        if name not in action.names or len(set(action.continuous)) < len(action.continuous):
            fail(f'got {name!r}', 'action.continuous', 'each of action.names at most once')
    goals = {name for each in contract.outputs if each.adapter in GRIPPERS for name in each.joints}
    if strange := sorted(goals & contract.continuous):
        # What is worth a goal is a share of its travel, which would have no end.
        fail(f'got {strange}', 'action.continuous', f'no joint of {", ".join(GRIPPERS)}')
    known = None if isinstance(arm, str) else arm.continuous
    if known is not None and action.continuous and not set(action.continuous) <= known:
        fail(f'got {list(action.continuous)}', 'action.continuous', 'nothing: the URDF says it')
    for i, name in enumerate(action.names):
        low, high = limits.position_min[i], limits.position_max[i]
        if name in (known if known is not None else action.continuous):
            within = -math.pi - 0.01 < low and high < math.pi + 0.01
            if not within or (known is None and not is_whole_turn(low, high)):
                fail(
                    f'{low} to {high} for {name}, which turns without end',
                    'action.limits.position_min',
                    '-3.1416 to 3.1416 for no limit; a narrower range of an ordinary joint'
                    + ('' if known is not None else ', which action.continuous does not name'),
                )


def _check_bounds(action: Action, limits: JointBounds, fail: _Fail) -> None:
    n = len(action.names)
    for name, values in vars(limits).items():
        if len(values) != n:
            fail(f'got {len(values)} entries', f'action.limits.{name}', f'{n}, one a joint')
        if not np.all(np.isfinite(values)):
            fail(f'got {list(values)}', f'action.limits.{name}', 'finite numbers')
        if not name.startswith('position') and min(values) <= 0:
            fail(f'got {list(values)}', f'action.limits.{name}', 'positive numbers')
    if not np.all(np.less(limits.position_min, limits.position_max)):
        fail('not below position_max', 'action.limits.position_min')
