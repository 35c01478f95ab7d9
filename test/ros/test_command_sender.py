"""A trajectory leaves in time or not at all; and how late it was is known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy')

from il_ros.core.contract import parse_contract
from il_ros.core.robots.franka import FRANKA
from il_ros.monitors.checks import Fault
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.plan import Planner
from il_ros.ros.command_sender import CommandSender
from il_ros.ros.message_conversion import to_ns

NS = 1_000_000_000


class Node:
    """A clock that goes on by what `passes` [s] at its first looks, and a publisher."""

    def __init__(self):
        self.passes, self.sent, self.said, self._now = [], [], [], 0

    def get_clock(self):
        self._now += round(self.passes.pop(0) * NS) if self.passes else 0
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=self._now))

    def get_logger(self):
        return SimpleNamespace(error=self.said.append)

    def create_publisher(self, *_):
        return SimpleNamespace(publish=self.sent.append, topic_name='/arm/joint_trajectory')

    def create_timer(self, *_, **__):
        return None  # nobody else is on the graph

    def resolve_topic_name(self, name):
        return name

    def create_subscription(self, _, topic, callback, *__, **___):
        self.topic, self.hear = topic, callback

    def present(self):
        return self.get_clock().now().nanoseconds

    def at(self, now, *passes):
        self._now, self.passes = round(now * NS), [*passes]


@pytest.fixture
def monitor(contract):
    made = make_monitor(contract, None, MonitorConfig(allow_uncalibrated=True))
    made.tick(frame(0.0), 0.0)
    made.request(Mode.HOLD)
    return made


def make_sender(node, contract, *, simulated=False, **settings):
    return CommandSender(
        node,
        contract,
        settings=MonitorConfig(**settings),
        present=node.present,
        seconds=lambda stamp: stamp / NS,
        simulated=simulated,
    )


def frame(now):
    return MonitorInput(stamp=now, position=FRANKA.home, velocity=np.zeros(8))


def tick(sender, monitor, node, now, *passes):
    sender.prepare(monitor, now)
    verdict = monitor.tick(frame(now), now)
    node.at(now, *passes)
    return sender.send(monitor, verdict, now, round(now * NS))


def test_what_is_in_time_is_sent_with_its_begin_in_the_future(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    verdict = tick(sender, monitor, node, 0.05, contract.command_delay - 0.003)
    assert to_ns(node.sent[-1].header.stamp) == round((0.05 + contract.command_delay) * NS)
    assert verdict.plan is not None
    assert sender.withheld == 0


def test_what_would_begin_in_the_past_is_not_sent_and_not_believed(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    sent = tick(sender, monitor, node, 0.05).plan
    verdict = tick(sender, monitor, node, 0.10, contract.command_delay + 0.01)
    assert len(node.sent) == 1
    assert sender.withheld == 1
    assert verdict.plan is sent
    np.testing.assert_array_equal(verdict.target_end, FRANKA.home)
    # The next one is planned further ahead: by a quarter and 5 ms more than that was late.
    tick(sender, monitor, node, 0.15)
    lead = 1.25 * (contract.command_delay + 0.01) + 0.005 - contract.command_delay
    begin = to_ns(node.sent[-1].header.stamp) / NS - contract.command_delay
    assert begin == pytest.approx(0.15 + lead, abs=1e-6)
    assert sender.values()['command lead [s]'] == f'{lead:.4f}'


def test_a_second_tick_of_an_instant_tells_nothing_of_how_late_commands_are(contract, monitor):
    """A simulation in lock-step goes on when the first one's command has come."""
    node = Node()
    sender = make_sender(node, contract)
    tick(sender, monitor, node, 0.05)
    monitor.stop_for(Fault('wrench', 'a sample'))
    tick(sender, monitor, node, 0.05, contract.period)
    assert sender.withheld == 1  # late it is all the same
    assert sender.values()['command lead [s]'] == '0.0000'
    assert sender.values()['command late, worst [s]'] == '0.0000'
    tick(sender, monitor, node, 0.10, contract.command_delay + 0.01)
    assert sender.values()['command lead [s]'] != '0.0000'


def test_what_becomes_too_late_while_it_is_made_is_not_sent(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    sent = tick(sender, monitor, node, 0.05).plan
    verdict = tick(sender, monitor, node, 0.10, 0.001, contract.command_delay + 0.1)
    assert (len(node.sent), sender.withheld, verdict.plan) == (1, 1, sent)
    tick(sender, monitor, node, 0.15)
    lead = 1.25 * (0.001 + contract.command_delay + 0.1) + 0.005 - contract.command_delay
    assert sender.values()['command lead [s]'] == f'{lead:.4f}'


def test_a_stop_that_was_sent_is_not_begun_anew_while_commands_are_late(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    tick(sender, monitor, node, 0.05, 0.1)  # withheld: from now on there is a lead
    for now in (0.10, 0.15, 0.20):
        stop = tick(sender, monitor, node, now).plan
    assert stop.at_rest(0.10)  # which is not moving: sent in every tick
    assert len(node.sent) == 3
    planner = Planner(contract.limits)
    moving = planner.towards(stop, 0.2, FRANKA.home + 0.05, np.zeros(8), 0.05)
    verdict = replace(tick(sender, monitor, node, 0.25), plan=moving)
    sent = len(node.sent)
    for now in (0.26, 0.27, moving.end_time, moving.end_time + 0.1):
        node.at(now)
        sender.send(monitor, replace(verdict, begin=now + 0.1), now, round(now * NS))
    assert len(node.sent) == sent + 2  # once, and again when it is over


def test_a_first_command_that_is_too_late_leaves_nothing_behind(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    verdict = tick(sender, monitor, node, 0.05, 1.0)
    assert node.sent == []
    assert verdict.plan is None
    assert verdict.target_end is None


def test_a_least_lead_counts_from_the_first_command_and_until_a_longer_one_is_needed(
    contract, monitor
):
    node = Node()
    sender = make_sender(node, contract, least_command_lead=0.3)
    begins = []
    for now in (0.05, 0.10):  # the first is what the arm holds: it leaves nothing before it
        tick(sender, monitor, node, now)
        begins.append(to_ns(node.sent[-1].header.stamp) / NS - contract.command_delay)
    np.testing.assert_allclose(begins, [0.35, 0.40], atol=1e-6)
    assert sender.values()['command lead [s]'] == '0.3000'
    tick(sender, monitor, node, 0.15, contract.command_delay - 0.003)
    assert sender.withheld == 0
    # Late before it is sent, by more than is left besides the way to the controller.
    tick(sender, monitor, node, 0.20, 0.1)
    assert sender.withheld == 1
    tick(sender, monitor, node, 0.25)
    assert monitor.lead == pytest.approx(0.3 + 1.25 * 0.1 + 0.005 - contract.command_delay)


def test_nothing_begins_before_it_is_known_how_trajectories_are_replaced(contract):
    unknown = SimpleNamespace(at_once=False, problems=lambda: ['not known yet'], values=dict)
    node = Node()
    sender = CommandSender(
        node, contract, settings=MonitorConfig(), present=node.present,
        seconds=lambda stamp: stamp / NS, replacement=lambda topic: unknown,
    )  # fmt: skip
    assert 'not known yet' in list(sender.problems())


def make_led_sender(node, contract, *, at_once):
    replacement = SimpleNamespace(at_once=at_once, problems=tuple, values=dict)
    return CommandSender(
        node, contract, settings=MonitorConfig(least_command_lead=0.2),
        present=node.present, seconds=lambda stamp: stamp / NS,
        replacement=lambda topic: replacement,
    )  # fmt: skip


def test_a_controller_that_does_not_blend_gets_what_it_does_until_a_lead_is_over(contract, monitor):
    """The points of the trajectory before, and then those that any other controller gets."""
    messages = []
    for at_once in (True, False):
        node, plan = Node(), Planner(contract.limits)
        sender = make_led_sender(node, contract, at_once=at_once)
        verdict = tick(sender, monitor, node, 0.05)
        held = verdict.plan
        moving = plan.towards(held, 0.3, FRANKA.home + 0.02, np.zeros(8), 0.3).after(held, 0.0)
        stop = plan.towards(moving, 0.35, FRANKA.home - 0.02, np.zeros(8), 0.3).after(moving, 0.0)
        for now, made in ((0.10, moving), (0.15, stop)):
            node.at(now)
            sender.send(monitor, replace(verdict, plan=made, begin=now + 0.2), now, round(now * NS))
        messages.append([points_of(message) for message in node.sent[-2:]])
    (before, whole), (_, plain) = messages
    np.testing.assert_allclose(whole[0, 0], 0.15 + contract.command_delay + 0.025, atol=1e-6)
    np.testing.assert_allclose(whole[-len(plain) :], plain, atol=1e-6)
    between = whole[: -len(plain)]
    assert len(between) > 3
    for row in between:  # each is one of before, by its time
        assert np.abs(before - row).max(axis=1).min() < 1e-6


def points_of(message):
    """Time of the clock [s] and position of each point, (K, 1 + N)."""
    start = to_ns(message.header.stamp) / NS
    return np.array([
        [start + to_ns(point.time_from_start) / NS, *point.positions] for point in message.points
    ])  # fmt: skip


def test_commands_that_hold_from_when_they_come_are_always_sent(contract, monitor):
    output = replace(contract.action.output, adapter='forward_command')
    contract = replace(contract, action=replace(contract.action, output=output))
    node = Node()
    sender = make_sender(node, contract)
    tick(sender, monitor, node, 0.05, 1.0)
    tick(sender, monitor, node, 0.10)
    assert [len(message.data) for message in node.sent] == [8, 8]
    assert sender.values() == {}
    assert monitor.lead == 0.0


def test_positions_that_leave_together_lie_together(contract):
    output = replace(contract.action.output, adapter='forward_command')
    contract = replace(contract, action=replace(contract.action, output=output))
    node, dt, most = Node(), contract.period, contract.limits.velocity
    sender, planner = make_sender(node, contract), Planner(contract.limits)
    plan = planner.hold(FRANKA.home, 0.0)
    for tick in range(5):
        target = plan.at(tick * dt)[0] + 0.2 * most
        plan = planner.towards(plan, tick * dt, target, 0 * most, dt)
        sender.go_on(plan, tick * dt, round(tick * dt * NS))
    stop = planner.stop(plan, 5 * dt)
    sender.come_to_rest(stop, 4 * dt + 0.004, NS, sleep=lambda _: None)  # right after a tick
    joints = np.array([message.data for message in node.sent])
    steps = np.abs(np.diff(joints, axis=0))
    assert (steps[3] > 0.1 * most * dt)[:4].all()
    assert (steps[4] <= most * 0.004 + 1e-9).all()
    assert (steps[5:] <= most * dt + 1e-9).all()
    np.testing.assert_allclose(joints[-1], stop.end, atol=1e-9)


def test_a_clock_that_goes_on_when_a_position_has_come_says_nothing_of_when_it_left(contract):
    """A simulation in lock-step waits for a command, and for no other one of that instant."""
    output = replace(contract.action.output, adapter='forward_command')
    contract = replace(contract, action=replace(contract.action, output=output))
    node, dt, most = Node(), contract.period, contract.limits.velocity
    sender, planner = make_sender(node, contract, simulated=True), Planner(contract.limits)
    plan = planner.hold(FRANKA.home, 0.0)
    plan = planner.towards(plan, 0.0, FRANKA.home + 0.5 * most, 0 * most, 10 * dt)
    for step in range(4):
        now = step * dt
        node.at(now + dt)  # at each look, as if the simulator had gone on
        sender.go_on(plan, now, round(now * NS))
        sender.go_on(plan, now, round(now * NS))
    joints = np.array([message.data for message in node.sent])
    wanted = np.array([plan.at((step + 1) * dt)[0] for step in range(4)])
    np.testing.assert_allclose(joints, wanted, atol=1e-9)


def test_a_position_that_left_late_is_near_the_next_one(contract):
    """The process was stopped between making it and publishing it."""
    output = replace(contract.action.output, adapter='forward_command')
    contract = replace(contract, action=replace(contract.action, output=output))
    node, dt, most = Node(), contract.period, contract.limits.velocity
    sender, planner = make_sender(node, contract), Planner(contract.limits)
    plan = planner.hold(FRANKA.home, 0.0)
    plan = planner.towards(plan, 0.0, FRANKA.home + 0.5 * most, 0 * most, 10 * dt)
    for now, published in (
        (0.0, 0.0),
        (dt, dt),
        (2 * dt, 4 * dt),
        (4 * dt + 0.002, 4 * dt + 0.002),
    ):
        node.at(published)
        sender.go_on(plan, now, round(now * NS))
    joints = np.array([message.data for message in node.sent])
    steps = np.abs(np.diff(joints, axis=0))
    assert (steps[1] > 0.01 * most * dt).any()
    assert (steps[2] <= most * 0.002 + 1e-9).all()


@pytest.mark.parametrize('adapter', ['twist', 'forward_command'])
def test_the_end_of_the_monitor_is_a_stop_within_the_limits(contract, adapter):
    """Neither controller stops by itself; what a trajectory controller has ends at rest."""
    data = yaml.safe_load(contract.text)
    data['action']['output'] = {'adapter': adapter, 'topic': 'commands'}
    contract = parse_contract(yaml.safe_dump(data))
    node, slept = Node(), []
    sender = make_sender(node, contract)
    planner = Planner(contract.limits)
    target = FRANKA.home + np.array([0.1, *[0.0] * 7])
    plan = planner.towards(
        planner.hold(FRANKA.home, 0.0), 0.0, target, np.array([1.0, *[0.0] * 7]), 0.15
    )
    stop = planner.stop(plan, 0.1)
    assert not stop.at_rest(0.1)
    sender.come_to_rest(stop, 0.1, NS, sleep=slept.append)
    assert len(node.sent) == len(slept) + 1
    assert set(slept) == {contract.period}
    assert 2 <= len(slept) < 20
    if adapter == 'twist':
        speeds = [np.linalg.norm([*_vector(m.twist.linear)]) for m in node.sent]
        assert speeds[0] > 0.05
        assert speeds[-1] == pytest.approx(0.0, abs=1e-9)
        assert to_ns(node.sent[-1].header.stamp) == NS + round(len(slept) * contract.period * NS)
        assert (np.diff(speeds) <= 1e-9).all()
    else:
        joints = np.array([m.data for m in node.sent])
        np.testing.assert_allclose(joints[-1], stop.end, atol=1e-9)
        steps = np.abs(np.diff(joints, axis=0)) / contract.period
        assert (steps <= contract.limits.velocity + 1e-9).all()


@pytest.mark.parametrize('adapter', ['twist', 'forward_command'])
@pytest.mark.parametrize('fails', [(2,), (0, 1), range(1000)])
def test_a_set_point_that_cannot_be_published_does_not_end_the_stop(contract, adapter, fails):
    data = yaml.safe_load(contract.text)
    data['action']['output'] = {'adapter': adapter, 'topic': 'commands'}
    contract = parse_contract(yaml.safe_dump(data))
    node, tried, slept = Node(), [], []
    sender, planner = make_sender(node, contract), Planner(contract.limits)

    def publish(message):
        tried.append(message)
        if len(tried) - 1 in fails:
            raise RuntimeError('no room')
        node.sent.append(message)

    sender.publishers[0].publish = publish
    speed = np.array([1.0, *[0.0] * 7])
    rest = planner.hold(FRANKA.home, 0.0)
    stop = planner.stop(planner.towards(rest, 0.0, FRANKA.home + 0.1 * speed, speed, 0.15), 0.1)
    sender.come_to_rest(stop, 0.1, NS, sleep=slept.append)
    assert sum(slept) < 2.0  # an end of the node has 3 s
    assert all('no room' in text for text in node.said)
    assert node.said
    if len(fails) > 100:
        return
    last = node.sent[-1]
    if adapter == 'twist':
        assert np.linalg.norm(_vector(last.twist.linear)) == pytest.approx(0.0, abs=1e-9)
    else:
        np.testing.assert_allclose(last.data, stop.end, atol=1e-9)


def test_positions_of_a_motion_that_is_over_do_not_lead_the_next_one(contract, monitor):
    """An arm that stood at 0.8 was led away to 0.2: HOLD is there, and not on the way back."""
    aside = np.array([0.6, *[0.0] * 7])
    output = replace(contract.action.output, adapter='forward_command')
    contract = replace(contract, action=replace(contract.action, output=output))
    node, planner = Node(), Planner(contract.limits)
    sender = make_sender(node, contract)
    sender.go_on(planner.hold(FRANKA.home + aside, 1.0), 1.0, NS)
    sender.send(monitor, replace(monitor.tick(frame(1.05), 1.05), plan=None), 1.05, NS)
    sender.go_on(planner.hold(FRANKA.home, 1.1), 1.1, NS)
    np.testing.assert_allclose(node.sent[-1].data, FRANKA.home)
    sender.reset()
    sender.go_on(planner.hold(FRANKA.home - aside, 1.15), 1.15, NS)
    np.testing.assert_allclose(node.sent[-1].data, FRANKA.home - aside)


def test_a_second_tick_of_an_instant_sends_no_second_position_in_simulated_time(contract, monitor):
    """The simulator, which has gone on, would take it for the answer to what it shows next."""
    output = replace(contract.action.output, adapter='forward_command')
    contract = replace(contract, action=replace(contract.action, output=output))
    node = Node()
    sender = make_sender(node, contract, simulated=True)
    tick(sender, monitor, node, 0.05)
    monitor.stop_for(Fault('wrench', 'a sample'))
    tick(sender, monitor, node, 0.05, contract.period)
    assert len(node.sent) == 1
    tick(sender, monitor, node, 0.10)
    assert len(node.sent) == 2


def test_a_clock_that_steps_back_within_a_tick_sends_nothing_into_the_future(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    tick(sender, monitor, node, 0.05)
    sent = len(node.sent)
    tick(sender, monitor, node, 0.10, -5.0)
    assert len(node.sent) == sent
    assert sender.withheld == 1


def _vector(xyz):
    return xyz.x, xyz.y, xyz.z


def test_a_trajectory_that_was_sent_ends_at_rest_by_itself(contract, monitor):
    node = Node()
    sender = make_sender(node, contract)
    verdict = tick(sender, monitor, node, 0.05)
    sender.come_to_rest(verdict.plan, 0.05, NS, sleep=lambda _: pytest.fail('it waits'))
    assert len(node.sent) == 1
