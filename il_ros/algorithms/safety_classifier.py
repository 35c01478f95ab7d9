"""A learned judgement of where the learner is unsafe, for the rules that go by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.query_rules import Array, RoundContext
from il_ros.algorithms.torch_tools import cross_entropy_of
from il_ros.monitors.scores.score_networks import Networks, fit_networks

_HIDDEN, _STEPS, _BATCH = (32, 32), 600, 128


class SafetyClassifier:
    """Probability that learner and expert differ by more than a threshold, from what is seen.

    Args:
        features: Normalised observations, shape (F, D).
        unsafe: Whether they differed too much there, shape (F,); both must occur.
        seed: Of the first weights and the batches.
    """

    def __init__(self, features: Array, unsafe: NDArray[np.bool_], seed: int) -> None:
        random = np.random.default_rng(seed)
        start = Networks.random((features.shape[1], *_HIDDEN, 1), 1, 'tanh', random)
        loss = cross_entropy_of(features, unsafe, batch_size=_BATCH)
        self._networks = fit_networks(start, loss, steps=_STEPS, seed=seed)

    def unsafe(self, features: Array) -> float:
        """Probability that the learner is unsafe here; features have shape (D,)."""
        return float(1.0 / (1.0 + np.exp(-np.float64(self._networks(features)[0, 0]))))


def honest(now: RoundContext, memory: int, threshold: float) -> tuple[Array, NDArray[np.bool_]]:
    """Where learner and expert were both asked before the learner was trained on the answer.

    What it does on steps that it was trained on says nothing about how safe it is.

    Args:
        now: The round that begins.
        memory: Last rounds that are looked at; in earlier ones the learner was another.
        threshold: Discrepancy from which a step is unsafe, in squared units of `Actor.action_std`.

    Returns:
        Features, shape (F, D), and whether each step was unsafe, shape (F,).
    """
    steps = now.steps
    rows = steps.labelled & (steps.round > max(0, now.number - 1 - memory))
    error = (steps.policy[rows] - steps.expert[rows]) / now.actor.action_std
    features = now.actor.features(steps.observation[rows])
    return features, np.asarray((error**2).mean(axis=1) > threshold)


def learn_safety_classifier(
    now: RoundContext, memory: int, threshold: float
) -> SafetyClassifier | None:
    """A judgement from `honest` steps; None while they are all safe or all unsafe."""
    features, unsafe = honest(now, memory, threshold)
    if not unsafe.any() or unsafe.all():
        return None
    return SafetyClassifier(features, unsafe, now.seed)
