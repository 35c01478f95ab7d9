"""Actions that are answered when their work has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse

from il_ros.ros.managed_node import ManagedNode


class DeferredAction:
    """An action server with one goal at a time, which `finish` answers.

    A goal is rejected while another one is not answered yet, so none takes another one's place.
    The server lives as long as its node, so that an answer on its way arrives after a cleanup.
    Every method is for the executor's thread.

    Args:
        node: Its owner.
        kind: Type of the action.
        name: Of the action.
        free: Whether a goal may be accepted, apart from the goals before it.
        begin: Begins the work of an accepted goal, given its request.
    """

    def __init__(
        self,
        node: ManagedNode,
        kind: Any,
        name: str,
        *,
        free: Callable[[], bool],
        begin: Callable[[Any], None],
    ) -> None:
        self._free, self._begin = free, begin
        self._goal: Any = None
        self._results: dict[bytes, tuple[Any, bool]] = {}
        self._server = ActionServer(
            node,
            kind,
            name,
            self._answer,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        node.actions.append(self)

    @property
    def pending(self) -> bool:
        """Whether a goal waits for its answer."""
        return self._goal is not None

    @property
    def cancelled(self) -> bool:
        """Whether the client has asked to cancel the goal."""
        return self._goal is not None and bool(self._goal.is_cancel_requested)

    def feed_back(self, feedback: Any) -> None:
        """Report to the goal's client, if there is a goal."""
        if self._goal is not None:
            self._goal.publish_feedback(feedback)

    def finish(self, result: Any, *, cancelled: bool | None = None) -> None:
        """Answer the goal, if there is one.

        Args:
            result: The action's result; its field `success` tells whether the goal succeeded.
            cancelled: Whether it ends as cancelled; by default if its client has asked for that
                and it did not succeed before.
        """
        if self._goal is None:
            return
        if cancelled is None:
            cancelled = self.cancelled and not result.success
        goal, self._goal = self._goal, None
        self._results[bytes(goal.goal_id.uuid)] = result, cancelled
        goal.execute()  # which calls `_answer`

    def destroy(self) -> None:
        """End the server."""
        self._server.destroy()

    def _on_goal(self, _: Any) -> GoalResponse:
        free = self._goal is None and self._free()
        return GoalResponse.ACCEPT if free else GoalResponse.REJECT

    def _on_accepted(self, goal: Any) -> None:
        self._goal = goal
        self._begin(goal.request)

    def _answer(self, goal: Any) -> Any:
        result, cancelled = self._results.pop(bytes(goal.goal_id.uuid))
        if cancelled:
            goal.canceled()
        elif result.success:
            goal.succeed()
        else:
            goal.abort()
        return result
