"""Whether the arm's joint_trajectory_controller blends a trajectory into the one before."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.timer import Timer

from il_ros.ros.controller_watch import controller_name
from il_ros.ros.managed_node import steady_timer
from il_ros.ros.parameter_question import ParameterQuestion
from il_ros.ros.shielded_node import ShieldedNode

PARAMETER = 'allow_trajectory_replacement'
"""Of a joint_trajectory_controller, since 6.8."""

LANDMARK = 'allow_nonzero_velocity_at_trajectory_end'
"""A parameter by which each joint_trajectory_controller is known, also an older one."""

PERIOD = 1.0
"""Time between two questions [s]; each asks anew, as the parameter can change at any time."""

FIRST = 0.25
"""The same until the first answer [s]."""


class ReplacementWatch:
    """Asks the controller for `allow_trajectory_replacement`, again and again.

    A controller that does not blend leaves what it follows as soon as it gets a trajectory, also
    one that begins later. What it follows until then has to be in that trajectory. So no motion
    begins before it has answered, or has been found to be nobody who does.

    Args:
        node: That asks.
        commands: Absolute name of the command topic.
    """

    def __init__(self, node: ShieldedNode, commands: str) -> None:
        self._questions: tuple[ParameterQuestion, ParameterQuestion] | None = None
        self._first: Timer | None = None  # until something is known
        controller = controller_name(commands)
        if controller:
            self._questions = (
                ParameterQuestion(node, controller, PARAMETER, self._answered),
                ParameterQuestion(node, controller, LANDMARK, self._settle),
            )
            self._first = steady_timer(node, FIRST, self.look)
            steady_timer(node, PERIOD, self.look)

    def look(self) -> None:
        """Ask once more."""
        if self._questions is not None:
            self._questions[0].look()

    def _answered(self) -> None:
        """Ask what else the controller is, where it has no such parameter."""
        if self._questions is not None and self._questions[0].lacking:
            self._questions[1].look()
        self._settle()

    def _settle(self) -> None:
        if self._questions is None or self._first is None:
            return
        replacement, landmark = self._questions
        if (landmark if replacement.lacking else replacement).settled:
            self._first.cancel()
            self._first = None

    def problems(self) -> Iterable[str]:
        """See `GraphWatch`."""
        if self._questions is not None and self._first is not None:
            yield (
                f'{self._questions[0].other}: not known yet how the controller replaces '
                f'trajectories ({PARAMETER})'
            )

    @property
    def at_once(self) -> bool:
        """Whether it is known that trajectories are not blended, but begin when they come."""
        if self._questions is None:
            return False
        replacement, landmark = self._questions
        return replacement.value is False or (replacement.lacking and landmark.value is not None)

    def values(self) -> dict[str, object]:
        """For the diagnostics."""
        if self._questions is None:
            return {'trajectory replacement': 'no controller is known for the command topic'}
        replacement, _ = self._questions
        if self.at_once:
            return {'trajectory replacement': 'at once'}
        known = 'blended' if replacement.value else f'not known ({replacement.why_unknown})'
        return {'trajectory replacement': known}
