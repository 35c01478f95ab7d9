"""A geometry_msgs/TwistStamped as a motion of the tool, with the buttons of a Joy next to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.experts.teleop.buttons import Buttons, ButtonState, HoldTimer
from il_ros.experts.teleop.deflection import (
    FROZEN,
    DeflectionWatch,
    check_frozen_time,
    digits_of,
    frozen_text,
)
from il_ros.experts.teleop.device_reading import DeviceReading, Press, TwistFrame
from il_ros.experts.teleop.setpoint_limiter import MotionConfig


@dataclass(frozen=True, kw_only=True)
class TwistConfig:
    """How a twist moves the tool.

    Attributes:
        linear: Maximum speed; a faster twist is scaled down as a whole [m/s].
        angular: Maximum angular speed, likewise [rad/s].
        deadzone: Fraction of both up to which a twist counts as zero.
        tool_frame: `header.frame_id` of a twist in the frame of the tool.
        linger: Without an enable button, how long the device counts as held after its last
            nonzero twist [s].
        frozen_time: How long a nonzero twist may repeat itself to the last digit before the device
            counts as let go [s]; longer for keys and pads, whose twists have no noise.
        buttons: Buttons of a Joy next to it; without any, no Joy is subscribed to.
        motion: How the arm follows.
    """

    linear: float = 0.25
    angular: float = 1.0
    deadzone: float = 0.01
    tool_frame: str = 'tool'
    linger: float = 0.5
    frozen_time: float = FROZEN
    buttons: Buttons | None = None
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        if not (0.0 < self.linear < np.inf and 0.0 < self.angular < np.inf):
            raise ValueError(f'linear {self.linear}, angular {self.angular}; allowed: above 0')
        if not 0.0 <= self.deadzone < 1.0:
            raise ValueError(f'deadzone is {self.deadzone}; allowed: 0 or more, below 1')
        check_frozen_time(self.frozen_time)


class TwistDevice:
    """Reads one twist after the other; without an enable button, a nonzero twist holds the arm.

    Args:
        config: How twists move the tool.
        base_frame: Name of the frame of the arm's base.
    """

    def __init__(self, config: TwistConfig, base_frame: str) -> None:
        self._config = config
        self._frames: dict[str, TwistFrame] = {
            '': 'base', base_frame: 'base', config.tool_frame: 'tool'
        }  # fmt: skip
        self._moved = HoldTimer(config.linger)
        buttons = config.buttons or Buttons()
        self._buttons = ButtonState(buttons)
        self._has_enable_switch = buttons.enable is not None
        self._twist: Array = np.zeros(6)
        self._frame, self._read = self._frames[''], -math.inf
        self._watch = DeflectionWatch(1, config.frozen_time)
        self._ignored = False

    def reset(self) -> None:
        """Believe nothing that was read before: the device has been lost."""
        self._twist = np.zeros(6)
        self._watch.reset()
        self._buttons.reset()
        self._moved.end()

    def twist(self, values: Sequence[float], frame_id: str, now: float) -> DeviceReading:
        """The reading of a twist (6,) [m/s, rad/s] that was received at `now` [s].

        Raises:
            IlRosError: If its frame is unknown, or if it is not finite.
        """
        if frame_id not in self._frames:
            allowed = ', '.join(name for name in self._frames if name)
            raise IlRosError(f'in frame {frame_id!r}', where='twist', allowed=allowed)
        value = np.array(values, dtype=np.float64)
        if not np.isfinite(value).all():
            raise IlRosError(f'got {value.tolist()}', where='twist', allowed='finite numbers')
        most = np.array([self._config.linear, self._config.angular])
        size = float((np.linalg.norm(value.reshape(2, 3), axis=1) / most).max())
        value = np.zeros(6) if size <= self._config.deadzone else value / max(size, 1.0)
        deflected = np.array([value.any()])
        counts = self._watch.update(deflected, digits_of(values, ()), now)
        self._ignored = bool((deflected & ~counts).any())
        self._twist, self._frame, self._read = value * counts, self._frames[frame_id], now
        return self._reading(now, ())

    def joy(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> DeviceReading:
        """The reading after the buttons of a message that was received at `now` [s].

        Raises:
            IlRosError: If the message lacks a button that is used.
        """
        return self._reading(now, self._buttons.update(axes, buttons, now))

    def _reading(self, now: float, pressed: tuple[Press, ...]) -> DeviceReading:
        buttons, switch = self._buttons, self._has_enable_switch
        moved = self._moved.update(bool(self._twist.any()), now)
        return DeviceReading(
            read=min(self._read, buttons.read) if switch else self._read,
            held=buttons.held if switch else moved,
            keep=buttons.keep,
            twist=self._twist,
            frame=self._frame,
            gripper=buttons.gripper,
            pressed=pressed,
            ignored=('twist',) if self._ignored else (),
            doubt=frozen_text(self._config.frozen_time) if self._watch.frozen else '',
        )
