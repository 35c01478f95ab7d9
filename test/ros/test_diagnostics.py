"""How often messages come is told as diagnostic_updater does, and by every node."""

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.ros.diagnostics import (  # noqa: E402
    ERROR,
    OK,
    WARN,
    Heard,
    TopicFrequency,
    publish_diagnostics,
)
from il_ros.ros.spin import make_executor  # noqa: E402


def reports(counts, rate=20.0, *, required=True, period=1.0):
    frequency = TopicFrequency()
    return [
        frequency.report(Heard(count=count, rate=rate, required=required), i * period)
        for i, count in enumerate(counts)
    ]


def test_a_rate_is_that_of_the_last_five_reports():
    slow = range(0, 200, 20)  # as expected, then a third of it
    levels = [level for level, _, _ in reports([*slow, *range(187, 240, 7)])]
    assert levels[:10] == [OK] * 10
    assert levels[10:] == [WARN] * 8  # 87 events in 5 s are less than nine tenths already
    _, text, values = reports(slow)[-1]
    assert text == 'Desired frequency met'
    assert values == {
        'Events in window': 100,
        'Events since startup': 180,
        'Duration of window (s)': '5.000',
        'Actual frequency (Hz)': '20.000',
        'Minimum acceptable frequency (Hz)': '18.000',
    }


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        ([0, 0], (ERROR, 'No events recorded.')),
        ([0, 17], (WARN, 'Frequency too low.')),
        ([0, 18], (OK, 'Desired frequency met')),
        ([0, 1000], (OK, 'Desired frequency met')),  # quicker is as good
        ([500], (OK, 'No time has passed.')),
    ],
)
def test_levels(counts, expected):
    assert reports(counts)[-1][:2] == expected


def test_a_topic_that_is_not_required_may_be_silent_but_not_slow():
    assert reports([0, 0], required=False)[-1][:2] == (OK, 'Not in use.')
    assert reports([0, 5], required=False)[-1][0] == WARN


def test_time_that_stands_or_begins_anew_is_no_fault():
    assert reports([0, 0, 0], period=0.0)[-1][0] == OK  # a simulation that waits for a step
    frequency = TopicFrequency()
    heard = [Heard(count=count, rate=20.0) for count in (0, 20, 25, 45)]
    found = [
        frequency.report(one, now)[:2] for one, now in zip(heard, [8.0, 9.0, 1.0, 2.0], strict=True)
    ]
    assert found[2:] == [(OK, 'No time has passed.'), (OK, 'Desired frequency met')]


def test_names_and_hardware_are_as_by_diagnostic_updater(domain):
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node('monitor', namespace='left', context=context)
    executor, heard = make_executor(context), []
    executor.add_node(node)
    node.create_subscription(DiagnosticArray, '/diagnostics', heard.append, 10)
    publish_diagnostics(
        node,
        'gate',
        lambda: (OK, 'running', {'mode': 'IDLE'}),
        hardware_id='franka',
        topics=lambda: {'joint_states': Heard(count=0, rate=20.0)},
    )
    try:
        while not heard:
            executor.spin_once(timeout_sec=5.0)
        own, topic = heard[0].status
        assert (own.name, topic.name) == (
            'left/monitor: gate',
            'left/monitor: joint_states topic status',
        )
        assert own.hardware_id == topic.hardware_id == 'franka'
        assert [(value.key, value.value) for value in own.values] == [('mode', 'IDLE')]
    finally:
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown(context=context)
