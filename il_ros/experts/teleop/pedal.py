"""A Joy that stands beside another device and has only its buttons: a pedal, a gamepad."""

from __future__ import annotations

import math
from collections.abc import Sequence

from il_ros.experts.teleop.buttons import Buttons, ButtonState
from il_ros.experts.teleop.device_reading import Press
from il_ros.experts.teleop.joy_message import check_joy


class Pedal:
    """Follows the buttons.

    Args:
        buttons: Which button is for what.

    Attributes:
        read: When the buttons were read last [s]; minus infinity before the first time.
    """

    def __init__(self, buttons: Buttons) -> None:
        self._buttons, self._state = buttons, ButtonState(buttons)
        self.read = -math.inf

    def press(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> tuple[Press, ...]:
        """Take in a message that was read at `now` [s]; gives what has just gone down.

        Raises:
            IlRosError: If it lacks a button that is used.
        """
        check_joy(axes, buttons, self._buttons, {})
        self.read = now
        return self._state.update(buttons)

    @property
    def has_dead_man(self) -> bool:
        """Whether one of the buttons is the dead-man."""
        return self._buttons.dead_man is not None

    @property
    def held(self) -> bool:
        """Whether the dead-man is held."""
        return 'dead_man' in self._state.down

    @property
    def keep(self) -> bool:
        """Whether the arm is to be taken and kept where it is."""
        return 'takeover' in self._state.down

    @property
    def gripper(self) -> float:
        """1 while the gripper is to open, -1 while it is to close, 0 otherwise."""
        return self._state.gripper
