"""Drivers of an episode: a policy or a scripted expert."""

from __future__ import annotations

from typing import Protocol

from il_ros.core.contract import Contract
from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.experts import expert_of
from il_ros.monitors.monitor_input import Source
from il_ros.policies.policy import Policy


class Driver(Protocol):
    """Answers a frame with an action chunk.

    Attributes:
        source: The source that the monitor knows it as.
        policy_id: Identity of the policy; empty for an expert.
        keys: Observations that its frames must contain.
    """

    source: Source
    policy_id: str
    keys: tuple[str, ...]

    def reset(self) -> None:
        """Forget past observations at the start of an episode."""

    def act(self, frame: Frame) -> Array | None:
        """Return a chunk, shape (H, N) [rad or m]; None if the frame cannot be answered."""


class PolicyDriver:
    """A policy that gives no answer while a required stream is invalid, like the policy node.

    Args:
        policy: The policy.
        policy_id: Identity of the policy.
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
    """A scripted expert or a heuristic that sees the privileged observations of the contract.

    Args:
        name: Task of the expert, or name of a heuristic.
        contract: Names the streams and the arm.
        horizon: Steps in a chunk.

    Raises:
        UnknownNameError: If there is no such expert or the contract names no known arm.
    """

    source: Source = 'expert'
    policy_id = ''

    def __init__(self, name: str, contract: Contract, *, horizon: int = 4) -> None:
        self._expert = expert_of(name, contract)
        self.keys = tuple(contract.streams)
        self._horizon, self._period = horizon, contract.period

    def reset(self) -> None:
        """Do nothing: an expert has no memory."""

    def act(self, frame: Frame) -> Array | None:
        """See `Driver.act`."""
        if not frame.all_valid(self.keys):
            return None
        return self._expert.act(frame.values, horizon=self._horizon, dt=self._period)
