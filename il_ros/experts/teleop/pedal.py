"""The buttons of a Joy next to another device: a pedal or a gamepad."""

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
        """Take in a message that was read at `now` [s]; returns the buttons just pressed.

        Raises:
            IlRosError: If the message lacks a button that is used.
        """
        check_joy(axes, buttons, self._buttons, {})
        self.read = now
        return self._state.update(buttons)

    @property
    def has_enable_switch(self) -> bool:
        """Whether one of the buttons is an enable switch."""
        return self._buttons.enable is not None

    @property
    def held(self) -> bool:
        """Whether the enable switch is held."""
        return 'enable' in self._state.down

    @property
    def keep(self) -> bool:
        """Whether the button that takes the arm and keeps it where it is is held."""
        return 'takeover' in self._state.down

    @property
    def gripper(self) -> float:
        """1 while the gripper opens, -1 while it closes, 0 otherwise."""
        return self._state.gripper
