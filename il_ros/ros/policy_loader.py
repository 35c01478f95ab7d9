"""The policy node's `load`, as another node asks for it, and when it is refused there."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.node import Node

from il_ros.core import topics
from il_ros.core.errors import IlRosError
from il_ros.msg import MonitorStatus
from il_ros.ros.qos import LATCHED
from il_ros.srv import LoadPolicy

_SERVICE = 'policy/load'
_DISCOVERY = 3.0  # s until a policy node that was not found counts as none
_PATIENCE = 60.0  # s for the answer


class PolicyLoader:
    """Has the policy node load the bundle that the monitor is about to take its calibration from.

    Args:
        node: Owner of the client; its executor takes the answers.
    """

    def __init__(self, node: Node) -> None:
        self._client = node.create_client(LoadPolicy, _SERVICE)
        self._where = node.resolve_service_name(_SERVICE)

    def load(self, path: str, policy_id: str, identity: str) -> bool:
        """Load a bundle there, if there is a policy node; for a thread, which it blocks.

        Without one nothing is loaded: chunks of another policy than the calibrated one are refused.

        Args:
            path: Folder of the bundle, on the machine of the policy node.
            policy_id: Identity that the policy there must have.
            identity: SHA-256 that the whole bundle there must have, if it is told.

        Returns:
            Whether there is a policy node, which has loaded it.

        Raises:
            IlRosError: If it is refused, and then the policy there is the one before; or if no
                answer comes, and then it may be either.
        """
        if not self._client.wait_for_service(_DISCOVERY):
            return False
        answered, request = threading.Event(), LoadPolicy.Request(path=path, policy_id=policy_id)
        future = self._client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(_PATIENCE):
            self._client.remove_pending_request(future)
            raise IlRosError(f'no answer within {_PATIENCE:.0f} s', where=self._where)
        response = future.result()
        if not response.success:
            raise IlRosError(response.message, where=self._where)
        if response.policy_id != policy_id:
            got = response.policy_id or 'a policy without a name'
            raise IlRosError(f'loaded {got}', where=self._where, allowed=policy_id)
        if response.bundle_identity not in ('', identity):
            got = f'bundle {response.bundle_identity}'
            raise IlRosError(f'loaded {got}', where=self._where, allowed=f'bundle {identity}')
        return True


class MonitorMode:
    """What the policy node knows of the monitor: whether its policy drives.

    Args:
        node: That listens to the latched status.
    """

    def __init__(self, node: Node) -> None:
        self._status: MonitorStatus | None = None
        self._heard: Any = node.create_subscription(
            MonitorStatus, topics.MONITOR_STATUS, self._on_status, LATCHED
        )

    def require_no_policy(self) -> None:
        """Check that the policy may change.

        A monitor that has said nothing yet drives nobody, and the last word of one that is gone
        does not count.

        Raises:
            IlRosError: If it drives, or drives on when an operator lets go of the enable switch.
        """
        status = self._status
        if status is None or not self._heard.get_publisher_count():
            return
        if status.mode == MonitorStatus.POLICY or status.takeover:
            doing = 'an operator corrects the policy' if status.takeover else 'the policy drives'
            raise IlRosError(doing, where=self._heard.topic_name, fix='ask the monitor for hold')

    def _on_status(self, message: MonitorStatus) -> None:
        self._status = message
