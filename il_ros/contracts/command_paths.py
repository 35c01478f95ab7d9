"""Who takes commands for which joints: controllers of ros2_control, actions of grippers, topics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from il_ros.core.contract_checks import JOINT_GROUP, JOINT_SINGLE, OUTPUT_ADAPTERS
from il_ros.core.registry import names_of
from il_ros.core.seen_graph import SeenController, SeenGraph, listed

TRAJECTORY, MULTI_ARRAY = 'trajectory_msgs/msg/JointTrajectory', 'std_msgs/msg/Float64MultiArray'
GRIPPER_ACTIONS = {
    'control_msgs/action/GripperCommand': 'gripper_command',
    'control_msgs/action/ParallelGripperCommand': 'parallel_gripper_command',
}
"""Adapter by the type of action."""

_TOPICS = {'joint_trajectory': '/joint_trajectory', 'forward_command': '/commands'}
_KINDS = {'joint_trajectory': TRAJECTORY, 'forward_command': MULTI_ARRAY}
_GRIPPER = '/gripper_cmd'
_POSITION = '/position'
_GROUP, _SINGLE = (f'interbotix_xs_msgs/msg/Joint{kind}Command' for kind in ('Group', 'Single'))
_SERVO = 'gripper'  # of each of Interbotix' arms
_PREFERRED = ('joint_trajectory', 'forward_command')


@dataclass(frozen=True, kw_only=True)
class CommandPath:
    """One output that a contract may have.

    Attributes:
        adapter: Name of the output adapter.
        topic: Absolute name of the command topic, or of the action.
        joints: Commanded joints in the controller's order; empty where nobody says which.
        namespace: Of the controller, without a slash at the end.
        doubt: What is not sure of it.
        prefix: What `joints` begin with and the controller's own names do not.
    """

    adapter: str
    topic: str
    joints: tuple[str, ...]
    namespace: str
    doubt: str = ''
    prefix: str = ''


def adapter_of(controller: SeenController) -> str:
    """The output adapter for a controller by its type; empty for one that takes no commands."""
    kind = controller.type.rpartition('/')[2]
    if 'JointTrajectory' in kind:
        return 'joint_trajectory'
    if 'Gripper' in kind:
        return 'parallel_gripper_command' if 'parallel' in controller.type else 'gripper_command'
    positions = all(name.endswith(_POSITION) for name in controller.interfaces)
    forwards = kind in ('ForwardCommandController', 'JointGroupPositionController')
    return 'forward_command' if forwards and positions else ''


def command_topic(controller: SeenController) -> str:
    """Absolute name of where a controller takes commands; empty for one that takes none."""
    adapter = adapter_of(controller)
    return f'{controller.name}{_TOPICS.get(adapter, _GRIPPER)}' if adapter else ''


def command_paths(seen: SeenGraph, grippers: Sequence[str] = ()) -> list[CommandPath]:
    """What commands the robot now: each joint in one output at the most.

    Active controllers come first, of several for one joint a trajectory controller. Then come
    actions of grippers that no controller is behind, for the joints in `grippers` that are left,
    and without any controller the topics that look like a controller's.

    Args:
        seen: The graph.
        grippers: Joints that may be a gripper's.
    """
    controllers = [c for c in seen.controllers or () if c.active and adapter_of(c)]
    controllers.sort(key=lambda c: _rank(adapter_of(c)))
    paths: list[CommandPath] = []
    for controller in controllers:
        if not set(controller.joints) & _taken(paths):
            paths.append(_of_controller(seen, controller))
    if seen.controllers is None:
        paths += _of_topics(seen)
    if not paths:
        paths += _of_servos(seen, grippers)
    return paths + list(_of_actions(seen, paths, grippers))


def usable_paths(paths: Sequence[CommandPath]) -> list[CommandPath]:
    """Those that one contract can have together: their adapters are there, and go together."""
    known = names_of('output_adapter', OUTPUT_ADAPTERS)
    able = [path for path in paths if path.adapter in known]
    return [path for path in able if _together(able[0].adapter, path.adapter)]


def _together(first: str, other: str) -> bool:
    """Whether one plan can be sent by both; a gripper's action goes with all."""
    apart = {'joint_trajectory', 'twist'} & {first, other}
    return first == other or not apart or other in GRIPPER_ACTIONS.values()


def _rank(adapter: str) -> int:
    return _PREFERRED.index(adapter) if adapter in _PREFERRED else len(_PREFERRED)


def _taken(paths: Iterable[CommandPath]) -> set[str]:
    return {joint for path in paths for joint in path.joints}


def _of_controller(seen: SeenGraph, controller: SeenController) -> CommandPath:
    adapter, topic = adapter_of(controller), command_topic(controller)
    adapter = GRIPPER_ACTIONS.get(seen.actions.get(topic, ''), adapter)
    return CommandPath(
        adapter=adapter, topic=topic, joints=controller.joints, namespace=controller.namespace
    )


def _of_actions(
    seen: SeenGraph, paths: Sequence[CommandPath], grippers: Sequence[str]
) -> Iterable[CommandPath]:
    known, left = {path.topic for path in paths}, [g for g in grippers if g not in _taken(paths)]
    found = [name for name, kind in seen.actions.items() if kind in GRIPPER_ACTIONS]
    behind = {command_topic(c) for c in seen.controllers or ()}
    for name in sorted(found):
        if name not in known and name not in behind and left:
            doubt = '' if len(left) == len(found) == 1 else 'no controller says its joint'
            yield CommandPath(
                adapter=GRIPPER_ACTIONS[seen.actions[name]],
                topic=name,
                joints=(left.pop(0),),
                namespace=name.rpartition('/')[0].rpartition('/')[0],
                doubt=doubt,
            )


def _of_servos(seen: SeenGraph, grippers: Sequence[str]) -> Iterable[CommandPath]:
    """Commands of Interbotix' driver, which says of each servo only what it is called."""
    for name in sorted(seen.topics):
        kinds, space = seen.topics[name].types, name.rpartition('/commands/')[0]
        if _GROUP in kinds:
            yield CommandPath(adapter=JOINT_GROUP, topic=name, joints=(), namespace=space)
        elif _SINGLE in kinds and _SERVO in grippers:
            yield CommandPath(adapter=JOINT_SINGLE, topic=name, joints=(_SERVO,), namespace=space)


def _of_topics(seen: SeenGraph) -> Iterable[CommandPath]:
    """Where no controller manager answers: those that say what they follow, or one by name."""
    active = seen.following()
    found = [
        (adapter, name.removesuffix(suffix), name)
        for adapter, suffix in _TOPICS.items()
        for name in sorted(seen.topics)
        if name.endswith(suffix) and _KINDS[adapter] in seen.topics[name].types
    ]
    known = [each for each in found if active.get(each[1])]
    for adapter, controller, name in known or found[:1]:
        others = '' if known else listed(name for _, _, name in found[1:])
        doubt = seen.unasked or 'no controller says its joints'
        doubt = f'{doubt}; also there: {others}' if others else doubt
        yield CommandPath(
            adapter=adapter,
            topic=name,
            joints=active.get(controller, ()),
            namespace=controller.rpartition('/')[0],
            doubt='' if known else doubt,
        )
