"""Disagreement of several networks that learned the same task from different episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.monitors.scores.score import NominalData, ScoreInput
from il_ros.monitors.scores.score_features import training_spread
from il_ros.monitors.scores.score_networks import (
    Floats,
    Forward,
    Loss,
    Networks,
    NetworkScore,
    fit_networks,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

_MEMBERS = 5
_HIDDEN = (64, 64)
_STEPS, _BATCH = 2000, 128


class EnsembleDisagreement(NetworkScore):
    """Spread of what K small networks predict the expert to do next.

    Lakshminarayanan et al. 2017, 'Simple and scalable predictive uncertainty estimation using deep
    ensembles', with the mean alone: it shows where the members were not taught, not how
    much the expert varies. Each member starts at random and learns from a bootstrap sample of the
    episodes (frames of one episode are too much alike to be left out one by one).

    It knows the task, not the policy: what the policy answers plays no part.

    Attributes:
        spread: Unit of the predicted changes, shape (N,) [rad or m].
    """

    _where = 'ensemble score'
    _shapes: ClassVar = {'mean': 'D', 'scale': 'D', 'spread': 'N', **Networks.shapes('DABC')}

    def _fitted(self, Z: Array, nominal: NominalData) -> list[Array]:
        """The unit of what the expert did next, and members, each fitted to its own draw of it."""
        spread = training_spread(nominal)
        if len(Z) != len(nominal.chunks):
            raise IlRosError(
                f'{len(Z)} features and {len(nominal.chunks)} chunks',
                where=self._where,
                allowed='one chunk for each frame',
            )
        actions = nominal.actions.reshape(len(Z), -1)
        random, sizes = np.random.default_rng(nominal.seed), (Z.shape[1], *_HIDDEN)
        start = Networks.random((*sizes, actions.shape[1]), _MEMBERS, self._activation, random)
        pools = [_bootstrap(nominal.lengths, random) for _ in range(_MEMBERS)]
        loss = _imitation(Z, actions, pools)
        members = fit_networks(start, loss, steps=_STEPS, seed=nominal.seed)
        return [spread, *members.arrays().values()]

    def _of(self, z: Array) -> float:
        """Root mean square over steps and joints of the members' standard deviation.

        In units of `spread`.
        """
        answers = self._networks(z)
        apart = (answers - answers.sum(axis=0) / len(answers)).ravel()
        return float(np.sqrt(apart @ apart / len(apart)))

    def samples(self, features: Array) -> Floats:
        """The members' chunks as changes from the measured position, shape (K, H, N).

        In units of `spread`, for the features of one frame, shape (D,).
        """
        z = self._standardised(ScoreInput(time=0.0, features=features))
        assert z is not None
        return self._networks(z).reshape(self._networks.count, -1, len(self.spread))

    def _use(self, arrays: Sequence[Array]) -> None:
        mean, scale, self.spread, *layers = arrays
        super()._use([mean, scale, *layers])
        outputs, joints = layers[-1].shape[1], len(self.spread)
        if joints and outputs % joints:
            raise IlRosError(
                f'{outputs} outputs for {joints} joints',
                where=self._where,
                allowed='a multiple of the number of joints',
            )


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
