"""What an operator's device reports at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from il_ros.core.limits import Array

Press = Literal[
    'gripper_toggle', 'faster', 'slower', 'start', 'success', 'failure', 'discard'
]  # fmt: skip
"""What a button does once each time it is pressed."""
PRESSES: tuple[Press, ...] = get_args(Press)

TwistFrame = Literal['base', 'tool']
"""The frame of a twist: the arm's base or the tool."""


@dataclass(frozen=True, kw_only=True)
class DeviceReading:
    """What the device reports, in terms of the arm.

    Attributes:
        read: When it was read [s]; the oldest part counts if a device has several, and minus
            infinity while one of them has not been read yet.
        held: Whether the enable switch is held: the arm follows the rest of the reading.
        keep: Whether the arm is requested in any case, to be kept where it is.
        twist: Velocity of the tool centre point, linear then angular, shape (6,) [m/s, rad/s].
        frame: The frame of `twist`.
        gripper: Speed of the gripper as a fraction of its maximum, -1 (closes) to 1 (opens).
        joints: Target of a leader arm for the follower's joints, shape (N,) [rad, m]; None for
            devices that steer the tool.
        pressed: Buttons that have just been pressed.
        ignored: Deflected axes that do not count, for they have not been in their dead zone yet.
        doubt: Why the device is not to be believed from now on; empty if it is.
    """

    read: float
    held: bool = False
    keep: bool = False
    twist: Array = field(default_factory=lambda: np.zeros(6))
    frame: TwistFrame = 'base'
    gripper: float = 0.0
    joints: Array | None = None
    pressed: tuple[Press, ...] = ()
    ignored: tuple[str, ...] = ()
    doubt: str = ''
