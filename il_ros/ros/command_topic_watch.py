"""Who else commands what the monitor commands, by its topics and actions; and who listens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.node import Node
from rclpy.publisher import Publisher

from il_ros.ros.managed_node import steady_timer
from il_ros.ros.qos import LATCHED

_PERIOD = 0.05  # s between two looks at the graph, of 60 us each
_MEMORY = 0.5  # s that a publisher counts after it was last seen: no tick misses a short one
_NAMES_SHOWN = 5
_UNNAMED = '_NODE_NAME_UNKNOWN_'  # what rmw calls a participant that is no ROS node
_TOPIC, _ACTION = '/joint_trajectory', '/follow_joint_trajectory'
_ACTIVE = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


class CommandTopicWatch:
    """Sees to it that the monitor alone commands the arm, and that its commands arrive.

    Nothing checks what another publisher on the topic sends. The topic of an inactive controller
    has a subscriber all the same, and so has one that is only recorded: that there is a subscriber
    does not mean that the arm follows, which the check of `tracking_error` finds out.

    Args:
        node: Owner of `publisher`.
        publisher: Of the commands. Its topic is the one after namespace and remappings.
        tell: Takes a line whenever the other publishers change.
    """

    def __init__(self, node: Node, publisher: Publisher, tell: Callable[[str], None]) -> None:
        self._node, self._publisher, self._tell = node, publisher, tell
        self._own = _full_name(node.get_namespace(), node.get_name())
        self._seen: dict[str, float] = {}
        self.others: tuple[str, ...] = ()
        steady_timer(node, _PERIOD, self.look)

    @property
    def topic(self) -> str:
        """Absolute name of the command topic."""
        return str(self._publisher.topic_name)

    def problems(self) -> Iterable[str]:
        """Other publishers on the command topic, and the lack of a subscriber."""
        if self.others:
            yield self._company()
        if not self._publisher.get_subscription_count():
            yield f'{self.topic}: nobody subscribes to it, is the controller loaded?'

    def look(self) -> None:
        """Look at the graph, and tell what has changed."""
        now, before = time.monotonic(), self.others
        self._seen |= dict.fromkeys(self._others_now(), now)
        self._seen = {name: at for name, at in self._seen.items() if now - at < _MEMORY}
        self.others = tuple(sorted(self._seen))
        if self.others != before:
            alone = f'{self.topic}: published by the monitor alone again'
            self._tell(self._company() if self.others else alone)

    def _company(self) -> str:
        names, more = ', '.join(self.others[:_NAMES_SHOWN]), len(self.others) - _NAMES_SHOWN
        return f'{self.topic}: also published by {names}{f" and {more} more" if more > 0 else ""}'

    def _others_now(self) -> Iterable[str]:
        """The nodes of the other publishers; one of the monitor's own name says so."""
        count: Counter[str] = Counter()
        for offer in self._node.get_publishers_info_by_topic(self.topic):
            if offer.node_name == _UNNAMED:
                count['a participant that is no ROS node'] += 1
            else:
                count[_full_name(offer.node_namespace, offer.node_name)] += 1
        if count[self._own] > 1:
            count[f'another {self._own}, or one that was killed less than 20 s ago'] += 1
        del count[self._own]
        return count


def _full_name(namespace: str, name: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'


def trajectory_action(topic: str) -> str:
    """The action that a joint_trajectory_controller offers next to its topic; empty if not known.

    Of any other topic than `.../joint_trajectory` it is not known which action belongs to it.
    """
    base = topic.removesuffix(_TOPIC)
    return f'{base}{_ACTION}' if base != topic else ''


class ControllerGoalWatch:
    """Listens to the goals that a controller carries out for somebody else.

    Which client a goal is from is not told to others, and a client that has sent none yet harms
    nothing.

    Args:
        node: That listens.
        action: Absolute name of the action; nothing is watched where it is empty.
        tell: Takes a line when somebody's goal begins and when the last one ends.
        own: Whether a goal of this identity is the monitor's own; it sends none to a
            joint_trajectory_controller.
    """

    def __init__(
        self,
        node: Node,
        action: str,
        tell: Callable[[str], None],
        *,
        own: Callable[[bytes], bool] = lambda goal: False,
    ) -> None:
        self._action, self._tell, self._own, self._busy = action, tell, own, False
        status = f'{action}/_action/status'
        self._status = (
            node.create_subscription(GoalStatusArray, status, self._on_status, LATCHED)
            if action
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
        active = [goal for goal in message.status_list if goal.status in _ACTIVE]
        busy = any(not self._own(bytes(goal.goal_info.goal_id.uuid)) for goal in active)
        if busy != self._busy:
            self._busy = busy
            self._tell(self._text if busy else f'{self._action}: no goal any more')
