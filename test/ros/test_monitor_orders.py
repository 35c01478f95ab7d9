"""No order of messages, requests, delays and losses moves the arm unasked, or beyond its limits.

The node is the real one; time, wires, robot, sources and operators are virtual. See `VirtualRobot`,
which judges every command that is published and all of the motion that comes of it.
"""

from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from order_steps import (  # noqa: E402
    DRIVEN,
    SOURCES,
    any_order,
    carry_out,
    judge,
    start,
)
from virtual_robot import CONTRACT, Broken, Wire, make_node  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.monitors.plan import Planner  # noqa: E402
from il_ros.ros.output_adapters import make_output  # noqa: E402

LEAD = 0.1  # s


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


@any_order(16)
def test_no_order_moves_the_arm_unasked_or_beyond_its_limits(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


@pytest.fixture(params=[True, False], ids=['at once', 'not known'])
def led(request, node):
    """A lead, and commands that may be as late; whether the node knows its controller."""
    sender = node._sender
    before = sender._punctuality._least, [each.replacement for each in sender._trajectories]
    sender._punctuality._least = LEAD
    for each in sender._trajectories:
        each.replacement = SimpleNamespace(at_once=request.param, problems=tuple, values=dict)
    yield node
    sender._punctuality._least = before[0]
    for each, replacement in zip(sender._trajectories, before[1], strict=True):
        each.replacement = replacement


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
        robot.commands.append((robot.parts[0], a_motion(contract)))
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
