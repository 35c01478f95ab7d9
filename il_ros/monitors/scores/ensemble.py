"""Disagreement of several networks that learned the same task from different episodes."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.scores.score import InputPart, NominalData, ScoreInput, load_arrays
from il_ros.monitors.scores.score_features import Standard, training_features, training_spread
from il_ros.monitors.scores.score_networks import (
    NONE,
    Floats,
    Forward,
    Loss,
    Networks,
    fit_networks,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

_WHERE = 'ensemble score'
_MEMBERS = 5
_HIDDEN = (64, 64)
_STEPS, _BATCH = 2000, 128


class EnsembleDisagreement:
    """Spread of what K small networks predict the expert to do next.

    Lakshminarayanan et al. 2017, 'Simple and scalable predictive uncertainty estimation using deep
    ensembles', with the mean alone: it shows where the members were not taught, not how
    much the expert varies. Each member starts at random and learns from a bootstrap sample of the
    episodes (frames of one episode are too much alike to be left out one by one).

    It knows the task, not the policy: what the policy answers plays no part.
    """

    needs: ClassVar[tuple[InputPart, ...]] = ('features',)

    def __init__(self) -> None:
        self._standard = Standard(np.zeros(0), np.zeros(0), _WHERE)
        self._networks = NONE
        self._spread: Array = np.zeros(0)

    @property
    def spread(self) -> Array:
        """Unit of the predicted changes, shape (N,) [rad or m]."""
        return self._spread

    def fit(self, nominal: NominalData) -> Self:
        """Fit the members to what the expert did next, each on its own draw of the episodes.

        Raises:
            IlRosError: If features, chunks and positions are not finite or do not belong together.
        """
        X, self._spread = training_features(nominal), training_spread(nominal)
        if len(X) != len(nominal.chunks):
            raise IlRosError(
                f'{len(X)} features and {len(nominal.chunks)} chunks',
                where=_WHERE,
                allowed='one chunk for each frame',
            )
        self._standard = Standard.fit(X, _WHERE)
        actions = nominal.actions.reshape(len(X), -1)
        random = np.random.default_rng(nominal.seed)
        start = Networks.random((X.shape[1], *_HIDDEN, actions.shape[1]), _MEMBERS, 'relu', random)
        pools = [_bootstrap(nominal.lengths, random) for _ in range(_MEMBERS)]
        loss = _imitation(self._standard.of_frames(X), actions, pools)
        self._networks = fit_networks(start, loss, steps=_STEPS, seed=nominal.seed)
        return self

    def score(self, score_input: ScoreInput) -> float:
        """Root mean square over steps and joints of the members' standard deviation.

        In units of `spread`.

        Raises:
            IlRosError: If there are not D features.
        """
        z = self._standard.of(score_input)
        if z is None:
            return nan
        answers = self._networks(z)
        apart = (answers - answers.sum(axis=0) / len(answers)).ravel()
        return float(np.sqrt(apart @ apart / len(apart)))

    def samples(self, features: Array) -> Floats:
        """The members' chunks as changes from the measured position, shape (K, H, N).

        In units of `spread`.

        Args:
            features: Of one frame, shape (D,).

        Raises:
            IlRosError: If there are not D features.
        """
        z = self._standard.of(ScoreInput(time=0.0, features=features))
        assert z is not None
        return self._networks(z).reshape(self._networks.count, -1, len(self._spread))

    def reset(self) -> None:
        """Nothing: it has no memory."""

    def arrays(self) -> dict[str, Array]:
        """'mean' (D,), 'scale' (D,), 'spread' (N,) and the layers of the members."""
        return {
            **self._standard.arrays(),
            'spread': self._spread,
            **self._networks.arrays(),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """The score whose `arrays` were saved.

        Raises:
            IlRosError: If an array is missing or the shapes do not belong together.
        """
        shapes = Networks.shapes('DABC')
        mean, scale, spread, *layers = load_arrays(
            arrays, _WHERE, mean='D', scale='D', spread='N', **shapes
        )
        score = cls()
        score._standard, score._spread = Standard(mean, scale, _WHERE), spread
        score._networks = Networks.of(layers, 'relu')
        if (outputs := layers[-1].shape[1]) % len(spread):
            raise IlRosError(
                f'{outputs} outputs for {len(spread)} joints',
                where=_WHERE,
                allowed='a multiple of the number of joints',
            )
        return score


def _bootstrap(lengths: Sequence[int], random: np.random.Generator) -> Array:
    """Frames of as many episodes as there are, drawn with replacement (Efron 1979)."""
    ends = np.cumsum(lengths)
    drawn = random.integers(len(ends), size=len(ends))
    return np.concatenate([np.arange(ends[i] - lengths[i], ends[i]) for i in drawn])


def _imitation(Z: Array, actions: Array, pools: Sequence[Array]) -> Loss:
    """Mean square error of actions (F, H * N) on frames Z (F, D), each member's from its pool."""
    import torch

    inputs = torch.from_numpy(Z.astype(np.float32))
    outputs = torch.from_numpy(actions.astype(np.float32))
    frames = [torch.from_numpy(pool) for pool in pools]

    def loss(forward: Forward, random: Generator) -> Tensor:
        draws = [p[torch.randint(len(p), (_BATCH,), generator=random)] for p in frames]
        rows = torch.stack(draws)
        # A mean over each member's outputs and a sum over members: they learn independently.
        return (forward(inputs[rows]) - outputs[rows]).square().mean(dim=(1, 2)).sum()

    return loss
