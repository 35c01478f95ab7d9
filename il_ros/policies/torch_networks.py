"""Networks in torch, for training and for the GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import nn

from il_ros.core.errors import IlRosError, require

ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    'silu': nn.functional.silu,
    'relu': nn.functional.relu,
    'tanh': torch.tanh,
}


class Mlp(nn.Module):
    """Fully connected layers, with the activation (after LayerNorm, if asked for) between them.

    Args:
        sizes: Widths from input to output.
        activation: A name in ACTIVATIONS.
        layer_norm: Whether each hidden layer is normalised (Ba et al. 2016).
    """

    def __init__(self, sizes: Sequence[int], activation: str, layer_norm: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm(n) for n in sizes[1:-1] if layer_norm)
        self._activation = ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs, shape (..., sizes[-1]), of inputs, shape (..., sizes[0])."""
        for i, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            if self.norms:
                x = self.norms[i](x)
            x = self._activation(x)
        out: torch.Tensor = self.layers[-1](x)
        return out


class SideBySide(nn.Module):
    """K perceptrons of one shape that see the same inputs and go through each layer in one call.

    Args:
        sizes: Widths from input to output.
        count: How many there are, K.
        activation: A name in ACTIVATIONS.
    """

    def __init__(self, sizes: Sequence[int], count: int, activation: str) -> None:
        super().__init__()
        self.weights = nn.ParameterList(_uniform((count, a, b), a) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(_uniform((count, 1, b), a) for a, b in pairwise(sizes))
        self._activation = ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs, shape (K, B, sizes[-1]), of inputs, shape (B, sizes[0])."""
        count = len(self.weights[0])
        if count == 1:  # plain matrices are quicker than a stack of one
            return self._alone(x)[None]
        x = x.expand(count, *x.shape)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, self._activation(x) if i else x, weight)
        return x

    def _alone(self, x: torch.Tensor) -> torch.Tensor:
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # A view that is squeezed has a view for its gradient; one that is indexed, a copy.
            inputs = self._activation(x) if i else x
            x = torch.addmm(bias.squeeze(0), inputs, weight.squeeze(0))
        return x


def _uniform(shape: tuple[int, ...], inputs: int) -> nn.Parameter:
    """As torch draws weights and biases of a linear layer."""
    bound = 1.0 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def choose_device(device: str) -> torch.device:
    """`cpu` or `cuda`, or `auto` for cuda where there is one.

    Raises:
        IlRosError: If the device is unknown or not there.
    """
    kinds = ('auto', 'cpu', 'cuda')
    require(device in kinds, device, 'device', kinds)
    there = torch.cuda.is_available()
    if device == 'cuda' and not there:
        raise IlRosError(
            'no CUDA device', where='device', allowed='cpu', fix='use device cpu or auto'
        )
    return torch.device('cuda' if there and device != 'cpu' else 'cpu')
