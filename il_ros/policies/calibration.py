"""From where the scores of a policy are too strange: thresholds by split conformal prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import Dataset
from il_ros.monitors.conformal_thresholds import (
    WARN_ALPHA,
    ConformalThresholds,
    episodes_needed,
    joint_thresholds,
)
from il_ros.policies.fitted import DEFAULT_CHANNELS, WINDOW, FittedScores, fit_bank
from il_ros.policies.policy import Policy

__all__ = [
    'ALPHA',
    'DEFAULT_CHANNELS',
    'WARN_ALPHA',
    'WINDOW',
    'CalibrationRecord',
    'FittedScores',
    'calibrate',
    'enough',
    'fit_bank',
]  # fmt: skip

Array = NDArray[np.float64]

ALPHA = 0.02
"""Largest rate of nominal episodes with a false alarm, where none other is asked for."""

_FEW, _FAR = 10, 1.5
"""One episode in so many is few, and so many times above the next is far."""


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """From where the averaged scores of a policy are too strange, by split conformal prediction.

    Attributes:
        rule: How scores are taken together; thresholds of another rule would mean something else.
        stop: Where it is stopped, see `ConformalThresholds`; for a single score in its own unit.
        warn: Where it is warned of, as a ratio; at most 1.
        loc: Where each score usually is, K rows of T ticks.
        scale: How far above that it goes, K rows of T ticks.
        begin: First tick at which each score has to be a number.
        alpha: Largest rate of nominal episodes with a false alarm.
        warn_alpha: Largest rate of nominal episodes with a warning.
        window: Ticks that the scores are averaged over.
        varying: Whether the thresholds follow the course of an episode.
        maxima: Nonconformity values of the episodes that were not spent on `loc` and `scale`.
        longest: Frames of the longest calibration episode.
        episodes: Ids of all calibration episodes.
        seeds: Their seeds, where they have any.
        source: What they were: held-out `demonstrations`, or `rollouts` of the policy.
        policy_id: Identity of the policy that the thresholds are for.
    """

    rule: Literal['mean']
    stop: float
    warn: float
    loc: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    begin: tuple[int, ...]
    alpha: float
    warn_alpha: float
    window: int
    varying: bool
    maxima: tuple[float, ...]
    longest: int
    episodes: tuple[str, ...]
    seeds: tuple[int, ...]
    source: str
    policy_id: str

    @property
    def bands(self) -> ConformalThresholds:
        """The same as arrays, for the monitor."""
        return ConformalThresholds(
            loc=np.array(self.loc),
            scale=np.array(self.scale),
            begin=self.begin,
            stop=self.stop,
            warn=self.warn,
            maxima=self.maxima,
        )

    @property
    def odd(self) -> tuple[tuple[str, ...], float]:
        """The few episodes that set the thresholds, and how many times higher than the others.

        With few episodes `stop` is about the largest value of all, and one or two episodes in which
        the policy had to try again hide every failure that is less strange than they were. No
        episodes and 1 where there are no such few.
        """
        spent = len(self.episodes) - len(self.maxima)
        ranked = sorted(zip(self.maxima, self.episodes[spent:], strict=True), reverse=True)
        most = max(1, len(ranked) // _FEW)
        for few, ((least, _), (below, _)) in enumerate(islice(pairwise(ranked), most), start=1):
            if self.stop >= least > _FAR * below > 0:
                return tuple(name for _, name in ranked[:few]), self.stop / below
        return (), 1.0


def calibrate(
    scores: FittedScores,
    policy: Policy,
    dataset: Dataset,
    episodes: Sequence[int],
    *,
    source: str,
    policy_id: str,
    alpha: float = ALPHA,
    warn_alpha: float = WARN_ALPHA,
    window: int = WINDOW,
    varying: bool = True,
) -> CalibrationRecord:
    """The thresholds that `episodes` (indices), successful and not trained on, give.

    The rollouts have to be of the policy itself, driving alone and without being stopped or slowed
    by earlier thresholds: those that the monitor stops count as failures and would be missing here,
    and thresholds made of the rest are too low.

    Args:
        scores: The scores of the policy.
        policy: The policy, which answers the frames of the episodes anew.
        dataset: Where the episodes are.
        episodes: Which ones.
        source: What they are: held-out `demonstrations`, or `rollouts` of the policy.
        policy_id: Identity of the policy.
        alpha: Largest rate of nominal episodes with a false alarm.
        warn_alpha: Largest rate of nominal episodes with a warning.
        window: Ticks that the scores are averaged over.
        varying: Whether the thresholds follow the course of an episode; for tasks in which the
            same happens at the same time.

    Raises:
        DatasetError: If one of them did not succeed.
        CalibrationError: If they are too few for `alpha`, or a score is not finite.
    """
    entries = [dataset.episodes[i] for i in episodes]
    failed = [entry.id for entry in entries if entry.outcome != 'success']
    if failed:
        raise DatasetError(
            f'{", ".join(failed[:5])} did not succeed',
            where='calibration',
            fix='build the dataset of successful episodes only',
        )
    bands = joint_thresholds(
        scores.traces(policy, dataset, episodes, window),
        alpha=alpha,
        warn_alpha=warn_alpha,
        varying=varying,
        names=[channel.name for channel in scores.channels],
    )
    return CalibrationRecord(
        rule='mean',
        stop=bands.stop,
        warn=bands.warn,
        loc=_plain(bands.loc),
        scale=_plain(bands.scale),
        begin=bands.begin,
        alpha=alpha,
        warn_alpha=warn_alpha,
        window=window,
        varying=varying,
        maxima=bands.maxima,
        longest=max(entry.length for entry in entries),
        episodes=tuple(entry.id for entry in entries),
        seeds=tuple(entry.seed for entry in entries if entry.seed is not None),
        source=source,
        policy_id=policy_id,
    )


def enough(episodes: int, alpha: float, channels: int) -> bool:
    """Whether so many episodes can give thresholds of so many scores at `alpha`."""
    return episodes >= episodes_needed(alpha, channels, varying=True)


def _plain(array: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in array.tolist())
