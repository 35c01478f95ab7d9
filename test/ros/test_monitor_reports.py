"""What the monitor reports, without the monitor."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.msg import EpisodeEvent, MonitorStatus  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.ros.monitor_reports import MonitorReports  # noqa: E402
from il_ros.ros.qos import EVENTS, STATUS  # noqa: E402


@pytest.fixture
def node(domain):
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('reporter')
    yield node
    node.destroy_node()
    rclpy.shutdown()


def first_heard(node, *, meanwhile=lambda: None):
    """Policies in the statuses that a new subscriber hears, up to and with the first."""
    heard = []
    subscription = node.create_subscription(
        MonitorStatus, 'monitor/status', lambda message: heard.append(message.policy_id), STATUS
    )
    meanwhile()
    deadline = time.monotonic() + 20
    while not heard and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.05)
    node.destroy_subscription(subscription)
    return heard


def test_a_late_subscriber_knows_the_mode_of_an_active_monitor_and_nothing_of_a_retired_one(
    node, contract
):
    reports = MonitorReports(node, contract)
    reports.idle(1, 'before')
    assert first_heard(node) == ['before']
    reports.retire()
    assert first_heard(node, meanwhile=lambda: reports.idle(2, 'after')) == ['after']


def test_what_nodes_call_themselves_forges_no_line_of_the_log(node, contract):
    heard = []
    node.create_subscription(EpisodeEvent, 'events', lambda event: heard.append(event.text), EVENTS)
    reports = MonitorReports(node, contract)
    deadline = time.monotonic() + 20
    while not node.count_subscribers('events') and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.05)
    reports.note('also published by /x\n[ERROR] [monitor]: \x1b[2J', 1)
    while not heard and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.05)
    assert heard == ['also published by /x [ERROR] [monitor]: \\x1b[2J']
