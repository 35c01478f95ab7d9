"""Goals that a joint_trajectory_controller carries out for somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.node import Node

from il_ros.ros.qos import LATCHED

_TOPIC, _ACTION = '/joint_trajectory', '/follow_joint_trajectory'
_ACTIVE = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


class ControllerGoalWatch:
    """Listens to the goals of the action that such a controller offers next to its topic.

    The monitor never sends one. Which client a goal is from is not told to others, and a client
    that has sent none yet harms nothing.

    Args:
        node: That listens.
        topic: Absolute name of the command topic; of any other than `.../joint_trajectory` it is
            not known which action belongs to it, and then nothing is watched.
        tell: Takes a line when somebody's goal begins and when the last one ends.
    """

    def __init__(self, node: Node, topic: str, tell: Callable[[str], None]) -> None:
        self._action = f'{topic.removesuffix(_TOPIC)}{_ACTION}'
        self._tell, self._busy = tell, False
        self._status = (
            node.create_subscription(
                GoalStatusArray, f'{self._action}/_action/status', self._on_status, LATCHED
            )
            if topic.endswith(_TOPIC)
            else None
        )

    def problems(self) -> Iterable[str]:
        """Whether the controller has a goal; that of a controller that is gone is over."""
        if self._busy and self._status is not None and self._status.get_publisher_count():
            yield self._text

    @property
    def _text(self) -> str:
        return f'{self._action}: another node has a goal there'

    def _on_status(self, message: GoalStatusArray) -> None:
        busy = any(goal.status in _ACTIVE for goal in message.status_list)
        if busy != self._busy:
            self._busy = busy
            self._tell(self._text if busy else f'{self._action}: no goal any more')
