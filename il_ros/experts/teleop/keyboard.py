"""The keys of a terminal as a motion of the tool."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields

import numpy as np

from il_ros.core.limits import Array
from il_ros.experts.teleop.buttons import HoldTimer, SpeedScale
from il_ros.experts.teleop.device_reading import PRESSES, DeviceReading, Press, TwistFrame
from il_ros.experts.teleop.setpoint_limiter import MotionConfig

_STOP = ' '
_AGAIN = 1.0  # s without a key after which it counts as pressed anew, and not as repeated
# What arrow and function keys send; their letters are not keys of ours.
_SEQUENCE = re.compile(r'\x1b(?:\[[0-9;]*[A-Za-z~]?|O[A-Za-z])?')
_DIRECTIONS = {
    'forward': (0, 1), 'back': (0, -1), 'left': (1, 1), 'right': (1, -1), 'up': (2, 1),
    'down': (2, -1), 'roll_right': (3, 1), 'roll_left': (3, -1), 'pitch_down': (4, 1),
    'pitch_up': (4, -1), 'yaw_left': (5, 1), 'yaw_right': (5, -1),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The key for each purpose, one character; the space bar always stops.

    Attributes:
        forward: Along the x axis; the next ones against it, along and against y and z.
        roll_right: About the x axis; the next ones against it, about and against y and z.
        gripper_open: Opens while it repeats; `gripper_close` closes.
        gripper_toggle: As the button of the same name, like all that follow.
        takeover: Takes the arm without moving it.
    """

    forward: str = 'w'
    back: str = 's'
    left: str = 'a'
    right: str = 'd'
    up: str = 'r'
    down: str = 'f'
    roll_right: str = 'l'
    roll_left: str = 'j'
    pitch_down: str = 'i'
    pitch_up: str = 'k'
    yaw_left: str = 'q'
    yaw_right: str = 'e'
    gripper_open: str = 'o'
    gripper_close: str = 'p'
    gripper_toggle: str = 'g'
    takeover: str = 't'
    faster: str = '+'
    slower: str = '-'
    start: str = 'B'
    success: str = 'Y'
    failure: str = 'N'
    discard: str = 'X'

    def __post_init__(self) -> None:
        taken: dict[str, str] = {}
        for name, key in self.by_name.items():
            if len(key) != 1 or not key.isprintable() or key == _STOP:
                raise ValueError(f'{name} is {key!r}; allowed: one character, not the space bar')
            if key in taken:
                raise ValueError(f'{name} and {taken[key]} are both {key!r}')
            taken[key] = name

    @property
    def by_name(self) -> dict[str, str]:
        """The key of each purpose."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class KeyboardConfig:
    """How keys are taken.

    Attributes:
        frame: Frame in which the tool is moved.
        linear: Full speed [m/s].
        angular: Full turning speed [rad/s].
        hold: How long a key counts as held after it was last sent [s]; longer than the time
            between two repetitions of the terminal.
        linger: How long the enable switch counts as held after the last of these keys [s]; longer
            than the time until a terminal begins to repeat.
        keys: The key for each purpose.
        speed: How fast the tool moves.
        motion: How the arm follows.
    """

    frame: TwistFrame = 'base'
    linear: float = 0.15
    angular: float = 0.6
    hold: float = 0.15
    linger: float = 1.0
    keys: Keys = field(default_factory=Keys)
    speed: SpeedScale = field(default_factory=SpeedScale)
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        for name in ('linear', 'angular', 'hold', 'linger'):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f'{name} is {getattr(self, name)}; allowed: above 0')


class Keyboard:
    """Reads what a terminal sends; a key that repeats is held.

    Args:
        config: The key for each purpose.

    Attributes:
        speed_fraction: Current speed as a fraction of full speed.
    """

    def __init__(self, config: KeyboardConfig) -> None:
        self._config = config
        self._names = {key: name for name, key in config.keys.by_name.items()}
        self._last: dict[str, float] = {}
        self._held = HoldTimer(config.linger)
        self.speed_fraction = config.speed.initial

    def reset(self) -> None:
        """Count no key as held: the terminal was not read in time."""
        self._stop([])

    def keys(self, text: str, now: float) -> DeviceReading:
        """The reading at `now` [s] of the characters received since the last call."""
        pressed: list[Press] = []
        for key in _SEQUENCE.sub('', text):
            name = self._names.get(key, '')
            if key == _STOP:
                self._stop(pressed)
            elif name in PRESSES and not self._repeats(name, now):
                pressed += [press for press in PRESSES if press == name]
            if name:
                self._last[name] = now
        self.speed_fraction = self._config.speed.changed(self.speed_fraction, pressed)
        twist, gripper = self._twist(now), self._down('gripper_open', now)
        gripper -= self._down('gripper_close', now)
        active = bool(twist.any() or gripper or self._down('takeover', now))
        return DeviceReading(
            read=now,
            held=self._held.update(active or 'gripper_toggle' in pressed, now),
            twist=twist,
            frame=self._config.frame,
            gripper=gripper,
            pressed=tuple(pressed),
        )

    def _stop(self, pressed: list[Press]) -> None:
        """Release all keys and do not toggle the gripper; keys of the recorder stay."""
        self._last = {name: at for name, at in self._last.items() if name in PRESSES}
        self._held.end()
        while 'gripper_toggle' in pressed:
            pressed.remove('gripper_toggle')

    def _repeats(self, name: str, now: float) -> bool:
        again = name not in ('faster', 'slower')
        return again and 0.0 <= now - self._last.get(name, -math.inf) < _AGAIN

    def _down(self, name: str, now: float) -> float:
        return float(0.0 <= now - self._last.get(name, -math.inf) <= self._config.hold)

    def _twist(self, now: float) -> Array:
        twist = np.zeros(6)
        for name, (axis, sign) in _DIRECTIONS.items():
            full = self._config.linear if axis < 3 else self._config.angular
            twist[axis] += sign * self.speed_fraction * full * self._down(name, now)
        return twist


def help_text(keys: Keys) -> str:
    """The keys and what they do, on a few lines."""
    names = [f'{key} {name.replace("_", " ")}' for name, key in keys.by_name.items()]
    lines = [', '.join(names[i : i + 6]) for i in range(0, len(names), 6)]
    return '\n'.join([*lines, 'space bar: stop and let go; Ctrl-C: end'])
