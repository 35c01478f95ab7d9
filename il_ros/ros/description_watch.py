"""Whether the robot that runs is the one that the contract was written for, by its description."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from il_ros.core.cdr import Cdr
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError, printable
from il_ros.ros.qos import LATCHED
from il_ros.ros.raw_callback import RawCallback

TOPIC = 'robot_description'
"""Where a robot_state_publisher says which robot it is; relative to the node's namespace."""

_LONGEST = 4 << 20  # bytes of a message
_SHOWN = 3  # differences in a text
_CHANGED = (
    'it changed while the monitor ran: if the robot is the same, restart the monitor; else make '
    'the contract for the robot that it is now'
)
_FIX = (
    'load the contract with the URDF of this robot, or start its driver with that of the contract'
)


class DescriptionWatch:
    """Compares `robot_description` with the arm that the contract read from a URDF.

    None is needed: then the contract alone says what the arm is. One that differs in a joint, the
    tool, or by a limit below the contract's forbids motion; so does one that changes, until the
    first one is back. Bodies are not compared.

    Args:
        node: That listens; a built-in arm is not compared, so it does not.
        contract: What the arm is.
    """

    def __init__(self, node: Node, contract: Contract) -> None:
        self._contract = contract
        self._first, self._differs, self._now = b'', '', b''
        self._topic = node.resolve_topic_name(TOPIC)
        if not isinstance(contract.arm, str):
            take = RawCallback(self._take)
            node.create_subscription(String, TOPIC, take, LATCHED, raw=True)

    def _take(self, data: bytes, _: Mapping[str, Any]) -> None:
        self._now = hashlib.sha256(data).digest()
        if not self._first:  # of all that come later only the hash counts
            self._first, self._differs = self._now, self._compare(data)

    def _compare(self, data: bytes) -> str:
        from il_ros.core.urdf import differences, read_urdf

        if len(data) > _LONGEST:
            return f'{len(data)} bytes, at most {_LONGEST} are read'
        assert not isinstance(self._contract.arm, str)
        try:
            urdf = read_urdf(Cdr(data).string(), 'URDF')
            found = differences(urdf, self._contract.arm, self._contract.limits)
        except IlRosError as problem:
            return printable(f'it cannot be compared: {problem}', 300)
        if not found:
            return ''
        more = f' and {len(found) - _SHOWN} more' if len(found) > _SHOWN else ''
        text = f'another arm than the contract has: {"; ".join(found[:_SHOWN])}{more}'
        return printable(f'{text}; to fix: {_FIX}', 1000)

    def problems(self) -> Iterable[str]:
        """See `GraphWatch`."""
        text = self._differs if self._now == self._first else _CHANGED
        if text:
            yield f'{self._topic}: {text}'
