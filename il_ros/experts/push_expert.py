"""The expert of `push`: slides the puck to the goal on the table."""

from __future__ import annotations

from dataclasses import dataclass

from il_ros.experts.pushing_expert import PushingExpert


@dataclass(frozen=True, kw_only=True)
class PushExpert(PushingExpert):
    """Pushes the puck straight at the goal, regardless of what lies behind it."""

    half: float = 0.0425
    low: float = 0.018
