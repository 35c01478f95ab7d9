"""Policies from one flat observation to one flat action, run in numpy: no contract, no frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.observation_features import Normalizer
from il_ros.monitors.scores.score_networks import Activation, Networks
from il_ros.policies.policy import hash_arrays


class FlatPolicy:
    """M networks side by side, and the mean of what they say within the action's bounds.

    Args:
        networks: From normalised observations (D,) to normalised actions (A,).
        inputs: Normaliser of the observations, shape (D,).
        outputs: Normaliser of the actions, shape (A,).
        low: Least action, shape (A,).
        high: Greatest action, shape (A,).

    Attributes:
        policy_id: Hash of everything that it is made of.
        action_std: Standard deviation of the actions that it learned from, shape (A,).
    """

    def __init__(
        self,
        networks: Networks,
        *,
        inputs: Normalizer,
        outputs: Normalizer,
        low: Array,
        high: Array,
    ) -> None:
        self.networks, self.inputs, self.outputs = networks, inputs, outputs
        self.low, self.high = low, high
        self.action_std = outputs.scale
        self.policy_id = hash_arrays(sorted(self.arrays().items()), networks.activation)[:16]

    def features(self, observation: NDArray[np.floating]) -> Array:
        """Observations, shape (..., D), as the networks see them."""
        return self.inputs.normalize(observation)

    def members(self, observation: NDArray[np.floating]) -> Array:
        """What each network would do: (M, A) for one observation (D,), (M, F, A) for (F, D)."""
        x = self.features(observation)
        y = self.networks(x) if x.ndim == 1 else self.networks.of_frames(x)
        return self.outputs.restore(y)

    def decide(self, members: Array) -> Array:
        """The mean over the members (M, ..., A), within the bounds."""
        mean: Array = members.mean(axis=0)
        return np.asarray(np.minimum(np.maximum(mean, self.low), self.high))

    def act(self, observation: NDArray[np.floating]) -> Array:
        """Action, shape (A,), for an observation, shape (D,)."""
        return self.decide(self.members(observation))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Weights, normalisers and bounds, by name."""
        return {
            'low': self.low,
            'high': self.high,
            **{f'network.{name}': array for name, array in self.networks.arrays().items()},
            **self.inputs.arrays('inputs'),
            **self.outputs.arrays('outputs'),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], activation: Activation
    ) -> FlatPolicy:
        """Make it again from what `arrays` gave.

        Raises:
            IlRosError: If one is missing.
        """
        found = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        layers = range(sum(name.startswith('network.weight_') for name in found))
        names = [f'network.{kind}_{i}' for kind in ('weight', 'bias') for i in layers]
        if missing := [name for name in ('low', 'high', *names) if name not in found]:
            raise IlRosError(f'no array {missing[0]!r}', where='policy', fix='train again')
        named = [found[name] for name in names]
        return cls(
            Networks.of(named, activation),
            inputs=Normalizer.from_arrays('inputs', arrays),
            outputs=Normalizer.from_arrays('outputs', arrays),
            low=found['low'],
            high=found['high'],
        )
