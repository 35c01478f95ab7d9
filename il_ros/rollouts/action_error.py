"""How far a policy's actions are from the expert's, in the states that the policy visits.

In each state t the policy acts in, the expert is asked what it would do there. Let a be the
policy's command for one period ahead, e the expert's, both of N joints, and s the standard
deviation of what the expert commanded in the policy's training data (`Policy.action_std`). The
normalised action error is the root mean square

    error(t) = sqrt(1/N * sum over joints j of ((a_j - e_j) / s_j)^2),

1 where they are as far apart as the demonstrated actions are spread. With Gaussian actions of
standard deviation s around a and around e, the divergence of the one from the other is

    KL(t) = N/2 * error(t)^2  [nat]

(Kullback and Leibler 1951, On Information and Sufficiency; two normal distributions of one
covariance, so that it is the same both ways). Policy and expert are deterministic here: the spread
gives the scale that their actions do not have themselves.

The states are the policy's own, not the demonstrations': that is where its errors add up (Ross et
al. 2011, A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from il_ros.experts import Expert

Array = NDArray[np.float64]


class ActionError:
    """Measures one policy against one expert.

    Args:
        expert: Who is asked; it sees every observation as it truly is.
        action_std: Standard deviation of the demonstrated actions, shape (N,) [rad or m], above 0.
        period: Control period [s].
    """

    def __init__(self, expert: Expert, action_std: Array, period: float) -> None:
        self._expert, self._action_std, self._period = expert, action_std, period

    def of(self, chunk: Array, truth: Mapping[str, Array]) -> float:
        """Normalised action error of a chunk, shape (H, N) [rad or m].

        Args:
            chunk: What the policy answered.
            truth: Every observation of that instant as it truly is, by key.

        Raises:
            IlRosError: If the expert lacks an observation.
        """
        ideal = self._expert.act(truth, horizon=1, dt=self._period)
        return normalised_error(chunk[0], ideal[0], self._action_std)


def normalised_error(action: Array, ideal: Array, action_std: Array) -> float:
    """Root mean square of the joints' differences, shape (N,) each, in units of `action_std`."""
    return float(np.sqrt(np.mean(((action - ideal) / action_std) ** 2)))
