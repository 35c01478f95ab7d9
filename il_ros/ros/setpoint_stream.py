"""Set-points of the plan at a rate of their own, from a thread with deadlines of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import ceil

import numpy as np
from rclpy.node import Node

from il_ros.core.contract import Contract, OutputConfig
from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array
from il_ros.monitors.plan import Columns, Plan
from il_ros.monitors.punctuality import SetpointPath
from il_ros.ros.callback_failures import error_text
from il_ros.ros.output_adapters import make_output
from il_ros.ros.qos import COMMAND

_ALONE = 0.5  # share of a period that two set-points are apart at least
_QUICK = 1e-3  # s that publishing takes
_SWITCH = 0.125  # share of a period that another thread may keep the interpreter
_KEPT = 5000  # intervals that are remembered
_PATIENCE = 1.0  # s for the thread to end


class SetpointSender:
    """Sends the set-points of one controller that takes one at a time.

    What a joint that turns without end is sent to is within half a turn of where its driver says
    that it is: a plan counts on where a driver goes back by a turn, or begins to count anew, and a
    controller would turn back as often as the two differ.

    Args:
        node: Owner of the publisher.
        contract: Of the whole robot.
        output: The controller's.
        columns: Of its joints among those of the action, (n,).
        period: How long a set-point is good for [s].
        said: Where drivers say that the joints of the action are, (N,), not a number where unknown.

    Attributes:
        columns: As given.
        waits: Whether the controller waits where it was sent.
        publisher: Of the set-points.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        output: OutputConfig,
        columns: Columns,
        *,
        period: float,
        said: Callable[[], Array],
    ) -> None:
        part = contract.part(output)
        self.columns, self._endless, self._said = columns, part.endless, said
        self._period, self._turns = period, bool(part.endless.any())
        self._adapter = make_output(replace(part, rate=1.0 / period))
        # Adapters of third parties need not say what their controllers do.
        self.waits = bool(getattr(self._adapter, 'waits', True))
        self.publisher = node.create_publisher(self._adapter.message_type, output.topic, COMMAND)

    def send(self, plan: Plan, begin: float, stamp: int) -> None:
        """Publish the set-point of `plan`, of its joints, for the period from `begin` [s] on."""
        if self._turns:
            goal, near = plan.at(begin + self._period)[0], self._said()[self.columns]
            plan = plan.shifted(nearest_turn(goal, near, self._endless) - goal)
        self.publisher.publish(self._adapter.message(plan, begin, stamp))


def to_each(sends: Sequence[Callable[[], object]]) -> None:
    """Try every output; the first failure is raised when all have been tried."""
    failures = []
    for send in sends:
        try:
            send()
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]


class SetpointStream:
    """Samples the plan in hand between the ticks, whatever the executor does meanwhile.

    A timer of the executor would wait for every tick, and a stop for an executor that hangs. The
    thread carries out what it was given to its end, and then falls silent if nobody speaks to it.

    Args:
        senders: Of the controllers; all of them wait, or none does.
        period: Time between two set-points [s].
        longest: Silence after which nothing but an unfinished motion goes on [s].
        present: The time now [ns], by the node's clock; for stamps.

    Attributes:
        columns: Of the joints that it moves, among those of the action, (n,).
    """

    def __init__(
        self,
        senders: Sequence[SetpointSender],
        *,
        period: float,
        longest: float,
        present: Callable[[], int],
    ) -> None:
        self._senders, self._period, self._present = senders, period, present
        self._path = SetpointPath(period, longest, waits=senders[0].waits)
        self._longest = longest
        self.columns: Columns = np.concatenate([each.columns for each in senders])
        counts = np.cumsum([0, *(len(each.columns) for each in senders)])
        self._own = [np.arange(*ends) for ends in pairwise(counts.tolist())]
        # Guards all that follows. What it has let go of has left before anything else happens.
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._parts: tuple[Plan | None, list[Plan]] = None, []
        self._failure = ''
        self._left: float | None = None
        self._intervals: deque[float] = deque(maxlen=_KEPT)

    @property
    def plan(self) -> Plan | None:
        """What is carried out, of its joints; None: nothing."""
        return self._path.plan

    @property
    def silence(self) -> float:
        """How long nothing has left of a motion that goes on [s]; 0 where that is not too long."""
        with self._turn:
            silence = self._path.silence(time.monotonic())
        return silence if silence > self._longest else 0.0

    def prepare(self, now: float) -> float:
        """Before a plan is made at `now` [s]; gives how much later the one in hand goes on [s]."""
        with self._turn:
            return self._path.prepare(now, time.monotonic())

    def take(self, plan: Plan, begin: float) -> tuple[bool, float]:
        """Carry out `plan`, of its joints, from now on.

        Args:
            plan: Leaves the one in hand.
            begin: Its time from which on it is carried out, if there is none in hand [s].

        Returns:
            Whether it does: it must not leave the one in hand before what has been sent of that.
            And the time of the plan up to which it has been sent [s].
        """
        with self._turn:
            end = begin + self._period if self._path.plan is None else self._path.end
            taken = self._path.take(plan, begin, time.monotonic())
            if taken and (self._thread is None or not self._thread.is_alive()):
                self.start()
            self._turn.notify()
            return taken, end

    def let_go(self) -> None:
        """Send nothing any more once the plan in hand is at its end."""
        with self._turn:
            self._path.let_go()

    def clear(self) -> None:
        """Send nothing any more."""
        with self._turn:
            self._path.clear()

    def start(self) -> None:
        """Begin to send."""
        # The interpreter is otherwise kept for 5 ms by a tick that has much to do.
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH * self._period))
        self._left = None
        self._thread = threading.Thread(target=self._run, name='set-points', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send nothing any more, and end the thread; `take` begins another one."""
        with self._turn:
            self._path.clear()
            thread, self._thread = self._thread, None
            self._turn.notify()
        if thread is not None:
            thread.join(_PATIENCE)

    def beat(self) -> None:
        """Send the set-point that is due now, if one is."""
        with self._turn:
            at = time.monotonic()
            begin = self._path.next(at)
            if begin is None:
                self._left = None
                return
            stamp, parts = self._present(), self._cut()
            pairs = zip(self._senders, parts, strict=True)
            to_each([partial(sender.send, part, begin, stamp) for sender, part in pairs])
            # Where the process was stopped meanwhile, only now it is known when they left.
            left = time.monotonic()
            self._path.sent(begin, at if left - at < _QUICK else left)
            if self._left is not None:
                self._intervals.append(left - self._left)
            self._left, self._failure = left, ''

    def problems(self) -> Iterable[str]:
        """Why the arm must not move."""
        if failure := self._failure:
            yield f'set-points: {failure}'
        if silence := self.silence:
            yield f'no set-point has left for {silence:.1f} s, allowed {self._longest:g} s'

    def intervals(self) -> Array:
        """Times between the newest set-points, (K,) [s]."""
        with self._turn:
            return np.array(self._intervals)

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        apart = np.abs(self.intervals() - self._period)
        p99 = f'{np.percentile(apart, 99):.4f}' if len(apart) else 'unknown'
        return {'set-points off their time, 99 % [s]': p99}

    def _cut(self) -> list[Plan]:
        """The plan of each controller."""
        plan = self._path.plan
        assert plan is not None
        if self._parts[0] is not plan:
            alone = len(self._own) == 1
            parts = [plan] if alone else [plan.of_joints(own) for own in self._own]
            self._parts = plan, parts
        return self._parts[1]

    def _run(self) -> None:
        due = time.monotonic()
        while self._wait():
            try:
                self.beat()
            except Exception as error:  # the next one is tried all the same
                self._failure = error_text(error)
            now = time.monotonic()
            # What it is too late for is left out: the next but one comes soon enough.
            due += self._period * max(ceil((now - due) / self._period + _ALONE), 1)
            time.sleep(due - now)

    def _wait(self) -> bool:
        """Wait until there is a plan; False once it is to end."""
        with self._turn:
            while self._thread is threading.current_thread():
                if self._path.plan is not None:
                    return True
                self._left = None
                self._turn.wait()
            return False
