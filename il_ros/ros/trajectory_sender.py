"""The trajectories of one joint_trajectory_controller, and what it says that it follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from il_ros.core.contract import Contract
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.core.trajectory import Trajectory
from il_ros.monitors.followed_plans import FollowedPlans
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import Columns, Plan
from il_ros.monitors.punctuality import Punctuality
from il_ros.monitors.spliced_trajectories import SplicedTrajectories
from il_ros.ros.controller_watch import ControllerWatch
from il_ros.ros.output_adapters import JointTrajectoryOutput
from il_ros.ros.qos import COMMAND
from il_ros.ros.replacement_watch import ReplacementWatch

_SAME = 0.15  # of what a joint moves in a period, up to which a plan counts as followed
_ALIKE = 1e-6  # rad or m between two plans that are one
_LOOKS = 8  # at the two of them


class TrajectorySender:
    """Sends plans of its joints, and remembers which of them the controller follows.

    Args:
        node: Owner of the publisher.
        contract: As this controller sees it: its joints are all there are.
        columns: Of its joints among those of the action, (n,).
        settings: Of the monitor.
        seconds: From a stamp [ns] to the monitor's time [s].
        punctuality: Of all commands; learns how late these are in transit.
        replacement: Knows whether the controller leaves a trajectory as soon as it gets the next;
            None where nobody knows.

    Attributes:
        columns: As given.
        publisher: Of the commands.
        plan: That was sent last, of its joints; None where nothing counts that was sent.
        watch: Of the controller's state.
        replacement: As given.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        columns: Columns,
        *,
        settings: MonitorConfig,
        seconds: Callable[[int], float],
        punctuality: Punctuality,
        replacement: ReplacementWatch | None,
    ) -> None:
        output = contract.action.output
        self.columns, self.replacement = columns, replacement
        self._adapter = JointTrajectoryOutput(contract)
        self.publisher = node.create_publisher(self._adapter.message_type, output.topic, COMMAND)
        tolerance = _SAME * contract.limits.velocity * contract.period
        self._spliced = SplicedTrajectories(contract.period, tolerance)
        self._followed = FollowedPlans(
            punctuality, tolerance, contract.command_delay, contract.endless
        )
        self.plan: Plan | None = None
        self.watch = ControllerWatch(
            node,
            str(self.publisher.topic_name),
            contract.action.names,
            self._followed,
            most=settings.tracking_error,
            seconds=seconds,
            period=contract.period,
        )

    def forget(self) -> None:
        """Nothing that was sent counts any more."""
        self._followed.clear()
        self._spliced.sent(None)
        self.plan = None

    def late(self, now: float) -> Plan | None:
        """What the controller follows at `now` [s] instead of what was sent; None if it has all."""
        state = self.watch.state(now)
        plan = self._followed.late(state) if state else None
        if plan is not None:
            self._spliced.sent(None)
            self.plan = plan
        return plan

    def has(self, plan: Plan, now: float) -> bool:
        """Whether the trajectory that was sent last holds all of `plan` from `now` [s] on."""
        last = self.plan
        # A stop that is planned anew, because another controller missed its own, may be the same.
        same = last is not None and (plan is last or _is_same(plan, last, now))
        return last is not None and same and self._followed.has(last, now)

    def make(self, plan: Plan, begin: float, now: float, stamp: int) -> Callable[[], None]:
        """Make the trajectory of a tick; what is returned has only to publish it.

        Args:
            plan: Of its joints.
            begin: When it leaves the one before [s].
            now: When the tick began [s].
            stamp: The same by the node's clock [ns].
        """
        later = begin - now
        at_once = self.replacement is not None and self.replacement.at_once
        lead = later if at_once else 0.0
        trajectory = self._spliced.make(plan, begin, lead)
        message = self._adapter.trajectory_message(trajectory, stamp + round((later - lead) * NS))
        sent = partial(self._followed.sent, plan, now, begin, lead=lead)
        return partial(self._send, message, trajectory, plan, sent)

    def _send(
        self,
        message: JointTrajectory,
        trajectory: Trajectory,
        plan: Plan,
        sent: Callable[[], None],
    ) -> None:
        self.publisher.publish(message)
        # Behind that: what could not be published was not sent.
        self._spliced.sent(trajectory)
        sent()
        self.plan = plan

    def problems(self, now: float) -> Iterable[str]:
        """Why the arm must not move at `now` [s], by what the controller says."""
        if self.replacement:
            yield from self.replacement.problems()
        yield from self.watch.problems(now)

    def reference(self, now: float, since: float) -> Array | None:
        """Where the controller wants its joints at `now` [s], (n,), if it said so after `since`."""
        return self.watch.reference(now, since)

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        return self.watch.values() | (self.replacement.values() if self.replacement else {})


def _is_same(plan: Plan, other: Plan, now: float) -> bool:
    """Whether two plans are one motion from `now` [s] on."""
    last = max(plan.end_time, other.end_time, now)
    times: Array = np.linspace(now, last, _LOOKS, dtype=np.float64)
    return bool(np.all(np.abs(plan.at(times)[0] - other.at(times)[0]) < _ALIKE))
