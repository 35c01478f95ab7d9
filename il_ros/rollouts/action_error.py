"""How far a policy's actions are from the expert's, in the states that the policy visits.

In each state t in which the policy acts, the expert is asked what it would do. Let a be the
policy's command for one period ahead, e the expert's, both of N joints, and s the standard
deviation of the expert's commands in the policy's training data (`Policy.action_std`). The
normalised action error is the root mean square

    error(t) = sqrt(1/N * sum over joints j of ((a_j - e_j) / s_j)^2),

An error of 1 equals the spread of the demonstrated actions. For Gaussian actions of standard
deviation s around a and around e, the divergence between them is

    KL(t) = N/2 * error(t)^2  [nat]

(Kullback and Leibler 1951, On Information and Sufficiency; the covariances are equal, so the
divergence is symmetric). Policy and expert are deterministic here: s only supplies a scale.

The states are those that the policy visits, not those of the demonstrations, because errors
compound there (Ross et al. 2011, A Reduction of Imitation Learning and Structured Prediction to
No-Regret Online Learning).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from il_ros.experts import Expert

Array = NDArray[np.float64]


class ActionError:
    """Compares one policy with one expert.

    Args:
        expert: The expert to ask; it sees the true observations.
        action_std: Standard deviation of the demonstrated actions, shape (N,) [rad or m], above 0.
        period: Control period [s].
    """

    def __init__(self, expert: Expert, action_std: Array, period: float) -> None:
        self._expert, self._action_std, self._period = expert, action_std, period

    def of(self, chunk: Array, truth: Mapping[str, Array]) -> float:
        """Normalised action error of a chunk, shape (H, N) [rad or m].

        Args:
            chunk: The policy's answer.
            truth: The true observations at that instant, by key.

        Raises:
            IlRosError: If an observation that the expert needs is missing.
        """
        ideal = self._expert.act(truth, horizon=1, dt=self._period)
        return normalised_error(chunk[0], ideal[0], self._action_std)


def normalised_error(action: Array, ideal: Array, action_std: Array) -> float:
    """Root mean square of the joints' differences, shape (N,) each, in units of `action_std`."""
    return float(np.sqrt(np.mean(((action - ideal) / action_std) ** 2)))
