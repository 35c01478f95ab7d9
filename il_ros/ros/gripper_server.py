"""The action of a simulated gripper: GripperCommand or ParallelGripperCommand of control_msgs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import GoalEvent
from rclpy.node import Node

from il_ros.core.driver_description import GripperAction
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.ros.message_types import action_type
from il_ros.sim.gripper_motion import GripperMotion, GripperOutcome

_PREEMPTED = GripperOutcome(succeeded=False, reached=False, stalled=False)


class GripperServer:
    """Serves the action of one gripper, and says where its joint has to be.

    A goal takes the place of the one before, which ends as canceled, with an empty result. One that
    is canceled by its client holds the joint where it is. Goals come in the thread of the node's
    executor, so the owner's lock is taken there; all other methods are called with the lock held.

    Args:
        node: That serves it.
        about: What is peculiar to the driver's action.
        lock: Guards the motion.
        clock: Simulated time [ns].
        offset: Position of a goal that is the joint's zero.
    """

    def __init__(
        self,
        node: Node,
        about: GripperAction,
        *,
        lock: Any,
        clock: Callable[[], int],
        offset: float = 0.0,
    ) -> None:
        self._node, self._about, self._lock, self._clock = node, about, lock, clock
        self._offset, self._kind = offset, action_type(f'control_msgs/action/{about.type}')
        self._parallel = about.type == 'ParallelGripperCommand'
        self._motion, self._measured = GripperMotion(about, 0.0), 0.0
        self._goal: Any = None
        self._ended: dict[bytes, tuple[GripperOutcome, float, bool]] = {}
        self._server = ActionServer(
            node,
            self._kind,
            about.action,
            self._answer,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    @property
    def busy(self) -> bool:
        """Whether it has a goal that has not ended."""
        return self._motion.busy

    def begin(self, position: float) -> None:
        """Hold the joint at `position` [rad or m], and forget what came before."""
        self._motion.hold(position)
        self._measured = position
        self._end(_PREEMPTED)

    def positions(self, times: Array) -> Array:
        """Set-points of the joint at `times` (absolute, shape (T,)), shape (T,)."""
        return self._motion.positions(times)

    def look(self, position: float, speed: float) -> None:
        """End the goal if it is over.

        Args:
            position: Where the joint is measured [rad or m].
            speed: What the driver says of its speed [rad/s or m/s].
        """
        self._measured = position
        outcome = self._motion.look(self._clock() / NS, position, speed)
        if outcome is not None:
            self._end(outcome)

    def destroy(self) -> None:
        """End the server."""
        self._server.destroy()

    def _on_goal(self, goal: Any) -> GoalResponse:
        several = self._parallel and len(goal.command.position) != 1
        return GoalResponse.REJECT if several else GoalResponse.ACCEPT

    def _on_accepted(self, goal: Any) -> None:
        wanted = goal.request.command.position
        position = (float(wanted[0] if self._parallel else wanted) - self._offset) * (
            self._about.scale
        )
        with self._lock:
            self._end(_PREEMPTED, canceled=True)
            self._goal = goal
            try:
                outcome = self._motion.goal(position, self._clock() / NS)
            except IlRosError as problem:
                self._node.get_logger().error(f'goal aborted: {problem}')
                outcome = _PREEMPTED
            if outcome is not None:
                self._end(outcome)

    def _on_cancel(self, goal: Any) -> CancelResponse:
        with self._lock:
            if goal == self._goal:
                self._motion.hold(self._measured)
                self._end(_PREEMPTED, canceled=True)
        return CancelResponse.ACCEPT

    def _end(self, outcome: GripperOutcome, *, canceled: bool = False) -> None:
        """The goal, if there is one, ends so; its client is told by the executor."""
        if self._goal is None:
            return
        goal, self._goal = self._goal, None
        self._ended[bytes(goal.goal_id.uuid)] = outcome, self._measured, canceled
        executor = self._node.executor
        if executor is not None:
            executor.create_task(goal.execute)

    def _answer(self, goal: Any) -> Any:
        outcome, position, canceled = self._ended.pop(bytes(goal.goal_id.uuid))
        result = self._kind.Result()
        if canceled:
            if not goal.is_cancel_requested:  # another goal took its place
                goal._update_state(GoalEvent.CANCEL_GOAL)
            goal.canceled()
            return result
        told = position * self._about.told + self._offset
        if self._parallel:
            result.state.name, result.state.position = [self._about.joint], [told]
        else:
            result.position = told
        if self._about.reports:
            result.stalled, result.reached_goal = outcome.stalled, outcome.reached
        (goal.succeed if outcome.succeeded else goal.abort)()
        return result
