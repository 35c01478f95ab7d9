"""Small networks side by side: fitted together in torch, run one frame at a time in numpy.

One frame through several small networks costs more in calls than in arithmetic. Here all networks
of a score go through each layer in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array
from il_ros.monitors.scores.score_features import StandardisedScore

if TYPE_CHECKING:
    from torch import Generator, Tensor

Floats = NDArray[np.float32]
Activation = Literal['relu', 'tanh']
Forward = Callable[['Tensor'], 'Tensor']
Loss = Callable[[Forward, 'Generator'], 'Tensor']
"""Loss of the networks, summed over them, from their forward pass (K, B, in) -> (K, B, out)."""


class Networks:
    """K multilayer perceptrons of one shape.

    Args:
        weights: Of each layer, shape (K, out, in).
        biases: Of each layer, shape (K, out).
        activation: What lies between the layers. `tanh` levels off far away from the training
            frames; `relu` goes on in a straight line.
    """

    def __init__(
        self,
        weights: Sequence[Array | Floats],
        biases: Sequence[Array | Floats],
        activation: Activation,
    ) -> None:
        self.activation: Activation = activation
        self.weights = [np.ascontiguousarray(weight, dtype=np.float32) for weight in weights]
        self.biases = [np.ascontiguousarray(bias, dtype=np.float32) for bias in biases]
        self.count = len(self.weights[0])
        self._first = np.concatenate(self.weights[0])
        self._rest = [
            (weight, bias[..., None])
            for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True)
        ]

    @classmethod
    def random(
        cls,
        sizes: Sequence[int],
        count: int,
        activation: Activation,
        random: np.random.Generator,
    ) -> Self:
        """Random networks (He et al. 2015) of these widths, from the input to the output."""
        gain = np.sqrt(2.0 if activation == 'relu' else 1.0)
        weights = [
            random.standard_normal((count, b, a)) * gain / np.sqrt(a) for a, b in pairwise(sizes)
        ]
        biases = [0.1 * random.standard_normal((count, b)) for b in sizes[1:]]
        return cls(weights, biases, activation)

    def __call__(self, x: Array) -> Floats:
        """Outputs for one input (D,), shape (K, out)."""
        hidden = self._first @ x.astype(np.float32)
        hidden = hidden.reshape(self.count, -1, 1) + self.biases[0][..., None]
        for weight, bias in self._rest:
            hidden = weight @ self._bend(hidden) + bias
        return hidden[..., 0]

    def of_frames(self, X: Array) -> Floats:
        """Outputs for many inputs (F, D), shape (K, F, out)."""
        hidden: Floats = np.broadcast_to(np.float32(X), (self.count, *X.shape))
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = self._bend(hidden) if i else hidden
            hidden = hidden @ weight.transpose(0, 2, 1) + bias[:, None]
        return hidden

    def arrays(self) -> dict[str, Array]:
        """'weight_<i>' (K, out, in) and 'bias_<i>' (K, out) of each layer."""
        named = {
            **{f'weight_{i}': weight for i, weight in enumerate(self.weights)},
            **{f'bias_{i}': bias for i, bias in enumerate(self.biases)},
        }
        return {name: array.astype(np.float64) for name, array in named.items()}

    @staticmethod
    def shapes(sizes: str) -> dict[str, str]:
        """Shapes of `arrays`, as `load_arrays` takes them, weights before biases.

        Args:
            sizes: A letter for each width, from the input to the output; equal letters, equal
                widths. K is taken.
        """
        layers = list(pairwise(sizes))
        return {
            **{f'weight_{i}': f'K{b}{a}' for i, (a, b) in enumerate(layers)},
            **{f'bias_{i}': f'K{b}' for i, (_, b) in enumerate(layers)},
        }

    @classmethod
    def of(cls, found: Sequence[Array], activation: Activation) -> Self:
        """The networks of their arrays, weights before biases."""
        return cls(found[: len(found) // 2], found[len(found) // 2 :], activation)

    @classmethod
    def side_by_side(cls, *parts: Networks) -> Self:
        """All networks of some parts of the same shape, in their order."""
        return cls(
            [np.concatenate(layers) for layers in zip(*(p.weights for p in parts), strict=True)],
            [np.concatenate(layers) for layers in zip(*(p.biases for p in parts), strict=True)],
            parts[0].activation,
        )

    def _bend(self, hidden: Floats) -> Floats:
        bent: Floats = np.tanh(hidden) if self.activation == 'tanh' else np.maximum(hidden, 0.0)
        return bent


def fit_networks(
    start: Networks, loss: Loss, *, steps: int, seed: int, rate: float = 2e-3
) -> Networks:
    """Networks that Adam (Kingma & Ba 2015) finds from `start`; the rate falls as half a cosine.

    On one thread, so that a seed gives the same networks however many cores there are.

    Args:
        start: Where it begins.
        loss: What is to become small; it draws its own batch.
        steps: Batches.
        seed: Seed of the batches.
        rate: Learning rate at the beginning.
    """
    import torch

    random = torch.Generator().manual_seed(seed)
    weights = [torch.from_numpy(weight.copy()).requires_grad_() for weight in start.weights]
    biases = [torch.from_numpy(bias.copy()).requires_grad_() for bias in start.biases]
    forward = _forward(weights, biases, start.activation)
    optimizer = torch.optim.Adam([*weights, *biases], lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(forward, random).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    finally:
        torch.set_num_threads(threads)
    return Networks(
        [weight.detach().numpy() for weight in weights],
        [bias.detach().numpy() for bias in biases],
        start.activation,
    )


def _forward(weights: list[Tensor], biases: list[Tensor], activation: Activation) -> Forward:
    import torch

    bend = torch.tanh if activation == 'tanh' else torch.relu

    def forward(x: Tensor) -> Tensor:
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = torch.baddbmm(bias[:, None], bend(x) if i else x, weight.transpose(1, 2))
        return x

    return forward


class NetworkScore(StandardisedScore):
    """A score that networks give of the standardised features."""

    _activation: ClassVar[Activation] = 'relu'

    def _use(self, arrays: Sequence[Array]) -> None:
        super()._use(arrays)
        self._networks = Networks.of(arrays[2:], self._activation)
