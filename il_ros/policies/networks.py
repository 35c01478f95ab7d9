"""Networks in torch, for training and for the GPU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from il_ros.core.errors import IlRosError

ACTIVATIONS = {'silu': nn.functional.silu, 'relu': nn.functional.relu}


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


def choose_device(device: str) -> torch.device:
    """`cpu` or `cuda`, or `auto` for cuda where there is one.

    Raises:
        IlRosError: If the device is unknown or not there.
    """
    if device not in ('auto', 'cpu', 'cuda'):
        raise IlRosError(f'got {device!r}', where='device', allowed=('auto', 'cpu', 'cuda'))
    there = torch.cuda.is_available()
    if device == 'cuda' and not there:
        raise IlRosError(
            'no CUDA device', where='device', allowed='cpu', fix='use device cpu or auto'
        )
    return torch.device('cuda' if there and device != 'cpu' else 'cpu')
