"""With two outputs, what becomes of one is what becomes of both.

As in `test_monitor_orders`, and each controller may take no commands for a while, say nothing, or
not be reached.
"""

import numpy as np
import pytest
from hypothesis import strategies as st

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

import virtual_robot  # noqa: E402
from order_steps import DRIVEN, OF_ONE_OUTPUT, STEPS, any_order, carry_out, judge, start  # noqa: E402
from virtual_robot import NOTICED, STOP, TWO_OUTPUTS, Broken, make_node  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402

MORE_STEPS = st.one_of(STEPS, STEPS, OF_ONE_OUTPUT)


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('outputs') / 'contract.yaml'
    path.write_text(TWO_OUTPUTS)
    return path


@pytest.fixture(scope='module')
def contract(path):
    return load_contract(path)


@pytest.fixture(scope='module')
def node(domain, path):
    node, others = make_node(path, simulated=False)
    yield node
    others.destroy_node()
    node.destroy_node()
    rclpy.shutdown()


@any_order(8, MORE_STEPS)
def test_no_order_moves_one_alone_unasked_or_beyond_its_limits(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


@pytest.mark.slow
@any_order(120, MORE_STEPS)
def test_no_order_of_many_does(node, contract, program):
    judge(node, contract, [*program[0], *program[1]])


def test_each_controller_gets_its_joints_and_both_arrive(node, contract):
    robot = judge(node, contract, [*DRIVEN, ('run', 2.0), ('request', Mode.HOLD, False)])
    np.testing.assert_allclose(robot.posture, [0.8, -0.4], atol=0.01)
    names = {part.output.topic: message.joint_names for part, message in robot.commands}
    assert names == {
        'arm_controller/joint_trajectory': ['a'],
        'wrist_controller/joint_trajectory': ['b'],
    }
    assert robot.refused == []


@pytest.mark.parametrize('silent', [False, True], ids=['deaf', 'gone'])
@pytest.mark.parametrize('part', [0, 1])
def test_where_one_takes_nothing_all_stop(node, contract, part, silent):
    robot = start(node, contract)
    try:
        carry_out(robot, DRIVEN[:-1])
        robot.run(0.2)
        robot.deafen(part, 5.0, silent=silent)
        robot.run(NOTICED + 0.5)
        before = robot.posture.copy()
        robot.run(1.0)
        np.testing.assert_allclose(robot.posture, before, atol=1e-6)
        assert robot.mode is Mode.ALARM
        topic = ('arm_controller', 'wrist_controller')[part]
        reason = node._verdict.reason
        assert topic in reason if silent else 'late' in reason, reason
        assert not robot.request(Mode.HOLD, resume=True).success
    finally:
        robot.close()


@pytest.mark.parametrize('part', [0, 1])
def test_a_stop_is_sent_to_one_where_the_other_cannot_be_reached(node, contract, part):
    robot = start(node, contract)
    try:
        carry_out(robot, DRIVEN[:-1])
        robot.run(0.2)
        robot.refuse(part, 0.6)
        sent = len(robot.commands)
        robot.run(0.1)
        assert {p.output.joints for p, _ in robot.commands[sent:]} == {('ba'[part],)}
        robot.run(1.0)
        before = robot.posture.copy()
        robot.run(0.5)
        np.testing.assert_allclose(robot.posture, before, atol=1e-6)
        assert robot.mode is Mode.ALARM
        assert robot.request(Mode.HOLD, resume=True).success
    finally:
        robot.close()


def test_a_lost_trajectory_is_no_jolt_where_states_tell_before_the_next(
    node, contract, monkeypatch
):
    """At 50 Hz a state may come too late for that: 1.18 times the acceleration limits were seen."""
    monkeypatch.setattr(virtual_robot, 'STATES', 0.01)
    robot = start(node, contract)
    try:
        carry_out(robot, DRIVEN[:-1])
        for i, moment in enumerate((0.13, 0.31, 0.17, 0.29)):
            robot.run(moment)
            robot.deafen(i % 2, 0.04, silent=False)
        robot.run(0.3)
        assert robot.worst.max() <= virtual_robot.WITHIN
        assert np.abs(robot.posture).max() > 0.1
    finally:
        robot.close()


def test_one_that_moves_on_alone_is_told(node, contract):
    """The judge itself."""
    robot = start(node, contract)
    try:
        carry_out(robot, DRIVEN)
        robot.deafen(0, 9.0, silent=False)
        part = robot.parts[0]
        part.ignored = robot.steady - round((NOTICED + STOP + 0.1) * NS)
        with pytest.raises(Broken, match='arm_controller/joint_trajectory has taken nothing'):
            robot.run(0.1)
    finally:
        robot.close()
