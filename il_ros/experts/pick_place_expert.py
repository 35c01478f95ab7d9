"""The expert of `pick_place`: takes the cube to the goal on the table."""

from __future__ import annotations

from dataclasses import dataclass

from il_ros.experts.grasping_expert import GraspingExpert


@dataclass(frozen=True, kw_only=True)
class PickPlaceExpert(GraspingExpert):
    """Places the cube with the tool straight."""
