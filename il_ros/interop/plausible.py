"""Whether what came out of a foreign dataset can be what the contract says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop.feature_mapping import required_keys

_ROUNDING = 1e-4  # of a joint's range


def plausible(
    episodes: Iterable[EpisodeArrays], contract: Contract, where: Path
) -> Iterator[EpisodeArrays]:
    """The episodes as they come; after the last one, an error if they make no sense.

    Args:
        episodes: Episodes of a dataset that was not ours.
        contract: What they have to be.
        where: Names the dataset in errors.

    Raises:
        DatasetError: If an action is not finite or out of the contract's limits by more than a
            rounding, or if a stream that the contract requires is valid nowhere.
    """
    actions = _Actions(contract)
    needed = required_keys(contract)
    for episode in episodes:
        actions.add(episode)
        needed -= {key for key in needed if episode.valid[key].any()}
        yield episode
    actions.check(where)
    if needed:
        raise DatasetError(
            f'{", ".join(sorted(needed))} is finite at no frame, and the contract requires it',
            where=str(where),
            fix='check feature, index, scale and offset, or set required: false in the contract',
        )


class _Actions:
    """Counts actions that cannot be."""

    def __init__(self, contract: Contract) -> None:
        self._names, size = contract.action.names, len(contract.action.names)
        self._range = low, high = contract.action_range
        slack = _ROUNDING * (high - low)
        self._least, self._most = low - slack, high + slack
        self._frames = self._unknown = 0
        self._outside = np.zeros(size, np.int64)
        self._low, self._high = np.full(size, np.inf), np.full(size, -np.inf)

    def add(self, episode: EpisodeArrays) -> None:
        """Count those of an episode."""
        finite = np.asarray(np.isfinite(episode.action).all(axis=1))
        self._frames += len(finite)
        self._unknown += int((~finite).sum())
        known = episode.action[finite].astype(np.float64)
        self._outside += ((known < self._least) | (known > self._most)).sum(axis=0)
        self._low = np.minimum(self._low, known.min(axis=0, initial=np.inf))
        self._high = np.maximum(self._high, known.max(axis=0, initial=-np.inf))

    def check(self, where: Path) -> None:
        """Refuse what was counted."""
        if self._unknown:
            raise DatasetError(
                f'{self._unknown} of {self._frames} actions are not finite',
                where=f'{where}: action',
                fix='check index, scale and offset of the action, or drop those episodes',
            )
        wrong = np.flatnonzero(self._outside)
        if len(wrong):
            low, high = self._range
            raise DatasetError(
                '; '.join(
                    f'{self._outside[i]} of {self._frames} actions of {self._names[i]} are out of'
                    f' limits: {self._low[i]:.4g} to {self._high[i]:.4g}'
                    for i in wrong
                ),
                where=f'{where}: action',
                allowed=', '.join(f'{low[i]:g} to {high[i]:g}' for i in wrong),
                fix="give the scale and offset to the contract's units, or correct its limits",
            )
