"""The buttons of a Joy: which are held, which have just been pressed, how fast the arm goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.device_reading import PRESSES, Press


@dataclass(frozen=True, kw_only=True)
class Buttons:
    """Index of the button for each purpose; None where a purpose has no button.

    Attributes:
        enable: The enable switch: the arm moves only while it is held. Without one, moving the
            device counts as holding it.
        takeover: Takes the arm and keeps it where it is, without moving it.
        gripper_open: Opens the gripper while it is held.
        gripper_close: Closes the gripper while it is held.
        gripper_toggle: Opens a gripper that is more closed than open; closes one that is not.
        faster: Raises the speed from now on.
        slower: Lowers the speed from now on.
        start: Starts to record an episode.
        success: Ends the episode as a success.
        failure: Ends it as a failure.
        discard: Ends it and throws it away.
        sparse: Whether a button that is missing in a message counts as released; else it is an
            error. The spacenav driver of ROS 2 reports a button only when it changes.
    """

    renamed: ClassVar[dict[str, str]] = {'dead_man': 'enable'}

    enable: int | None = None
    takeover: int | None = None
    gripper_open: int | None = None
    gripper_close: int | None = None
    gripper_toggle: int | None = None
    faster: int | None = None
    slower: int | None = None
    start: int | None = None
    success: int | None = None
    failure: int | None = None
    discard: int | None = None
    sparse: bool = False

    def __post_init__(self) -> None:
        taken: dict[int, str] = {}
        for name, index in self.used.items():
            if index < 0:
                raise ValueError(f'{name} is {index}; allowed: 0 or more')
            if index in taken:
                raise ValueError(f'{name} and {taken[index]} are both button {index}')
            taken[index] = name
        if self.sparse and self.enable is not None:
            raise ValueError('enable needs a device that always reports it, not a sparse one')

    @property
    def used(self) -> dict[str, int]:
        """Index of each purpose that has a button."""
        names = [field.name for field in fields(self) if field.name != 'sparse']
        return {name: i for name in names if (i := getattr(self, name)) is not None}


class ButtonState:
    """Follows the buttons of one device, or of a pedal or gamepad next to it.

    Args:
        buttons: Which button is for what.
        axes: Index of each axis of the messages that is used, by its direction.

    Attributes:
        read: When the buttons were read last [s]; minus infinity before the first time.
        down: Purposes whose button is held.
    """

    def __init__(self, buttons: Buttons, axes: Mapping[str, int] | None = None) -> None:
        self._buttons, self._axes = buttons, axes or {}
        self._first = True
        self._released: frozenset[str] = frozenset()  # have been up since the device appeared
        self.read = -math.inf
        self.down: frozenset[str] = frozenset()

    def reset(self) -> None:
        """Take the next message as the first one: the device has been lost."""
        self._first, self._released = True, frozenset()

    def update(
        self, axes: Sequence[float], buttons: Sequence[int], now: float
    ) -> tuple[Press, ...]:
        """Take in a message that was read at `now` [s]; returns the buttons just pressed.

        A button that is down in the first message does not count: it may have been down before.

        Raises:
            IlRosError: If the message lacks an axis or a button that is used, or such an axis is
                not finite.
        """
        self._check(axes, buttons)
        used = self._buttons.used
        down = frozenset(name for name, i in used.items() if i < len(buttons) and buttons[i])
        before = down if self._first else self.down
        self.down, self.read, self._first = down, now, False
        self._released |= used.keys() - down
        return tuple(press for press in PRESSES if press in down - before)

    @property
    def held(self) -> bool:
        """Whether the enable switch is held."""
        return 'enable' in self.down

    @property
    def keep(self) -> bool:
        """Whether the button that takes the arm and keeps it where it is is held."""
        return 'takeover' in self.down

    @property
    def gripper(self) -> float:
        """1 while the gripper opens, -1 while it closes, 0 otherwise.

        A button that has been down since the device appeared does not count.
        """
        down = self.down & self._released
        return float('gripper_open' in down) - float('gripper_close' in down)

    def _check(self, axes: Sequence[float], buttons: Sequence[int]) -> None:
        used_buttons = {} if self._buttons.sparse else self._buttons.used
        missing = [f'axes.{name} is axis {i}' for name, i in self._axes.items() if i >= len(axes)]
        missing += [
            f'buttons.{name} is button {i}' for name, i in used_buttons.items() if i >= len(buttons)
        ]
        if missing:
            least = [1 + max(used.values(), default=-1) for used in (self._axes, used_buttons)]
            raise IlRosError(
                f'the message has {len(axes)} axes and {len(buttons)} buttons, but '
                f'{", ".join(missing)} (counted from 0)',
                where='joy',
                allowed=f'{least[0]} or more axes, {least[1]} or more buttons',
                fix='take the configuration of this device',
            )
        for name, i in self._axes.items():
            if not math.isfinite(axes[i]):
                raise IlRosError(
                    f'axis {i} ({name}) is {axes[i]}', where='joy', allowed='finite numbers'
                )


@dataclass(frozen=True, kw_only=True)
class SpeedScale:
    """How fast a device moves the arm, as a fraction of its full speed.

    Attributes:
        initial: Fraction at the start.
        minimum: Smallest fraction.
        factor: What one press multiplies or divides the fraction by.
    """

    renamed: ClassVar[dict[str, str]] = {'share': 'initial', 'least': 'minimum'}

    initial: float = 0.5
    minimum: float = 0.1
    factor: float = 1.25

    def __post_init__(self) -> None:
        if not 0.0 < self.minimum <= self.initial <= 1.0:
            raise ValueError(
                f'minimum is {self.minimum} and initial {self.initial}; '
                'allowed: 0 < minimum <= initial <= 1'
            )
        if not 1.0 < self.factor < math.inf:
            raise ValueError(f'factor is {self.factor}; allowed: above 1')

    def changed(self, fraction: float, pressed: Sequence[Press]) -> float:
        """The fraction after these presses."""
        steps = pressed.count('faster') - pressed.count('slower')
        return min(max(fraction * self.factor**steps, self.minimum), 1.0)


class HoldTimer:
    """Keeps a state true for a while after it ended.

    Args:
        seconds: How long [s].
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, -math.inf

    def update(self, active: bool, now: float) -> bool:
        """Take in the state at `now` [s]; returns whether it still counts as true."""
        if active:
            self._last = now
        return 0.0 <= now - self._last <= self._seconds

    def end(self) -> None:
        """End it at once."""
        self._last = -math.inf
