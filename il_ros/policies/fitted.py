"""The scores of a policy, fitted to what it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.registry import lookup
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.window_loader import FrameIndex
from il_ros.monitors.score_bank import Channel, ScoreBank, Spec
from il_ros.monitors.scores.score import SCORES, NominalData, Score
from il_ros.policies.normalizer import Normalizer
from il_ros.policies.policy import Policy
from il_ros.policies.score_inputs import NoveltyFeatures, ScoreInputs, frames_of_episode

Array = NDArray[np.float64]

WINDOW = 5
"""Ticks that the scores are averaged over, where no other number is asked for."""

DEFAULT_CHANNELS: tuple[Spec, ...] = (
    ('knn_embedding', 'knn', 'embedding'),
    ('flow', 'flow', 'observation'),
    ('ensemble', 'ensemble', 'observation'),
    ('tce', 'tce', 'observation'),
)
"""The scores that a policy is watched with, where none other are asked for: name, kind, input.

One of each kind: whether the policy has been in such a state, whether there are such observations,
whether one can tell what the expert would do, and whether the policy keeps to what it said.
"""


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

    def moments(self, policy: Policy) -> ScoreInputs:
        """What makes the moments that these scores need, for the policy that they are of."""
        return ScoreInputs(policy, self.features, self.bank().needs, self.horizon)

    def traces(
        self, policy: Policy, dataset: Dataset, episodes: Iterable[int], window: int = WINDOW
    ) -> list[Array]:
        """Averaged scores (T, K) of each of these episodes, the policy answering them anew."""
        bank, moments = self.bank(window), self.moments(policy)
        return [bank.trace(moments.of_episode(dataset, i)) for i in episodes]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that is needed to make them again, by name."""
        learned = {f'score.{name}': array for name, array in self.bank().arrays().items()}
        return {**learned, **self.features.normalizer.arrays('features')}

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
        learned = {
            name.removeprefix('score.'): array
            for name, array in arrays.items()
            if name.startswith('score.')
        }
        try:
            normalizer = Normalizer.from_arrays('features', arrays)
        except KeyError as missing:
            raise IlRosError(f'no array {missing}', where='scores', fix='train again') from None
        return cls(
            features=NoveltyFeatures(contract, normalizer),
            channels=ScoreBank.from_arrays(specs, WINDOW, learned).channels,
            horizon=horizon,
        )


def fit_bank(
    policy: Policy,
    dataset: Dataset,
    episodes: Iterable[int],
    channels: Sequence[Spec] | None = None,
    seed: int = 0,
) -> FittedScores:
    """Fit scores to the episodes (indices) that a policy was trained on.

    Args:
        policy: The policy.
        dataset: What it was trained on.
        episodes: The episodes that it was trained on.
        channels: Which scores, and what each one looks at; by default `DEFAULT_CHANNELS`, without
            `tce` where a chunk is one step, so that two of them have nothing in common.
        seed: Seed of whatever a fit draws.

    Raises:
        UnknownNameError: If a kind of score is not known.
        IlRosError: If a score looks at an embedding that the policy does not have, or cannot be
            fitted.
    """
    chosen = list(episodes)
    rows = dataset.rows(chosen)
    features = NoveltyFeatures.fit(dataset, rows)
    horizon = _horizon(policy, dataset, chosen)
    if channels is None:
        channels = [spec for spec in DEFAULT_CHANNELS if horizon > 1 or spec[1] != 'tce']
    seen = {'observation': features.blur(features.of_dataset(dataset, rows), seed)}
    if any(on == 'embedding' for _, _, on in channels):
        seen['embedding'] = _embeddings(policy, dataset, chosen)
    normal = {
        on: NominalData(
            features=array,
            lengths=[dataset.episodes[i].length for i in chosen],
            position=_positions(dataset, rows),
            chunks=_chunks(dataset, rows, horizon),
            seed=seed,
        )
        for on, array in seen.items()
    }
    fitted = []
    for name, kind, on in channels:
        score: Score = lookup('score', kind, SCORES)()
        fitted.append(Channel(name=name, kind=kind, on=on, score=score.fit(normal[on])))
    return FittedScores(features=features, channels=tuple(fitted), horizon=horizon)


def _horizon(policy: Policy, dataset: Dataset, episodes: Sequence[int]) -> int:
    """Steps of the policy's chunks: as many as it answers."""
    frame = next(frames_of_episode(dataset, episodes[0]))
    policy.reset()
    horizon = len(policy.act(frame))
    policy.reset()
    return horizon


def _positions(dataset: Dataset, rows: NDArray[np.int64]) -> Array:
    keys = dataset.contract.action.position
    return np.concatenate([dataset.values[key][rows] for key in keys], axis=1).astype(np.float64)


def _chunks(dataset: Dataset, rows: NDArray[np.int64], horizon: int) -> Array:
    """What was commanded from each frame on, shape (F, H, N); the last known step repeats.

    Where an expert was asked, it is the answer that counts: the policy's own commands are not what
    is normal.
    """
    following = FrameIndex(dataset).following(rows, horizon).rows
    chunks = np.asarray(dataset.action[following], dtype=np.float64)
    if dataset.label is None:
        return chunks
    labels = dataset.label[rows, :horizon]
    answered = np.isfinite(labels).all(axis=(1, 2), keepdims=True)
    return np.where(answered, labels, chunks)


def _embeddings(policy: Policy, dataset: Dataset, episodes: Sequence[int]) -> Array:
    found = [policy.embedding(f) for i in episodes for f in frames_of_episode(dataset, i)]
    told = [embedding for embedding in found if embedding is not None]
    if len(told) < len(found) or not told:
        raise IlRosError(
            f'a policy of kind {policy.kind!r} has no embedding',
            where='channels',
            fix='let the scores look at the observation',
        )
    return np.stack(told)
