"""A small network that learns a probability, for the rules that go by one."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.scores.score_networks import Forward, Networks, fit_networks

_BATCH = 128


class ProbabilityNetwork:
    """A probability, learned from examples by cross entropy.

    Args:
        networks: One network, from D inputs to the logit of the probability.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    @classmethod
    def random(cls, inputs: int, hidden_dims: tuple[int, ...], seed: int) -> Self:
        """An untrained network of D = `inputs` and these hidden widths."""
        random = np.random.default_rng(seed)
        return cls(Networks.random((inputs, *hidden_dims, 1), 1, 'tanh', random))

    def fit(
        self,
        x: NDArray[np.floating],
        probability: NDArray[np.floating] | NDArray[np.bool_],
        *,
        steps: int,
        seed: int,
    ) -> ProbabilityNetwork:
        """The network after further training.

        Args:
            x: Inputs, shape (F, D).
            probability: What to say there, shape (F,).
            steps: Batches to train on.
            seed: Of the batches.
        """
        inputs = torch.from_numpy(x.astype(np.float32))
        targets = torch.from_numpy(probability.astype(np.float32))

        def loss(forward: Forward, random: torch.Generator) -> torch.Tensor:
            rows = torch.randint(len(inputs), (_BATCH,), generator=random)
            logits = forward(inputs[rows][None])[0, :, 0]
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[rows])

        return ProbabilityNetwork(fit_networks(self._networks, loss, steps=steps, seed=seed))

    def __call__(self, x: Array) -> float:
        """The probability for one input, shape (D,)."""
        return float(_sigmoid(self._networks(x)[0, 0]))

    def of_frames(self, x: Array) -> Array:
        """The probabilities for many inputs (F, D), shape (F,)."""
        return _sigmoid(self._networks.of_frames(x)[0, :, 0])


def _sigmoid(logit: NDArray[np.floating] | np.floating) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logit, np.float64))))
