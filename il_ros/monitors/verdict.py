"""What one tick of the monitor came to."""

from __future__ import annotations

from dataclasses import dataclass

from il_ros.core.limits import Array
from il_ros.monitors.checks import Fault
from il_ros.monitors.mode import Mode
from il_ros.monitors.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one tick came to.

    Attributes:
        mode: The mode after the tick.
        plan: What the arm has to do from now on; None: publish nothing.
        fault: The hard fault that is there at this tick.
        score: Windowed novelty score; NaN when there is none.
        threshold: Its calibrated threshold; NaN when there is none.
        exceeded: Whether the score is above the threshold at this tick.
        triggered: Whether the N-of-M trigger fires, also where novelty does not stop.
        source: Who drives: 'policy', 'expert', or '' for nobody.
        reason: Why the monitor is in this mode; in ALARM the first cause.
        target_end: Commanded position at the end of the tick, shape (N,) [rad or m]; None
            without a plan.
    """

    mode: Mode
    plan: Plan | None
    fault: Fault | None
    score: float
    threshold: float
    exceeded: bool
    triggered: bool
    source: str
    reason: str
    target_end: Array | None
