"""What a policy is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import Frame

Arrays = Mapping[str, NDArray[np.generic]]


class Policy(ABC):
    """Answers a frame with an action chunk.

    Attributes:
        kind: Its name in the registry.
        contract: The contract it was trained under.
    """

    kind: ClassVar[str]
    contract: Contract

    @abstractmethod
    def act(self, frame: Frame) -> NDArray[np.float64]:
        """What to do next: a chunk of joint positions, shape (H, N) [rad or m].

        Row i is due (i + 1) periods after the frame's stamp. The frame's required streams are
        valid; the caller sees to that.
        """

    def samples(self) -> NDArray[np.float64] | None:
        """Further answers to the frame that `act` answered last, shape (S, H, N) [rad or m].

        For scores of how consistent a policy is that draws its answers (`monitors.scores.stac`),
        S at most 256. None for a policy with one answer only.
        """
        return None

    def embedding(self, frame: Frame) -> NDArray[np.float64] | None:
        """What the policy makes of a frame in its last hidden layer, shape (E,).

        It depends on nothing but the frame; NaN where a required stream is invalid. None for a
        policy that has no such layer.
        """
        return None

    def action_std(self) -> NDArray[np.float64] | None:
        """Standard deviation of the demonstrated actions in its training frames.

        Of what it predicts for one period ahead: the commanded position, or its difference from
        the measured one. Shape (N,) [rad or m]; None for a policy that does not know it.
        """
        return None

    def reset(self) -> None:
        """Forget what was seen, as at the beginning of an episode; for policies with a memory."""
        return

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Its configuration, as plain JSON."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Weights and normalisers, by name."""

    @classmethod
    @abstractmethod
    def load(
        cls, contract: Contract, config: Mapping[str, Any], arrays: Arrays, device: str
    ) -> Policy:
        """Make it again, under the contract it was trained under, from its `config` and `arrays`.

        Args:
            device: `cpu`, `cuda`, or `auto` for cuda where there is one.

        Raises:
            IlRosError: If they do not belong together.
        """


POLICIES = {'mlp': 'il_ros.policies.mlp:MlpPolicy'}
"""Policies by kind."""


def hash_arrays(arrays: Iterable[tuple[str, NDArray[np.generic]]], *texts: str) -> str:
    """SHA-256 over names, types, shapes and contents of arrays, and over `texts` (hex)."""
    digest = hashlib.sha256()
    for name, array in arrays:
        digest.update(f'{name} {array.dtype.str} {array.shape}\n'.encode())
        digest.update(np.ascontiguousarray(array).data)
    for text in texts:
        digest.update(text.encode())
    return digest.hexdigest()
