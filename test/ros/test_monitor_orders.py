"""No order of messages, requests, delays and losses moves the arm unasked, or beyond its limits.

The node is the real one; time, wires, robot, sources and operators are virtual. See `VirtualRobot`,
which judges every command that is published and all of the motion that comes of it.
"""

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from rclpy.parameter import Parameter  # noqa: E402
from virtual_robot import (  # noqa: E402
    CONTRACT,
    Broken,
    VirtualRobot,
    Wire,
    leading,
    make_node,
)

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.monitors.plan import Planner  # noqa: E402
from il_ros.ros.message_conversion import to_ns, to_stamp  # noqa: E402
from il_ros.ros.output_adapters import make_output  # noqa: E402

LEAD = 0.1  # s
LATEST = 0.02  # s that a command may be on its way: half of what it is sent ahead


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('virtual') / 'contract.yaml'
    path.write_text(CONTRACT)
    return path


@pytest.fixture(scope='module')
def contract(path):
    return load_contract(path)


@pytest.fixture(scope='module', params=[True, False], ids=['simulated', 'wall'])
def node(request, domain, path):
    node, others = make_node(path, simulated=request.param)
    yield node
    others.destroy_node()
    node.destroy_node()
    rclpy.shutdown()


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


PROGRAM = st.tuples(st.sampled_from([BEGIN, DRIVEN]), st.lists(STEPS, min_size=2, max_size=12))


def any_order(count):
    def decorate(check):
        chosen = settings(max_examples=count, suppress_health_check=list(HealthCheck))
        return chosen(given(program=PROGRAM)(check))

    return decorate


@any_order(16)
def test_no_order_moves_the_arm_unasked_or_beyond_its_limits(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


@pytest.fixture(params=[True, False], ids=['at once', 'not known'])
def led(request, node):
    """A lead, and commands that may be as late; whether the node knows its controller."""
    sender = node._sender
    before = sender._punctuality._least, sender._replacement
    sender._punctuality._least = LEAD
    sender._replacement = SimpleNamespace(at_once=request.param, problems=tuple, values=dict)
    yield node
    sender._punctuality._least, sender._replacement = before


def late(program):
    """The steps, with commands that are late in transit by up to nine tenths of the lead.

    They leave at once: what a tick takes is of the same lead.
    """
    late = Wire(delay=0.9 * LEAD)
    steps = [step for step in (*program[0], *program[1]) if step[0] != 'cost']
    steps = [(*step, late.delay) if step[0] == 'commands' else step for step in steps]
    return [('wire', 'commands', late), *steps]


@any_order(8)
def test_no_order_does_with_a_lead(led, contract, program):
    judge(led, contract, late(program))


@pytest.mark.slow
@any_order(250)
def test_no_order_of_many_does_with_a_lead(led, contract, program):
    judge(led, contract, late(program))


@pytest.mark.slow
@any_order(250)
def test_no_order_of_many_does(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


def test_a_driven_arm_arrives_and_a_held_one_stands(node, contract):
    robot = judge(node, contract, [*DRIVEN, ('run', 2.0), ('request', Mode.HOLD, False)])
    np.testing.assert_allclose(robot.posture, [0.8, -0.4], atol=0.01)
    assert 0.3 < robot.worst[0] < 1.0 > robot.worst[1] > 0.3


@pytest.mark.parametrize('late', [False, True])
def test_what_must_not_be_is_told(node, contract, late):
    """The judge itself: a command that nobody asked for, and one that comes much too late."""
    robot = start(node, contract)
    robot.chunks['policy'] = SOURCES['fast']
    robot.run(0.3)
    if late:
        assert robot.request(Mode.POLICY).success
        robot.run(0.3)
        robot.states = False  # or the monitor notices, and drives on with a lead
        robot.wires['commands'] = Wire(delay=0.1)
    else:
        robot.commands.append(a_motion(contract))
    with pytest.raises(Broken, match='of the limits' if late else 'moves inf s after'):
        robot.run(1.0)
    robot.close()


def test_a_second_policy_on_the_topic_stops_the_arm_at_its_first_chunk(node, contract):
    """It may say the very same: who sent a chunk counts."""
    robot = start(node, contract)
    try:
        robot.origin = {'publisher_gid': {'data': b'P' * 16}}
        carry_out(robot, DRIVEN)
        assert robot.mode is Mode.POLICY
        robot.origin = {'publisher_gid': {'data': b'Q' * 16}}
        robot.run(0.2)
        assert robot.mode is Mode.ALARM
        assert '/policy/action_chunk: from 2 publishers' in node._verdict.reason
        robot.run(0.5)  # it comes to rest
        assert robot.request(Mode.IDLE, resume=True).success
        answer = robot.request(Mode.POLICY)
        assert '/policy/action_chunk: from 2 publishers' in answer.message
        robot.run(1.5)  # the one before is silent and gone
        assert robot.request(Mode.POLICY).success
        robot.run(0.3)
        assert robot.mode is Mode.POLICY
    finally:
        robot.close()


def a_motion(contract):
    plan = Planner(contract.limits).hold(np.zeros(2), 0.0)
    plan = Planner(contract.limits).towards(plan, 0.0, np.array([0.02, 0.0]), np.zeros(2), 0.05)
    return make_output(contract).message(plan, 0.0, NS)


def test_a_tick_waits_for_its_chunk_as_long_as_it_is_told_to_and_no_longer(node, contract):
    robot = start(node, contract)
    carry_out(robot, DRIVEN)
    waits, tick = [], node._tick

    def noted():
        if node._waiting is not None and node.active:
            waits.append(node._elapsed() - node._waiting)
        tick()

    node._tick = noted
    try:
        robot.wires['chunks'] = Wire(delay=0.9 * contract.period)
        robot.run(1.0)
    finally:
        node._tick = tick
        robot.close()
    allowed = node._config.chunk_wait * contract.period
    assert len(waits) > 0.8 / contract.period
    assert np.mean(waits) == pytest.approx(allowed, rel=0.1), waits
