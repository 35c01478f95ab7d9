"""What the monitor decides, on its way to the controllers: sent in time or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher

from il_ros.core.contract import Contract, OutputConfig
from il_ros.core.contract_checks import GRIPPERS
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.core.registry import lookup
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor import Monitor, Verdict
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import Columns, Plan, joined, resting
from il_ros.monitors.punctuality import Punctuality, SetpointPace
from il_ros.ros.callback_failures import error_text
from il_ros.ros.output_adapters import OUTPUT_ADAPTERS
from il_ros.ros.replacement_watch import ReplacementWatch
from il_ros.ros.setpoint_stream import SetpointSender, SetpointStream, to_each
from il_ros.ros.trajectory_sender import TrajectorySender

if TYPE_CHECKING:
    from il_ros.ros.gripper_sender import GripperSender

_LONGEST_STOP = 5.0  # s; every arm stands much earlier
_INSIST = 0.5  # s that a stop is tried beyond its end where nothing can be published


class CommandSender:
    """Publishes plans as commands, to every controller that the contract names.

    All outputs carry out one plan: what is too late for one of them is sent to none, what one of
    them misses makes all brake, and a stop is tried on each, whatever becomes of the others.

    A trajectory that would leave the one before in the past is not sent: the controller would have
    to catch up. The arm then carries out the stop that it has, and the next tick goes on from
    there. Commands of the other adapters hold from when they come: no two of them are further apart
    than the plan goes in the time that has passed between them.

    Set-points at a rate of their own leave from a thread, which goes along the plan as a trajectory
    controller would. A plan that would leave the one before where that has been sent already is
    withheld: the arm carries out the stop that it has, too.

    Where a controller says what it follows, one that it should follow and does not is late in
    transit: the monitor brakes on from what it follows.

    Args:
        node: Owner of the publishers.
        present: The time now [ns], by the node's clock; tells how late a command is.
        contract: Says what is sent, and where.
        settings: Of the monitor: how far ahead it plans, and its `tracking_error`, which holds for
            what the controllers follow, too.
        seconds: From a stamp [ns] to the monitor's time [s].
        replacement: For a command topic, what knows whether its controller leaves a trajectory as
            soon as it gets the next; None where nobody knows.
        tell: Takes a line when another node has a goal in a gripper, and when it has none any more.
        said: Where drivers say that the joints are, (N,), by their own count of turns; not a number
            where that is not known. By default it is that of the plans.
        simulated: Whether `present` is simulated time, which may wait for a command and go on as
            soon as it has come. Then there is one set-point for each tick, whatever their rate.

    Attributes:
        withheld: Plans that were not sent, because it was too late for them.
        missed: Ticks that found a controller without a trajectory that it should have had.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        *,
        settings: MonitorConfig,
        present: Callable[[], int],
        seconds: Callable[[int], float],
        replacement: Callable[[str], ReplacementWatch | None] = lambda topic: None,
        tell: Callable[[str], None] = lambda text: None,
        said: Callable[[], Array] | None = None,
        simulated: bool = False,
    ) -> None:
        self._simulated = simulated
        self._node, self._names = node, contract.action.names
        self._present, self._seconds = present, seconds
        self._period, self._delay = contract.period, contract.command_delay
        self._punctuality = Punctuality(
            self._delay, settings.command_lead, settings.least_command_lead
        )

        def columns(output: OutputConfig) -> Columns:
            return np.array([self._names.index(name) for name in output.joints], dtype=np.intp)

        self._trajectories = [
            TrajectorySender(
                node,
                contract.part(output),
                columns(output),
                settings=settings,
                seconds=seconds,
                punctuality=self._punctuality,
                replacement=replacement(output.topic),
            )
            for output in contract.outputs
            if output.trajectories
        ]
        unknown = np.full(len(self._names), np.nan)
        said = said or (lambda: unknown)
        setpoints = [output for output in contract.outputs if output.setpoints]
        rate = max((output.rate for output in setpoints), default=0.0)
        rate = 0.0 if simulated else rate
        period = 1.0 / rate if rate else self._period
        self._setpoints = [
            SetpointSender(node, contract, output, columns(output), period=period, said=said)
            for output in setpoints
        ]
        self._grippers: list[GripperSender] = [
            lookup('output_adapter', output.adapter, OUTPUT_ADAPTERS)(
                node, contract.part(output), columns(output), tell
            )
            for output in contract.outputs
            if output.adapter in GRIPPERS
        ]
        waits = {each.waits for each in self._setpoints}
        if len(waits) > 1:
            problem = 'controllers that wait at the end of a period, and others that do not'
            raise IlRosError(problem, where='action.outputs', allowed='adapters of one kind')
        longest = settings.clock_step
        self._pace = SetpointPace(self._period, longest, waits=waits != {False})
        self._stream = (
            SetpointStream(self._setpoints, period=period, longest=longest, present=present)
            if rate
            else None
        )
        self.withheld = self.missed = 0
        self._now = 0.0
        self._same_instant = False
        self._plan: Plan | None = None  # that was last sent, of all joints
        self._torn = False  # whether some outputs got a plan that others did not
        self._refused = 0  # plans in a row that were not gone along
        self._cut: tuple[Plan, list[Plan]] | None = None

    @property
    def repeats(self) -> bool:
        """Whether set-points stop to leave when `send` and `go_on` are not called any more."""
        return bool(self._setpoints) and self._stream is None

    @property
    def publishers(self) -> list[Publisher]:
        """Of the commands."""
        own = [each.publisher for each in self._trajectories]
        return own + [each.publisher for each in self._setpoints]

    def reset(self) -> None:
        """Forget how late commands were: time is counted anew."""
        self._punctuality.clear()
        if self._stream:
            self._stream.clear()
        self._forget()
        self.withheld = self.missed = 0
        self._now = 0.0
        for each in self._trajectories:
            each.watch.forget()

    def _forget(self) -> None:
        for each in self._trajectories:
            each.forget()
        for gripper in self._grippers:
            gripper.forget()
        self._pace.clear()
        if self._stream:
            self._stream.let_go()
        self._plan, self._torn, self._refused = None, False, 0

    def problems(self) -> Iterable[str]:
        """Whether commands are too late to drive, or not what the controllers follow."""
        if late := self._punctuality.problem(self._now):
            yield late
        if self._trajectories:
            stamp = self._present()
            for each in self._trajectories:
                yield from each.problems(self._seconds(stamp))
        if self._stream:
            yield from self._stream.problems()
        for gripper in self._grippers:
            yield from gripper.problems()

    def warnings(self) -> Iterable[str]:
        """Whether nothing is known of what a controller follows."""
        return [text for each in self._trajectories for text in each.watch.warnings()]

    def reference(self, now: float, since: float) -> Array | None:
        """Where the controllers want the joints at `now` [s], (N,), if one said so after `since`.

        Not a number of joints of which that is not known.
        """
        whole = np.full(len(self._names), np.nan)
        heard = [(each.columns, each.reference(now, since)) for each in self._trajectories]
        for columns, part in heard:
            if part is not None:
                whole[columns] = part
        return whole if any(part is not None for _, part in heard) else None

    def prepare(self, monitor: Monitor, now: float, positions: Array | None = None) -> None:
        """Before a tick: plan as far ahead as commands are late, or still hold.

        Args:
            monitor: Makes the plan.
            now: When the tick begins [s].
            positions: Where the joints are measured, (N,) [rad or m]; None where they are not.
        """
        # Only simulated time stands still between two ticks. In lock-step it goes on as soon as the
        # first has sent a command, which says nothing of how late the second one's is.
        self._same_instant, self._now = now == self._now, now
        for gripper in self._grippers:
            gripper.see(now, positions)
        if self._stream:
            if waited := self._stream.prepare(now):
                monitor.wait(waited)
            if self._torn and self._stream.plan is not None:
                monitor.recover(self._followed())
            self._torn = False
            monitor.lead = self._lead
            return
        if not self._trajectories:
            waited, monitor.lead = self._pace.prepare(now)
            if waited:
                monitor.wait(waited)
            return
        late = [each for each in self._trajectories if each.late(now) is not None]
        self.missed += bool(late)
        if late or self._torn:
            self._torn = False
            monitor.recover(self._followed())
        monitor.lead = self._lead

    def _followed(self) -> Plan:
        """What all controllers follow, each what it has got."""
        plans = [(each.columns, each.plan) for each in self._trajectories]
        if self._stream:
            plans.append((self._stream.columns, self._stream.plan))
        columns, plan = plans[0]
        if plan is not None and self._is_whole(columns):
            return plan
        assert self._plan is not None
        # What a gripper is asked for next is where this plan rests.
        plans += [(each.columns, self._plan.of_joints(each.columns)) for each in self._grippers]
        first = (self._plan, *self._plan.past)[-1]  # one that got nothing rests where that begins
        return joined([
            (columns, plan or resting(first.pieces[1, 0, columns], first.begin))
            for columns, plan in plans
        ])  # fmt: skip

    @property
    def _lead(self) -> float:
        return self._punctuality.lead(self._now)

    def send(self, monitor: Monitor, verdict: Verdict, now: float, stamp: int) -> Verdict:
        """Publish the verdict's plan, if there is one and it is not too late.

        Args:
            monitor: Whose verdict it is.
            verdict: Of the tick at `now`.
            now: When the tick began [s], by the monitor's clock.
            stamp: The same by the node's clock [ns].

        Returns:
            The verdict, or what has become of it because nothing was sent.
        """
        if verdict.plan is None:
            self._let_go(now, stop=_stops(verdict))
            return verdict
        begin = max(verdict.begin, now)
        late = self._since(stamp)
        stops = [self._stop_or_go(each, verdict, now) for each in self._grippers]
        if self._stream:
            return self._stream_on(monitor, verdict, begin, now, stops)
        if not self._trajectories:
            # The tick may be ahead of a simulated clock.
            late = 0.0 if self._simulated and self._same_instant else max(late, 0.0)
            at = now + late, stamp + round(late * NS)
            to_each([partial(self.go_on, verdict.plan, *at, begin=begin), *stops])
            return verdict
        if not self._same_instant:
            self._punctuality.add(now, late)
        parts = list(zip(self._trajectories, self._parts(verdict.plan), strict=True))
        # A controller that begins a trajectory at once would begin its way to the first point
        # anew in each tick of a stop, which is a lead away, and hardly get there.
        if self._lead:
            parts = [(each, plan) for each, plan in parts if not each.has(plan, now)]
        sends = [each.make(plan, begin, now, stamp) for each, plan in parts]
        # The last look at the clock, with nothing left to do but to publish: a process that the
        # scheduler stops behind it sends trajectories that are late all the same.
        late = self._since(stamp)
        if not self._same_instant:
            self._punctuality.add(now, late)
        went_back = late < -self._period  # a simulated clock may be behind by less
        if parts and (went_back or self._punctuality.too_late(late, begin - now)):
            self.withheld += 1
            if _stops(verdict):  # a gripper's goal has no stop behind it
                to_each(stops)
            return monitor.withdraw(verdict)
        self._plan = verdict.plan
        try:
            to_each([*sends, *stops])
        finally:
            self._torn = len({each.plan is plan for each, plan in parts}) > 1
        return verdict

    def _stream_on(
        self,
        monitor: Monitor,
        verdict: Verdict,
        begin: float,
        now: float,
        stops: Sequence[Callable[[], None]],
    ) -> Verdict:
        """Go along the verdict's plan, unless it leaves the one before too early for that."""
        assert self._stream is not None
        assert verdict.plan is not None
        taken, end = self._stream.take(self._part(verdict.plan, self._stream.columns), begin)
        self._punctuality.add(now, end - now)
        if taken or _stops(verdict):  # a gripper's goal has no stop behind it
            self._torn = taken  # should a goal not leave
            to_each(stops)
        self._refused = 0 if taken else self._refused + 1
        self._torn = self._refused > 1  # it was not late: it does not go on from what is followed
        if taken:
            self._plan = verdict.plan
            return verdict
        self.withheld += 1
        return monitor.withdraw(verdict)

    def _let_go(self, now: float, *, stop: bool) -> None:
        """Command nothing any more.

        What was sent of a plan ends in a standstill by itself, but the goal of a gripper does not:
        it is stopped. Where that cannot be sent, the next tick tries again.
        """
        halts = [partial(each.halt, now) for each in self._grippers] if stop else []
        left = [self._end(halt) for halt in halts]
        if all(left):
            self._forget()

    def _since(self, stamp: int) -> float:
        """Time that has passed since `stamp` [s]."""
        return (self._present() - stamp) / NS

    def _stop_or_go(
        self, gripper: GripperSender, verdict: Verdict, now: float
    ) -> Callable[[], None]:
        """What sends a gripper its goal, if one is due."""
        assert verdict.plan is not None
        plan, stop = verdict.plan.of_joints(gripper.columns), _stops(verdict)
        return partial(gripper.send, plan, now, stop=stop)

    def _parts(self, plan: Plan) -> list[Plan]:
        """The plan of each output, the same ones for the same plan."""
        if self._cut is None or self._cut[0] is not plan:
            self._cut = plan, [self._part(plan, each.columns) for each in self._trajectories]
        return self._cut[1]

    def _part(self, plan: Plan, columns: Columns) -> Plan:
        return plan if self._is_whole(columns) else plan.of_joints(columns)

    def _is_whole(self, columns: Columns) -> bool:
        """Whether they are all joints, in order."""
        return np.array_equal(columns, np.arange(len(self._names)))

    def go_on(self, plan: Plan, now: float, stamp: int, *, begin: float | None = None) -> float:
        """Publish the set-point of `plan` that follows the one before.

        Args:
            plan: What is carried out.
            now: The present [s], by the monitor's clock.
            stamp: The same by the node's clock [ns].
            begin: When the plan leaves the one before [s]; the present by default.

        Returns:
            When the period of the set-point begins, by the time of the plan [s].
        """
        if self._simulated and self._pace.has_sent(now):
            return self._pace.begin(now, now)
        begin = self._pace.begin(now, now if begin is None else begin)
        sends = [
            partial(each.send, self._part(plan, each.columns), begin, stamp)
            for each in self._setpoints
        ]
        to_each(sends)
        # Only now it is known when they left, but by a clock that goes on because they did.
        late = 0.0 if self._simulated else max(self._since(stamp), 0.0)
        self._pace.sent(now + late, begin)
        return begin

    def come_to_rest(
        self, plan: Plan, now: float, stamp: int, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Send a plan to its end, period by period, before nothing is sent any more.

        It blocks until then. A trajectory brings the arm to rest by itself, so none is sent. A
        set-point that cannot be published does not keep back those that follow.

        Args:
            plan: Ends in a standstill.
            now: The present [s], by the monitor's clock.
            stamp: The same by the node's clock [ns].
            sleep: Waits for so long [s].
        """
        for gripper in self._grippers:
            self._end(partial(gripper.send, plan.of_joints(gripper.columns), now, stop=True))
        if self._stream:
            self._end_stream(plan, now, sleep)
            return
        if not self._setpoints:
            return
        for step in range(ceil(_LONGEST_STOP / self._period)):
            passed = step * self._period
            try:
                begin = self.go_on(plan, now + passed, stamp + round(passed * NS))
            except Exception as error:
                self._node.get_logger().error(f'a stop is not sent: {error_text(error)}')
                begin = now + passed - _INSIST
            if plan.at_rest(begin):  # what is sent for the standstill is the last
                return
            sleep(self._period)

    def _end_stream(self, plan: Plan, now: float, sleep: Callable[[float], None]) -> None:
        """Carry out the stop that is `plan`, or where it is too late for it the one in hand."""
        assert self._stream is not None
        self._stream.take(self._part(plan, self._stream.columns), now)
        self._stream.let_go()
        for _ in range(ceil(_LONGEST_STOP / self._period)):
            if self._stream.plan is None or self._stream.silence:  # then nothing is tried any more
                break
            sleep(self._period)
        if self._stream.plan is not None:
            why = '; '.join(self._stream.problems())
            self._node.get_logger().error(f'a stop is not sent: {why}')
        self._stream.close()

    def _end(self, stop: Callable[[], None]) -> bool:
        """Send the last there is; a failure, of which it tells, must not keep back what follows."""
        try:
            stop()
        except Exception as error:
            self._node.get_logger().error(f'a stop is not sent: {error_text(error)}')
            return False
        return True

    def values(self) -> dict[str, object]:
        """What was measured, for the diagnostics."""
        if not self._trajectories and self._stream is None:
            return {}
        punctuality = self._punctuality
        return {
            'command late, worst [s]': f'{punctuality.worst(self._now):.4f}',
            'command lead [s]': f'{self._lead:.4f}',
            'commands withheld': self.withheld,
            'commands late in transit': self.missed,
            **self._controller_values(),
        }

    def _controller_values(self) -> dict[str, object]:
        """By the topic where there are several."""
        if self._stream:
            return self._stream.values()
        if len(self._trajectories) == 1:
            return self._trajectories[0].values()
        return {
            f'{name}, {each.publisher.topic_name}': value
            for each in self._trajectories
            for name, value in each.values().items()
        }


def _stops(verdict: Verdict) -> bool:
    """Whether everything is to stop."""
    return verdict.fault is not None or verdict.mode is Mode.ALARM
