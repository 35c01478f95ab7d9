"""Actions whose work ends elsewhere: each goal gets its own answer, whenever the next one comes."""

import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy')

from action_msgs.msg import GoalStatus  # noqa: E402
from il_ros.action import TrainPolicy  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.ros.deferred_action import DeferredAction  # noqa: E402
from il_ros.ros.managed_node import ManagedNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402
from il_ros.ros.work_thread import WorkThread  # noqa: E402

PATIENCE = 20.0


class Worker(ManagedNode):
    """Ends its work when the test says so, and notices the end when the test says so."""

    def __init__(self):
        super().__init__('worker')
        self.work, self.may_end, self.problem = WorkThread(), threading.Event(), None
        self.action = DeferredAction(
            self, TrainPolicy, '~/train', free=lambda: not self.work.busy, begin=self.begin
        )

    def begin(self, goal):
        self.may_end.clear()
        self.work.start(lambda: self.do(goal.output))

    def do(self, output):
        while not (self.may_end.wait(0.01) or self.work.stop.is_set()):
            pass
        if self.work.stop.is_set():
            raise IlRosError('cancelled')
        if self.problem is not None:
            raise self.problem
        return output

    def watch(self):
        if self.action.cancelled:
            self.work.stop.set()
        done = self.work.take()
        if done is not None:
            result = TrainPolicy.Result(
                success=done.value is not None, bundle=done.value or '', message=done.problem
            )
            self.action.finish(result)
        return done is not None


class Bench:
    """A worker and its client, spun by the test alone."""

    def __init__(self):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.worker, self.node = Worker(), Node('client')
        self.executor = make_executor()
        for node in (self.worker, self.node):
            self.executor.add_node(node)
        self.client = ActionClient(self.node, TrainPolicy, 'worker/train')
        self.until(self.client.server_is_ready)

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline
            self.executor.spin_once(timeout_sec=0.02)

    def wait(self, future):
        self.until(future.done)
        return future.result()

    def send(self, output):
        return self.wait(self.client.send_goal_async(TrainPolicy.Goal(output=output)))

    def end_work(self):
        """The thread ends; nobody has noticed it yet."""
        self.worker.may_end.set()
        self.worker.work._thread.join(PATIENCE)

    def close(self):
        self.client.destroy()
        self.worker.destroy_node()
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def bench(domain):
    bench = Bench()
    yield bench
    bench.close()


def test_a_goal_between_the_work_s_end_and_its_answer_takes_nobody_s_place(bench):
    first = bench.send('first')
    assert first.accepted
    assert not bench.send('while it runs').accepted
    bench.end_work()
    assert not bench.send('before the end is noticed').accepted
    answer = first.get_result_async()
    assert bench.worker.watch()
    second = bench.send('second')  # the answer to the first may still be on its way
    assert second.accepted
    assert bench.wait(answer).result.bundle == 'first'
    bench.end_work()
    assert bench.worker.watch()
    assert bench.wait(second.get_result_async()).result.bundle == 'second'


@pytest.mark.parametrize(
    ('problem', 'message'),
    [(IlRosError('no data'), 'no data'), (ZeroDivisionError('by 0'), 'ZeroDivisionError: by 0')],
)
def test_what_work_raises_is_the_answer(bench, problem, message):
    bench.worker.problem = problem
    goal = bench.send('x')
    bench.end_work()
    bench.worker.watch()
    answer = bench.wait(goal.get_result_async())
    assert (answer.status, answer.result.message) == (GoalStatus.STATUS_ABORTED, message)


def test_a_cancelled_goal_is_answered_as_cancelled_and_the_next_one_is_not(bench):
    goal = bench.send('x')
    bench.wait(goal.cancel_goal_async())
    bench.until(bench.worker.watch)
    answer = bench.wait(goal.get_result_async())
    assert (answer.status, answer.result.message) == (GoalStatus.STATUS_CANCELED, 'cancelled')
    goal = bench.send('y')
    bench.end_work()
    bench.worker.watch()
    answer = bench.wait(goal.get_result_async())
    assert (answer.status, answer.result.bundle) == (GoalStatus.STATUS_SUCCEEDED, 'y')


def test_success_that_comes_before_a_cancellation_counts(bench):
    goal = bench.send('x')
    bench.end_work()
    bench.wait(goal.cancel_goal_async())
    bench.worker.watch()
    assert bench.wait(goal.get_result_async()).status == GoalStatus.STATUS_SUCCEEDED


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_work_that_breaks_off_is_not_given_the_result_of_the_work_before():
    def leave():
        raise SystemExit

    work = WorkThread()
    work.start(lambda: 1.0)
    assert work.take(5.0).value == 1.0
    work.start(leave)
    result = work.take(5.0)
    assert (result.value, result.problem) == (None, 'broken off')
