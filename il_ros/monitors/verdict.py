"""What one tick of the monitor came to."""

from __future__ import annotations

from dataclasses import dataclass

from il_ros.core.limits import Array
from il_ros.monitors.checks import Fault
from il_ros.monitors.mode import Mode
from il_ros.monitors.plan import Plan
from il_ros.monitors.score_watch import ScoreReading


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one tick came to.

    Attributes:
        mode: The mode after the tick.
        plan: What the arm has to do from now on; None: publish nothing.
        begin: When the plan leaves what was sent before [s]; until then both are the same.
        fault: The hard fault that is there at this tick.
        scores: What the calibrated scores say.
        watched: Whether the policy drove when they were asked, so that they evaluate it.
        warning: Why the policy drives slowly and an operator should look; empty when it does not.
        takeover: Whether the expert drives because an operator holds the enable switch.
        resumed: Whether the policy drives again after a takeover, and has to forget what it saw.
        reason: Why the monitor is in this mode; in ALARM the first cause.
        target_end: Where the arm is to be at the end of the tick, shape (N,) [rad or m]; None
            without a plan.
    """

    mode: Mode
    plan: Plan | None
    begin: float
    fault: Fault | None
    scores: ScoreReading
    watched: bool
    warning: str
    takeover: bool
    resumed: bool
    reason: str
    target_end: Array | None
