"""Whether the robot's controller manager keeps commands within the joints' speed limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.timer import Timer

from il_ros.core.errors import IlRosError
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.parameter_question import ParameterQuestion
from il_ros.ros.shielded_node import ShieldedNode

PARAMETER = 'enforce_command_limits'
"""Of the controller manager; it is read once, when the manager starts."""

DEMANDS = ('required', 'expected', 'optional')
"""What a monitor's `command_limits` may be."""

PERIOD = 1.0
"""Time between two questions [s]; each asks anew, so that a manager that restarted is noticed."""

_FIRST = 0.25  # s between two looks until something is known

_FIX = (
    'set it to true for the controller manager; where the driver sets it to false on purpose, '
    'as ur_robot_driver does (limits count from where the arm lags behind, and slow it down), '
    'leave it, and start the monitor with command_limits:=optional least_command_lead:=0.1'
)
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
        self._asked, self._demand, self._tell, self._told = asked, demand, tell, ''
        self._question: ParameterQuestion | None = None
        self._first: Timer | None = None  # until something is known
        if manager and asked:
            self._question = ParameterQuestion(node, manager, PARAMETER, self._answered)
            self._first = steady_timer(node, _FIRST, self.look)
            steady_timer(node, PERIOD, self.look)

    @property
    def enforced(self) -> bool | None:
        """Whether limits are enforced; None where nobody has said so."""
        return None if self._question is None else self._question.value

    def problems(self) -> Iterable[str]:
        """See `GraphWatch`."""
        if self._asked and self._forbids:
            yield self._text

    def warnings(self) -> Iterable[str]:
        """What is amiss, where the arm may be driven all the same."""
        if self._asked and self.enforced is not True and not self._forbids:
            yield self._text

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        return {'command limits': self._text} if self._asked else {}

    def look(self) -> None:
        """Ask once more."""
        if self._question is not None:
            self._question.look()

    def _answered(self) -> None:
        if self._first is not None:
            self._first.cancel()
            self._first = None
        first, text = not self._told, self._text
        if text != self._told:
            self._told = text
            if not (first and self.enforced):
                self._tell(text)

    @property
    def _forbids(self) -> bool:
        if self._demand == 'required':
            return self.enforced is not True
        undecided = self._first is not None
        return self._demand == 'expected' and (self.enforced is False or undecided)

    @property
    def _text(self) -> str:
        question = self._question
        if question is None:
            return f'no controller manager is named that enforces limits: {_RISK}'
        manager = question.other
        if question.value:
            return f'{manager}: {PARAMETER} is true'
        if question.value is False:
            return f'{manager}: {PARAMETER} is false, {_RISK}; to fix: {_FIX}'
        return f'{manager}: {PARAMETER} is not known ({question.why_unknown}): {_RISK}'
