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
        1.0, 'Largest age of the newest chunk of the driving source [s].', 0.0, 60.0
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
        "Share of the contract's velocity, acceleration and jerk limits that plans use; the rest "
        'is for what the arm overshoots.',
        0.1,
        1.0,
    )
    wrench_share: float = _setting(
        0.5,
        "Share of the contract's force and torque limits at which the arm is stopped, so that "
        'the contact stays within them while it comes to rest.',
        0.05,
        1.0,
    )
    joint_tolerance: float = _setting(
        0.01, 'How far a measured joint may be outside its limits [rad or m].', 0.0, 0.2
    )
    workspace_margin: float = _setting(
        0.01, 'How far inside the workspace box commanded motion has to end [m].', 0.0, 0.2
    )
    standstill: float = _setting(
        0.05,
        'Measured joint speed up to which the arm counts as standing [rad/s or m/s].',
        0.0,
        1.0,
    )
    novelty: bool = _setting(True, 'Whether the novelty score stops the policy, or only reports.')
    score_window: int = _setting(
        5, 'Ticks that the novelty score is averaged over; as it was in the calibration.', 1, 1000
    )
    trigger_count: int = _setting(
        3, 'N: ticks over the threshold, of the last trigger_window, that stop the policy.', 1, 1000
    )
    trigger_window: int = _setting(5, 'M: ticks that trigger_count is counted in.', 1, 1000)
    overdue: float = _setting(
        1.25,
        'How much longer than the longest calibration episode the policy may drive without a '
        'change of mode, as a factor; 0 for as long as it likes.',
        0.0,
        100.0,
    )
    allow_uncalibrated: bool = _setting(
        False, 'Whether a policy without a calibrated novelty score may drive.'
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
