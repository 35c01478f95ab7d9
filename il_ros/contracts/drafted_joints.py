"""The streams of joints in a drafted contract."""

from __future__ import annotations

from il_ros.contracts.joint_sources import (
    JOINT_STATE,
    JointSource,
    publishers_of_joints,
    steps_per_second,
)
from il_ros.contracts.seen_robot import SeenGroup, SeenRobot
from il_ros.contracts.seen_streams import DraftedStream, nominal_rate, relative, timing
from il_ros.core.seen_graph import listed

_DERIVED, _LONGEST = 0.1, 1.0  # s of positions that a speed is taken from, and at the most
_LEAST = 3.0  # messages in that time
_STRANGE = 6.0  # rad/s from which a measured speed is compared with the positions


def joint_stream(robot: SeenRobot, group: SeenGroup, part: str, namespace: str) -> DraftedStream:
    """The stream of one field of some joints."""
    source = group.position
    if source is None:
        values = {'topic': 'joint_states', 'type': JOINT_STATE, 'fields': [part],
                  'names': group.joints, 'rate': 0.0}  # fmt: skip
        return DraftedStream(
            key=group.key(part), values=values, doubts={'topic': 'nobody publishes these joints'}
        )
    rate, unclear = nominal_rate(source.rate)
    values = {
        'topic': relative(source.topic, namespace), 'type': JOINT_STATE, 'fields': [part],
        'names': group.joints, 'rate': rate, **timing(rate),
    }  # fmt: skip
    if source.prefix:
        values['prefix'] = source.prefix
    count = _publishers(robot, source)
    if count > 1:
        values['publishers'] = count
    if part == 'velocity' and not group.gripper:
        values['follows_arm'] = True
    silent = [name for name in group.joints if not source.measures(name, part)]
    unsure = f'no {part} of {listed(silent)}' if silent else _strange(source, group, part)
    derived = {}
    if part == 'velocity' and unsure and rate >= _LEAST / _LONGEST:
        values['derived'] = max(_DERIVED, round(_LEAST / rate, 2))
        derived = {'derived': f'{unsure}: taken from the positions'}
    doubts = {
        'topic': 'joint_state_publisher: its values are made up until a driver speaks'
        if source.merged
        else '',
        'fields': '' if derived else unsure,
        'rate': unclear if rate else 'they come now and then: no rate was measured',
        'publishers': _rivals(robot, source),
        **derived,
    }
    return DraftedStream(key=group.key(part), values=values, doubts=doubts)


def _publishers(robot: SeenRobot, source: JointSource) -> int:
    """How many share the topic: nodes, or messages of one node with other joints each."""
    sets = sum(other.topic == source.topic for other in robot.sources)
    nodes = len(robot.seen.topics[source.topic].publishers) if robot.seen.live else 1
    return max(1, sets, nodes)


def _rivals(robot: SeenRobot, source: JointSource) -> str:
    """Whether two publishers send the same joints of a topic, as far as messages tell."""
    publishers = publishers_of_joints(robot.seen.topics[source.topic])
    shared = [joint for joint in source.names if len(publishers.get(joint, ())) > 1]
    return f'several publish {listed(shared)}: end all but one' if shared else ''


def _strange(source: JointSource, group: SeenGroup, part: str) -> str:
    """Whether measured speeds cannot be those of the positions."""
    if part != 'velocity':
        return ''
    for joint in group.joints:
        said = float(abs(source.velocity[:, source.column(joint)]).max())
        if said > _STRANGE and said > 5.0 * steps_per_second(source, joint):
            return f'{joint} says {said:.0f} rad/s, and its position does not change like that'
    return ''
