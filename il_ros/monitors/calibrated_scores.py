"""The scores of a policy, fitted to what it was trained on, and what they see of an observation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError, require
from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.core.observation_features import Features, Normalizer
from il_ros.monitors.conformal_thresholds import ConformalThresholds
from il_ros.monitors.score_bank import LONGEST, Channel, ScoreBank, Spec

WINDOW = 5
"""Ticks that the scores are averaged over, where no other number is asked for."""

RESOLUTION = 5e-3
"""Spread that every feature has at least [its own unit]: below it lies the noise of sensors and
of floating point, which says nothing about novelty."""

_CLIP = 20.0  # spreads; beyond that an observation is novel in any case, and overflow is near


class NoveltyFeatures:
    """What scores see of an observation: features, normalised by their spread in training.

    Args:
        contract: Says what the observations are.
        normalizer: Mean and spread of the training frames, shape (D,).

    Raises:
        IlRosError: If the normaliser is of another shape.
    """

    def __init__(self, contract: Contract, normalizer: Normalizer) -> None:
        self.contract = contract
        self.normalizer = normalizer
        self._features = Features(contract)
        size = self._features.size
        require(normalizer.mean.shape == (size,), normalizer.mean.shape, 'features', f'({size},)')

    @classmethod
    def fit(cls, contract: Contract, values: Mapping[str, NDArray[np.floating]]) -> NoveltyFeatures:
        """Take the spreads of these frames: arrays of shape (F, size) by key."""
        raw = Features(contract).of_arrays(values)
        fitted = Normalizer.fit(raw, varies=0.0, clip=_CLIP)
        floored = np.sqrt(fitted.scale**2 + RESOLUTION**2)
        return cls(contract, Normalizer(mean=fitted.mean, scale=floored, clip=_CLIP))

    def of_frame(self, frame: Frame) -> Array:
        """Features of one frame, shape (D,); NaN where a required stream is invalid."""
        return self._transform(self._features.of_frame(frame))

    def of_arrays(self, values: Mapping[str, NDArray[np.floating]]) -> Array:
        """Features of many frames, shape (F, D), from arrays of shape (F, size) by key."""
        return self._transform(self._features.of_arrays(values))

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
class FittedScores:
    """The scores of a policy, fitted to what it was trained on, without thresholds yet.

    Attributes:
        features: What they see of an observation.
        channels: The scores.
        horizon: Steps of the policy's chunks, H.
    """

    features: NoveltyFeatures
    channels: tuple[Channel, ...]
    horizon: int

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Name, kind and input of each score."""
        return tuple(channel.spec for channel in self.channels)

    def bank(self, window: int = WINDOW) -> ScoreBank:
        """The scores, averaged over `window` ticks; all banks of them share one memory."""
        return ScoreBank(self.channels, window)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that is needed to make them again, by name."""
        arrays: dict[str, NDArray[np.generic]] = {**self.features.normalizer.arrays('features')}
        for channel in self.channels:
            arrays |= channel.arrays()
        return arrays

    @classmethod
    def from_arrays(
        cls,
        contract: Contract,
        specs: Iterable[Sequence[str]],
        horizon: int,
        arrays: Mapping[str, NDArray[np.generic]],
    ) -> FittedScores:
        """Make them again from what `specs` and `arrays` gave.

        Raises:
            IlRosError: If they do not belong together.
        """
        require(0 < horizon <= LONGEST, horizon, 'horizon', f'1 to {LONGEST}')
        normalizer = Normalizer.from_arrays('features', arrays, where='scores')
        channels = tuple(Channel.from_arrays(spec, arrays) for spec in specs)
        ScoreBank(channels, WINDOW)  # refuses none, or two of one name
        features = NoveltyFeatures(contract, normalizer)
        return cls(features=features, channels=channels, horizon=horizon)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What it takes to watch one policy; one watch at a time, since the scores have a memory.

    Attributes:
        bank: Its scores.
        thresholds: From where each one is out of distribution.
        longest: Ticks of the longest calibration episode.
        policy_id: Identity of the policy that the thresholds are for.

    Raises:
        IlRosError: If scores and thresholds do not belong together, or no policy is named.
    """

    bank: ScoreBank
    thresholds: ConformalThresholds
    longest: int
    policy_id: str

    def __post_init__(self) -> None:
        expected = len(self.bank.names)
        found = {len(self.thresholds.loc), len(self.thresholds.scale), len(self.thresholds.begin)}
        if found != {expected} or not self.policy_id:
            raise IlRosError(
                f'policy {self.policy_id!r}: {expected} scores, thresholds of {sorted(found)}',
                where='calibration',
                allowed='the identity of a policy, and thresholds for each score',
                fix='calibrate the policy again',
            )
