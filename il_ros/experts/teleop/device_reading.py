"""What an operator's device says at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Press = Literal[
    'gripper_toggle', 'faster', 'slower', 'start', 'success', 'failure', 'discard'
]  # fmt: skip
"""What a button does once when it goes down."""

TwistFrame = Literal['base', 'tool']
"""The axes that a twist is told in: those of the arm's base, or those of the tool."""


@dataclass(frozen=True, kw_only=True)
class DeviceReading:
    """One moment of a device, in the arm's terms.

    Attributes:
        read: When it was read [s]; of a device of several parts, when the oldest part was (minus
            infinity as long as one of them never was).
        held: Whether the dead-man is held: the arm does what the rest of the reading says.
        keep: Whether the arm is asked for all the same, to be kept where it is.
        twist: Velocity of the tool centre point, linear then angular, shape (6,) [m/s, rad/s].
        frame: The axes that `twist` is told in.
        gripper: Speed of the gripper as a share of the fastest, -1 (closes) to 1 (opens).
        joints: Where a leader arm wants the follower's joints, shape (N,) [rad, m]; none for
            devices that steer the tool.
        pressed: Buttons that have just gone down.
    """

    read: float
    held: bool = False
    keep: bool = False
    twist: Array = field(default_factory=lambda: np.zeros(6))
    frame: TwistFrame = 'base'
    gripper: float = 0.0
    joints: Array | None = None
    pressed: tuple[Press, ...] = ()
