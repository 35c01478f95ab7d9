"""What the monitor decides, on its way to the controller: sent in time or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import ceil
from typing import Any

from rclpy.node import Node

from il_ros.core.contract import Contract
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.monitors.followed_plans import FollowedPlans
from il_ros.monitors.monitor import Monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import Plan
from il_ros.monitors.punctuality import Punctuality
from il_ros.monitors.setpoint_pace import SetpointPace
from il_ros.monitors.spliced_trajectories import SplicedTrajectories
from il_ros.monitors.verdict import Verdict
from il_ros.ros.callback_failures import error_text
from il_ros.ros.controller_watch import ControllerWatch
from il_ros.ros.output_adapters import JointTrajectoryOutput, make_output
from il_ros.ros.qos import COMMAND
from il_ros.ros.replacement_watch import ReplacementWatch

_SAME = 0.15  # of what a joint moves in a period, up to which a plan counts as followed
_LONGEST_STOP = 5.0  # s; every arm stands much earlier
_INSIST = 0.5  # s that a stop is tried beyond its end where nothing can be published


class CommandSender:
    """Publishes plans as commands.

    A trajectory that would leave the one before in the past is not sent: the controller would have
    to catch up. The arm then carries out the stop that it has, and the next tick goes on from
    there. Commands of the other adapters hold from when they come: no two of them are further apart
    than the plan goes in the time that has passed between them.

    Where the controller says what it follows, one that it should follow and does not is late in
    transit: the monitor brakes on from what it follows.

    Args:
        node: Owner of the publisher; its clock tells how late a command is.
        contract: Says what is sent, and where.
        settings: Of the monitor: how far ahead it plans, and its `tracking_error`, which holds for
            what the controller follows, too.
        seconds: From a stamp [ns] to the monitor's time [s].
        replacement: Knows whether the controller leaves a trajectory as soon as it gets the next;
            None where nobody knows.

    Attributes:
        publisher: Of the commands.
        withheld: Trajectories that were not sent, because it was too late for them.
        missed: Ticks that found the controller without a trajectory that it should have had.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        *,
        settings: MonitorConfig,
        seconds: Callable[[int], float],
        replacement: ReplacementWatch | None = None,
    ) -> None:
        self._replacement = replacement
        output = contract.action.output
        self._node, self._output = node, make_output(contract)
        self._seconds = seconds
        self._period = contract.period
        self._delay, self._trajectories = contract.command_delay, not output.setpoints
        self.publisher = node.create_publisher(self._output.message_type, output.topic, COMMAND)
        self._punctuality = Punctuality(
            self._delay, settings.command_lead, settings.least_command_lead
        )
        tolerance = _SAME * contract.limits.velocity * contract.period
        self._spliced = SplicedTrajectories(self._period, tolerance)
        self._followed = FollowedPlans(self._punctuality, tolerance, self._delay)
        # Adapters of third parties need not say what their controllers do.
        waits = getattr(self._output, 'waits', True)
        self._pace = SetpointPace(self._period, settings.clock_step, waits=waits)
        self.withheld = self.missed = 0
        self._now = 0.0
        self._controller: ControllerWatch | None = None
        if self._trajectories:
            self._controller = ControllerWatch(
                node,
                str(self.publisher.topic_name),
                contract.action.names,
                self._followed,
                most=settings.tracking_error,
                seconds=seconds,
                period=contract.period,
            )

    def reset(self) -> None:
        """Forget how late commands were: time is counted anew."""
        self._punctuality.clear()
        self._followed.clear()
        self._spliced.sent(None)
        self._pace.clear()
        self.withheld = self.missed = 0
        self._now = 0.0
        if self._controller:
            self._controller.forget()

    def problems(self) -> Iterable[str]:
        """Whether commands are too late to drive, or not what the controller follows."""
        if late := self._punctuality.problem(self._now):
            yield late
        if self._replacement:
            yield from self._replacement.problems()
        if self._controller:
            stamp = int(self._node.get_clock().now().nanoseconds)
            yield from self._controller.problems(self._seconds(stamp))

    def warnings(self) -> Iterable[str]:
        """Whether nothing is known of what the controller follows."""
        return self._controller.warnings() if self._controller else ()

    def reference(self, now: float, since: float) -> Array | None:
        """Where the controller wants the joints at `now` [s], (N,), if it said so after `since`."""
        return self._controller.reference(now, since) if self._controller else None

    def prepare(self, monitor: Monitor, now: float) -> None:
        """Before a tick at `now` [s]: plan as far ahead as commands are late, or still hold."""
        self._now = now
        if self._controller is None:
            waited, monitor.lead = self._pace.prepare(now)
            if waited:
                monitor.wait(waited)
            return
        state = self._controller.state(now)
        if state and (plan := self._followed.late(state)):
            self.missed += 1
            self._spliced.sent(None)
            monitor.recover(plan)
        monitor.lead = self._lead

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
            self._followed.clear()
            self._spliced.sent(None)
            self._pace.clear()
            return verdict
        begin = max(verdict.begin, now)
        late = (self._node.get_clock().now().nanoseconds - stamp) / NS
        if self._trajectories:
            self._punctuality.add(now, late)
            # A controller that begins a trajectory at once would begin its way to the first point
            # anew in each tick of a stop, which is a lead away, and hardly get there.
            if self._lead and self._followed.has(verdict.plan, now):
                return verdict
            went_back = late < -self._period  # a simulated clock may be behind by less
            if went_back or self._punctuality.too_late(late, begin - now):
                self.withheld += 1
                return monitor.withdraw(verdict)
            lead = self._publish_trajectory(verdict.plan, begin, now, stamp)
            # Behind that: what could not be published was not sent.
            self._followed.sent(verdict.plan, now, begin, lead=lead)
        else:
            late = max(late, 0.0)  # the tick may be ahead of a simulated clock
            self.go_on(verdict.plan, now + late, stamp + round(late * NS), begin=begin)
        return verdict

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
        begin = self._pace.begin(now, now if begin is None else begin)
        self._publish(self._output.message(plan, begin, stamp))
        self._pace.sent(now, begin)
        return begin

    def _publish(self, message: Any) -> None:
        self.publisher.publish(message)

    def _publish_trajectory(self, plan: Plan, begin: float, now: float, stamp: int) -> float:
        """Gives how long before `begin` the trajectory itself begins [s]."""
        output, later = self._output, begin - now
        if not isinstance(output, JointTrajectoryOutput):
            self._publish(output.message(plan, begin, stamp + round(later * NS)))
            return 0.0
        at_once = self._replacement is not None and self._replacement.at_once
        lead = later if at_once else 0.0
        trajectory = self._spliced.make(plan, begin, lead)
        stamp += round((later - lead) * NS)
        self._publish(output.trajectory_message(trajectory, stamp))
        self._spliced.sent(trajectory)
        return lead

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
        if self._trajectories:
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

    def values(self) -> dict[str, object]:
        """What was measured, for the diagnostics."""
        if self._controller is None:
            return {}
        punctuality = self._punctuality
        return {
            'command late, worst [s]': f'{punctuality.worst(self._now):.4f}',
            'command lead [s]': f'{self._lead:.4f}',
            'commands withheld': self.withheld,
            'commands late in transit': self.missed,
            **self._controller.values(),
            **(self._replacement.values() if self._replacement else {}),
        }
