"""Who drives an episode: a policy, or a scripted expert."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import Frame
from il_ros.experts import make_any
from il_ros.monitors.monitor_input import Source
from il_ros.policies.policy import Policy

Array = NDArray[np.float64]


class Driver(Protocol):
    """Answers a frame with an action chunk.

    Attributes:
        source: What it is to the monitor.
        policy_id: Which policy it is; empty for an expert.
        keys: Observations that its frames need.
    """

    source: Source
    policy_id: str
    keys: tuple[str, ...]

    def reset(self) -> None:
        """Forget what was seen, as at the beginning of an episode."""

    def act(self, frame: Frame) -> Array | None:
        """A chunk, shape (H, N) [rad or m]; None where the frame cannot be answered."""


class PolicyDriver:
    """A policy, asked as its node asks it: not at all where a required stream is invalid.

    Args:
        policy: The policy.
        policy_id: Its identity.
    """

    source: Source = 'policy'

    def __init__(self, policy: Policy, policy_id: str = '') -> None:
        self.policy, self.policy_id = policy, policy_id
        self.keys = tuple(policy.contract.observations)
        streams = policy.contract.observations
        self._required = tuple(key for key in self.keys if streams[key].required)

    def reset(self) -> None:
        """See `Driver.reset`."""
        self.policy.reset()

    def act(self, frame: Frame) -> Array | None:
        """See `Driver.act`."""
        return self.policy.act(frame) if frame.all_valid(self._required) else None


class ExpertDriver:
    """A scripted expert or a heuristic, with the privileged observations of the contract.

    Args:
        name: The task whose expert it is, or a heuristic.
        contract: Says what there is to see, and which arm moves.
        horizon: Steps of a chunk.

    Raises:
        UnknownNameError: If there is no such expert, or the contract names no known arm.
    """

    source: Source = 'expert'
    policy_id = ''

    def __init__(self, name: str, contract: Contract, *, horizon: int = 4) -> None:
        self._expert = make_any(name, contract.arm)
        self.keys = tuple(contract.streams)
        self._horizon, self._period = horizon, contract.period

    def reset(self) -> None:
        """Nothing: an expert has no memory."""

    def act(self, frame: Frame) -> Array | None:
        """See `Driver.act`."""
        if not frame.all_valid(self.keys):
            return None
        return self._expert.act(frame.values, horizon=self._horizon, dt=self._period)
