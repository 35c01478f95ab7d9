"""Checks that a repeated episode is the same as the evaluated one."""

from __future__ import annotations

from math import nan

import numpy as np

from il_ros.core.limits import Array
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.rollouts.rollout import Rollout

CLOSE = 0.005
"""Largest accepted distance from the commands on a graph [rad, m]: less than one video pixel."""

LATE = 2
"""Largest accepted difference from the end of the episode on a graph [periods]."""


def difference(evaluated: EpisodeResult, repeated: Rollout, period: float, *, exact: bool) -> str:
    """List what differs between an evaluated episode and its repetition; empty if nothing does.

    Args:
        evaluated: The evaluated episode.
        repeated: The repetition, run in process.
        period: Control period [s].
        exact: Whether the episode was also run in process, so that everything must be equal. Over
            a graph the last digits differ and contacts can amplify them: outcomes must be equal,
            commands within `CLOSE`, and times within `LATE`.
    """
    late = 0.0 if exact else LATE * period + 1e-6
    violations = dict(evaluated.violations) != dict(repeated.violations)
    differences = {
        'success': evaluated.success != repeated.success,
        'stop by the monitor': _other_time(evaluated.fallback_time, repeated.alarm, late),
        'duration': abs(evaluated.duration - repeated.elapsed) > late,
        'progress': exact and evaluated.progress != repeated.progress,
        'violations': exact and violations,
        'commands': _other_commands(evaluated, repeated, period, exact),
    }
    return ', '.join(name for name, differs in differences.items() if differs)


def command_distance(evaluated: EpisodeResult, repeated: Rollout, period: float) -> float:
    """Largest distance of the two runs' commands at the same tick [rad, m]; NaN without any."""
    here, there = (
        _by_tick(evaluated.times, evaluated.joints, period),
        _by_tick(repeated.times, repeated.actions, period),
    )
    ticks = sorted(here.keys() & there.keys())
    steps = np.abs(np.array([here[tick] - there[tick] for tick in ticks])).ravel()
    known = steps[np.isfinite(steps)]
    return float(known.max()) if known.size else nan


def _by_tick(times: Array, commands: Array, period: float) -> dict[int, Array]:
    # An episode without commands has no rows.
    return dict(zip(np.rint(times / period).astype(int).tolist(), commands, strict=False))


def _other_time(one: float | None, other: float | None, late: float) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > late


def _other_commands(
    evaluated: EpisodeResult, repeated: Rollout, period: float, exact: bool
) -> bool:
    if exact:
        return not np.array_equal(evaluated.joints, repeated.actions, equal_nan=True)
    return not command_distance(evaluated, repeated, period) <= CLOSE  # NaN counts as a difference
