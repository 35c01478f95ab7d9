"""Whether somebody takes the commands of a contract, for the joints that it says."""

from __future__ import annotations

from collections.abc import Iterable

from il_ros.contracts.check_findings import CheckInput, Finding, Problem, fine, unseen, wrong
from il_ros.contracts.command_paths import GRIPPER_ACTIONS, MULTI_ARRAY, TRAJECTORY
from il_ros.core.contract import OutputConfig
from il_ros.core.seen_graph import SeenController, listed

_KINDS = {
    'joint_trajectory': TRAJECTORY,
    'forward_command': MULTI_ARRAY,
    'twist': 'geometry_msgs/msg/TwistStamped',
    'pose': 'geometry_msgs/msg/PoseStamped',
    'joint_group_command': 'interbotix_xs_msgs/msg/JointGroupCommand',
    'joint_single_command': 'interbotix_xs_msgs/msg/JointSingleCommand',
}
_ACTIONS = {adapter: kind for kind, adapter in GRIPPER_ACTIONS.items()}
_BARE = ('twist', 'pose', 'joint_group_command', 'joint_single_command')
"""Adapters behind whose topics there is no controller of ros2_control."""

_MONITOR = 'monitor'


def check_outputs(given: CheckInput) -> Iterable[Finding]:
    """Two lines for each output: who listens, and which controller that is."""
    several = len(given.contract.outputs) > 1
    for i, output in enumerate(given.contract.outputs):
        subject = f'action.outputs[{i}]' if several else 'action.output'
        yield from _output(given, subject, output)


def _output(given: CheckInput, subject: str, output: OutputConfig) -> Iterable[Finding]:
    name, adapter = given.names.absolute(output.topic), output.adapter
    if not given.seen.live:
        yield unseen(subject, 'a bag does not tell who listens')
        return
    if adapter in _ACTIONS:
        problem = _no_server(given, name, _ACTIONS[adapter])
    else:
        problem = _no_listener(given, name, _KINDS.get(adapter, ''))
    yield wrong(subject, problem) if problem else fine(subject, f'{name} is listened to')
    if adapter not in _BARE:
        yield _controller(given, f'{subject} (controller)', name, output)


def _no_server(given: CheckInput, name: str, kind: str) -> Problem | None:
    found, actions = given.seen.actions.get(name), given.seen.actions.items()
    if found == kind:
        return None
    there = listed(other for other, of in actions if of in GRIPPER_ACTIONS) or 'none'
    fix = f'start the gripper, or correct the output; actions of grippers: {there}'
    return (f'{name} is {found}, not {kind}' if found else f'there is no action {name}'), fix


def _no_listener(given: CheckInput, name: str, kind: str) -> Problem | None:
    topic = given.seen.topics.get(name)
    if topic is None or not topic.subscribers:
        topics = given.seen.topics.values()
        there = listed(t.name for t in topics if t.type == kind and t.subscribers) or 'none'
        fix = f'activate its controller, or correct the topic; listened to: {there}'
        return f'nobody subscribes to {name}', fix
    kinds = {taker.type for taker in topic.subscribers}
    if kind and kind not in kinds:
        return f'{name} is {listed(sorted(kinds))}, not {kind}', 'correct the adapter or the topic'
    others = sorted(o.node for o in topic.publishers if o.node.rpartition('/')[2] != _MONITOR)
    if others:
        fix = 'end it: the monitor has to be the only one'
        return f'{name}: {listed(others)} commands the arm, too', fix
    return None


def _controller(given: CheckInput, subject: str, name: str, output: OutputConfig) -> Finding:
    """Whether the controller behind a command topic is active, with the right joints."""
    controllers, node = given.seen.controllers, name.rpartition('/')[0]
    if controllers is None:
        joints = given.seen.following().get(node)
        if joints is None:
            return unseen(subject, given.seen.unasked)
        known = SeenController(
            name=node, type='', state='active', interfaces=tuple(f'{joint}/' for joint in joints)
        )
        controllers = (known,)
    controller = next((c for c in controllers if c.name == node), None)
    if controller is None:
        if output.adapter in _ACTIONS:
            return unseen(subject, f'no controller is behind {name}')
        active = listed(c.name for c in controllers if c.active and c.interfaces) or 'none'
        fix = f'load it, or correct the topic; active: {active}'
        return wrong(subject, (f'no controller manager has {node}', fix))
    if not controller.active:
        return wrong(subject, _inactive(controller, controllers))
    problem = _other_joints(controller, output)
    if problem:
        return wrong(subject, problem)
    return fine(subject, f'{controller.name} is active and has these joints')


def _inactive(controller: SeenController, controllers: Iterable[SeenController]) -> Problem:
    joints = set(controller.joints)
    holders = [c.name.rpartition('/')[2] for c in controllers if c.active and joints & {*c.joints}]
    off = f' --deactivate {" ".join(holders)}' if holders else ''
    manager = f' -c {controller.namespace}/controller_manager' if controller.namespace else ''
    activate = f'--activate {controller.name.rpartition("/")[2]}{off}{manager}'
    fix = f'ros2 control switch_controllers {activate}'
    return f'{controller.name} is {controller.state}', fix


def _other_joints(controller: SeenController, output: OutputConfig) -> Problem | None:
    """Whether a controller moves other joints than it is sent, or takes them in another order."""
    theirs = controller.joints
    joints = tuple(name.removeprefix(output.prefix) for name in output.joints)
    if set(theirs) != set(joints):
        missing = [name for name in joints if name not in theirs]
        more = [name for name in theirs if name not in joints]
        texts = [f'not {listed(missing)}'] * bool(missing) + [f'also {listed(more)}'] * bool(more)
        fix = 'give each controller the joints that it moves'
        return f'{controller.name} moves {" and ".join(texts)}', fix
    if output.adapter == 'forward_command' and theirs != joints:
        fix = f'its values have no names: put the joints in its order, {", ".join(theirs)}'
        return f'{controller.name} takes the joints in another order', fix
    return None
