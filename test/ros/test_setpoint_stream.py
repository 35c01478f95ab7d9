"""Set-points at a rate of their own leave whatever the executor does, but only where they may."""

import threading
import time
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy')

from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError
from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.plan import Planner
from il_ros.ros.command_sender import CommandSender

NS = 1_000_000_000
RATE = 200.0


class Node:
    """Publishers that count, and fail as long as `broken` says."""

    def __init__(self):
        self.sent, self.came, self.broken = [], threading.Condition(), None
        self.errors = []

    def get_logger(self):
        return SimpleNamespace(error=self.errors.append)

    def create_publisher(self, _, topic, __):
        return SimpleNamespace(publish=lambda message: self._take(topic, message), topic_name=topic)

    def _take(self, topic, message):
        with self.came:
            if self.broken:
                raise self.broken
            self.sent.append((time.monotonic(), topic, np.array(message.data)))
            self.came.notify_all()

    def wait(self, count):
        """Until so many more have been sent."""
        with self.came:
            goal = len(self.sent) + count
            assert self.came.wait_for(lambda: len(self.sent) >= goal, 20.0)


def of_rate(contract, rate=RATE, **changed):
    data = yaml.safe_load(contract.text)
    data['action']['output'] = {
        'adapter': 'forward_command', 'topic': 'commands', 'rate': rate, **changed,
    }  # fmt: skip
    return parse_contract(yaml.safe_dump(data))


def present():
    return time.monotonic_ns()


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def make(contract, node):
    made = []

    def sender(contract=contract, **more):
        made.append(
            CommandSender(
                node,
                of_rate(contract),
                settings=MonitorConfig(),
                present=present,
                seconds=lambda stamp: stamp / NS,
                **more,
            )
        )
        return made[-1]

    yield sender
    for each in made:
        if each._stream:
            each._stream.close()


@pytest.fixture
def monitor(contract):
    made = make_monitor(of_rate(contract), None, MonitorConfig(allow_uncalibrated=True))
    made.tick(frame(), present() / NS)
    made.request(Mode.HOLD)
    return made


def frame():
    return MonitorInput(stamp=present() / NS, position=FRANKA.home, velocity=np.zeros(8))


def tick(sender, monitor):
    stamp = present()
    sender.prepare(monitor, stamp / NS)
    verdict = monitor.tick(frame(), stamp / NS)
    return sender.send(monitor, verdict, stamp / NS, stamp)


def test_it_goes_on_by_itself_and_is_silent_as_soon_as_nothing_is_commanded(make, node, monitor):
    sender = make()
    assert not sender.repeats
    assert node.sent == []
    assert tick(sender, monitor).plan is not None
    node.wait(20)  # nobody ticks
    np.testing.assert_allclose(node.sent[-1][2], FRANKA.home)
    monitor.request(Mode.IDLE)
    assert tick(sender, monitor).plan is None
    sent = len(node.sent)
    time.sleep(10 / RATE)
    assert len(node.sent) == sent


def test_a_motion_without_a_tick_behind_it_comes_to_rest_within_its_limits(make, node, contract):
    sender, planner = make(), Planner(contract.limits)
    now = present() / NS
    target, speed = FRANKA.home + 0.05, 0.5 * contract.limits.velocity
    plan = planner.towards(planner.hold(FRANKA.home, now), now, target, speed, 0.1)
    assert sender._stream.take(plan, now)[0]
    deadline = time.monotonic() + 20.0
    while not node.sent or not np.allclose(node.sent[-1][2], plan.end, rtol=0, atol=1e-9):
        assert time.monotonic() < deadline
        node.wait(1)
    steps = np.array([after[2] - before[2] for before, after in pairwise(node.sent)])
    assert (np.abs(steps) <= contract.limits.velocity / RATE + 1e-9).all()
    assert np.abs(steps).max() > 0.1 / RATE
    change = np.abs(np.diff(steps, axis=0))  # a late one is as if it were slower
    assert (change <= np.abs(steps[1:]).max(0) + 1e-9).all()


def test_a_plan_that_would_leave_where_it_was_sent_already_is_withheld(
    make, node, monitor, contract
):
    sender, planner = make(), Planner(contract.limits)
    plan = tick(sender, monitor).plan
    node.wait(3)
    early = plan.begin - 1.0  # it says that the arm should have moved long ago
    moving = planner.towards(
        replace(plan, begin=early), early, FRANKA.home + 0.05, 0 * FRANKA.home, 0.1
    )
    verdict = monitor.tick(frame(), present() / NS)
    now = present()
    sender.send(monitor, replace(verdict, plan=moving), now / NS, now)
    assert sender.withheld == 1
    node.wait(5)
    np.testing.assert_allclose(node.sent[-1][2], FRANKA.home)
    assert tick(sender, monitor).plan is not None  # and the next one goes on
    assert sender.withheld == 1


def test_what_cannot_be_published_is_told_and_tried_again(make, node, monitor):
    sender = make()
    tick(sender, monitor)
    node.wait(2)
    node.broken = RuntimeError('no room')
    deadline = time.monotonic() + 20.0
    while not [text for text in sender.problems() if 'no room' in text]:
        assert time.monotonic() < deadline
        time.sleep(1 / RATE)
    node.broken = None
    node.wait(3)
    assert list(sender.problems()) == []


class NoTextError(Exception):
    def __str__(self):
        raise ValueError('nor can it be said')


def test_a_thread_that_ended_is_followed_by_another(make, node, monitor, monkeypatch):
    monkeypatch.setattr(threading, 'excepthook', lambda _: None)
    sender = make()
    tick(sender, monitor)
    node.wait(2)
    thread = sender._stream._thread
    node.broken = NoTextError()
    thread.join(20.0)
    assert not thread.is_alive()
    node.broken = None
    assert tick(sender, monitor).plan is not None
    node.wait(3)


def test_a_stop_at_the_end_that_cannot_be_sent_is_told_and_not_waited_for(make, node, contract):
    sender, planner = make(), Planner(contract.limits)
    now = present() / NS
    hold = planner.hold(FRANKA.home, now)
    plan = planner.towards(hold, now, FRANKA.home + 0.05, 0.5 * contract.limits.velocity, 0.1)
    assert sender._stream.take(plan, now)[0]
    node.wait(2)
    node.broken = RuntimeError('no room')
    stamp, naps = present(), []

    def sleep(seconds):
        naps.append(seconds)
        time.sleep(seconds)

    sender.come_to_rest(plan, stamp / NS, stamp, sleep=sleep)
    assert sum(naps) < 2.0
    (line,) = node.errors
    assert line.startswith('a stop is not sent: set-points: RuntimeError: no room; no set-point')


def test_the_end_of_the_monitor_is_a_stop_and_the_thread_ends(make, node, contract):
    sender, planner = make(), Planner(contract.limits)
    now = present() / NS
    target, speed = FRANKA.home + 0.05, 0.5 * contract.limits.velocity
    hold = planner.hold(FRANKA.home, now)
    plan = planner.towards(hold, now, target, speed, 0.1)
    assert sender._stream.take(plan, now)[0]
    node.wait(2)
    thread = sender._stream._thread
    late = planner.stop(plan, now)  # of before what was sent: the plan's own stop is carried out
    stamp = present()
    sender.come_to_rest(late, stamp / NS, stamp)
    assert not thread.is_alive()
    ends = plan.end, planner.stop(hold, now).end
    assert any(np.allclose(node.sent[-1][2], end, rtol=0, atol=1e-9) for end in ends)
    tick_again = sender._stream.take(planner.hold(plan.end, 0.0), 0.0)
    assert tick_again[0]
    node.wait(2)


def test_where_a_simulation_moves_the_clock_there_is_one_a_tick(make, node, monitor):
    sender = make(simulated=True)
    assert sender.repeats
    assert sender._stream is None
    tick(sender, monitor)
    tick(sender, monitor)
    assert len(node.sent) == 2


@pytest.mark.parametrize(
    ('rate', 'changed', 'allowed'),
    [
        (5.0, {}, '0, or 20 and more'),
        (2000.0, {}, '0 to 1000'),
        (float('nan'), {}, '0 to 1000'),
        (100.0, {'adapter': 'joint_trajectory'}, '0 for joint_trajectory'),
    ],
)
def test_a_rate_that_cannot_be_is_refused(contract, rate, changed, allowed):
    with pytest.raises(ContractError, match=allowed):
        of_rate(contract, rate, **changed)


def test_outputs_of_different_rates_are_refused(contract):
    data = yaml.safe_load(contract.text)
    names = data['action']['names']
    data['action'].pop('output', None)
    data['action']['outputs'] = [
        {'joints': names[:1], 'adapter': 'forward_command', 'topic': 'a', 'rate': 100.0},
        {'joints': names[1:], 'adapter': 'forward_command', 'topic': 'b'},
    ]
    with pytest.raises(ContractError, match=r'outputs\[1\].rate'):
        parse_contract(yaml.safe_dump(data))
