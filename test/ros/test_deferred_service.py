"""A service that is answered when its work has ended: each request gets its own answer."""

import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.srv import LoadPolicy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.ros.deferred_service import DeferredService, SlowAnswer  # noqa: E402
from il_ros.ros.managed_node import ManagedNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 20.0


class Panic(BaseException):
    """What a library in Rust raises is no Exception."""


RAISED = {
    'refused': (IlRosError('too large', where='x'), 'x: too large'),
    'missing': (
        FileNotFoundError(2, 'No such file', 'x'),
        "FileNotFoundError: [Errno 2] No such file: 'x'",
    ),
    'memory': (MemoryError('all of it'), 'MemoryError: all of it'),
    'recursion': (RecursionError('too deep'), 'RecursionError: too deep'),
    'text': (ValueError('\ud800'), 'ValueError: \\ud800'),
    'panic': (Panic('unwrap'), 'Panic: unwrap'),
}


class Loader(ManagedNode):
    """Works until the test says that it may end; counts what it does meanwhile."""

    def __init__(self):
        super().__init__('loader')
        self.may_end, self.free, self.in_use, self.others = threading.Event(), True, '', 0

    def configure(self):
        answer = SlowAnswer(begin=self.begin, finish=self.finish, describe=self.describe)
        self.serve_slowly(LoadPolicy, '~/load', answer)
        self.serve(Trigger, '~/other', self.other)

    def begin(self, request):
        if not self.free:
            raise IlRosError('not now')
        return lambda: self.work(request.path)

    def work(self, path):
        assert threading.current_thread() is not threading.main_thread()
        assert self.may_end.wait(PATIENCE)
        if path in RAISED:
            raise RAISED[path][0]
        return path

    def finish(self, path):
        if not self.free:
            raise RuntimeError('changed meanwhile')
        self.in_use = path

    def describe(self, response):
        response.policy_id = self.in_use

    def other(self, request, response):
        self.others += 1
        if self.others > 2:
            raise MemoryError('\ud800')


class Bench:
    """A loader and its client, spun by the test alone."""

    def __init__(self, executor):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.loader, self.node = Loader(), Node('client')
        self.executor = executor()
        for node in (self.loader, self.node):
            self.executor.add_node(node)
        self.load = self.node.create_client(LoadPolicy, 'loader/load')
        self.other = self.node.create_client(Trigger, 'loader/other')
        self.until(lambda: self.load.service_is_ready() and self.other.service_is_ready())
        self.until(lambda: self.loader.active)

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline
            self.executor.spin_once(timeout_sec=0.02)

    def ask(self, path):
        return self.load.call_async(LoadPolicy.Request(path=path))

    def wait(self, future):
        self.until(future.done)
        return future.result()

    def close(self):
        self.loader.may_end.set()
        for node in (self.loader, self.node):
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.fixture(params=[make_executor, SingleThreadedExecutor])
def bench(request):
    bench = Bench(request.param)
    yield bench
    bench.close()


def said(response):
    return response.success, response.message, response.policy_id


def test_the_node_answers_others_until_the_work_ends(bench):
    slow = bench.ask('a')
    for _ in range(2):
        assert bench.wait(bench.other.call_async(Trigger.Request())).success
    second = bench.wait(bench.ask('b'))
    assert said(second) == (
        False, '~/load is at work; to fix: wait for the answer before', ''
    )  # fmt: skip
    assert not slow.done()
    bench.loader.may_end.set()
    assert said(bench.wait(slow)) == (True, '', 'a')
    assert said(bench.wait(bench.ask('b'))) == (True, '', 'b')


def test_a_request_that_is_repeated_gets_the_same_answer(bench):
    first, again = bench.ask('a'), bench.ask('a')
    assert bench.wait(bench.other.call_async(Trigger.Request())).success
    assert not first.done()
    assert not again.done()
    bench.loader.may_end.set()
    assert said(bench.wait(first)) == said(bench.wait(again)) == (True, '', 'a')


class Counted:
    """The part of a node, and of its service, that a deferred service takes."""

    def __init__(self):
        self.sent = []

    def create_service(self, kind, name, callback):
        self.ask = callback
        return self

    def send_response(self, response, header):
        self.sent.append((header, response.success, response.message))

    def create_timer(self, period, look, clock):
        self.look = look

    def get_logger(self):
        return rclpy.logging.get_logger('counted')


def test_no_more_than_sixteen_requests_wait_for_one_answer():
    node, may_end, done = Counted(), threading.Event(), []
    answer = SlowAnswer(
        begin=lambda request: lambda: may_end.wait(PATIENCE),
        finish=done.append,
        describe=lambda response: None,
    )
    DeferredService(node, LoadPolicy, 'load', answer)
    for header in range(20):
        response = node.ask(LoadPolicy.Request(path='a'), LoadPolicy.Response())
        node.send_response(response, header)
    refusal = 'load is at work; to fix: wait for the answer before'
    assert node.sent == [(header, False, refusal) for header in range(16, 20)]
    may_end.set()
    deadline = time.monotonic() + PATIENCE
    while not done and time.monotonic() < deadline:
        node.look()
    assert node.sent[4:] == [(header, True, '') for header in range(16)]


def test_whatever_is_raised_is_the_refusal_of_its_request(bench):
    bench.loader.may_end.set()
    assert said(bench.wait(bench.ask('first'))) == (True, '', 'first')
    for path, (_, text) in RAISED.items():
        assert said(bench.wait(bench.ask(path))) == (False, text, 'first')
    bench.loader.free = False
    assert said(bench.wait(bench.ask('b'))) == (False, 'not now', 'first')
    bench.loader.free = True
    for _ in range(2):
        assert bench.wait(bench.other.call_async(Trigger.Request())).success
    answer = bench.wait(bench.other.call_async(Trigger.Request()))
    assert (answer.success, answer.message) == (False, 'MemoryError: \\ud800')


def test_what_changed_while_it_worked_counts(bench):
    slow = bench.ask('a')
    assert bench.wait(bench.other.call_async(Trigger.Request())).success
    bench.loader.free = False
    bench.loader.may_end.set()
    assert said(bench.wait(slow)) == (False, 'RuntimeError: changed meanwhile', '')


def test_a_node_that_goes_down_refuses_the_request_that_waits(bench):
    slow = bench.ask('a')
    assert bench.wait(bench.other.call_async(Trigger.Request())).success
    bench.loader.trigger_deactivate()
    bench.loader.trigger_cleanup()
    assert said(bench.wait(slow)) == (False, 'broken off: the node goes down', '')
    bench.loader.may_end.set()
    bench.loader.trigger_configure()
    bench.until(bench.load.service_is_ready)
    assert said(bench.wait(bench.ask('b'))) == (True, '', 'b')
