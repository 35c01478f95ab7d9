"""Split conformal threshold for a novelty score, one nonconformity value per episode."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import ceil

import numpy as np

from il_ros.core.errors import IlRosError


class CalibrationError(IlRosError):
    """A threshold cannot be calibrated from what was given."""


class ScoreWindow:
    """Running mean of the last scores; calibration and monitor smooth with this same object.

    Args:
        size: How many scores the mean spans; at the start of an episode fewer.
    """

    def __init__(self, size: int) -> None:
        self._scores: deque[float] = deque(maxlen=size)

    def push(self, score: float) -> float:
        """Take one more score in and return the mean."""
        self._scores.append(score)
        return sum(self._scores) / len(self._scores)

    def reset(self) -> None:
        """Forget every score."""
        self._scores.clear()


def episode_maximum(scores: Iterable[float], window: int) -> float:
    """Largest windowed score of one episode: its nonconformity value.

    Raises:
        CalibrationError: If the episode has no score, or one that is not finite.
    """
    smooth = ScoreWindow(window)
    values = [smooth.push(score) for score in scores]
    if not values or not np.isfinite(values).all():
        raise CalibrationError(
            'an episode has no score'
            if not values
            else 'an episode has a score that is not finite',
            where='calibration',
            fix='leave that episode out or record it again',
        )
    return max(values)


def episodes_needed(alpha: float) -> int:
    """Fewest calibration episodes that make a threshold at `alpha` possible."""
    return max(1, ceil(1 / alpha - 1e-9) - 1)


def threshold(maxima: Sequence[float], alpha: float) -> float:
    """The value that a new nominal episode's maximum exceeds with probability at most `alpha`.

    It is the maximum of rank ``ceil((n + 1) (1 - alpha))`` among those of n held-out episodes
    (Vovk et al. 2005; Angelopoulos & Bates 2021, section 1).

    What this promises: if the new episode and the n calibration episodes are exchangeable (same
    arm, task, policy and conditions, none used for training), the chance of a false alarm in the
    whole episode is at most `alpha`, for any score and any n. What it does not promise: the
    probability is marginal, over the draw of the calibration set too, so that one particular
    threshold may be worse (with n episodes the rate is Beta distributed); nothing holds for given
    conditions such as one start position; nothing is said about how often a real failure is
    detected; and nothing holds once the policy or the arm has changed.

    Args:
        maxima: `episode_maximum` of each held-out successful episode, n of them.
        alpha: Largest rate of episodes with a false alarm, between 0 and 1.

    Raises:
        CalibrationError: If `alpha` is out of range, a maximum is not finite, or n is too small.
    """
    if not 0 < alpha < 1:
        raise CalibrationError(f'alpha is {alpha}', where='calibration', allowed='0 < alpha < 1')
    if not np.isfinite(maxima).all():
        raise CalibrationError('a maximum is not finite', where='calibration')
    n, needed = len(maxima), episodes_needed(alpha)
    if n < needed:
        raise CalibrationError(
            f'{n} episodes are too few for alpha {alpha:g}',
            where='calibration',
            allowed=f'{needed} or more',
            fix='record more held-out successful episodes or choose a larger alpha',
        )
    rank = ceil((n + 1) * (1 - alpha) - 1e-9)  # the product may round up past an integer
    return float(sorted(maxima)[rank - 1])
