"""Gamepads and SpaceMice: the axes and buttons of a sensor_msgs/Joy as a tool's motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from il_ros.experts.teleop.axes import Axes
from il_ros.experts.teleop.buttons import Buttons, ButtonState, HoldTimer, SpeedScale
from il_ros.experts.teleop.device_reading import DeviceReading, TwistFrame
from il_ros.experts.teleop.joy_message import check_joy
from il_ros.experts.teleop.motion_config import MotionConfig


@dataclass(frozen=True, kw_only=True)
class JoyConfig:
    """What the axes and buttons of a device are for.

    Attributes:
        frame: The axes that the tool moves along and about.
        axes: Which axis is for which direction.
        buttons: Which button is for what.
        linger: Without a dead-man button, how long the device counts as held after it was last
            moved [s].
        speed: How fast it goes.
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
        config: What axes and buttons are for.
    """

    def __init__(self, config: JoyConfig) -> None:
        self._config = config
        self._state, self._moved = ButtonState(config.buttons), HoldTimer(config.linger)
        self.share = config.speed.share

    def joy(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> DeviceReading:
        """What a message that was read at `now` [s] says.

        Raises:
            IlRosError: If it lacks an axis or a button, or an axis is not finite.
        """
        config = self._config
        check_joy(axes, buttons, config.buttons, config.axes.used)
        pressed = self._state.update(buttons)
        self.share = config.speed.changed(self.share, pressed)
        twist, gripper = self.share * config.axes.twist(axes), self._state.gripper
        wanted = bool(twist.any() or gripper or 'gripper_toggle' in pressed)
        moved = self._moved.update(wanted, now)
        by_button = config.buttons.dead_man is not None
        return DeviceReading(
            read=now,
            held='dead_man' in self._state.down if by_button else moved,
            keep='takeover' in self._state.down,
            twist=twist,
            frame=config.frame,
            gripper=gripper,
            pressed=pressed,
        )
