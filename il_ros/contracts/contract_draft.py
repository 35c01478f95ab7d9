"""A contract written from what was seen of a robot; lines that are not sure are marked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from il_ros.contracts.described_joints import DescribedJoint, RobotDescription
from il_ros.contracts.draft_text import MARK, Anchored, DraftText, joined
from il_ros.contracts.joint_sources import (
    JOINT_STATE,
    JointSource,
    publishers_of_joints,
    steps_per_second,
)
from il_ros.contracts.seen_robot import SeenGroup, SeenRobot, seen_robot
from il_ros.contracts.seen_streams import (
    DraftedStream,
    cameras,
    frame_of,
    framed_stream,
    key_of,
    nominal_rate,
    relative,
    tick_rate,
    timing,
    tool_pose,
    wrench,
)
from il_ros.core.arms import Arm, ArmPair, get_arm
from il_ros.core.decoders import Composite, decoded_types, decoder_for
from il_ros.core.limits import Array
from il_ros.core.seen_graph import SeenGraph, SeenTopic, listed

_SLOW, _FAST = 1.0, 2 * math.pi  # rad/s: where a description has no limit; from where it is doubted
_CAREFUL = 2.0  # rad/s in place of a doubtful one
_STARTUP = 2.0  # 1/s: acceleration by speed; full speed after half a second
_SMOOTH = 20.0  # 1/s: jerk by acceleration
_FORCE, _TORQUE = 60.0, 15.0  # N, N m
_SAMPLES = 3  # that a rate is told from
_TIPS = ('tcp', 'tool', 'ee_gripper', 'end_effector', 'gripper_frame', 'eef', 'link_ee', 'ee_',
         'grasp', 'flange', 'hand')  # fmt: skip
_LIMITS = ('position_min', 'position_max', 'velocity', 'acceleration', 'jerk')


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A drafted contract.

    Attributes:
        text: The contract.
        urdf: The robot's URDF, to lie next to it; empty where none was seen.
        urdf_file: Its file's name.
        doubts: Each marked line: its number, what it says, and why it is not sure.
    """

    text: str
    urdf: str
    urdf_file: str
    doubts: tuple[tuple[int, str, str], ...]


def draft_contract(
    seen: SeenGraph,
    *,
    name: str,
    namespace: str = '/',
    robot: str = '',
    rate: float = 20.0,
    urdf: str = '',
) -> Draft:
    """Write a contract for the robot that was seen.

    Args:
        seen: What was seen.
        name: Of the contract; the URDF's file is named after it.
        namespace: That its names are relative to.
        robot: Namespace of the robot, where there are several.
        rate: Ticks wanted [Hz]; the nearest that divides the joints' measured rate is taken.
        urdf: The robot's URDF; by default the one that is published.

    Raises:
        ContractError: If there is no robot, or several.
    """
    found = seen_robot(seen, namespace=namespace, robot=robot, urdf=urdf)
    return _Drafter(found, name, namespace, rate).draft()


class _Drafter:
    """Writes one contract."""

    def __init__(self, robot: SeenRobot, name: str, namespace: str, rate: float) -> None:
        self._robot, self._name, self._namespace = robot, name, namespace
        self._text, self._urdf_file = DraftText(), f'{name}.urdf'
        self._pose, self._pose_doubt = tool_pose(robot)
        self._wrench, self._wrench_doubt = wrench(robot)
        self._cameras = cameras(robot.whole, namespace)
        self._base, self._base_doubt = self._base_frame()
        measured, self._rate_doubt = self._joint_rate()
        self._rate = tick_rate(measured or rate, rate)

    def draft(self) -> Draft:
        """The contract."""
        self._head()
        self._observations()
        self._images()
        self._action()
        self._rest()
        description = self._robot.description
        return Draft(
            text=str(self._text),
            urdf=description.text if description else '',
            urdf_file=self._urdf_file if description else '',
            doubts=tuple(self._text.doubts),
        )

    def _head(self) -> None:
        text, robot = self._text, self._robot
        text.remark(f'Drafted by "il_ros contract init" from {robot.seen.source}.')
        text.remark(f'Look at each line that is marked {MARK}, and take the mark away.')
        if self._namespace.strip('/'):
            text.remark(f'All names are relative to the namespace /{self._namespace.strip("/")}.')
        text.put('version', 1)
        text.put('name', self._name)
        self._arm()
        text.put('base_frame', self._base, doubt=self._base_doubt)
        text.put('rate', self._rate, doubt=self._rate_doubt)
        first = robot.arms[0] if robot.arms else robot.groups[0]
        text.put('clock', first.key('position'))

    def _arm(self) -> None:
        robot, doubt = self._robot, ''
        if robot.built_in:
            doubt = 'no robot_description was seen; the joints have the names of this built-in arm'
        elif robot.description is None:
            doubt = 'no robot_description was seen: without an arm no workspace is watched'
        self._text.put('arm', robot.built_in, doubt=doubt)

    def _base_frame(self) -> tuple[str, str]:
        """The frame of Cartesian quantities: that of the tool's pose, else where the arm begins."""
        links = base_links(self._robot)
        frame = frame_of(self._pose) if self._pose else ''
        if frame:
            return frame, ''
        if links:
            return links[0], 'one of several arms' if len(set(links)) > 1 else ''
        if self._robot.built_in:
            return 'base', 'no message names it'
        return 'base_link', 'no message names it'

    def _joint_rate(self) -> tuple[float, str]:
        groups = self._robot.arms or self._robot.groups
        rate, doubt = nominal_rate(groups[0].position.rate if groups[0].position else 0.0)
        return rate, doubt if rate else 'no rate was measured'

    def _observations(self) -> None:
        text, robot = self._text, self._robot
        text.remark()
        text.put('observations')
        for group in robot.groups:
            label = group.key('names')
            position = _joints(robot, group, 'position', self._namespace)
            velocity = _joints(robot, group, 'velocity', self._namespace)
            self._put(position.naming(Anchored(label, position.values['names'])))
            self._put(velocity.naming(Anchored(label)))
        if self._pose is not None:
            self._put(_following(self._framed(self._pose, 'tcp_pose', self._pose_doubt)))
        if self._wrench is not None:
            self._put(self._framed(self._wrench, 'wrench', self._wrench_doubt))
        self._offer_others()

    def _framed(self, topic: SeenTopic, key: str, doubt: str = '') -> DraftedStream:
        return framed_stream(
            self._robot.seen,
            topic,
            key,
            namespace=self._namespace,
            base_frame=self._base,
            doubt=doubt,
        )

    def _put(self, stream: DraftedStream) -> None:
        self._text.put(stream.key, indent=2)
        self._text.put_all(stream.values, 4, stream.doubts)

    def _offer_others(self) -> None:
        """What else a policy could see, as comments."""
        used = {topic.name for topic in (self._pose, self._wrench) if topic is not None}
        kinds = [kind for kind in _framed_types() if self._robot.seen.of_type(kind)]
        topics = [t for t in self._robot.seen.of_type(*kinds) if t.name not in used and t.samples]
        if not topics:
            return
        self._text.remark('More that a policy could see: take the "# " away.', 2)
        taken: list[str] = []
        for topic in topics:
            key = key_of(relative(topic.name, self._namespace), 'observation', taken)
            taken.append(key)
            stream, other = self._framed(topic, key), DraftText()
            other.put(key, indent=2)
            other.put_all(stream.values, 4)
            self._text.comment_out(other, 2)

    def _images(self) -> None:
        if self._cameras:
            self._text.remark()
            self._text.put('images')
        for camera in self._cameras:
            self._put(camera)

    def _action(self) -> None:
        text, groups = self._text, self._robot.groups
        text.remark()
        text.put('action')
        text.put('names', self._robot.names, indent=2)
        for part in ('position', 'velocity'):
            text.put(part, [group.key(part) for group in groups], indent=2)
        text.put('limits', indent=2)
        limits, doubts = joint_limits(self._robot)
        text.put_all(limits, 4, doubts)
        self._outputs()

    def _outputs(self) -> None:
        text, paths = self._text, self._robot.paths
        if not paths:
            text.put('output', indent=2)
            why = self._robot.seen.unasked or 'no controller of the arm is active'
            topic = 'arm_controller/joint_trajectory'
            text.put('adapter', 'joint_trajectory', indent=4)
            text.put('topic', topic, indent=4, doubt=f'{why}: name its command topic')
            return
        path = paths[0]
        text.put('output', indent=2)
        text.put('adapter', path.adapter, indent=4)
        missing = [name for name in self._robot.names if name not in path.joints]
        doubt = f'it moves {listed(path.joints)} alone' if missing else path.doubt
        text.put('topic', relative(path.topic, self._namespace), indent=4, doubt=doubt)

    def _rest(self) -> None:
        text = self._text
        text.remark()
        reach = _reach(self._robot)
        why = 'set it to where the tool may be' if reach else 'no URDF says how far the arm reaches'
        text.put('workspace')
        corner = reach or 1.0
        text.put('min', (-corner, -corner, -0.01), indent=2, doubt=why)
        text.put('max', (corner, corner, corner), indent=2)
        if self._wrench is not None:
            text.remark()
            text.put('wrench')
            text.put('key', 'wrench', indent=2)
            text.put('force', _FORCE, indent=2, doubt='set it to what the task needs')
            text.put('torque', _TORQUE, indent=2)


def _joints(robot: SeenRobot, group: SeenGroup, part: str, namespace: str) -> DraftedStream:
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
    count = _publishers(robot, source)
    if count > 1:
        values['publishers'] = count
    if part == 'velocity' and not group.gripper:
        values['follows_arm'] = True
    silent = [name for name in group.joints if not source.measures(name, part)]
    doubts = {
        'topic': 'joint_state_publisher: its values are made up until a driver speaks'
        if source.merged
        else '',
        'fields': f'no {part} of {listed(silent)}' if silent else _strange(source, group, part),
        'rate': unclear if rate else 'they come now and then: no rate was measured',
        'publishers': _rivals(robot, source),
    }
    return DraftedStream(key=group.key(part), values=values, doubts=doubts)


def _publishers(robot: SeenRobot, source: JointSource) -> int:
    return max(1, len(robot.seen.topics[source.topic].publishers)) if robot.seen.live else 1


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
        if said > _FAST and said > 5.0 * steps_per_second(source, joint):
            return f'{joint} says {said:.0f} rad/s, and its position does not change like that'
    return ''


def _following(stream: DraftedStream) -> DraftedStream:
    return DraftedStream(
        key=stream.key, values={**stream.values, 'follows_arm': True}, doubts=stream.doubts
    )


def _framed_types() -> list[str]:
    return [kind for kind in decoded_types() if isinstance(decoder_for(kind), Composite)]


def base_links(robot: SeenRobot) -> list[str]:
    """The link that each arm stands on."""
    description = robot.description
    if description is None:
        return []
    paths = [description.chain(arm.joints) for arm in robot.arms]
    firsts = [next((joint for joint in path if joint.moves), None) for path in paths]
    return [_base(description, first) for first in firsts if first is not None]


def _base(description: RobotDescription, first: DescribedJoint) -> str:
    """The link that a person calls the base: behind the world, and before the first joint."""
    above = description.path(first.parent)
    links = [joint.parent for joint in above] + [first.parent]
    named = [link for link in links if 'base' in link.rpartition('/')[2].lower()]
    return (named or links)[0]


def tip_links(robot: SeenRobot) -> list[tuple[str, str]]:
    """The link of each arm's tool, and the doubt about it."""
    description = robot.description
    return [_tip(description, arm) for arm in robot.arms] if description else []


def _tip(description: RobotDescription, arm: SeenGroup) -> tuple[str, str]:
    path = [joint for joint in description.chain(arm.joints) if joint.name in arm.joints]
    links = description.fixed_below(path[-1].child) if path else []
    for word in _TIPS:
        named = [link for link in links if word in link.rpartition('/')[2].lower()]
        if named:
            others = [link for link in named if link != named[-1]]
            return named[-1], f'also there: {listed(others)}' if others else ''
    return (links[-1], 'no link is named as a tool') if links else ('', 'no link was found')


def joint_limits(robot: SeenRobot) -> tuple[dict[str, list[float]], dict[str, str]]:
    """The bounds of all joints by name, in the action's order, and the doubts about them."""
    if robot.description is None and robot.built_in:
        return _built_in_limits(robot)
    joints = robot.description.joints if robot.description else {}
    made = [_bounds(joints.get(name)) for name in robot.names]
    limits = {name: [values[i] for values, _ in made] for i, name in enumerate(_LIMITS)}
    doubts: dict[str, dict[str, list[str]]] = {name: {} for name in _LIMITS}
    for joint, (_, why) in zip(robot.names, made, strict=True):
        for name, text in why.items():
            doubts[name].setdefault(text, []).append(joint)
    doubts['acceleration'] = {'a URDF has none: full speed after half a second': []}
    return limits, {
        name: joined(f'{text}{": " if who else ""}{listed(who)}' for text, who in texts.items())
        for name, texts in doubts.items()
    }


def _bounds(joint: DescribedJoint | None) -> tuple[list[float], Mapping[str, str]]:
    """Least and largest position, speed, acceleration and jerk of a joint; and the doubts."""
    if joint is None:
        missing = 'in no URDF'
        speed, low, high = _SLOW, -math.pi, math.pi
        return _row(low, high, speed), {'position_min': missing, 'velocity': missing}
    doubts = {}
    low, high = joint.lower, joint.upper
    if joint.type == 'continuous':
        low, high = -math.pi, math.pi
        doubts['position_min'] = 'turn without end'
    elif not (math.isfinite(low) and math.isfinite(high) and low < high):
        low, high = -math.pi, math.pi
        doubts['position_min'] = 'no limits in the URDF'
    speed = joint.velocity
    if not math.isfinite(speed):
        speed, doubts['velocity'] = _SLOW, 'no speed limit in the URDF'
    elif speed > _FAST and joint.type != 'prismatic':
        doubts['velocity'] = f'{speed:g} rad/s by the URDF, which looks made up'
        speed = _CAREFUL
    return _row(low, high, speed), doubts


def _row(low: float, high: float, speed: float) -> list[float]:
    inward = math.ceil(low * 1e4) / 1e4, math.floor(high * 1e4) / 1e4
    speed = math.floor(speed * 1e4) / 1e4
    acceleration = _STARTUP * speed
    return [*inward, speed, acceleration, _SMOOTH * acceleration]


def _built_in_limits(robot: SeenRobot) -> tuple[dict[str, list[float]], dict[str, str]]:
    arm: Arm | ArmPair = get_arm(robot.built_in)
    bounds: dict[str, Array] = arm.bounds()
    place = {name: i for i, name in enumerate(arm.names)}
    unknown = [name for name in robot.names if name not in place]
    rows = [
        [float(bounds[limit][place[name]]) for limit in _LIMITS]
        if name in place
        else _bounds(None)[0]
        for name in robot.names
    ]
    doubt = f'{listed(unknown)}: not of the built-in arm' if unknown else ''
    return {n: [row[i] for row in rows] for i, n in enumerate(_LIMITS)}, {'position_min': doubt}


def _reach(robot: SeenRobot) -> float:
    """How far the longest arm can get from its base, at the most [m]; 0 where nothing says so."""
    if robot.description is None:
        return 0.0
    reaches = []
    for arm, (tip, _) in zip(robot.arms, tip_links(robot), strict=True):
        path = robot.description.path(tip)
        begin = next((i for i, joint in enumerate(path) if joint.name in arm.joints), 0)
        reaches.append(sum(joint.reach for joint in path[begin:]))
    return math.ceil(max(reaches, default=0.0) * 10) / 10
