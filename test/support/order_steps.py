"""What may happen to a monitor and its virtual robot, in any order: the words of a program."""

import copy
import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.parameter import Parameter
from virtual_robot import VirtualRobot, Wire, leading

from il_ros.core.frames import NS
from il_ros.monitors.mode import Mode
from il_ros.ros.message_conversion import to_ns, to_stamp

LATEST = 0.02  # s that a command may be on its way: half of what it is sent ahead


# --- sources: what becomes of the posture (N,) ---


def good(goal=(0.8, -0.4), speed=0.8):
    return leading(np.array(goal), speed)


def spoilt(change, goal=(0.8, -0.4)):
    make = leading(np.array(goal))
    return lambda position: (make(position)[0], change)


def wild(position):
    """Far away, and elsewhere each time."""
    goals = np.random.default_rng(int(1e9 * abs(position[0]))).uniform(-1.4, 1.4, (8, 2))
    return goals, lambda message: message


def sign_changes(position):
    return leading(-np.sign(position + 1e-9) * 0.9, 1.0)(position)


def numbers(value):
    def change(message):
        message.positions[len(message.positions) // 2] = value

    return change


def stamped(seconds):
    def change(message):
        stamp = to_ns(message.header.stamp) + round(seconds * NS)
        message.header.stamp = to_stamp(max(stamp, 0))

    return change


def field(name, value):
    return lambda message: setattr(message, name, value)


SOURCES = {
    'quiet': None,
    'good': good(),
    'fast': good((-1.2, 0.9), np.array([1.8, 0.9])),
    'too fast': good((-1.2, 0.9), 2.5),
    'other': good((-0.6, 0.5), 0.4),
    'single': lambda position: (position[None] + [[0.03, -0.02]], lambda message: message),
    'wild': wild,
    'signs': sign_changes,
    'nan': spoilt(numbers(math.nan)),
    'infinite': spoilt(numbers(math.inf)),
    'huge': spoilt(numbers(1e300)),
    'late': spoilt(stamped(-0.25)),
    'too late': spoilt(stamped(-2.0)),
    'early': spoilt(stamped(0.03)),
    'too early': spoilt(stamped(3.0)),
    'names': spoilt(lambda message: message.names.reverse()),
    'short': spoilt(field('horizon', 3)),
    'contract': spoilt(field('contract_hash', 'other')),
    'alien': spoilt(field('source', 3)),
    'no step': spoilt(lambda message: setattr(message.step_dt, 'nanosec', 0)),
}


# --- what becomes of a JointState ---


def altered(change):
    def make(message):
        message = copy.deepcopy(message)
        change(message)
        return [message]

    return make


def frozen():
    kept = []

    def make(message):
        kept.append(message)
        same = copy.deepcopy(kept[0])
        same.header.stamp = message.header.stamp
        return [same]

    return make


def shifted(rad, seconds=0.0):
    def change(message):
        message.position[0] += rad
        message.header.stamp = to_stamp(to_ns(message.header.stamp) + round(seconds * NS))

    return altered(change)


def second(rad, seconds):
    """Another publisher's sample besides the true one."""
    make = shifted(rad, seconds)
    return lambda message: [*make(message), message]


JOINTS = {
    'good': lambda message: [message],
    'none': lambda message: [],
    'twice': lambda message: [message, message],
    'nan': altered(lambda message: message.position.__setitem__(1, math.nan)),
    'far': shifted(1.0),
    'further': shifted(7.0),
    'without speed': altered(lambda message: setattr(message, 'velocity', [])),
    'short': altered(lambda message: setattr(message, 'position', message.position[:1])),
    'permuted': altered(
        lambda m: [setattr(m, k, list(getattr(m, k))[::-1]) for k in ('name', 'position')]
    ),
    'no stamp': altered(lambda message: setattr(message.header.stamp, 'sec', 0)),
    'old': shifted(0.0, -0.15),
    'older': shifted(0.0, -0.4),
    'ahead': shifted(0.0, 0.04),
    'far ahead': shifted(0.0, 0.6),
}

WIRES = st.builds(
    Wire,
    delay=st.sampled_from([0.0, 0.001, 0.02, 0.06, 0.2]),
    jitter=st.sampled_from([0.0, 0.0, 0.02, 0.1]),
    loss=st.sampled_from([0.0, 0.0, 0.2, 0.7]),
    twice=st.sampled_from([0.0, 0.0, 0.5]),
)
DEVICES = st.sampled_from(['', 'stick'])
SETTINGS = st.sampled_from(
    [
        ('takeover_return', True), ('takeover_return', False), ('takeover_clutch', True),
        ('takeover_clutch', False), ('allow_uncalibrated', True), ('takeover_from', 'stick'),
        ('takeover_from', ''),
    ]
)  # fmt: skip
MODES = [Mode.IDLE, Mode.HOLD, Mode.POLICY, Mode.EXPERT]


def step(name, *values):
    return st.tuples(st.just(name), *values)


PART = st.sampled_from([0, 1])
BREAKS = st.sampled_from([0.0, 0.04, 0.12, 0.5, 2.5])
OF_ONE_OUTPUT = st.one_of(
    step('deafen', PART, BREAKS, st.booleans()),
    step('unsent', PART, BREAKS),
)
"""What may befall one output of several."""

OF_A_GRIPPER = st.one_of(
    step('serve', st.booleans()),
    step('serve', st.just(True)),
    step('answer', st.sampled_from(['accept', 'accept', 'reject', 'silence'])),
    step('goal end', st.sampled_from(['none', 'none', 'aborted', 'canceled', 'unknown'])),
    step('block', st.sampled_from([None, -0.1, 0.1])),
    step('deafen', PART, BREAKS, st.booleans()),
    step('wire', st.just('goals'), WIRES),
)
"""What may befall a gripper with an action, and the arm that it is on."""

RUN = step('run', st.sampled_from([0.01, 0.05, 0.12, 0.3, 0.8]))
STEPS = st.one_of(
    RUN,
    RUN,
    step('request', st.sampled_from(MODES), st.just(False)),
    step('request', st.sampled_from([Mode.POLICY, Mode.EXPERT, Mode.HOLD]), st.just(False)),
    step('resume', st.sampled_from([Mode.HOLD, Mode.IDLE])),
    step('source', st.sampled_from(['policy', 'expert']), st.sampled_from(sorted(SOURCES))),
    step('source', st.sampled_from(['policy', 'expert']), st.sampled_from(['good', 'fast'])),
    step('joints', st.sampled_from(sorted({*JOINTS, 'frozen'}))),
    step('joints', st.just('good')),
    step('wire', st.sampled_from(['joints', 'states', 'chunks', 'switches']), WIRES),
    step('wire', st.sampled_from(['joints', 'chunks']), st.just(Wire(delay=0.002))),
    step('states', st.booleans()),
    step('commands', st.sampled_from([0.0, 0.5, 1.0])),
    step('switch', DEVICES, st.sampled_from([None, False, True])),
    step('switch', DEVICES, st.sampled_from([False, True])),
    step('lost', st.booleans()),
    step('discard', st.sampled_from([-1.0, 0.0, 0.04, 1.0])),
    step('clock', st.sampled_from([-5.0, -0.3, -0.02, 0.02, 0.3, 5.0])),
    step('cost', st.sampled_from([0.0, 0.03, 0.3])),
    step('stall', st.sampled_from([0.03, 0.1, 0.4])),
    step('force', st.sampled_from([0.0, 0.0, 60.0, 150.0])),
    step('push', st.sampled_from([0.15, -0.6])),
    step('set', SETTINGS),
    step('load', st.just('/no/bundle')),
    step('restart'),
)


def carry_out(robot, program):
    """Let all of it happen, one after the other, and come to an end."""
    for name, *values in program:
        DO[name](robot, *values)
    robot.run(0.5)


def _wire(robot, name, wire):
    robot.wires[name] = wire


def _resume(robot, mode):
    robot.chunks |= {source: SOURCES['good'] for source in robot.chunks}
    robot.joints, robot.force = JOINTS['good'], 0.0
    robot.run(0.4)
    robot.request(mode, resume=True)


def _push(robot, way):
    robot.joints = JOINTS['good']  # the monitor sees it
    robot.run(0.3)
    if robot.mode in (Mode.IDLE, Mode.ALARM):
        robot.push(np.array([way, 0.0]))


DO = {
    'run': lambda robot, seconds: robot.run(seconds),
    'request': lambda robot, mode, resume: robot.request(mode, resume=resume),
    'resume': _resume,
    'source': lambda robot, name, kind: robot.chunks.__setitem__(name, SOURCES[kind]),
    'joints': lambda robot, kind: setattr(robot, 'joints', JOINTS.get(kind) or frozen()),
    'wire': _wire,
    'states': lambda robot, told: setattr(robot, 'states', told),
    'commands': lambda robot, share, latest=LATEST: _wire(
        robot, 'commands', Wire(delay=share * latest / 2, jitter=share * latest / 2)
    ),
    'switch': lambda robot, device, held: robot.held.__setitem__(device, held),
    'lost': lambda robot, lost: setattr(robot, 'lost', lost),
    'discard': lambda robot, seconds: robot.discard_before(seconds),
    'clock': lambda robot, seconds: setattr(robot, 'offset', robot.offset + round(seconds * NS)),
    'stall': lambda robot, seconds: robot.stall(seconds),
    'cost': lambda robot, seconds: setattr(robot, 'cost', seconds),
    'force': lambda robot, newton: setattr(robot, 'force', newton),
    'push': _push,
    'set': lambda robot, setting: robot.set_parameter(*setting),
    'load': lambda robot, path: robot.load(path),
    'restart': lambda robot: robot.restart(),
    'serve': lambda robot, served: [one.serve(served) for one in robot.grippers],
    'answer': lambda robot, kind: [setattr(one, 'answer', kind) for one in robot.grippers],
    'goal end': lambda robot, kind: [setattr(one, 'end', kind) for one in robot.grippers],
    'block': lambda robot, place: [one.block(place) for one in robot.grippers],
    'deafen': lambda robot, part, seconds, silent: robot.deafen(part, seconds, silent=silent),
    'unsent': lambda robot, part, seconds: robot.refuse(part, seconds),
}
DEFAULTS = {
    'takeover_return': False, 'takeover_clutch': False, 'allow_uncalibrated': True,
    'takeover_from': '',
}  # fmt: skip
BEGIN = [('source', 'policy', 'good'), ('source', 'expert', 'other'), ('run', 0.3)]
DRIVEN = [*BEGIN, ('request', Mode.POLICY, False), ('run', 0.3)]


def start(node, contract):
    for name, value in DEFAULTS.items():
        node.set_parameters([Parameter(name, value=value)])
    return VirtualRobot(node, contract)


def judge(node, contract, program):
    robot = start(node, contract)
    try:
        carry_out(robot, program)
    finally:
        robot.close()
    return robot


def programs(steps=STEPS):
    """Some steps of an arm that stands or is driven."""
    return st.tuples(st.sampled_from([BEGIN, DRIVEN]), st.lists(steps, min_size=2, max_size=12))


def any_order(count, steps=STEPS):
    """A test of so many programs."""

    def decorate(check):
        chosen = settings(max_examples=count, suppress_health_check=list(HealthCheck))
        return chosen(given(program=programs(steps))(check))

    return decorate
