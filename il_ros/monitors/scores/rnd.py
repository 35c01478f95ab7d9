"""Random network distillation: how badly a network predicts another one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.scores.score import NominalData
from il_ros.monitors.scores.score_networks import (
    Forward,
    Loss,
    Networks,
    NetworkScore,
    fit_networks,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

_HIDDEN = (64, 64)
_OUTPUTS = 32
_STEPS, _BATCH = 2000, 256


class RandomNetworkDistillation(NetworkScore):
    """Error of a network that was fitted to a random one on the training frames.

    Burda et al. 2019, 'Exploration by random network distillation', section 2.2: where the two
    were never compared they differ. The target's outputs are brought to unit spread over the
    training frames.
    """

    _where = 'rnd score'
    _shapes: ClassVar = {'mean': 'D', 'scale': 'D', **Networks.shapes('DABC')}

    def _fitted(self, Z: Array, nominal: NominalData) -> Iterable[Array]:
        """The target and, next to it, the predictor that is fitted to it."""
        random = np.random.default_rng(nominal.seed)
        sizes = (Z.shape[1], *_HIDDEN, _OUTPUTS)
        target = _unit(Networks.random(sizes, 1, self._activation, random), Z)
        predictor = fit_networks(
            Networks.random(sizes, 1, self._activation, random),
            _distil(Z, target),
            steps=_STEPS,
            seed=nominal.seed,
        )
        return Networks.side_by_side(target, predictor).arrays().values()

    def _of(self, z: Array) -> float:
        """Root mean square error of the prediction; 1 is the spread of what it predicts."""
        target, predicted = self._networks(z)
        error = predicted - target
        return float(np.sqrt(error @ error / len(error)))


def _unit(target: Networks, Z: Array) -> Networks:
    """The target with its last layer scaled to outputs of unit spread over frames Z (F, D)."""
    scale = np.maximum(target.of_frames(Z)[0].std(axis=0), 1e-6)
    *weights, weight = target.weights
    *biases, bias = target.biases
    return Networks(
        [*weights, weight / scale[None, :, None]], [*biases, bias / scale], target.activation
    )


def _distil(Z: Array, target: Networks) -> Loss:
    """Mean square error of the prediction on a batch of frames Z (F, D)."""
    import torch

    inputs = torch.from_numpy(Z.astype(np.float32))
    outputs = torch.from_numpy(target.of_frames(Z)[0])

    def loss(forward: Forward, random: Generator) -> Tensor:
        rows = torch.randint(len(inputs), (_BATCH,), generator=random)
        return (forward(inputs[rows][None])[0] - outputs[rows]).square().mean()

    return loss
