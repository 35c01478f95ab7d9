"""How an arm follows an operator: speed, distance to its bounds, lead of the set-point."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """How set-points follow an operator.

    Attributes:
        velocity: Largest fraction of the contract's velocity limits.
        acceleration: Largest fraction of its acceleration limits.
        margin: How far inside the workspace box the tool stays [m].
        leash: How far the set-point may be ahead of the measured arm: the way of each joint in this
            time at its velocity limit [s].
    """

    velocity: float = 0.5
    acceleration: float = 0.4
    margin: float = 0.02
    leash: float = 0.15

    def __post_init__(self) -> None:
        bounds = {'velocity': 0.9, 'acceleration': 0.9, 'margin': 0.2, 'leash': 1.0}
        for field in fields(self):
            value, most = getattr(self, field.name), bounds[field.name]
            if not (0.0 < value <= most or (value == 0.0 and field.name == 'margin')):
                raise ValueError(f'{field.name} is {value}; allowed: above 0, at most {most}')
