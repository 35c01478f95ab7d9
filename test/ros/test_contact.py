"""A contact that lasts for one message of the force sensor, between two ticks of the monitor."""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from geometry_msgs.msg import PointStamped, PoseStamped, WrenchStamped  # noqa: E402
from il_ros.msg import MonitorStatus  # noqa: E402
from il_ros.srv import SetMode  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.geometry import quaternion_from_matrix  # noqa: E402
from il_ros.core.robots.franka import FRANKA  # noqa: E402
from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp, to_ns  # noqa: E402
from il_ros.ros.qos import CHUNKS, COMMAND, SENSOR_OUT  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

pytestmark = pytest.mark.real_time
PATH = 'config/contracts/franka_reach.yaml'
PATIENCE = 20.0
PERIOD = 0.05
FRAME_AGE = 1.0  # s; a busy machine


class Rig:
    """The real monitor node and a driver of an arm at rest: joints at 100 Hz, wrench at 500 Hz."""

    def __init__(self):
        parameters = {'contract': PATH, 'frame_age': FRAME_AGE}
        words = [word for key, value in parameters.items() for word in ('-p', f'{key}:={value}')]
        rclpy.init(args=['--ros-args', *words], signal_handler_options=SignalHandlerOptions.NO)
        self.contract = load_contract(PATH)
        self.monitor = MonitorNode()
        self.node = Node('driver', use_global_arguments=False)
        self.executor = make_executor()
        for node in (self.monitor, self.node):
            self.executor.add_node(node)
        publish = self.node.create_publisher
        self.joints = publish(JointState, 'joint_states', SENSOR_OUT)
        self.pose = publish(PoseStamped, 'tcp_pose', SENSOR_OUT)
        self.wrench = publish(WrenchStamped, 'wrench', SENSOR_OUT)
        self.goal = publish(PointStamped, 'goal_position', SENSOR_OUT)
        self.status, self.alarmed, self.commands, self.count = None, 0.0, [], 0
        self.paused = False
        topic = self.contract.action.output.topic
        self.node.create_subscription(MonitorStatus, 'monitor/status', self._on_status, CHUNKS)
        self.node.create_subscription(JointTrajectory, topic, self._on_command, COMMAND)
        self.mode = self.node.create_client(SetMode, 'monitor/set_mode')
        self.node.create_timer(0.002, self._on_timer)

    def _on_status(self, message):
        self.status = message
        if message.mode == MonitorStatus.ALARM and not self.alarmed:
            self.alarmed = time.monotonic()

    def _on_command(self, message):
        self.commands.append((time.monotonic(), message))

    def _on_timer(self):
        self.count += 1
        now = self.node.get_clock().now().nanoseconds
        self.feel(0.0)
        if self.count % 5 == 0 and not self.paused:
            names = self.contract.action.names
            home = [*FRANKA.home][: len(names)]
            message = JointState(name=names, position=home, velocity=[0.0] * len(names))
            self.goal.publish(fill_stamp(PointStamped(), now, 'base'))
            self.pose.publish(fill_stamp(self._tool(), now, 'base'))
            self.joints.publish(fill_stamp(message, now))

    def _tool(self):
        message, (place, turn) = PoseStamped(), FRANKA.chain.forward(np.array(FRANKA.home[:7]))
        position, orientation = message.pose.position, message.pose.orientation
        for axis, value in zip('xyz', place, strict=True):
            setattr(position, axis, float(value))
        for axis, value in zip('xyzw', quaternion_from_matrix(turn), strict=True):
            setattr(orientation, axis, float(value))
        return message

    def feel(self, force):
        message = WrenchStamped()
        message.wrench.force.z = force
        self.wrench.publish(fill_stamp(message, self.node.get_clock().now().nanoseconds, 'base'))

    def wait(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, f'{self.status}'
            self.executor.spin_once(timeout_sec=0.001)

    def until_mode(self, mode):
        answers = []
        while not (answers and answers[-1].success):
            self.wait(self.mode.service_is_ready)
            future = self.mode.call_async(SetMode.Request(mode=mode, resume=True))
            self.wait(future.done)
            answers.append(future.result())
            assert len(answers) < 500, answers[-1]
            pause = time.monotonic() + 0.03
            self.wait(lambda pause=pause: time.monotonic() > pause)
        self.wait(lambda: self.status.mode == mode)
        self.alarmed = 0.0

    def close(self):
        for node in (self.monitor, self.node):
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.fixture
def rig(domain):
    rig = Rig()
    yield rig
    rig.close()


def test_a_contact_of_one_message_stops_the_arm_at_once(rig):
    reactions, most = [], rig.contract.limits.force
    for k in range(5):
        rig.until_mode(MonitorStatus.IDLE)
        rig.until_mode(MonitorStatus.HOLD)
        begin = time.monotonic() + 0.1 + PERIOD * k / 5  # anywhere between two ticks
        rig.wait(lambda begin=begin: time.monotonic() > begin)
        rig.paused = True  # no frame, and so no tick, before the watchdog's after 1 s
        count, struck = len(rig.commands), time.monotonic()
        rig.feel(1.5 * most)
        rig.feel(0.0)  # 0 ms later it is over
        rig.wait(lambda: rig.alarmed)
        reactions.append(rig.alarmed - struck)
        assert rig.status.reason.startswith('wrist force: ')
        assert rig.status.reason.endswith('(in one sample)')
        rig.wait(lambda count=count: len(rig.commands) > count)
        rig.paused = False
        stamp = to_ns(rig.commands[-1][1].header.stamp)
        rig.wait(lambda stamp=stamp: to_ns(rig.status.header.stamp) > stamp)
        assert rig.status.mode == MonitorStatus.ALARM  # latched
    assert max(reactions) < FRAME_AGE / 2, reactions  # 2 to 10 ms where nothing else runs
