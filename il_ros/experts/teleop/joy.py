"""Gamepads and SpaceMice: the axes and buttons of a sensor_msgs/Joy as a tool's motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.experts.teleop.buttons import Buttons, ButtonState, HoldTimer, SpeedScale
from il_ros.experts.teleop.deflection import (
    FROZEN,
    DeflectionWatch,
    check_frozen_time,
    digits_of,
    frozen_text,
)
from il_ros.experts.teleop.device_reading import DeviceReading, TwistFrame
from il_ros.experts.teleop.setpoint_limiter import MotionConfig


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a device.

    Attributes:
        index: Its index in the message.
        scale: Speed at full deflection [m/s or rad/s].
        sign: -1 reverses it.
        deadzone: Deflection, 0 to 1, up to which it counts as centred.
        expo: Response curve: 0 is linear, 1 is cubic.
    """

    index: int
    scale: float
    sign: Literal[1, -1] = 1
    deadzone: float = 0.1
    expo: float = 0.3

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f'index is {self.index}; allowed: 0 or more')
        if not (0.0 < self.scale < math.inf):
            raise ValueError(f'scale is {self.scale}; allowed: above 0 (reverse it with sign)')
        for name, most in (('deadzone', 0.9), ('expo', 1.0)):
            if not 0.0 <= getattr(self, name) <= most:
                raise ValueError(f'{name} is {getattr(self, name)}; allowed: 0 to {most}')

    def speed(self, deflection: float) -> float:
        """Speed [m/s or rad/s] for a deflection, which is clipped to -1 to 1."""
        size = min(abs(deflection), 1.0)
        if size <= self.deadzone:
            return 0.0
        # From the edge of the dead zone on, so that there is no step.
        fraction = (size - self.deadzone) / (1.0 - self.deadzone)
        shaped = (1.0 - self.expo) * fraction + self.expo * fraction**3
        return self.sign * math.copysign(self.scale * shaped, deflection)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The axis for each direction; None where the device has none.

    Attributes:
        x: Along the frame's x axis, linear [m/s].
        y: Along its y axis.
        z: Along its z axis.
        roll: About its x axis [rad/s].
        pitch: About its y axis.
        yaw: About its z axis.
    """

    x: Axis | None = None
    y: Axis | None = None
    z: Axis | None = None
    roll: Axis | None = None
    pitch: Axis | None = None
    yaw: Axis | None = None

    def __post_init__(self) -> None:
        if not self.used:
            raise ValueError('no axis is used; allowed: at least one of x, y, z, roll, pitch, yaw')

    @property
    def used(self) -> dict[str, int]:
        """Index of each direction that has an axis."""
        axes = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: axis.index for name, axis in axes.items() if axis is not None}

    def named(self, which: NDArray[np.bool_]) -> tuple[str, ...]:
        """Directions and indices of the axes that are true in `which`, shape (6,)."""
        used = self.used
        names = [field.name for field in fields(self)]
        return tuple(f'{names[i]} (axis {used[names[i]]})' for i in np.flatnonzero(which))

    def twist(self, deflections: Sequence[float]) -> Array:
        """Velocity of the tool, linear then angular, shape (6,), from all axes of the device."""
        axes = [getattr(self, field.name) for field in fields(self)]
        return np.array([axis.speed(deflections[axis.index]) if axis else 0.0 for axis in axes])


@dataclass(frozen=True, kw_only=True)
class JoyConfig:
    """What the axes and buttons of a device do.

    Attributes:
        frame: Frame in which the tool is moved.
        axes: Axis of the device for each direction.
        buttons: Button for each purpose.
        linger: Without an enable button, how long the device counts as held after it was last
            moved [s].
        frozen_time: How long a deflected device may repeat itself to the last digit before it
            counts as let go [s]; longer for digital sticks and pads, which have no noise.
        speed: How fast the tool moves.
        motion: How the arm follows.
    """

    frame: TwistFrame = 'base'
    axes: Axes
    buttons: Buttons = field(default_factory=Buttons)
    linger: float = 0.5
    frozen_time: float = FROZEN
    speed: SpeedScale = field(default_factory=SpeedScale)
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        check_frozen_time(self.frozen_time)


class JoyDevice:
    """Reads one Joy after the other.

    Args:
        config: What axes and buttons do.

    Attributes:
        speed_fraction: Current speed as a fraction of full speed.
    """

    def __init__(self, config: JoyConfig) -> None:
        self._config = config
        self._buttons = ButtonState(config.buttons, config.axes.used)
        self._moved = HoldTimer(config.linger)
        self._watch = DeflectionWatch(len(fields(Axes)), config.frozen_time)
        self.speed_fraction = config.speed.initial

    def reset(self) -> None:
        """Believe nothing that was read before: the device has been lost."""
        self._watch.reset()
        self._buttons.reset()
        self._moved.end()

    def joy(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> DeviceReading:
        """The reading of a message that was received at `now` [s].

        Raises:
            IlRosError: If the message lacks an axis or a button, or an axis is not finite.
        """
        config = self._config
        pressed = self._buttons.update(axes, buttons, now)
        self.speed_fraction = config.speed.changed(self.speed_fraction, pressed)
        deflected = config.axes.twist(axes)
        counts = self._watch.update(deflected != 0.0, digits_of(axes, buttons), now)
        twist, gripper = self.speed_fraction * deflected * counts, self._buttons.gripper
        wanted = bool(twist.any() or gripper or 'gripper_toggle' in pressed)
        moved = self._moved.update(wanted, now)
        return DeviceReading(
            read=now,
            held=moved if config.buttons.enable is None else self._buttons.held,
            keep=self._buttons.keep,
            twist=twist,
            frame=config.frame,
            gripper=gripper,
            pressed=pressed,
            ignored=config.axes.named((deflected != 0.0) & ~counts),
            doubt=frozen_text(config.frozen_time) if self._watch.frozen else '',
        )
