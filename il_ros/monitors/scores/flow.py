"""How likely a frame is under a flow model, by one step of the flow."""

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

_HIDDEN = (128, 128)
_STEPS, _BATCH = 3000, 256


class FlowDensity(NetworkScore):
    """logpZO: square of the noise that one step of a flow takes a frame to.

    Xu et al. 2025, 'Can we detect failures without failure data?': a velocity field
    v(x, t) is fitted by flow matching (Lipman et al. 2023) to go from the training frames, t = 0,
    to standard normal noise, t = 1, along straight lines, and a frame is scored by
    ``|x + v(x, 0)|^2``, which stands for its log-density.

    What one step says: at t = 0 all noise is equally likely, so the best v(x, 0) at a training
    frame is -x, and its score is near zero; elsewhere nothing taught the network to take x back.
    Units that level off (tanh) let it take back no more than it saw, so that the score grows with
    the square of the distance.
    """

    _where = 'flow score'
    _shapes: ClassVar = {'mean': 'D', 'scale': 'D', **Networks.shapes('DABD')}
    _activation = 'tanh'

    def _fitted(self, Z: Array, nominal: NominalData) -> Iterable[Array]:
        """The velocity field at t = 0."""
        D, random = Z.shape[1], np.random.default_rng(nominal.seed)
        start = Networks.random((D + 1, *_HIDDEN, D), 1, self._activation, random)
        field = fit_networks(start, _flow_matching(Z), steps=_STEPS, seed=nominal.seed)
        first, *weights = field.weights
        kept = Networks([first[:, :, :D], *weights], field.biases, self._activation)
        return kept.arrays().values()

    def _of(self, z: Array) -> float:
        """Squared norm of the one-step noise."""
        noise = z + self._networks(z)[0]
        return float(noise @ noise)


def _flow_matching(Z: Array) -> Loss:
    """Mean square error of the velocity towards noise, on a batch of frames Z (F, D)."""
    import torch

    frames = torch.from_numpy(Z.astype(np.float32))

    def loss(forward: Forward, random: Generator) -> Tensor:
        x = frames[torch.randint(len(frames), (_BATCH,), generator=random)]
        noise = torch.randn(x.shape, generator=random)
        t = torch.rand((_BATCH, 1), generator=random)
        inputs = torch.cat([(1.0 - t) * x + t * noise, t], dim=1)
        return (forward(inputs[None])[0] - (noise - x)).square().mean()

    return loss
