"""Settings of the monitor: each default is here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from il_ros.core.errors import IlRosError


def _within(default: float, low: float, high: float) -> Any:
    """A field whose metadata is the range that a ROS parameter descriptor needs."""
    return field(default=default, metadata={'min': low, 'max': high})


@dataclass(frozen=True, kw_only=True)
class MonitorConfig:
    """Settings of one monitor; the texts here describe its ROS parameters, too.

    Attributes:
        frame_age: Largest age of the newest frame at a tick [s]; older is a missed deadline.
        chunk_age: Largest age of the newest chunk of the driving source [s].
        chunk_blend: Temporal ensembling: weight of a chunk relative to one a step newer, in the
            mean of the driving source's overlapping chunks; 0 follows the newest alone.
        jump: A target is a fault where a joint of the arm cannot reach it, at its speed limit,
            within one tick plus this time [s]; 0 for any target.
        future: How far in the future a frame or chunk may be stamped [s].
        command_lead: How far ahead of the present plans leave the one before at most [s], because
            commands are late; where they are too late for that, nothing is driven.
        full_speed_lead: Lead up to which the arm is driven at full speed [s]. With a longer one it
            is driven more slowly, so that no joint goes further until it rests.
        least_command_lead: How far ahead of the present trajectories leave the one before at least
            [s], kept for their way: one that needs no longer to the controller makes no jump. The
            arm reacts that much later.
        clock_step: Largest step of the clock from one tick to the next [s].
        startup_grace: How long a mode that drives may wait for its first frame and chunk [s].
        tracking_error: Largest distance of a measured joint from its command [rad or m].
        motion_share: Fraction of the contract's velocity, acceleration and jerk limits that plans
            use at most; the rest is for what the arm overshoots.
        wrench_share: Fraction of the contract's force and torque limits at which the arm is
            stopped, so that the contact stays within them while it comes to rest.
        joint_tolerance: How far a measured joint may be outside its limits [rad or m].
        speed_tolerance: Fraction by which a measured joint may be faster than its limit.
        acceleration_tolerance: Fraction by which the measured acceleration, over 0.05 s or more,
            may exceed its limit: sensors have noise, and contacts stop joints sharply.
        frozen_time: How long a measurement may repeat to the last digit while it has to change [s].
        frozen_motion: Motion within that time that counts as moving [rad or m].
        gripper_time: How long a gripper may stand still though it is commanded to move, where
            what it holds cannot be the reason [s]; 0 for as long as it likes: for one that only
            opens and shuts.
        workspace_margin: How far inside the workspace box, and outside keep-out zones, commanded
            motion stays [m].
        joint_margin: How far inside the joints' position limits commanded motion stays [rad or m],
            grippers apart and at most a hundredth of a joint's range; the arm overshoots a stop.
        handover: Time in which the arm moves to the target of a new driver, where that is more than
            one tick away [s].
        takeover_age: Longest silence of the node that reports the enable switch, during a takeover
            [s].
        takeover_clutch: Whether in a takeover only the changes of the expert's targets count, as
            with a clutch; else the arm goes to where the expert is.
        takeover_return: Whether a policy that drove before drives on when the enable switch is let
            go; else the arm is held.
        standstill: Measured joint speed up to which the arm counts as standing [rad/s or m/s].
        novelty: Whether the scores stop the policy and slow it down, or only report.
        trigger_count: N: ticks over a threshold, of the last trigger_window, that count.
        trigger_window: M: ticks that trigger_count is counted in.
        hysteresis: Fraction of the warning level that scores must fall below for a warning to end.
        dwell: How long they must stay there [s].
        overdue: How much longer than the longest calibration episode the policy may drive without a
            change of mode, as a factor; 0 for as long as it likes.
        allow_uncalibrated: Whether a policy without calibrated scores may drive.

    Raises:
        IlRosError: If a value is outside its range.
    """

    frame_age: float = _within(0.2, 0.0, 10.0)
    chunk_age: float = _within(0.3, 0.0, 60.0)
    chunk_blend: float = _within(0.75, 0.0, 0.99)
    jump: float = _within(0.2, 0.0, 10.0)
    future: float = _within(0.05, 0.0, 1.0)
    command_lead: float = _within(0.5, 0.0, 1.0)
    full_speed_lead: float = _within(0.05, 0.0, 1.0)
    least_command_lead: float = _within(0.0, 0.0, 1.0)
    clock_step: float = _within(0.5, 0.0, 10.0)
    startup_grace: float = _within(1.0, 0.0, 60.0)
    tracking_error: float = _within(0.1, 0.0, 3.0)
    motion_share: float = _within(0.95, 0.1, 1.0)
    wrench_share: float = _within(0.5, 0.05, 1.0)
    joint_tolerance: float = _within(0.01, 0.0, 0.2)
    speed_tolerance: float = _within(0.2, 0.0, 10.0)
    acceleration_tolerance: float = _within(2.0, 0.0, 100.0)
    frozen_time: float = _within(0.2, 0.02, 10.0)
    frozen_motion: float = _within(0.004, 1e-5, 0.5)
    gripper_time: float = _within(1.0, 0.0, 10.0)
    workspace_margin: float = _within(0.01, 0.0, 0.2)
    joint_margin: float = _within(0.005, 0.0, 0.1)
    handover: float = _within(0.5, 0.0, 10.0)
    takeover_age: float = _within(0.25, 0.0, 5.0)
    takeover_clutch: bool = False
    takeover_return: bool = False
    standstill: float = _within(0.05, 0.0, 1.0)
    novelty: bool = True
    trigger_count: int = _within(3, 1, 1000)
    trigger_window: int = _within(5, 1, 1000)
    hysteresis: float = _within(0.9, 0.0, 1.0)
    dwell: float = _within(1.0, 0.0, 60.0)
    overdue: float = _within(1.25, 0.0, 100.0)
    allow_uncalibrated: bool = False

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, metadata = getattr(self, setting.name), setting.metadata
            if metadata and not metadata['min'] <= value <= metadata['max']:
                raise IlRosError(
                    f'{value} is out of range',
                    where=setting.name,
                    allowed=f'{metadata["min"]} .. {metadata["max"]}',
                )
        if self.least_command_lead > self.command_lead:
            raise IlRosError(
                f'{self.least_command_lead} is more than command_lead {self.command_lead}',
                where='least_command_lead',
                allowed='at most command_lead',
            )
        if self.trigger_count > self.trigger_window:
            raise IlRosError(
                f'{self.trigger_count} is more than trigger_window {self.trigger_window}',
                where='trigger_count',
                allowed='at most trigger_window',
            )
