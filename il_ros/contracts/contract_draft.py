"""A contract written from what was seen of a robot; lines that are not sure are marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from il_ros.contracts.command_paths import usable_paths
from il_ros.contracts.draft_text import MARK, Anchored, DraftText, joined
from il_ros.contracts.drafted_joints import joint_stream
from il_ros.contracts.drafted_limits import joint_limits
from il_ros.contracts.joined_robots import joined_robots
from il_ros.contracts.seen_robot import SeenRobot, commanded_groups, seen_robot
from il_ros.contracts.seen_streams import (
    DraftedStream,
    cameras,
    frame_of,
    framed_stream,
    key_of,
    nominal_rate,
    relative,
    tick_rate,
    tool_pose,
    wrench,
)
from il_ros.contracts.tool_links import base_links, reach, tip_links
from il_ros.core.decoders import Composite, decoded_types, decoder_for
from il_ros.core.errors import ContractError
from il_ros.core.seen_graph import SeenGraph, SeenTopic, listed

_INSIDE = 1e-3  # rad or m, from a limit
_FORCE, _TORQUE = 60.0, 15.0  # N, N m
_FRANKA = {'replaces': False, 'aborted': 'grasp'}  # of franka_gripper, by its source
_FRANKA_ACTIONS = tuple(f'/{name}_gripper/gripper_action' for name in ('franka', 'fr3', 'panda'))


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
    robot: str | Sequence[str] = '',
    rate: float = 20.0,
    urdf: str = '',
) -> Draft:
    """Write a contract for the robot that was seen.

    Args:
        seen: What was seen.
        name: Of the contract; the URDF's file is named after it.
        namespace: That its names are relative to.
        robot: Namespace of the robot, where there are several; more than one, as those of two
            arms, are taken for one robot.
        rate: Ticks wanted [Hz]; the nearest that divides the joints' measured rate is taken.
        urdf: The robot's URDF; by default the one that is published.

    Raises:
        ContractError: If there is no robot, or several.
    """
    robots = (robot,) if isinstance(robot, str) else robot
    if len(robots) > 1 and urdf:
        raise ContractError('with several robots', where='--urdf', allowed='one robot')
    found = (
        joined_robots(seen, robots, namespace=namespace)
        if len(robots) > 1
        else seen_robot(seen, namespace=namespace, robot=''.join(robots), urdf=urdf)
    )
    return _Drafter(found, name, namespace, rate).draft()


def _standing(robot: SeenRobot) -> dict[str, float]:
    """Where the joints of its arms were seen last, a little inside their limits."""
    home: dict[str, float] = {}
    for arm in robot.arms:
        if arm.position is None or robot.description is None:
            continue
        seen = dict(zip(arm.position.names, arm.position.position[-1].tolist(), strict=True))
        for name in arm.joints:
            joint, value = robot.description.joints.get(name), seen.get(name, math.nan)
            if joint is not None and math.isfinite(value):
                home[name] = min(max(value, joint.lower + _INSIDE), joint.upper - _INSIDE)
    return home


class _Drafter:
    """Writes one contract."""

    def __init__(self, robot: SeenRobot, name: str, namespace: str, rate: float) -> None:
        self._robot, self._name, self._namespace = robot, name, namespace
        self._text, self._urdf_file = DraftText(), f'{name}.urdf'
        self._pose, self._pose_doubt = tool_pose(robot)
        self._tips = [tip for tip in tip_links(robot, self._pose) if tip[0]]
        self._wrench, self._wrench_doubt = wrench(robot)
        self._cameras = cameras(robot.whole, namespace)
        self._base, self._base_doubt = self._base_frame()
        measured, self._rate_doubt = self._joint_rate()
        self._rate = tick_rate(measured or rate, rate)
        self._paths = usable_paths(robot.paths)
        self._commanded = commanded_groups(robot, self._paths)

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
        robot, text, tips = self._robot, self._text, self._tips
        if not tips:
            doubt = 'no robot_description was seen: without an arm no workspace is watched'
            if robot.built_in:
                doubt = "no robot_description was seen; the joints are named as this arm's"
            text.put('arm', robot.built_in, doubt=doubt)
            return
        text.put('arm')
        text.put('urdf', self._urdf_file, indent=2, doubt=robot.place_doubt)
        doubt = joined(why for _, why in tips)
        links = [link for link, _ in tips]
        sides = [arm.prefix.removesuffix('_') for arm in robot.arms]
        value = links[0] if len(links) == 1 else dict(zip(sides, links, strict=True))
        text.put('tip', value, indent=2, doubt=doubt)
        if home := _standing(robot):
            text.put('home', home, indent=2, doubt='where it stood: where a task is to begin?')

    def _base_frame(self) -> tuple[str, str]:
        """The frame of Cartesian quantities: that of the tool's pose, else where the arm begins."""
        links, description = base_links(self._robot), self._robot.description
        if self._robot.base:
            return self._robot.base, ''
        frame = frame_of(self._pose) if self._pose else ''
        if frame and (description is None or frame in description.links):
            return frame, ''
        if links:
            return links[0], 'one of several arms' if len(set(links)) > 1 else ''
        return 'base' if self._robot.built_in else 'base_link', 'no message names it'

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
            position = joint_stream(robot, group, 'position', self._namespace)
            velocity = joint_stream(robot, group, 'velocity', self._namespace)
            self._put(position.naming(Anchored(label, position.values['names'])))
            if group in self._commanded or 'derived' not in velocity.values:
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
            other.put(key, stream.values, indent=2)
            self._text.comment_out(other, 2)

    def _images(self) -> None:
        if self._cameras:
            self._text.remark()
            self._text.put('images')
        for camera in self._cameras:
            self._put(camera)

    def _action(self) -> None:
        text, robot = self._text, self._robot
        groups = self._commanded
        names = [name for group in groups for name in group.joints]
        text.remark()
        text.put('action')
        text.put('names', names, indent=2, doubt=self._left_out(names))
        for part in ('position', 'velocity'):
            text.put(part, [group.key(part) for group in groups], indent=2)
        text.put('limits', indent=2)
        limits, doubts = joint_limits(robot, names)
        text.put_all(limits, 4, doubts)
        self._outputs()

    def _left_out(self, names: Sequence[str]) -> str:
        lacking = [path for path in self._robot.paths if path not in self._paths]
        texts = [f'{listed(path.joints)}: no output for {path.adapter} here' for path in lacking]
        rest = [name for name in self._robot.names if name not in names]
        return joined(texts) if rest else ''

    def _outputs(self) -> None:
        text, paths = self._text, self._paths
        if not paths:
            why = self._robot.seen.unasked or 'no controller of the arm is active'
            text.put('output', indent=2)
            text.put('adapter', 'joint_trajectory', indent=4)
            topic = 'arm_controller/joint_trajectory'
            text.put('topic', topic, indent=4, doubt=f'{why}: name its command topic')
            return
        values = [
            {
                **({'prefix': path.prefix} if path.prefix else {}),
                'adapter': path.adapter,
                'topic': relative(path.topic, self._namespace),
                **({'gripper': _FRANKA} if path.topic.endswith(_FRANKA_ACTIONS) else {}),
            }
            for path in paths
        ]
        if len(paths) == 1:
            text.put('output', indent=2)
            text.put_all(values[0], 4, {'topic': paths[0].doubt})
            return
        text.put('outputs', indent=2)
        for path, value in zip(paths, values, strict=True):
            text.item({'joints': path.joints, **value}, 4, {'topic': path.doubt})

    def _rest(self) -> None:
        text = self._text
        text.remark()
        far = reach(self._robot)
        why = 'set it to where the tool may be' if far else 'no URDF says how far the arm reaches'
        if self._tips or self._robot.built_in:  # without an arm nobody would know where its tool is
            corner = far or 1.0
            box = {'min': (-corner, -corner, -0.01), 'max': (corner, corner, corner)}
            text.put('workspace', box, doubt=why)
        if self._wrench is not None:
            text.remark()
            text.put('wrench')
            text.put('key', 'wrench', indent=2)
            text.put('force', _FORCE, indent=2, doubt='set it to what the task needs')
            text.put('torque', _TORQUE, indent=2)


def _following(stream: DraftedStream) -> DraftedStream:
    return DraftedStream(
        key=stream.key, values={**stream.values, 'follows_arm': True}, doubts=stream.doubts
    )


def _framed_types() -> list[str]:
    return [kind for kind in decoded_types() if isinstance(decoder_for(kind), Composite)]
