"""A monitor node, and around it a robot, two sources and an operator, on a clock that a test turns.

Nothing spins and nothing waits: messages are handed to the node's own callbacks, its timers are
fired, and what it publishes to the arm is taken from its publisher. How long a message is on its
way, and whether it arrives, once or twice, is up to the test.
"""

import heapq
import itertools
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import rclpy
from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from geometry_msgs.msg import WrenchStamped
from il_ros.msg import Takeover
from il_ros.srv import DiscardBefore, LoadPolicy, SetMode
from rclpy.clock import ClockType
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from rclpy.time import Time
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from il_ros.core.contract import OutputConfig, load_contract
from il_ros.core.driver_description import GripperAction
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.monitors.mode import Mode
from il_ros.nodes.monitor_node import MonitorNode
from il_ros.ros.controller_state_publisher import controller_state
from il_ros.ros.controller_watch import STATE, state_topic
from il_ros.ros.message_conversion import chunk_message, doubles, fill_stamp, to_stamp
from il_ros.ros.message_types import message_type
from il_ros.ros.monitor_reports import CODES
from il_ros.ros.output_adapters import OutputAdapter, make_output
from il_ros.sim.controller import TrajectoryController
from il_ros.sim.gripper_motion import GripperMotion

START = 1_000 * NS
FINE = 0.002  # s between two looks at the arm
STOP = 1.5  # s that an arm may need to stand
STATES = 0.02  # s between two states of the controller
WITHIN = 1.05  # share of a limit that counts as within it
CATCHES_UP = 1.1, 3.3  # shares of speed and acceleration limits that catching up takes
NOTICED = 0.5  # s after which the monitor must have noticed a controller that takes nothing
GIVE_WAY = 5.5  # s that one may move after a stop by force

CONTRACT = """
version: 1
name: virtual
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
        names: [a, b], rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b], rate: 20.0}
  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped,
           fields: [wrench.force, wrench.torque], rate: 20.0}
action:
  names: [a, b]
  position: [arm]
  velocity: [speed]
  limits: {position_min: [-1.5, -1], position_max: [1.5, 1], velocity: [2, 1],
           acceleration: [10, 5], jerk: [4000, 2000]}
  executed: monitor/executed
  output: {adapter: joint_trajectory, topic: arm_controller/joint_trajectory}
wrench: {key: wrench, force: 100.0, torque: 30.0}
"""

TWO_OUTPUTS = CONTRACT.replace(
    'output: {adapter: joint_trajectory, topic: arm_controller/joint_trajectory}',
    """outputs:
    - {joints: [a], adapter: joint_trajectory, topic: arm_controller/joint_trajectory}
    - {joints: [b], adapter: joint_trajectory, topic: wrist_controller/joint_trajectory}""",
)
"""The same robot, with a controller for each joint."""


GRIPPER = CONTRACT.replace(
    'output: {adapter: joint_trajectory, topic: arm_controller/joint_trajectory}',
    """outputs:
    - {joints: [a], adapter: joint_trajectory, topic: arm_controller/joint_trajectory}
    - {joints: [b], adapter: gripper_command, topic: hand/gripper_cmd, rate: 20}""",
)
"""The same robot, whose second joint is a gripper with an action."""


@dataclass
class Wire:
    """How messages of one kind travel.

    Attributes:
        delay: How long each is on its way [s].
        jitter: By how much more, at most [s]; they may overtake one another, but commands keep
            the order that they were sent in.
        loss: Share of them that never arrive.
        twice: Share of them that arrive twice.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    twice: float = 0.0


@dataclass
class Part:
    """One controller of the robot.

    Attributes:
        output: What of the contract it carries out.
        columns: Of its joints.
        adapter: What it takes.
        controller: What it does with it.
        deaf: Until when it takes no command [ns].
        silent: Until when it says nothing, either [ns].
        refused: Until when nothing can be published to it [ns].
        ignored: Since when it has taken none, though it says what it follows or did [ns]; or None.
    """

    output: OutputConfig
    columns: list[int]
    adapter: OutputAdapter
    controller: TrajectoryController
    deaf: int = 0
    silent: int = 0
    refused: int = 0
    ignored: int | None = None


class Answer:
    """What is a future for the node: it takes what comes, when it comes."""

    def __init__(self):
        self._callbacks, self._result = [], None

    def add_done_callback(self, callback):
        self._callbacks.append(callback)

    def result(self):
        return self._result

    def come(self, result):
        """Hand it over."""
        self._result = result
        for callback in self._callbacks:
            callback(self)


class VirtualGripper:
    """The action of a gripper, as its client sees it, and the joint behind it.

    Attributes:
        served: Whether there is a server.
        answer: What becomes of a goal: `accept`, `reject` or `silence`.
        end: How goals end that are not reached: `none`, `aborted`, `canceled`, or `unknown`.
        blocked: Below what position the joint cannot go; None for none.
        cancels: Whether it heeds who cancels a goal.
    """

    def __init__(self, robot, output, column, name):
        self.robot, self.column = robot, column
        limits = robot.limits
        about = GripperAction(
            action=output.topic, type='GripperCommand', joint=name, stall_succeeds=True,
            speed=float(limits.velocity[column]),
        )  # fmt: skip
        self.motion = GripperMotion(about, float(robot.posture[column]))
        self.served, self.answer, self.end, self.blocked = True, 'accept', 'none', None
        self.cancels = True
        self.away = None  # since when it has no server [ns]
        self.canceled = 0
        self.goals, self.modes, self.told, self._current = [], [], 0, None

    def server_is_ready(self):
        return self.served

    def block(self, place):
        """Something is in the way below `place`, or, if the joint is below, where it is."""
        now = self.robot.steady / NS
        self.robot._look()
        here, wanted = float(self.positions([now])[0]), self.motion._to
        self.blocked = None if place is None else min(place, here)
        if place is None and here != wanted:  # it goes on from where it was held
            busy = self.motion.busy
            self.motion.hold(here)
            self.motion.goal(wanted, now)
            self.motion._busy = busy

    def serve(self, served):
        """Begin or end to serve."""
        self.served = served
        self.away = None if served else self.robot.steady
        if not served:
            self.motion.hold(self.positions([self.robot.steady / NS])[0])
            self._current = None

    def positions(self, times):
        """Where the joint is at `times` [s], (T,)."""
        wanted = self.motion.positions(np.array(times))
        return wanted if self.blocked is None else np.maximum(wanted, self.blocked)

    def send_goal_async(self, goal, goal_uuid):
        """What the node calls."""
        answer = Answer()
        self.goals.append((self.robot.steady, goal.command.position))
        self.modes.append(self.robot.mode)  # of then: the end of the node sends one, too
        robot = self.robot
        robot._send(
            Wire(**(vars(robot.wires['goals']) | {'loss': 0.0, 'twice': 0.0})),
            lambda: self._take(goal.command.position, answer),
            robot=True,
            in_order='goals',
        )
        return answer

    def _reply(self, answer, what):
        self.robot._at(self.robot.steady + NS // 1000, lambda: answer.come(what))

    def _take(self, position, answer):
        if not self.served or self.answer == 'silence':
            return
        if self.answer == 'reject':
            self._reply(answer, SimpleNamespace(accepted=False))
            return
        self.robot._look()
        result, goal = Answer(), object()
        handle = SimpleNamespace(
            accepted=True,
            get_result_async=lambda: result,
            cancel_goal_async=lambda: self._cancel(goal),
        )
        self._end(GoalStatus.STATUS_CANCELED)
        self._current = goal, result
        self._reply(answer, handle)
        self.motion.goal(position, self.robot.steady / NS)
        statuses = {'none': None, 'aborted': GoalStatus.STATUS_ABORTED,
                    'canceled': GoalStatus.STATUS_CANCELED, 'unknown': 77}  # fmt: skip
        if (status := statuses[self.end]) is not None:
            self.robot._at(self.robot.steady + NS // 50, lambda: self._end(status, goal))

    def _cancel(self, goal):
        """Hold the joint where it is, if it is on its way to this goal."""
        answer, code = Answer(), CancelGoal.Response.ERROR_NONE
        if not self.cancels:
            code = CancelGoal.Response.ERROR_REJECTED
        elif self._current is not None and self._current[0] is goal:
            self.robot._look()
            self.canceled += 1
            self.motion.hold(float(self.positions([self.robot.steady / NS])[0]))
            self._end(GoalStatus.STATUS_CANCELED)
        self._reply(answer, SimpleNamespace(return_code=code))
        return answer

    def look(self):
        """Whether the goal has ended."""
        now = self.robot.steady / NS
        before, here = self.positions([now - 0.01, now])
        outcome = self.motion.look(now, here, (here - before) / 0.01)
        if outcome is not None:
            self._end(GoalStatus.STATUS_SUCCEEDED, stalled=outcome.stalled)

    def _end(self, status, goal=None, *, stalled=False):
        if self._current is None or (goal is not None and self._current[0] is not goal):
            return
        (_, result), self._current = self._current, None
        answer = SimpleNamespace(status=status, result=SimpleNamespace(stalled=stalled))
        self._reply(result, answer)


class Broken(AssertionError):  # noqa: N818 - it is what a property says, not an error of the code
    """The arm moved as it must not."""


def make_node(path, *, simulated):
    """A configured monitor node, and one that stands for the rest of the graph."""
    arguments = [
        f'contract:={path}', f'use_sim_time:={str(simulated).lower()}', 'autostart:=false',
        'allow_uncalibrated:=true', 'start_parameter_services:=false',
    ]  # fmt: skip
    rclpy.init(args=['--ros-args', *(w for a in arguments for w in ('-p', a))])
    node, others = MonitorNode(), Node('others')
    node.get_logger().set_level(LoggingSeverity.FATAL)
    contract = load_contract(path)
    for output in contract.outputs:
        if output.trajectories:
            others.create_subscription(JointTrajectory, output.topic, lambda _: None, 10)
    others.create_publisher(JointState, 'joint_states', 10)
    node.get_clock()._set_ros_time_is_active(True)
    _set_clock(node, START)
    node.trigger_configure()
    for _ in range(3):  # nobody answers for the controllers: known before the first life begins
        node._limits.look()
        for each in node._sender._trajectories:
            each.replacement.look()
    node._loads._send = lambda response, header: None  # nobody has asked by DDS
    return node, others


def _set_clock(node, nanoseconds):
    now = Time(nanoseconds=nanoseconds, clock_type=ClockType.ROS_TIME)
    node.get_clock().set_ros_time_override(now)


class VirtualRobot:
    """One life of the node, from its activation on.

    Args:
        node: From `make_node`; it is activated.
        contract: Its contract.
        seed: Of what happens at random on the wires.

    Attributes:
        steady: The time [ns]; the robot's clock, and the node's but for `offset`.
        offset: By how much the node's clock is ahead [ns].
        wires: Of 'joints', 'states', 'chunks', 'switches', 'commands' and 'goals'.
        chunks: For each source what it makes of the arm's posture (N,): positions (H, N) and a
            function that changes the message; or None.
        joints: What becomes of a JointState before it is sent; a list of messages.
        states: Whether the controller says what it follows.
        state_origin: What the middleware says of such a message.
        held: For each device the state of its switch; None for silence.
        force: At the wrist [N].
        cost: What a tick takes until its command is sent, at most [s].
    """

    def __init__(self, node, contract, seed=0):
        self.node, self.contract = node, contract
        self.rng = np.random.default_rng(seed)
        # Time goes on from one life to the next, or the node would hear of a clock that jumped.
        self.steady = getattr(node, 'virtual_time', START) + 10 * NS
        self.offset = 0
        names = ('joints', 'states', 'chunks', 'switches', 'commands', 'goals')
        self.wires = {name: Wire() for name in names}
        for name in ('joints', 'states', 'switches'):
            self.wires[name].delay = 0.001
        self.wires['chunks'].delay = 0.004
        self.chunks = {'policy': None, 'expert': None}
        self.origin = {}  # what the middleware says of a chunk
        self.joints = lambda message: [message]
        self.states, self.state_origin = True, {}
        self.held, self.lost = {}, False
        self.force = self.cost = 0.0
        self.limits = contract.limits
        self.lossy = False  # whether commands were lost on their way
        self._untold = False  # whether states were
        self._last = np.zeros(len(self.limits.names))
        self.parts = [self._part(output) for output in contract.outputs if output.trajectories]
        self.grippers = [
            VirtualGripper(self, output, self.limits.names.index(output.joints[0]), *output.joints)
            for output in contract.outputs
            if not output.trajectories
        ]
        self._queue, self._count, self._due = [], itertools.count(), {}
        self._arrived = {}  # when the command before arrives, for each controller [ns]
        self._end = 0  # of the present run [ns]
        self._off = 0  # until then no controller takes a command [ns]
        self._busy = 0  # until then the node's executor does something else [ns]
        self._granted = False
        self._driven = self._contact = -np.inf
        self._sampled, self._speed = self.steady, np.zeros_like(self._last)
        self._judged = 0
        self.commands, self.refused, self.worst = [], [], np.zeros(2)
        for sender, gripper in zip(node._sender._grippers, self.grippers, strict=True):
            sender._client = gripper
            sender._troubles.clear()
            sender._busy, sender._handle = False, None
        with self._time():
            node.trigger_activate()
        for part in self.parts:
            topic = node.resolve_topic_name(part.output.topic)
            commands = next(each for each in node.publishers if each.topic_name == topic)
            commands.publish = partial(self._on_command, part)
        prepare = type(node._sender).prepare

        def slowly(*tick):
            prepare(node._sender, *tick)
            self._compute()

        node._sender.prepare = slowly
        self._at(self.steady, self._sample, robot=True)
        self._at(self.steady, self._state, robot=True)

    def close(self):
        """Deactivate the node."""
        self.node.virtual_time = self.steady + 10 * NS
        with self._time():
            if self.node.active:
                self.node.trigger_deactivate()

    @property
    def posture(self):
        """Where the arm was last seen, (N,) [rad]."""
        return self._last

    @property
    def mode(self):
        """The mode that the monitor is in."""
        return self.node._monitor.mode

    def run(self, seconds):
        """Let the time go on."""
        end = self._end = self.steady + round(seconds * NS)
        with self._time():
            while (event := self._next(end)) is not None:
                event()
                self._judge()
            self.steady = max(self.steady, end)  # the node may be at work for longer
            self._look()

    def _part(self, output):
        mine = self.contract.part(output)
        columns = [self.limits.names.index(name) for name in output.joints]
        controller = TrajectoryController(
            output.joints, self._last[columns], period=self.contract.period
        )
        return Part(output, columns, make_output(mine), controller)

    def _positions(self, times):
        """Where all controllers want the joints at `times` [s], (T, N)."""
        wanted = np.empty((len(times), len(self.limits.names)))
        for part in self.parts:
            wanted[:, part.columns] = part.controller.positions(np.array(times))
        for gripper in self.grippers:
            wanted[:, gripper.column] = gripper.positions(times)
        return wanted

    def deafen(self, index, seconds, *, silent):
        """One controller takes no commands for so long, and says nothing either if `silent`."""
        part = self.parts[index % len(self.parts)]
        self.lossy = True
        part.deaf = self.steady + round(seconds * NS)
        part.silent = part.deaf if silent else part.silent

    def refuse(self, index, seconds):
        """Nothing can be published to one controller for so long."""
        part = self.parts[index % len(self.parts)]
        part.refused = self.steady + round(seconds * NS)

    def push(self, way):
        """Move the arm by `way` (N,) [rad]; its drives are off, and its controller, for 0.3 s."""
        self._look()
        self._off = self.steady + round(0.3 * NS)
        self._last = np.clip(
            self._positions([self.steady / NS])[0] + way,
            self.limits.position_min,
            self.limits.position_max,
        )
        for part in self.parts:
            part.controller.hold(self._last[part.columns])
        for gripper in self.grippers:
            gripper.motion.hold(self._last[gripper.column])
        self._speed = np.zeros_like(self._last)

    def stall(self, seconds):
        """The node's executor gets no processor for so long; its messages wait."""
        self._busy = self.steady + round(seconds * NS)

    def request(self, mode, *, resume=False):
        """Ask for a mode; gives the answer."""
        before, self._granted = self._granted, self._granted or mode.driving
        response = self._serve('set_mode', SetMode, mode=CODES[mode], resume=resume)
        self._granted = before or (response.success and mode.driving)
        return response

    def discard_before(self, seconds):
        """What is stamped before `seconds` from now is void."""
        stamp = to_stamp(max(self.steady + self.offset + round(seconds * NS), 0))
        return self._serve('discard_before', DiscardBefore, stamp=stamp)

    def load(self, path):
        """Load a bundle."""
        before = set(threading.enumerate())
        response = self._serve('load', LoadPolicy, path=str(path))
        for thread in set(threading.enumerate()) - before:
            thread.join()  # the node finds that it has ended when its timer next fires
        return response

    def set_parameter(self, name, value):
        """Set a dynamic parameter."""
        with self._time():
            return self.node.set_parameters([Parameter(name, value=value)])[0]

    def restart(self):
        """Deactivate the node and activate it again."""
        with self._time():
            self.node.trigger_deactivate()
            self._due.clear()
            self.node.trigger_activate()
        self._granted = False

    def _serve(self, name, kind, **fields):
        service = next(s for s in self.node.services if s.srv_name.endswith(f'/{name}'))
        with self._time():
            response = service.callback(kind.Request(**fields), kind.Response())
            self._judge()
        return response

    def _next(self, end):
        """What happens next, at a time up to `end`, with the clocks set to it; None for nothing."""
        for timer in self.node.timers:
            if timer.is_canceled():
                self._due.pop(id(timer), None)
            else:
                self._due.setdefault(id(timer), self.steady + timer.timer_period_ns)
        timers = {id(timer): timer for timer in self.node.timers if id(timer) in self._due}
        first = min(timers, key=lambda key: self._due[key], default=None)
        begin = max(self._due[first], self._busy) if first is not None else np.inf
        if self._queue and self._queue[0][0] <= begin:
            if self._queue[0][0] > end:
                return None
            at, _, work, _ = heapq.heappop(self._queue)
            self._set(at)
            return work
        if begin > end:
            return None
        timer = timers[first]
        self._set(begin)
        self._due[first] = max(self._due[first] + timer.timer_period_ns, begin)
        return timer.callback

    def _set(self, at):
        self.steady = max(self.steady, at)
        _set_clock(self.node, self.steady + self.offset)

    def _compute(self):
        """The node is at work for a while; the robot goes on.

        One that is a second behind takes no more time, or it would never be through.
        """
        if self.steady > self._end + NS:
            return
        end = self.steady + round(self.cost * self.rng.random() * NS)
        while mine := [event for event in self._queue if event[3] and event[0] <= end]:
            self._queue.remove(min(mine))
            heapq.heapify(self._queue)
            self._set(min(mine)[0])
            min(mine)[2]()
        self._set(end)

    def _at(self, at, work, *, robot=False):
        """Let something happen at a time [ns]; whether the robot does it, or else the node."""
        heapq.heappush(self._queue, (at, next(self._count), work, robot))

    def _send(self, wire, work, *, robot=False, in_order=None):
        """Let `work` happen when a message on this wire arrives, if it does.

        Those of the same `in_order` keep their order.
        """
        for _ in range(1 + (self.rng.random() < wire.twice)):
            if self.rng.random() >= wire.loss:
                delay = wire.delay + wire.jitter * self.rng.random()
                at = self.steady + round(delay * NS)
                if in_order is not None:
                    at = self._arrived[in_order] = max(at, self._arrived.get(in_order, 0))
                self._at(at, work, robot=robot)

    def _to_node(self, wire, topic, *message):
        def deliver():
            if self.steady < self._busy:
                return self._at(self._busy, deliver)
            for subscription in self.node.subscriptions:
                if subscription.topic_name == f'/{topic}':
                    subscription.callback(*message)
            return None

        self._send(self.wires[wire], deliver)

    def _sample(self):
        """One period of the robot: what it measures, what its sources make of that, switches."""
        stamp, dt = self.steady, self.contract.period
        jitter = round(1e-4 * NS * self.rng.random())
        self._at(stamp + round(dt * NS) + jitter, self._sample, robot=True)
        now = stamp / NS
        position, after = self._positions([now, now + 1e-4])
        noise = 1e-6 * self.rng.standard_normal(len(position))
        message = JointState(
            name=list(self.limits.names),
            position=doubles(position + noise),
            velocity=doubles((after - position) / 1e-4),
        )
        message.header.stamp = to_stamp(stamp)
        contact = fill_stamp(WrenchStamped(), stamp, self.contract.base_frame)
        contact.wrench.force.z = self.force + noise[0]
        if self.force > 0.5 * self.limits.force:
            self._contact = now
        for sample, topic in (
            (contact, 'wrench'),
            *((m, 'joint_states') for m in self.joints(message)),
        ):
            self._to_node('joints', topic, serialize_message(sample), {'received_timestamp': 0})
        for source, make in self.chunks.items():
            self._answer(source, make, position, stamp)
        for device, held in self.held.items():
            if held is not None:
                word = fill_stamp(Takeover(device=device, held=held, lost=self.lost), stamp)
                self._to_node('switches', 'expert/takeover', word)

    def _state(self):
        """What the controller says that it follows."""
        stamp = self.steady
        self._at(stamp + round(STATES * NS), self._state, robot=True)
        if not self.states:
            return
        for part in self.parts:
            if stamp < part.silent:
                continue
            names, topic = list(part.output.joints), state_topic(part.output.topic)
            here = part.controller.positions(np.array([stamp / NS]))[0]
            message = controller_state(message_type(STATE), names, part.controller, here, stamp)
            self._to_node('states', topic, serialize_message(message), self.state_origin)

    def _answer(self, source, make, position, stamp):
        if make is None:
            return
        positions, change = make(position)
        message = chunk_message(self.contract, positions, stamp=stamp, source=source)
        self._to_node('chunks', f'{source}/action_chunk', change(message) or message, self.origin)

    def _on_command(self, part, message):
        if self.steady < part.refused:
            raise RuntimeError('it cannot be published')
        self.commands.append((part, message))
        wire, follow = self.wires['commands'], lambda: self._follow(part, message)
        self._send(wire, follow, robot=True, in_order=part.output.topic)

    def _follow(self, part, message):
        self._look()
        if self.steady < max(self._off, part.deaf):
            if part.ignored is None and self.states:
                part.ignored = self.steady
            return
        part.ignored = None
        try:
            part.adapter.apply(message, part.controller, self.steady / NS)
        except IlRosError as refusal:
            self.refused.append(str(refusal))

    def _judge(self):
        now, mode = self.steady / NS, self.mode
        if mode.driving or mode is Mode.FALLBACK:
            if not (self._granted or any(self.held.values())):
                raise Broken(f'mode {mode} without a request')
            self._granted = True
            self._driven = now
        elif mode is not Mode.HOLD or not any(self.held.values()):
            self._granted = False
        if self.node.exit_code is not None:
            raise Broken('the node ended')
        for part, message in self.commands[self._judged :]:
            self._judge_message(part, message)
        self._judged = len(self.commands)
        for gripper in self.grippers:
            new = zip(gripper.goals, gripper.modes, strict=True)
            for (at, position), mode in list(new)[gripper.told :]:
                self._judge_goal(gripper, at / NS, position, mode)
            gripper.told = len(gripper.goals)

    def _judge_goal(self, gripper, at, position, mode):
        """A goal is within the limits, and comes only where the arm may move."""
        low, high = self.limits.position_min, self.limits.position_max
        if not low[gripper.column] - 1e-6 <= position <= high[gripper.column] + 1e-6:
            raise Broken(f'sent to {position}')
        if mode is Mode.IDLE or at > self._driven + STOP:
            raise Broken(f'mode {mode}: a goal {at - self._driven:.2f} s after it was driven')

    def _judge_message(self, part, message):
        """What is published is finite, within the limits, and moves only where it may."""
        now = self.steady / NS
        times = [p.time_from_start.sec + p.time_from_start.nanosec / NS for p in message.points]
        rows = [np.array([getattr(p, part) for p in message.points])
                for part in ('positions', 'velocities', 'accelerations')]  # fmt: skip
        if not (all(np.isfinite(row).all() for row in rows) and np.all(np.diff(times) > 0)):
            raise Broken('points that are not finite or not in order')
        position, velocity, acceleration = rows
        mine = part.columns
        low, high = self.limits.position_min[mine] - 1e-6, self.limits.position_max[mine] + 1e-6
        if not ((position >= low) & (position <= high)).all():
            raise Broken(f'commanded to {position.min(0)} .. {position.max(0)}')
        for name, row, limit in (
            ('velocity', velocity, self.limits.velocity[mine]),
            ('acceleration', acceleration, self.limits.acceleration[mine]),
        ):
            if (np.abs(row) > limit * (1 + 1e-6)).any():
                raise Broken(f'commanded {name} {np.abs(row).max(0)}')
        if velocity[-1].any() or acceleration[-1].any():
            raise Broken('it does not end at rest')
        moves = np.abs(position - position[-1]).max() > 1e-6
        allowed = self._driven + (GIVE_WAY if self._contact > self._driven - 1 else STOP)
        if moves and now > allowed:
            raise Broken(f'mode {self.mode}: moves {now - self._driven:.2f} s after it was driven')
        if self.mode is Mode.IDLE:
            raise Broken('IDLE commands')

    def _look(self):
        """Whether the arm kept its limits since the last look."""
        count = (self.steady - self._sampled) / NS / FINE
        if count < 1:
            return
        times = self._sampled / NS + FINE * np.arange(1, int(count) + 1)
        path = np.concatenate([[self._last], self._positions(times)])
        speed = np.concatenate([[self._speed], np.diff(path, axis=0) / FINE])
        share = np.abs(speed[1:]).max(0) / self.limits.velocity
        arm = [column for part in self.parts for column in part.columns]  # others begin at once
        change = np.abs(np.diff(speed, axis=0)).max(0) / FINE / self.limits.acceleration
        change = change[arm]
        self.worst = np.maximum(self.worst, [share.max(), change.max()])
        fastest, sharpest = self._most()
        if share.max() > fastest or change.max() > sharpest:
            raise Broken(f'speed {share} and acceleration {change} of the limits')
        for part in self.parts:
            self._judge_company(part, speed[1:])
        for gripper in self.grippers:
            gripper.look()
            lost = gripper.away is not None and self.steady - gripper.away > (NOTICED + STOP) * NS
            if lost and np.abs(speed[1:]).max() > 1e-3:
                raise Broken('the arm moves without its gripper')
        self._last, self._speed = path[-1], speed[-1]
        self._sampled += round(FINE * NS) * int(count)

    def _most(self):
        """Shares of the speed and the acceleration limits that the joints keep.

        Where a trajectory is lost on its way and no state tells before the next one is sent, the
        controller catches up with that. Where states do not tell at all, its set-point may jump.
        """
        wire = self.wires['states']
        told = self.states and wire == Wire(delay=0.001)
        self._untold |= not told or any(self.steady < part.silent for part in self.parts)
        if not self.lossy:
            return WITHIN, WITHIN
        return (np.inf, np.inf) if self._untold else CATCHES_UP

    def _judge_company(self, part, speed):
        """Where one controller takes no commands any more, no joint moves on."""
        if not self.states:
            part.ignored = None
        since = part.ignored
        if since is None or self.steady - since < (NOTICED + STOP) * NS:
            return
        if np.abs(speed).max() > 1e-3:
            alone = (self.steady - since) / NS
            raise Broken(f'moves though {part.output.topic} has taken nothing for {alone:.2f} s')

    @contextmanager
    def _time(self):
        """The steady clock of all code in this block is the virtual one."""
        real = time.monotonic, time.monotonic_ns
        time.monotonic, time.monotonic_ns = lambda: self.steady / NS, lambda: self.steady
        _set_clock(self.node, self.steady + self.offset)
        try:
            yield
        finally:
            time.monotonic, time.monotonic_ns = real


def leading(goal, speed=0.5, steps=12, dt=0.05):
    """A source that leads each joint to `goal` (N,) at `speed`, a number or (N,) [rad/s]."""

    def make(position):
        way = goal - position
        reach = dt * np.arange(1, steps + 1)[:, None] * speed
        return position + np.clip(way, -reach, reach), lambda message: message

    return make
