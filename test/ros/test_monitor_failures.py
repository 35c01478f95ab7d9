"""Whatever of the monitor's own code raises while the arm moves: it comes to rest, and is named.

The node is the real one on a virtual clock; `VirtualRobot` judges every command and all motion.
"""

import zlib
from functools import wraps

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from action_msgs.msg import GoalStatusArray  # noqa: E402
from virtual_robot import CONTRACT, VirtualRobot, leading, make_node  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.frames import FrameBuilder, TopicDecoder  # noqa: E402
from il_ros.core.stamp_delays import StampDelays  # noqa: E402
from il_ros.monitors.followed_plans import FollowedPlans  # noqa: E402
from il_ros.monitors.joint_consistency import JointConsistency  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.monitors.monitor import Monitor  # noqa: E402
from il_ros.monitors.planned_motion import Motion  # noqa: E402
from il_ros.monitors.punctuality import Punctuality  # noqa: E402
from il_ros.monitors.sample_checks import SampleChecks  # noqa: E402
from il_ros.monitors.spliced_trajectories import SplicedTrajectories  # noqa: E402
from il_ros.monitors.tool_consistency import ToolConsistency  # noqa: E402
from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.ros.clock_watch import ClockWatch  # noqa: E402
from il_ros.ros.command_limits_watch import CommandLimitsWatch  # noqa: E402
from il_ros.ros.command_sender import CommandSender  # noqa: E402
from il_ros.ros.command_topic_watch import CommandTopicWatch, ControllerGoalWatch  # noqa: E402
from il_ros.ros.controller_watch import ControllerWatch  # noqa: E402
from il_ros.ros.diagnostics import ERROR, STALE  # noqa: E402
from il_ros.ros.frame_source import FrameSource  # noqa: E402
from il_ros.ros.heard_policy import HeardPolicy  # noqa: E402
from il_ros.ros.monitor_reports import MonitorReports  # noqa: E402
from il_ros.ros.publisher_watch import PublisherWatch, SolePublisher  # noqa: E402
from il_ros.ros.replacement_watch import ReplacementWatch  # noqa: E402
from il_ros.ros.sim_time_watch import SimTimeWatch  # noqa: E402
from il_ros.ros.trajectory_sender import TrajectorySender  # noqa: E402

GOALS = 'arm_controller/follow_joint_trajectory/_action/status'
METHODS = {
    FrameSource: 'invalid problems',
    FrameBuilder: 'add',
    TopicDecoder: 'decode',
    StampDelays: 'add',
    JointConsistency: 'add problems unconfirmed',
    ToolConsistency: 'look problems',
    SampleChecks: 'judge',
    PublisherWatch: 'look problems',
    SolePublisher: 'hear look problem',
    HeardPolicy: 'look problem',
    CommandTopicWatch: 'look problems',
    CommandLimitsWatch: 'look problems warnings values',
    ControllerGoalWatch: '_on_status problems',
    ControllerWatch: '_take problems state reference warnings values',
    ClockWatch: 'look problems warnings values remark',
    SimTimeWatch: 'problems',
    CommandSender: 'prepare reference send problems warnings values',
    TrajectorySender: 'forget has late make problems reference _send values',
    FollowedPlans: 'hear late distance sent strange',
    ReplacementWatch: 'look at_once problems values',
    SplicedTrajectories: 'make sent',
    Punctuality: 'add lead problem too_late',
    MonitorReports: 'executed tell diagnosis',
    Monitor: 'offer look_at enable_switch _tick _move',
    Motion: 'drive brake start',
    MonitorNode: '_on_frame _on_sample _fine _keep_watch _input_of _count _silence',
}

POINTS = [f'{kind.__name__}.{name}' for kind, names in METHODS.items() for name in names.split()]
UNLESS_SILENT = {  # where no frame comes
    'MonitorNode._silence', 'Motion.brake', 'TrajectorySender.forget',
}  # fmt: skip
WITH_A_LEAD = {'TrajectorySender.has'}
LEAD = 0.1  # s
WHILE_DRIVEN = {
    'Monitor.look_at', 'MonitorNode._fine', 'Motion.drive', 'HeardPolicy.problem',
}  # fmt: skip
QUICK = {
    'ControllerWatch._take',
    'PublisherWatch.look',
    'TrajectorySender._send',
    'MonitorNode._keep_watch',
}


class Sabotage:
    """Raises at one point of the code, from a moment on, once or each time."""

    def __init__(self):
        self.point, self.left, self.met = '', 0, 0
        self.was = [(kind, name, kind.__dict__[name]) for kind, names in METHODS.items()
                    for name in names.split()]  # fmt: skip
        for kind, name, method in self.was:
            point, known = f'{kind.__name__}.{name}', isinstance(method, property)
            raising = self._raising(point, method.fget if known else method)
            setattr(kind, name, property(raising) if known else raising)

    def _raising(self, point, method):
        @wraps(method)
        def raising(*args, **kwargs):
            if point == self.point and self.left > 0:
                self.left, self.met = self.left - 1, self.met + 1
                raise RuntimeError(f'injected into {point}')
            return method(*args, **kwargs)

        return raising

    def begin(self, point, times):
        self.point, self.left, self.met = point, times, 0

    def undo(self):
        for kind, name, method in self.was:
            setattr(kind, name, method)


@pytest.fixture(scope='module')
def sabotage():
    sabotage = Sabotage()
    yield sabotage
    sabotage.undo()


@pytest.fixture(scope='module', params=[True, False], ids=['simulated', 'wall'])
def node(request, domain, sabotage, tmp_path_factory):
    path = tmp_path_factory.mktemp('failures') / 'contract.yaml'
    path.write_text(CONTRACT)
    node, others = make_node(path, simulated=request.param)
    node.contract = load_contract(path)
    yield node
    others.destroy_node()
    node.destroy_node()
    rclpy.shutdown()


def to_and_fro():
    goal = np.array([0.8, -0.4])

    def make(position):
        if np.abs(position - goal).max() < 0.1:
            goal[:] = -goal
        return leading(goal, np.array([1.2, 0.6]))(position)

    return make


class Drive:
    """A policy moves the arm without end; what the node says is kept."""

    def __init__(self, node):
        self.robot = VirtualRobot(node, node.contract)
        self.robot.chunks['policy'] = to_and_fro()
        self.robot.held['stick'] = False
        self.said, self.diagnostics = [], []
        for publisher in node.publishers:
            if publisher.topic_name == '/monitor/status':
                publisher.publish = lambda message: self.said.append(message.reason)
            if publisher.topic_name == '/diagnostics':
                publisher.publish = lambda message: self.diagnostics.append(message.status[0])
        self.robot.run(0.5)
        assert self.robot.request(Mode.POLICY).success

    def told(self):
        """All texts of the diagnostics."""
        statuses = self.diagnostics
        return [text for s in statuses for text in (s.message, *(v.value for v in s.values))]

    def stands(self):
        before = self.robot.posture.copy()
        self.robot.run(0.3)
        return np.abs(self.robot.posture - before).max() < 1e-6

    def goals(self):
        """The controller tells of its goals: there are none."""
        self.robot._to_node('joints', GOALS, GoalStatusArray())


def fail(node, sabotage, point, times, after):
    punctuality = node._sender._punctuality
    least = punctuality._least
    if point in WITH_A_LEAD:
        punctuality._least = LEAD
    drive = Drive(node)
    robot = drive.robot
    try:
        robot.run(after)
        assert robot.mode is Mode.POLICY
        sabotage.begin(point, times)
        drive.goals()
        if point in UNLESS_SILENT:
            robot.joints = lambda message: []
        robot.run(2.2)
        assert sabotage.met, f'{point} is never reached'
        assert robot.mode is Mode.ALARM
        assert drive.stands()
        texts = drive.said + drive.told()
        assert any(f'injected into {point}' in text for text in texts), texts
        if times > 1 and point not in UNLESS_SILENT | WHILE_DRIVEN:
            assert f'injected into {point}' in drive.diagnostics[-1].message
            assert drive.diagnostics[-1].level in (ERROR, STALE)
            if point.endswith('Watch.look'):  # a timer is told by its callback's name
                assert f'{point} failed: ' in drive.diagnostics[-1].message
            assert not robot.request(Mode.HOLD, resume=True).success
        sabotage.begin('', 0)
        robot.joints = lambda message: [message]
        drive.goals()
        robot.run(1.5)  # what works again is believed again
        assert robot.request(Mode.HOLD, resume=True).success
        robot.run(0.2)
        assert robot.mode is Mode.HOLD
        assert robot.request(Mode.POLICY).success
        robot.run(0.3)
        assert robot.mode is Mode.POLICY
    finally:
        sabotage.begin('', 0)
        punctuality._least = least
        robot.close()


def moment(point):
    """Some time in which the arm is under way, another for each point [s]."""
    return 0.15 + 0.8 * np.random.default_rng(zlib.crc32(point.encode())).random()


@pytest.mark.parametrize(
    'point', [p if p in QUICK else pytest.param(p, marks=pytest.mark.slow) for p in POINTS]
)
def test_what_fails_for_good_stops_the_arm_and_is_named_and_the_node_lives(node, sabotage, point):
    fail(node, sabotage, point, 10**9, moment(point))


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('point', POINTS)
def test_what_fails_once_does_too_and_is_believed_again_later(node, sabotage, point, seed):
    fail(node, sabotage, point, 1, moment(f'{seed}{point}'))
