"""Settings of the monitor: each default is here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from il_ros.core.errors import IlRosError


def _setting(default: Any, text: str, low: float | None = None, high: float | None = None) -> Any:
    """A field whose metadata is what a ROS parameter descriptor needs."""
    return field(default=default, metadata={'help': text, 'min': low, 'max': high})


@dataclass(frozen=True, kw_only=True)
class MonitorConfig:
    """Settings of one monitor; `dataclasses.fields` gives 'help', 'min' and 'max' of each.

    Raises:
        IlRosError: If a value is outside its range.
    """

    frame_age: float = _setting(
        0.2, 'Largest age of the newest frame at a tick [s]; older is a missed deadline.', 0.0, 10.0
    )
    chunk_age: float = _setting(
        0.3, 'Largest age of the newest chunk of the driving source [s].', 0.0, 60.0
    )
    chunk_blend: float = _setting(
        0.0,
        'Weight of each chunk relative to the one after it, in the mean of what overlapping chunks '
        'say about an instant; 0 follows the newest alone.',
        0.0,
        0.99,
    )
    jump: float = _setting(
        0.2,
        'A target is a fault where a joint of the arm cannot reach it, at its speed limit, within '
        'one tick plus this time [s]; 0 for any target.',
        0.0,
        10.0,
    )
    future: float = _setting(
        0.05, 'How far in the future a frame or chunk may be stamped [s].', 0.0, 1.0
    )
    clock_step: float = _setting(
        0.5, 'Largest step of the clock from one tick to the next [s].', 0.0, 10.0
    )
    startup_grace: float = _setting(
        1.0, 'How long a mode that drives may wait for its first frame and chunk [s].', 0.0, 60.0
    )
    tracking_error: float = _setting(
        0.1, 'Largest distance of a measured joint from its command [rad or m].', 0.0, 3.0
    )
    motion_share: float = _setting(
        0.95,
        "Fraction of the contract's velocity, acceleration and jerk limits that plans use at most; "
        'the rest is for what the arm overshoots.',
        0.1,
        1.0,
    )
    wrench_share: float = _setting(
        0.5,
        "Fraction of the contract's force and torque limits at which the arm is stopped, so that "
        'the contact stays within them while it comes to rest.',
        0.05,
        1.0,
    )
    joint_tolerance: float = _setting(
        0.01, 'How far a measured joint may be outside its limits [rad or m].', 0.0, 0.2
    )
    speed_tolerance: float = _setting(
        0.2, 'Fraction by which a measured joint may be faster than its limit.', 0.0, 10.0
    )
    acceleration_tolerance: float = _setting(
        2.0,
        'Fraction by which the measured acceleration, over 0.05 s or more, may exceed its limit: '
        'sensors have noise, and contacts stop joints sharply.',
        0.0,
        100.0,
    )
    frozen_time: float = _setting(
        0.2,
        'How long a measurement may repeat to the last digit while it has to change [s].',
        0.02,
        10.0,
    )
    frozen_motion: float = _setting(
        0.004, 'Motion within that time that counts as moving [rad or m].', 1e-5, 0.5
    )
    workspace_margin: float = _setting(
        0.01,
        'How far inside the workspace box, and outside keep-out zones, commanded motion stays [m].',
        0.0,
        0.2,
    )
    handover: float = _setting(
        0.5,
        'Time in which the arm moves to the target of a new driver, where that is more than one '
        'tick away [s].',
        0.0,
        10.0,
    )
    takeover_age: float = _setting(
        0.25,
        'Longest silence of the node that reports the enable switch, during a takeover [s].',
        0.0,
        5.0,
    )
    takeover_clutch: bool = _setting(
        False,
        "Whether in a takeover only the changes of the expert's targets count, as with a clutch; "
        'else the arm goes to where the expert is.',
    )
    takeover_return: bool = _setting(
        False,
        'Whether a policy that drove before drives on when the enable switch is let go; else the '
        'arm is held.',
    )
    standstill: float = _setting(
        0.05,
        'Measured joint speed up to which the arm counts as standing [rad/s or m/s].',
        0.0,
        1.0,
    )
    novelty: bool = _setting(
        True, 'Whether the scores stop the policy and slow it down, or only report.'
    )
    trigger_count: int = _setting(
        3, 'N: ticks over a threshold, of the last trigger_window, that count.', 1, 1000
    )
    trigger_window: int = _setting(5, 'M: ticks that trigger_count is counted in.', 1, 1000)
    hysteresis: float = _setting(
        0.9,
        'Fraction of the warning level that scores must fall below for a warning to end.',
        0.0,
        1.0,
    )
    dwell: float = _setting(1.0, 'How long they must stay there [s].', 0.0, 60.0)
    overdue: float = _setting(
        1.25,
        'How much longer than the longest calibration episode the policy may drive without a '
        'change of mode, as a factor; 0 for as long as it likes.',
        0.0,
        100.0,
    )
    allow_uncalibrated: bool = _setting(
        False, 'Whether a policy without calibrated scores may drive.'
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, low, high = (
                getattr(self, setting.name), setting.metadata['min'], setting.metadata['max']
            )  # fmt: skip
            if low is not None and not low <= value <= high:
                raise IlRosError(
                    f'{value} is out of range', where=setting.name, allowed=f'{low} .. {high}'
                )
        if self.trigger_count > self.trigger_window:
            raise IlRosError(
                f'{self.trigger_count} is more than trigger_window {self.trigger_window}',
                where='trigger_count',
                allowed='at most trigger_window',
            )
