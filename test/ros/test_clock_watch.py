"""A clock that differs from the monitor's is named before a frame or a command is late for it."""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from il_ros.core.cdr import NS  # noqa: E402
from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.core.stamp_delays import StampDelays  # noqa: E402
from il_ros.monitors.monitor_config import MonitorConfig  # noqa: E402
from il_ros.ros.clock_watch import ClockWatch  # noqa: E402
from il_ros.ros.frame_source import FrameSource  # noqa: E402
from il_ros.ros.message_conversion import to_stamp  # noqa: E402
from il_ros.ros.qos import SENSOR_OUT  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

from .test_frame_source import TEXT  # noqa: E402

RECEIVE = TEXT.replace(', align: {time: receive}', '')
SECOND = RECEIVE.replace(
    'action:',
    """  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped, fields: [wrench.force],
           align: {max_age: 5.0}}
action:""",
)
TRAJECTORY = parse_contract(SECOND)  # at 20 Hz trajectories begin 0.025 s ahead
SERVO = parse_contract(
    SECOND.replace('  limits:', '  output: {adapter: forward_command, topic: go}\n  limits:')
)
JOINTS, WRENCH = 'joint_states', 'wrench'


@pytest.fixture
def watch(domain):
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(contract=TRAJECTORY, *, simulated=False, told=None):
        given = [Parameter('use_sim_time', value=simulated)]
        nodes.append(Node('monitor', context=context, parameter_overrides=given))
        delays = {JOINTS: StampDelays(), WRENCH: StampDelays()}
        tell = [].append if told is None else told.append
        return delays, ClockWatch(nodes[-1], contract, delays, MonitorConfig(), tell)

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


def feed(delays, ahead, *, drift=0.0, seconds=3.0, rate=20.0):
    for i in range(round(seconds * rate)):
        now = 50.0 + i / rate
        stamp = now + ahead + drift * i / rate
        delays.add(round(NS * stamp), round(NS * (now + 0.001)))


def test_equal_clocks_are_no_problem(watch):
    delays, clocks = watch()
    assert not list(clocks.problems())
    assert not clocks.values()
    for topic in delays:
        feed(delays[topic], 0.0)
    assert not list(clocks.problems())
    assert clocks.values() == {
        'stamp to receipt joint_states [s]': '0.0010 .. 0.0010',
        'stamp to receipt wrench [s]': '0.0010 .. 0.0010',
    }


@pytest.mark.parametrize(
    ('contract', 'ahead', 'allowed'), [(TRAJECTORY, 0.04, '0.025'), (SERVO, 0.06, '0.050')]
)
def test_a_clock_ahead_would_make_commands_late(watch, contract, ahead, allowed):
    delays, clocks = watch(contract)
    feed(delays[JOINTS], ahead)
    feed(delays[WRENCH], 0.04)  # no controller goes by its clock
    assert list(clocks.problems()) == [
        f'joint_states: stamped {ahead - 0.001:.3f} s ahead of the clock here, allowed {allowed} s,'
        ' or trajectories come after their begin; synchronise the clocks of the two computers '
        '(chrony, PTP)'
    ]


def test_what_the_future_alone_shows_of_other_topics(watch):
    delays, clocks = watch()
    feed(delays[WRENCH], 0.06)
    (text,) = clocks.problems()
    assert text.startswith('wrench: stamped 0.059 s ahead of the clock here, allowed 0.050 s; ')


def test_a_clock_behind_is_named_where_every_frame_is_too_old(watch):
    delays, clocks = watch()
    feed(delays[JOINTS], -0.19)
    feed(delays[WRENCH], -3.0)  # a slow sensor: the contract says how old it may be
    assert not list(clocks.problems())
    feed(delays[JOINTS], -0.25, seconds=6.0)
    (text,) = clocks.problems()
    assert text.startswith(
        'joint_states: stamped 0.251 s behind the clock here, allowed 0.200 s: the clocks differ, '
        'or its driver stamps late; '
    )


def test_stamps_that_are_always_old_are_told_of_before_they_are_too_old(watch):
    delays, clocks = watch()
    assert clocks.remark() == ''
    feed(delays[JOINTS], -0.09)
    assert clocks.remark() == ''
    delays[JOINTS].reset()
    feed(delays[JOINTS], -0.17)
    assert clocks.remark() == (
        'joint_states: from stamp to receipt 0.171 to 0.171 s in the last seconds: the clocks '
        'differ, or its driver stamps late'
    )
    delays[JOINTS].reset()
    feed(delays[JOINTS], 0.02)
    assert clocks.remark().startswith('joint_states: from stamp to receipt -0.019 to -0.019 s')
    delays[JOINTS].reset()
    feed(delays[JOINTS], 0.02)
    delays[JOINTS].add(52 * NS, 52 * NS + NS // 2)  # a late one says nothing of the clock
    assert clocks.remark().startswith('joint_states: from stamp to receipt -0.019 to 0.500 s')


def test_one_odd_stamp_is_left_to_the_check_of_its_frame(watch):
    delays, clocks = watch()
    feed(delays[JOINTS], 0.0)
    delays[JOINTS].add(60 * NS, 53 * NS)
    assert not list(clocks.problems())


def jittered(delays, ahead, *, late, share, rate, seed=0, seconds=10.0):
    """The way takes 1 to 4 ms, and a share of the messages so much longer; yields each second."""
    rng = np.random.default_rng(seed)
    for i in range(round(seconds * rate)):
        now = 50.0 + i / rate
        way = rng.uniform(0.001, 0.004) + late * (rng.random() < share)
        delays.add(round(NS * (now + ahead)), round(NS * (now + way)))
        if i % rate == rate - 1:
            yield (i + 1) / rate


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('rate', [20, 125, 500])
@pytest.mark.parametrize(('late', 'share'), [(0.03, 0.01), (0.3, 0.1), (0.03, 0.5)])
def test_slow_messages_do_not_hide_a_clock_that_is_ahead(watch, late, share, rate, seed):
    delays, clocks = watch()
    for second in jittered(delays[JOINTS], 0.04, late=late, share=share, rate=rate, seed=seed):
        assert second < 2.5 or len(list(clocks.problems())) == 1
    delays[JOINTS].reset()
    for _ in jittered(delays[JOINTS], 0.02, late=late, share=share, rate=rate, seed=seed):
        assert not list(clocks.problems())


def test_a_clock_that_is_set_right_is_believed_within_seconds(watch):
    delays, clocks = watch()
    feed(delays[JOINTS], 0.04)
    assert list(clocks.problems())
    for i in range(60):
        now = 53 * NS + i * NS // 20
        delays[JOINTS].add(now, now + NS // 1000)
    assert not list(clocks.problems())


def test_slow_messages_of_other_topics_and_of_simulated_time_speak_for_the_clock(watch):
    """The receiver's time may itself come late there."""
    delays, clocks = watch()
    feed(delays[WRENCH], 0.06)
    delays[WRENCH].add(53 * NS, 53 * NS + NS // 2)
    assert not list(clocks.problems())
    delays, clocks = watch(simulated=True)
    feed(delays[JOINTS], 0.1)
    delays[JOINTS].add(53 * NS, 53 * NS + NS // 2)
    assert not list(clocks.problems())


def test_a_few_messages_do_not_tell_yet(watch):
    delays, clocks = watch()
    feed(delays[JOINTS], 0.1, seconds=0.2)
    assert not list(clocks.problems())


def test_a_drift_is_told_once_and_warned_of(watch):
    told = []
    delays, clocks = watch(told=told)
    feed(delays[JOINTS], 0.0, drift=-3e-4, seconds=30.0)
    for _ in range(2):
        clocks.look()
    text = 'joint_states: its clock loses 0.0180 s a minute on the clock here'
    assert list(clocks.warnings()) == [text]
    assert told == [f'{text}; synchronise the clocks of the two computers (chrony, PTP)']
    assert not list(clocks.problems())


def test_in_simulated_time_the_clock_comes_by_a_topic_too(watch):
    told = []
    delays, clocks = watch(simulated=True, told=told)
    feed(delays[JOINTS], 0.05, drift=1e-3, seconds=15.0)  # in lock-step: before its clock
    clocks.look()
    assert not list(clocks.problems())
    assert not told
    feed(delays[JOINTS], 0.1)
    assert list(clocks.problems())


def test_stamps_of_live_messages_are_compared(domain):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node('frames', context=context)
    contract = parse_contract(RECEIVE)
    source = FrameSource(node, contract, lambda frame: None)
    executor = make_executor(context)
    executor.add_node(node)
    publisher = node.create_publisher(JointState, JOINTS, SENSOR_OUT)
    deadline = time.monotonic() + 20.0
    ahead = [3 * NS, None, 3 * NS]  # the second one has no stamp
    while source.delays[JOINTS].count < 4:
        assert time.monotonic() < deadline
        message = JointState(name=['a'], position=[0.5], velocity=[0.0])
        if ahead[0] is not None:
            message.header.stamp = to_stamp(time.time_ns() + ahead[0])
        ahead.append(ahead.pop(0))
        publisher.publish(message)
        executor.spin_once(timeout_sec=0.02)
    assert -3.0 <= source.delays[JOINTS].least <= source.delays[JOINTS].largest < -1.0
    node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('simulated', [False, True])
def test_a_forgotten_use_sim_time_is_named_as_that(watch, simulated):
    """Stamps of a simulation at the machine's clock, and the other way round."""
    delays, clocks = watch(simulated=simulated)
    machine = 1.8e9
    feed(delays[JOINTS], machine if simulated else -machine)
    texts = list(clocks.problems())
    here, wanted = str(simulated).lower(), str(not simulated).lower()
    assert f'{JOINTS}: stamped ' in texts[0]
    assert f'use_sim_time is {here} here, set it to {wanted}' in texts[0]
    assert 'synchronise' not in ''.join(texts)
