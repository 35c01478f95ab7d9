"""Whether an episode that was run again is the one that was judged."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import NDArray

from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.rollouts.rollout import Rollout

Array = NDArray[np.float64]

CLOSE = 0.005
"""How far the commands may be from those on a graph [rad, m]: less than a video's pixel shows."""

LATE = 2
"""How many periods the end may be from that on a graph."""


def difference(judged: EpisodeResult, again: Rollout, period: float, *, exact: bool) -> str:
    """In what a repetition is another episode than the one that was judged; empty if it is not.

    Args:
        judged: The episode.
        again: The repetition, in process.
        period: Control period [s].
        exact: Whether the episode was run in process, too, so that all has to be equal; over a
            graph last digits differ, and contacts can make more of them: then it has to end
            alike, with commands as close as `CLOSE` and an end no later than `LATE` says.
    """
    late = 0.0 if exact else LATE * period + 1e-6
    violations = dict(judged.violations) != dict(again.violations)
    found = {
        'success': judged.success != again.success,
        'stop by the monitor': _other_time(judged.fallback_time, again.alarm, late),
        'duration': abs(judged.duration - again.elapsed) > late,
        'progress': exact and judged.progress != again.progress,
        'violations': exact and violations,
        'commands': _other_commands(judged, again, period, exact),
    }
    return ', '.join(name for name, differs in found.items() if differs)


def apart(judged: EpisodeResult, again: Rollout, period: float) -> float:
    """Largest distance of two runs' commands at the same tick [rad, m]; NaN without any."""
    here, there = (
        _by_tick(judged.times, judged.joints, period),
        _by_tick(again.times, again.actions, period),
    )
    ticks = sorted(here.keys() & there.keys())
    steps = np.abs(np.array([here[tick] - there[tick] for tick in ticks])).ravel()
    known = steps[np.isfinite(steps)]
    return float(known.max()) if known.size else nan


def _by_tick(times: Array, commands: Array, period: float) -> dict[int, Array]:
    # Without commands there is no row for any time.
    return dict(zip(np.rint(times / period).astype(int).tolist(), commands, strict=False))


def _other_time(one: float | None, other: float | None, late: float) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > late


def _other_commands(judged: EpisodeResult, again: Rollout, period: float, exact: bool) -> bool:
    if exact:
        return not np.array_equal(judged.joints, again.actions, equal_nan=True)
    return not apart(judged, again, period) <= CLOSE  # NaN is no proof of anything
