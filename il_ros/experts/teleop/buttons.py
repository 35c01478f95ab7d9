"""The buttons of a device: which are held, which have just gone down, how fast things go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import get_args

from il_ros.experts.teleop.device_reading import Press


@dataclass(frozen=True, kw_only=True)
class Buttons:
    """Index of the button for each purpose; none where there is none.

    Attributes:
        dead_man: The arm moves only while it is held. Without one, a device that steers the tool
            is held for as long as it is moved.
        takeover: Takes the arm and keeps it where it is, without moving it.
        gripper_open: Opens while it is held.
        gripper_close: Closes while it is held.
        gripper_toggle: Opens a gripper that is more closed than open, and closes another.
        faster: Everything goes faster from now on.
        slower: Everything goes slower.
        start: Begins to record an episode.
        success: Ends the episode as a success.
        failure: Ends it as a failure.
        discard: Ends it as one to be thrown away.
        sparse: Whether a button that the message does not have is one that is not pressed; else
            it is an error. The spacenav driver of ROS 2 names a button only when it changes.
    """

    dead_man: int | None = None
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
        if self.sparse and self.dead_man is not None:
            raise ValueError('dead_man needs a device that names it all the time, not sparse')

    @property
    def used(self) -> dict[str, int]:
        """Index of each purpose that has a button."""
        names = [field.name for field in fields(self) if field.name != 'sparse']
        return {name: i for name in names if (i := getattr(self, name)) is not None}


class ButtonState:
    """Follows the buttons of one device.

    Args:
        buttons: Which button is for what.
    """

    def __init__(self, buttons: Buttons) -> None:
        self._buttons = buttons
        self._before: frozenset[str] | None = None
        self.down: frozenset[str] = frozenset()

    def update(self, buttons: Sequence[int]) -> tuple[Press, ...]:
        """Take in all buttons of a message; gives those that have just gone down.

        What is down in the first message may have been down for long: it was not pressed now.
        """
        used = self._buttons.used.items()
        self.down = frozenset(name for name, i in used if i < len(buttons) and buttons[i])
        before = self.down if self._before is None else self._before
        self._before = self.down
        presses: tuple[Press, ...] = get_args(Press)
        return tuple(press for press in presses if press in self.down - before)

    @property
    def gripper(self) -> float:
        """1 while it is to open, -1 while it is to close, 0 otherwise."""
        return float('gripper_open' in self.down) - float('gripper_close' in self.down)


@dataclass(frozen=True, kw_only=True)
class SpeedScale:
    """How fast a device goes, as a share of its full speed.

    Attributes:
        share: At the start.
        least: As slow as it gets.
        factor: By how much a press changes it.
    """

    share: float = 0.5
    least: float = 0.1
    factor: float = 1.25

    def __post_init__(self) -> None:
        if not 0.0 < self.least <= self.share <= 1.0:
            raise ValueError(
                f'least is {self.least} and share {self.share}; allowed: 0 < least <= share <= 1'
            )
        if not 1.0 < self.factor < math.inf:
            raise ValueError(f'factor is {self.factor}; allowed: above 1')

    def changed(self, share: float, pressed: Sequence[Press]) -> float:
        """The share after these presses."""
        steps = pressed.count('faster') - pressed.count('slower')
        return min(max(share * self.factor**steps, self.least), 1.0)


class HoldTimer:
    """Whether something has been so within the last moments.

    Args:
        seconds: How long it counts after it ended [s].
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, -math.inf

    def update(self, active: bool, now: float) -> bool:
        """Take in whether it is so at `now` [s]; gives whether it still counts."""
        if active:
            self._last = now
        return 0.0 <= now - self._last <= self._seconds

    def end(self) -> None:
        """It does not count any more."""
        self._last = -math.inf
