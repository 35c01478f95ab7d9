"""The monitor on a real graph: who may take over, what it tells others."""

import time
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from il_ros.msg import EpisodeEvent, MonitorStatus, Takeover  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp, to_ns, to_stamp  # noqa: E402
from il_ros.ros.qos import CHUNKS, COMMAND, EVENTS, LATCHED  # noqa: E402

PATIENCE = 20.0
COMMAND_TOPIC = 'arm_controller/joint_trajectory'


class Operator:
    """Stands next to the arm: a enable switch, and eyes on the status."""

    def __init__(self, client):
        self.client, self.told = client, []
        self._publisher = client.node.create_publisher(Takeover, 'expert/takeover', COMMAND)
        client.node.create_subscription(MonitorStatus, 'monitor/status', self.told.append, CHUNKS)
        client.episode(10, 'expert')  # after it all nodes have found one another
        deadline = time.monotonic() + PATIENCE
        while not self._publisher.get_subscription_count() and time.monotonic() < deadline:
            client.spin(0.05)

    @contextmanager
    def beside(self, seed):
        stamp = self.client.reset(seed)
        self.now = to_ns(stamp)
        self.client.enter('hold', stamp)
        try:
            for _ in range(5):  # only the device's newest word counts: one may be passed over
                self.until(False, mode=MonitorStatus.HOLD)
            yield
        finally:
            self.client.rest()  # a test that fails leaves no latched alarm to the next

    def until(self, held, happened=lambda: True, **wanted):
        """Step with the switch like that (None: silent) until the status says what is wanted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if held is not None:
                self._publisher.publish(fill_stamp(Takeover(held=held), self.now))
            self.now = to_ns(self.client.step(1).header.stamp)
            newest = self.told[-1] if self.told else None
            if newest and all(getattr(newest, k) == v for k, v in wanted.items()) and happened():
                return newest
        raise AssertionError(f'{wanted} never came; last: {self.told[-1:]}')


def wait(client, happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, 'it never happened'
        client.spin(0.02)


@pytest.fixture(scope='module')
def operator(client):
    return Operator(client)


def stand(client):
    """Let the arm stand until some samples in a row have shown it; gives the last one's stamp."""
    state = client._call('simulator/step', steps=4, wait_for_command=False).state
    return to_ns(state.header.stamp)


def way(client):
    """The largest way [rad, m] that a joint was commanded since the episode began."""
    commanded = client.trace.joints
    return np.abs(commanded[max(commanded)] - commanded[min(commanded)]).max()


def test_the_enable_switch_takes_the_arm_and_gives_it_back(client, operator):
    with operator.beside(11):
        told = operator.until(True, mode=MonitorStatus.EXPERT, takeover=True)
        assert told.reason == 'takeover'
        with pytest.raises(IlRosError, match='an operator holds the enable switch'):
            client.set_mode('idle')
        operator.until(True, lambda: way(client) > 0.02, takeover=True)  # the expert moved the arm
        told = operator.until(False, mode=MonitorStatus.HOLD, takeover=False)
        assert told.reason == 'takeover ended'


def test_what_is_void_gets_no_source_the_arm(client):
    """A simulated world that was reset says from when on observations count."""
    stamp = client.reset(3)
    client.enter('expert', stamp)  # the expert has answered the first observation
    client.step(1)
    client.rest()
    newest = stand(client)
    client.discard_before(to_stamp(newest + 100 * NS))
    with pytest.raises(IlRosError, match='no chunk from the expert yet'):
        client.set_mode('expert')
    client.discard_before(to_stamp(0))  # no bound
    client.set_mode('expert')
    client.rest()


def test_who_comes_later_knows_the_mode_though_nothing_happens(client, operator):
    """No observation comes in lock-step, so no tick publishes anything."""
    client.reset(3)
    client.set_mode('idle')
    heard = []
    late = client.node.create_subscription(
        MonitorStatus, 'monitor/status', heard.append, qos_profile=LATCHED
    )
    deadline = time.monotonic() + PATIENCE
    # The status before may come first: the node answers the request, then says its new mode.
    while MonitorStatus.IDLE not in [told.mode for told in heard] and time.monotonic() < deadline:
        client.spin(0.05)
    client.node.destroy_subscription(late)
    assert heard[-1].mode == operator.told[-1].mode == MonitorStatus.IDLE


def test_a_device_that_dies_while_it_drives_stops_the_arm(client, operator):
    with operator.beside(12):
        operator.until(True, takeover=True)
        told = operator.until(None, mode=MonitorStatus.ALARM)
        assert told.reason.startswith('takeover: nothing from its device for 0.')


def test_the_status_comes_on_change_and_ten_times_a_second(client, operator):
    operator.told.clear()
    client.episode(13, 'expert')
    stamps = np.array([to_ns(told.header.stamp) for told in operator.told])
    content = [(told.mode, told.reason, told.fault) for told in operator.told]
    same = np.array([a == b for a, b in pairwise(content)])
    gaps = np.diff(stamps)
    assert same.sum() > 20
    assert (gaps[same] >= 100_000_000 - 1).all()  # nothing new: not more often
    assert np.median(gaps[same]) == 100_000_000
    modes = [told.mode for told in operator.told]
    assert {MonitorStatus.IDLE, MonitorStatus.EXPERT, MonitorStatus.HOLD} <= set(modes)


def test_diagnostics_are_in_the_standard_form(client):
    found = {}

    def take(message):
        for status in message.status:
            found[status.name] = {value.key: value.value for value in status.values}

    client.node.create_subscription(DiagnosticArray, '/diagnostics', take, 10)
    deadline = time.monotonic() + PATIENCE
    while 'monitor: gate' not in found and time.monotonic() < deadline:
        client.spin(0.1)
    values = found['monitor: gate']
    assert values['mode'] == 'IDLE'
    assert int(values['ticks']) > 50
    assert float(values['expert latency p95 [s]']) >= 0.0
    assert float(values['tick_p95_ms']) > 0.0
    assert float(values['tick rate [Hz]']) > 0.0
    assert float(values['age joint_position']) == 0.0
    assert values['frames without an answer'].isdigit()
    rate = found['monitor: joint_states topic status']
    assert float(rate['Minimum acceptable frequency (Hz)']) > 0.0


def test_a_foreign_publisher_keeps_the_arm_from_being_driven_and_stops_it(client):
    """In IDLE it is told of and nothing begins; while the expert drives, the arm is stopped."""
    told, events, reports = [], [], []
    node = client.node
    node.create_subscription(MonitorStatus, 'monitor/status', told.append, EVENTS)
    node.create_subscription(EpisodeEvent, 'events', events.append, EVENTS)
    node.create_subscription(
        DiagnosticArray, '/diagnostics', lambda array: reports.extend(array.status), 10
    )
    rogue = node.create_publisher(JointTrajectory, COMMAND_TOPIC, COMMAND)
    text = f'/{COMMAND_TOPIC}: also published by {node.get_fully_qualified_name()}'
    wait(client, lambda: text in [event.text for event in events])
    with pytest.raises(IlRosError, match=f'mode idle to hold: {text}'):
        client.set_mode('hold')

    def erroneous():
        bad = [report for report in reports if report.level == DiagnosticStatus.ERROR]
        return any(report.name == 'monitor: gate' and text in report.message for report in bad)

    wait(client, erroneous)
    node.destroy_publisher(rogue)
    wait(client, lambda: any('alone again' in event.text for event in events))

    stamp = client.reset(21)
    client.enter('expert', stamp)
    now = to_ns(client.step(5).header.stamp)
    rogue = node.create_publisher(JointTrajectory, COMMAND_TOPIC, COMMAND)
    events.clear()
    wait(client, lambda: text in [event.text for event in events])
    client.step(20)
    wait(client, lambda: told and to_ns(told[-1].header.stamp) > now)
    wait(client, lambda: told[-1].mode == MonitorStatus.ALARM)
    assert text in told[-1].reason
    node.destroy_publisher(rogue)
    wait(client, lambda: any('alone again' in event.text for event in events))
    client.step(5)
    wait(client, lambda: told[-1].fault == MonitorStatus.FAULT_NONE)
    assert told[-1].mode == MonitorStatus.ALARM  # it is latched
    client.rest()
