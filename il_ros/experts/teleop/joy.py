"""Gamepads and SpaceMice: the axes and buttons of a sensor_msgs/Joy as a tool's motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from il_ros.experts.teleop.axes import Axes
from il_ros.experts.teleop.buttons import Buttons, ButtonState, HoldTimer, SpeedScale
from il_ros.experts.teleop.device_reading import DeviceReading, TwistFrame
from il_ros.experts.teleop.setpoint_limiter import MotionConfig


@dataclass(frozen=True, kw_only=True)
class JoyConfig:
    """What the axes and buttons of a device do.

    Attributes:
        frame: Frame in which the tool is moved.
        axes: Axis of the device for each direction.
        buttons: Button for each purpose.
        linger: Without an enable button, how long the device counts as held after it was last
            moved [s].
        speed: How fast the tool moves.
        motion: How the arm follows.
    """

    frame: TwistFrame = 'base'
    axes: Axes
    buttons: Buttons = field(default_factory=Buttons)
    linger: float = 0.5
    speed: SpeedScale = field(default_factory=SpeedScale)
    motion: MotionConfig = field(default_factory=MotionConfig)


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
        self.speed_fraction = config.speed.initial

    def joy(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> DeviceReading:
        """The reading of a message that was received at `now` [s].

        Raises:
            IlRosError: If the message lacks an axis or a button, or an axis is not finite.
        """
        config = self._config
        pressed = self._buttons.update(axes, buttons, now)
        self.speed_fraction = config.speed.changed(self.speed_fraction, pressed)
        twist, gripper = self.speed_fraction * config.axes.twist(axes), self._buttons.gripper
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
        )
