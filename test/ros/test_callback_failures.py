"""What a node's callbacks raise is kept, told once with its place, and over once they work."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from il_ros.ros.callback_failures import HOLD, CallbackFailures  # noqa: E402
from il_ros.ros.fail_safe_node import FailSafeNode  # noqa: E402
from il_ros.ros.managed_node import steady_timer  # noqa: E402
from il_ros.ros.raw_callback import RawCallback  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402


class Log:
    """A node and its log at once."""

    def __init__(self):
        self.lines = []

    def get_logger(self):
        return self

    def error(self, text):
        self.lines.append(text)


class Part:
    broken = True

    def work(self, number=2):
        if self.broken:
            raise ValueError('no\nnumber')
        return 2 * number


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    return now


def test_what_a_part_of_a_tick_raises_counts_for_a_while(clock):
    failures, part = CallbackFailures(Log()), Part()
    assert failures.call('part', 7, part.work, 3) == 7
    assert failures.problems() == ['part failed: ValueError: no number']
    clock[0] += 0.9 * HOLD
    part.broken = False
    assert failures.call('part', 7, part.work, 3) == 6
    assert failures.problems()
    clock[0] += 0.2 * HOLD
    assert failures.problems() == []


def test_what_a_callback_raises_counts_until_it_works_again(clock):
    failures, part = CallbackFailures(Log()), Part()
    callback = failures.shield(part.work, '/topic')
    callback()
    clock[0] += 100 * HOLD
    assert failures.problems() == ['/topic failed: ValueError: no number']
    part.broken = False
    callback()
    assert failures.problems() == []


def test_the_log_has_the_traceback_once_a_minute_and_a_line_every_five_seconds(clock):
    log = Log()
    failures, part = CallbackFailures(log), Part()
    for _ in range(1_190):  # 59.5 s
        failures.call('part', None, part.work)
        failures.call('other', None, part.work)
        clock[0] += 0.05
    lines = [line for line in log.lines if line.startswith('part failed')]
    assert len(lines) == 12
    assert 'raise ValueError' in lines[0]
    assert set(lines[1:]) == {'part failed again: ValueError: no number'}
    assert len(log.lines) == 24


def test_no_timer_and_no_subscription_that_raises_ends_the_executor(domain):
    rclpy.init()
    node, executor, calls = FailSafeNode('fails'), make_executor(), []
    executor.add_node(node)

    def fail(*what):
        calls.append(what)
        raise LookupError('nothing there')

    def wait(happened):
        deadline = time.monotonic() + 20.0
        while not happened():
            assert time.monotonic() < deadline, 'it never happened'
            executor.spin_once(timeout_sec=0.02)

    try:
        steady_timer(node, 0.01, fail)
        wait(lambda: len(calls) > 2)
        node.create_subscription(String, 'words', fail, 10)
        node.create_subscription(String, 'words', RawCallback(fail), 10, raw=True)
        words = node.create_publisher(String, 'words', 10)
        wait(lambda: words.get_subscription_count() == 2)
        words.publish(String(data='x'))
        wait(lambda: sorted(map(len, calls))[-2:] == [1, 2])
        node.create_service(Trigger, 'do', lambda request, response: response)
        client = node.create_client(Trigger, 'do')
        wait(client.service_is_ready)
        count = len(calls)
        node.when_answered(client.call_async(Trigger.Request()), fail)
        wait(lambda: any(call and hasattr(call[0], 'result') for call in calls[count:]))
        name = 'test_no_timer_and_no_subscription_that_raises_ends_the_executor.fail'
        reason = 'failed: LookupError: nothing there'
        assert node.failures.problems() == [f'{name} {reason}', f'/words {reason}']
    finally:
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()
