"""Whether the robot's controller manager keeps commands within the joints' speed limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.task import Future
from rclpy.timer import Timer

from il_ros.core.errors import IlRosError
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.shielded_node import ShieldedNode

PARAMETER = 'enforce_command_limits'
"""Of the controller manager; it is read once, when the manager starts."""

SERVICE = '/get_parameters'
"""Of the controller manager, behind its name."""

DEMANDS = ('required', 'expected', 'optional')
"""What a monitor's `command_limits` may be."""

PERIOD = 1.0
"""Time between two questions [s]; each asks anew, so that a manager that restarted is noticed."""

_FIRST = 0.25  # s between two looks until something is known
_PATIENCE = 2.0  # s that an answer may take; a busy manager answers late, a dead one never
_AGE = 10.0  # s that an answer counts where none follows: only a restart changes the parameter
_DISCOVERY = 3  # looks until a manager that was not found counts as none
_FIX = f'set {PARAMETER}: true for the controller manager'
_RISK = 'commands that are late in transit may make the set-point jump by two periods of motion'


class CommandLimitsWatch:
    """Asks the controller manager for `enforce_command_limits`, again and again.

    That they are not enforced counts until the manager answers otherwise: one that is busy does not
    take it back.

    A trajectory that is delayed after it was sent makes a joint_trajectory_controller's set-point
    jump, and nothing that the monitor sends prevents it. Only limits behind the controller do.

    Args:
        node: That asks.
        manager: Name of the controller manager's node, relative or absolute; empty for none.
        demand: When the arm may not be driven: `required` where the manager does not say that it
            enforces limits; `expected` where it says that it does not, or has not been asked yet;
            `optional` for never.
        tell: Takes a line when the answer is another one than before.
        asked: Whether the command topic is that of a joint_trajectory_controller; of another one
            nothing is asked or demanded.

    Raises:
        IlRosError: If the demand is none of these, or cannot be met.
    """

    def __init__(
        self,
        node: ShieldedNode,
        manager: str,
        demand: str,
        tell: Callable[[str], None],
        *,
        asked: bool = True,
    ) -> None:
        if demand not in DEMANDS:
            raise IlRosError(repr(demand), where='command_limits', allowed=DEMANDS)
        if demand == 'required' and not manager:
            fix = 'name the controller manager'
            raise IlRosError('nobody to ask', where='command_limits', fix=fix)
        self._node = node
        self._asked, self._demand, self._tell = asked, demand, tell
        self._enforced: bool | None = None
        self._why_unknown, self._told = '', ''
        self._missed = 0  # looks without a manager
        self._answered = time.monotonic()  # last answer, or when answers were first waited for [s]
        self._pending: tuple[Future, float] | None = None
        self._client: Client | None = None
        self._first: Timer | None = None  # until something is known
        self._manager = ''
        if manager and asked:
            self._client = node.create_client(GetParameters, f'{manager}{SERVICE}')
            resolved = str(node.resolve_service_name(f'{manager}{SERVICE}'))
            self._manager = resolved.removesuffix(SERVICE)
            self._why_unknown = 'not asked yet'
            self._first = steady_timer(node, _FIRST, self.look)
            steady_timer(node, PERIOD, self.look)

    @property
    def enforced(self) -> bool | None:
        """Whether limits are enforced; None where nobody has said so."""
        return self._enforced

    def problems(self) -> Iterable[str]:
        """See `GraphWatch`."""
        if self._asked and self._forbids:
            yield self._text

    def warnings(self) -> Iterable[str]:
        """What is amiss, where the arm may be driven all the same."""
        if self._asked and self._enforced is not True and not self._forbids:
            yield self._text

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        return {'command limits': self._text} if self._asked else {}

    def look(self) -> None:
        """Ask, unless a question is open; one that stays open for too long has no answer."""
        client = self._client
        if client is None:
            return
        if self._pending is not None:
            future, since = self._pending
            if time.monotonic() - since < _PATIENCE:
                return
            client.remove_pending_request(future)
            self._pending = None
            if time.monotonic() - self._answered > _AGE:
                self._lost(f'no answer within {_PATIENCE:.0f} s')
        if not client.service_is_ready():
            self._missed += 1
            if self._missed >= _DISCOVERY:
                self._lost('there is no such node')
            return
        self._missed = 0
        future = client.call_async(GetParameters.Request(names=[PARAMETER]))
        self._pending = future, time.monotonic()
        self._node.when_answered(future, self._on_answer)

    def _on_answer(self, future: Future) -> None:
        if self._pending is None or self._pending[0] is not future:
            return  # given up
        self._pending, self._answered = None, time.monotonic()
        response = None if future.cancelled() or future.exception() else future.result()
        values: list[ParameterValue] = [] if response is None else list(response.values)
        if len(values) == 1 and values[0].type == ParameterType.PARAMETER_BOOL:
            self._found(bool(values[0].bool_value), '')
        else:  # older than the parameter, or no controller manager
            self._found(None, f'it has no parameter {PARAMETER}')

    def _lost(self, why_unknown: str) -> None:
        """Nothing is known of the present; what forbids motion is not forgotten for that."""
        if self._enforced is not False:
            self._found(None, why_unknown)

    def _found(self, enforced: bool | None, why_unknown: str) -> None:
        first = not self._told
        if self._first is not None:
            self._first.cancel()
            self._first = None
        self._enforced, self._why_unknown = enforced, why_unknown
        text = self._text
        if text != self._told:
            self._told = text
            if not (first and enforced):
                self._tell(text)

    @property
    def _forbids(self) -> bool:
        if self._demand == 'required':
            return self._enforced is not True
        undecided = self._first is not None
        return self._demand == 'expected' and (self._enforced is False or undecided)

    @property
    def _text(self) -> str:
        if self._enforced:
            return f'{self._manager}: {PARAMETER} is true'
        if self._enforced is False:
            return f'{self._manager}: {PARAMETER} is false, {_RISK}: {_FIX}'
        if not self._manager:
            return f'no controller manager is named that enforces limits: {_RISK}'
        return f'{self._manager}: {PARAMETER} is not known ({self._why_unknown}): {_RISK}'
