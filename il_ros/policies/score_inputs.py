"""Moments for the scores: what a policy sees and answers, in the form in which it is judged."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import get_arm
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.datasets.dataset import Dataset
from il_ros.experts import Expert, make_heuristic
from il_ros.experts.heuristics import Straight
from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.policies.features import Features
from il_ros.policies.normalizer import Normalizer
from il_ros.policies.policy import Policy

Array = NDArray[np.float64]

RESOLUTION = 5e-3
"""Spread that every feature has at least [its own unit]: below it lies the noise of sensors and
of floating point, which says nothing about novelty."""

_CLIP = 20.0  # spreads; beyond that an observation is novel in any case, and overflow is near


class NoveltyFeatures:
    """What scores see of an observation: features, normalised by their spread in training.

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
        values = {key: dataset.values[key][rows] for key in self._features.keys}
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


class ScoreInputs:
    """Makes moments of frames and chunks, with only those parts that some score needs.

    Args:
        policy: The policy that is judged.
        features: What scores see of an observation.
        needs: Parts of a moment that are made.
        horizon: Steps of the policy's chunks, H.
    """

    def __init__(
        self, policy: Policy, features: NoveltyFeatures, needs: Collection[InputPart], horizon: int
    ) -> None:
        self.features = features
        self._policy, self._contract, self._horizon = policy, policy.contract, horizon
        self._needs = frozenset(needs)
        self._heuristic = _heuristic(self._contract) if 'reference' in self._needs else None

    def of_frame(
        self,
        frame: Frame,
        chunk: Array | None = None,
        chunk_time: float = 0.0,
        *,
        epoch: int = 0,
    ) -> ScoreInput:
        """The moment of one frame.

        Args:
            frame: The frame.
            chunk: The policy's newest answer, shape (H, N) [rad or m]; None where there is none.
            chunk_time: Stamp of the observation that it answers, since `epoch` [s].
            epoch: Where time is counted from [ns]: near the frames, so that no digit is lost.
        """
        here = self._contract.action.position
        needs = self._needs
        return ScoreInput(
            time=(frame.stamp - epoch) / NS,
            # The monitor wants to see these in any case: without them nothing can be watched.
            features=self.features.of_frame(frame),
            embedding=self._policy.embedding(frame) if 'embedding' in needs else None,
            position=frame.vector(here) if here and frame.all_valid(here) else None,
            chunk=chunk,
            chunk_time=chunk_time,
            step_dt=self._contract.period,
            reference=self._reference(frame) if 'reference' in needs else None,
        )

    def of_episode(self, dataset: Dataset, index: int) -> list[ScoreInput]:
        """The moments of an episode of a dataset, as if the policy had been there.

        The policy answers each frame anew where a score looks at answers; its memory is cleared
        before that. Times are counted from the first frame.
        """
        frames = list(frames_of_episode(dataset, index))
        epoch = frames[0].stamp if frames else 0
        self._policy.reset()
        return [self._answered(frame, epoch) for frame in frames]

    def _answered(self, frame: Frame, epoch: int) -> ScoreInput:
        if not self._needs & {'chunk', 'samples'}:
            return self.of_frame(frame, epoch=epoch)
        chunk = self._policy.act(frame)
        return self.of_frame(frame, chunk, (frame.stamp - epoch) / NS, epoch=epoch)

    def _reference(self, frame: Frame) -> Array | None:
        """What the heuristic would do, shape (H, N) [rad or m]; None where it cannot see."""
        here = self._contract.action.position
        if self._heuristic is None:
            if not (here and frame.all_valid(here)):
                return None
            return np.tile(frame.vector(here), (self._horizon, 1))
        seen = {key: value for key, value in frame.values.items() if frame.valid[key]}
        try:
            return self._heuristic.act(seen, horizon=self._horizon, dt=self._contract.period)
        except IlRosError:  # it lacks an observation that it reads
            return None


def frames_of_episode(dataset: Dataset, index: int) -> Iterator[Frame]:
    """The frames of an episode as the policy saw them, without their images."""
    keys, rows = list(dataset.contract.observations), dataset.rows([index])
    columns = {key: i for i, key in enumerate(dataset.valid)}
    values = {key: np.asarray(dataset.values[key][rows], dtype=np.float64) for key in keys}
    valid = {key: np.asarray(dataset.valid[key][rows]) for key in keys}
    age: NDArray[Any] = np.asarray(dataset.age[rows])
    for i, stamp in enumerate(np.asarray(dataset.stamp[rows]).tolist()):
        yield Frame(
            stamp=stamp,
            values={key: values[key][i] for key in keys},
            valid={key: bool(valid[key][i]) for key in keys},
            age={key: float(age[i, columns[key]]) for key in keys},
        )


def _heuristic(contract: Contract) -> Expert | None:
    """Straight to the goal where its arm and its observations are there; None stands for holding.

    Either is what an operator would understand at a glance, so that a policy far from both is worth
    a look; neither has to be good.
    """
    arm = get_arm(contract.arm) if contract.arm else None
    if arm is None or not set(Straight.keys) <= set(contract.observations):
        return None
    if arm.names != contract.action.names:
        return None
    return make_heuristic('straight', arm.name)
