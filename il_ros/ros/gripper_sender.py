"""Goals for a gripper's action: GripperCommand or ParallelGripperCommand of control_msgs."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from rclpy.action import ActionClient
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from il_ros.core.contract import Contract
from il_ros.core.contract_checks import GRIPPERS
from il_ros.core.limits import Array
from il_ros.monitors.gripper_goals import GoalEnd, GoalTroubles, GripperGoals
from il_ros.monitors.plan import Columns, Plan
from il_ros.ros.callback_failures import error_text
from il_ros.ros.command_topic_watch import ControllerGoalWatch
from il_ros.ros.message_types import action_type

_SHARE = 0.01  # of the joint's range that is worth a goal, where the contract does not say
_RATE = 10.0  # Hz, likewise
_OWN = 64  # identities of goals that are remembered
_ENDS = {
    GoalStatus.STATUS_SUCCEEDED: 'succeeded',
    GoalStatus.STATUS_ABORTED: 'aborted',
    GoalStatus.STATUS_CANCELED: 'canceled by another node',
}
_REFUSED = (CancelGoal.Response.ERROR_REJECTED, CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID)


class GripperSender:
    """Sends the goals of one gripper, and learns what becomes of the newest.

    Args:
        node: Owner of the client.
        contract: As this gripper sees it: its joint is all there is.
        columns: Of its joint among those of the action, (1,).
        tell: Takes a line when a goal of another node begins and when the last one ends.

    Attributes:
        columns: As given.
        watch: Of the goals of other nodes.
    """

    def __init__(
        self, node: Node, contract: Contract, columns: Columns, tell: Callable[[str], None]
    ) -> None:
        output, limits = contract.action.output, contract.limits
        self._config = config = output.goals
        kind = GRIPPERS[output.adapter]
        self._kind, self._parallel = action_type(kind), kind.endswith('ParallelGripperCommand')
        self.columns, self._joint = columns, contract.action.names[0]
        self._low, self._high = float(limits.position_min[0]), float(limits.position_max[0])
        share = _SHARE * (self._high - self._low)
        self._goals = GripperGoals(
            config, config.tolerance or share, 1.0 / (output.rate or _RATE), share
        )
        self._troubles = GoalTroubles(config)
        self._node, self._client = node, ActionClient(node, self._kind, output.topic)
        self._action = str(node.resolve_service_name(output.topic))
        self._own: deque[bytes] = deque(maxlen=_OWN)
        self._newest, self._busy = b'', False
        self._handle: Any = None  # of the newest, from when it was accepted until it has ended
        self._canceled = False  # by the monitor
        self.watch = ControllerGoalWatch(node, self._action, tell, own=self._own.__contains__)

    def forget(self) -> None:
        """Nothing that was asked for counts any more."""
        self._goals.clear()

    def see(self, now: float, positions: Array | None) -> None:
        """Where the action's joints (N,) were measured at a tick at `now` [s]."""
        measured = None if positions is None else float(positions[self.columns[0]])
        self._goals.see(now, measured)

    def send(self, plan: Plan, now: float, *, stop: bool) -> None:
        """Send the goal that `plan`, of its joint, is due at `now` [s], if it is.

        Args:
            plan: Of its joint.
            now: The present [s], by the monitor's clock.
            stop: Whether everything is to stop.
        """
        rest = float(plan.end[0])
        if stop:
            self._stop(self._goals.stop(rest, now))
            return
        # One that was never answered, and cannot be any more, would be waited for without end.
        busy = self._busy and (self._handle is not None or self._troubles.waits)
        goal = self._goals.follow(rest, now, busy=busy)
        if goal is not None:
            self._ask(goal)

    def halt(self, now: float) -> None:
        """Stop at `now` [s] if it was sent somewhere, where there is no plan any more."""
        self._stop(self._goals.halt(now))

    def _stop(self, goal: float | None) -> None:
        """Send the goal that stops it, if it is due; one that does not leave stays due."""
        if goal is None:
            return
        try:
            if self._busy and not self._config.replaces:
                self._cancel()
            else:
                self._ask(min(max(goal, self._low), self._high))
        except Exception:
            self._goals.unsent()
            raise

    def problems(self) -> Iterable[str]:
        """Why the arm must not move."""
        if not self._client.server_is_ready():
            self._busy, self._handle = False, None
            self._troubles.clear()
            yield f'{self._action}: nobody serves it, is the controller loaded?'
        elif problem := self._troubles.problem(time.monotonic()):
            yield f'{self._action}: {problem}'
        yield from self.watch.problems()

    def _cancel(self) -> None:
        """End the newest goal; one that is not accepted yet is canceled when it is."""
        self._canceled = True
        if self._handle is not None:
            name, answer = self._newest, self._handle.cancel_goal_async()
            answer.add_done_callback(lambda future: self._guarded(name, self._heeded, future))

    def _heeded(self, _: bytes, answer: Any) -> None:
        """Whether the server ends the goal; if not, that is a problem as long as it moves."""
        if answer.return_code in _REFUSED and self._busy:
            self._goals.unsent()
            self._troubles.refused(time.monotonic())

    def _ask(self, position: float) -> None:
        """Send the joint to `position` [rad or m]."""
        config = self._config
        goal, wanted = self._kind.Goal(), config.scale * position + config.offset
        if self._parallel:
            goal.command.name, goal.command.position = [self._joint], [wanted]
            if config.max_effort:
                goal.command.effort = [config.max_effort]
        else:
            goal.command.position, goal.command.max_effort = wanted, config.max_effort
        name = uuid.uuid4().bytes
        self._own.append(name)
        identity = UUID(uuid=list(name))
        answer = self._client.send_goal_async(goal, goal_uuid=identity)
        self._newest, self._busy, self._handle, self._canceled = name, True, None, False
        self._troubles.asked(time.monotonic())
        answer.add_done_callback(lambda future: self._guarded(name, self._answered, future))

    def _guarded(self, name: bytes, take: Callable[[bytes, Any], None], future: Any) -> None:
        """Take what became of a goal, if it is the newest; what cannot be taken is not known."""
        if name != self._newest:
            if take == self._answered:  # the server is there, though slow
                self._troubles.answered()
            return
        try:
            take(name, future.result())
        except Exception as error:
            self._end(GoalEnd(what=f'lost: {error_text(error)}'))

    def _answered(self, name: bytes, handle: Any) -> None:
        if not handle.accepted:
            self._end(GoalEnd(what='rejected'))
            return
        self._troubles.answered()
        self._handle = handle
        if self._canceled:
            self._cancel()
        result = handle.get_result_async()
        result.add_done_callback(lambda future: self._guarded(name, self._finished, future))

    def _finished(self, name: bytes, answer: Any) -> None:
        what = _ENDS.get(answer.status, f'ended with status {answer.status}')
        if self._canceled and answer.status == GoalStatus.STATUS_CANCELED:
            what = 'succeeded'  # in what it was canceled for
        self._end(GoalEnd(what=what, stalled=bool(answer.result.stalled)))

    def _end(self, end: GoalEnd) -> None:
        self._busy, self._handle = False, None
        self._troubles.ended(end, time.monotonic())
