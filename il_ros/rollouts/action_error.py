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

from collections.abc import Callable

import numpy as np

from il_ros.core.limits import Array
from il_ros.experts import EXPERTS, expert_of
from il_ros.rollouts.drivers import PolicyDriver
from il_ros.rollouts.episode_runner import EpisodeRunner


def action_error(runner: EpisodeRunner, task: str) -> Callable[[Array], float] | None:
    """Compares the runner's policy with the task's expert, who sees the true observations.

    Returns:
        The normalised action error of a chunk, shape (H, N) [rad or m], at this instant of the
        runner's episode. None where there is no policy that knows its spread, or no expert.
    """
    driver, contract = runner.driver, runner.contract
    if not isinstance(driver, PolicyDriver) or task not in EXPERTS or not contract.arm:
        return None
    action_std = driver.policy.action_std()
    if action_std is None:
        return None
    expert = expert_of(task, contract)

    def error(chunk: Array) -> float:
        ideal = expert.act(runner.truth(), horizon=1, dt=contract.period)
        return normalised_error(chunk[0], ideal[0], action_std)

    return error


def normalised_error(action: Array, ideal: Array, action_std: Array) -> float:
    """Root mean square of the joints' differences, shape (N,) each, in units of `action_std`."""
    return float(np.sqrt(np.mean(((action - ideal) / action_std) ** 2)))
