"""Whether a policy knows what it sees: a novelty score and the threshold that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import Frame
from il_ros.core.registry import lookup
from il_ros.datasets.dataset import Dataset
from il_ros.monitors.conformal import episode_maximum, episodes_needed, threshold
from il_ros.monitors.novelty import SCORES, NoveltyScore
from il_ros.policies.features import Features
from il_ros.policies.normalizer import Normalizer

Array = NDArray[np.float64]

RESOLUTION = 5e-3
"""Spread that every feature has at least [its own unit]: below it lies the noise of sensors and
of floating point, which says nothing about novelty."""

ALPHA = 0.02
"""Largest rate of nominal episodes with a false alarm, where none other is asked for."""

WINDOW = 5
"""Ticks that the score is averaged over, where no other number is asked for."""

_CLIP = 20.0  # spreads; beyond that an observation is novel in any case, and overflow is near


class NoveltyFeatures:
    """What the novelty score sees: the policy's features, normalised by their spread in training.

    Args:
        contract: Says what the observations are.
        normalizer: Mean and spread of the training frames, shape (D,).
    """

    def __init__(self, contract: Contract, normalizer: Normalizer) -> None:
        self.contract = contract
        self.normalizer = normalizer
        self._features = Features(contract)

    @classmethod
    def fit(cls, dataset: Dataset, rows: NDArray[np.int64]) -> NoveltyFeatures:
        """Take the spreads of these frames."""
        raw = Features(dataset.contract).of_arrays(dataset.values)[rows]
        fitted = Normalizer.fit(raw, varies=0.0, clip=_CLIP)
        floored = np.sqrt(fitted.scale**2 + RESOLUTION**2)
        return cls(dataset.contract, Normalizer(mean=fitted.mean, scale=floored, clip=_CLIP))

    def of_frame(self, frame: Frame) -> Array:
        """Features of one frame, shape (D,); NaN where a required stream is invalid."""
        return self._transform(self._features.of_frame(frame))

    def of_dataset(self, dataset: Dataset, rows: NDArray[np.int64]) -> Array:
        """Features of these frames of a dataset, shape (len(rows), D)."""
        return self._transform(self._features.of_arrays(dataset.values)[rows])

    def blur(self, features: Array, seed: int) -> Array:
        """Features with noise of the resolution added, shape (F, D), to fit a score to.

        It gives every direction of the feature space the spread that sensors have, so that no
        covariance is near singular where observations determine one another, as joint positions
        do the tool's pose.
        """
        noise = np.random.default_rng(seed).standard_normal(features.shape)
        return features + noise * (RESOLUTION / self.normalizer.scale)

    def _transform(self, raw: Array) -> Array:
        x = self.normalizer.normalize(raw)
        missing = np.isnan(x) & self._features.optional
        return np.where(missing, 0.0, x)


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """A novelty score and the features it is computed from.

    Attributes:
        kind: The score's name in the registry.
        score: The score, fitted to the training frames.
        features: What it sees.
    """

    kind: str
    score: NoveltyScore
    features: NoveltyFeatures

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        episodes: Iterable[int],
        *,
        kind: str = 'clustered_mahalanobis',
        seed: int = 0,
    ) -> Novelty:
        """Learn what is normal from the frames of these episodes."""
        rows = dataset.rows(episodes)
        features = NoveltyFeatures.fit(dataset, rows)
        seen = features.blur(features.of_dataset(dataset, rows), seed)
        return cls(kind=kind, score=lookup('score', kind, SCORES)().fit(seen), features=features)

    def maxima(self, dataset: Dataset, episodes: Iterable[int], window: int) -> list[float]:
        """Largest windowed score of each of these episodes."""
        return [
            episode_maximum(map(self.score.score, self._seen(dataset, i)), window) for i in episodes
        ]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that is needed to make it again, by name."""
        learned = {f'score.{name}': array for name, array in self.score.arrays().items()}
        return {**learned, **self.features.normalizer.arrays('features')}

    @classmethod
    def from_arrays(
        cls, contract: Contract, kind: str, arrays: Mapping[str, NDArray[np.generic]]
    ) -> Novelty:
        """Make it again from what `arrays` gave."""
        learned = {
            name.removeprefix('score.'): array
            for name, array in arrays.items()
            if name.startswith('score.')
        }
        return cls(
            kind=kind,
            score=lookup('score', kind, SCORES).from_arrays(learned),
            features=NoveltyFeatures(contract, Normalizer.from_arrays('features', arrays)),
        )

    def _seen(self, dataset: Dataset, episode: int) -> Array:
        return self.features.of_dataset(dataset, dataset.rows([episode]))


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold for the windowed novelty score, by split conformal prediction.

    Attributes:
        value: The threshold, in the score's own unit.
        alpha: Largest rate of nominal episodes with a false alarm.
        window: Ticks that the score is averaged over.
        maxima: Largest windowed score of each calibration episode.
        longest: Frames of the longest of them.
        episodes: Ids of these episodes.
        seeds: Their seeds, where they have any.
        source: What they were: held-out `demonstrations`, or `rollouts` of the policy.
        policy_id: Identity of the policy that the threshold is for.
    """

    value: float
    alpha: float
    window: int
    maxima: tuple[float, ...]
    longest: int
    episodes: tuple[str, ...]
    seeds: tuple[int, ...]
    source: str
    policy_id: str


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the monitor needs to watch a policy.

    Attributes:
        novelty: Score and features.
        limit: Threshold and where it comes from.
    """

    novelty: Novelty
    limit: Threshold

    @property
    def score(self) -> NoveltyScore:
        """The novelty score."""
        return self.novelty.score

    @property
    def features(self) -> NoveltyFeatures:
        """What the score sees."""
        return self.novelty.features

    @property
    def threshold(self) -> float:
        """What the windowed score may be at most."""
        return self.limit.value

    @property
    def longest(self) -> int:
        """Frames of the longest calibration episode."""
        return self.limit.longest

    @property
    def window(self) -> int:
        """Ticks that the score is averaged over."""
        return self.limit.window


def calibrate(
    novelty: Novelty,
    dataset: Dataset,
    episodes: Sequence[int],
    *,
    alpha: float,
    window: int,
    source: str,
    policy_id: str,
) -> Threshold:
    """The threshold that `episodes` (indices), successful and not trained on, give.

    Raises:
        DatasetError: If one of them did not succeed.
        CalibrationError: If they are too few for `alpha`.
    """
    entries = [dataset.episodes[i] for i in episodes]
    failed = [entry.id for entry in entries if entry.outcome != 'success']
    if failed:
        raise DatasetError(
            f'{", ".join(failed[:5])} did not succeed',
            where='calibration',
            fix='build the dataset of successful episodes only',
        )
    maxima = novelty.maxima(dataset, episodes, window)
    return Threshold(
        value=threshold(maxima, alpha),
        alpha=alpha,
        window=window,
        maxima=tuple(maxima),
        longest=max(entry.length for entry in entries),
        episodes=tuple(entry.id for entry in entries),
        seeds=tuple(entry.seed for entry in entries if entry.seed is not None),
        source=source,
        policy_id=policy_id,
    )


def enough(episodes: int, alpha: float) -> bool:
    """Whether so many episodes can give a threshold at `alpha`."""
    return episodes >= episodes_needed(alpha)
