"""How likely an episode is to succeed from here: the Q function of ThriftyDAgger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.query_rules import Array, RoundContext
from il_ros.algorithms.torch_tools import cross_entropy_of
from il_ros.algorithms.transitions import ENDINGS
from il_ros.monitors.scores.score_networks import Networks, fit_networks

_HIDDEN, _SWEEPS, _STEPS, _BATCH = (64, 64), 4, 300, 128
_SUCCESS, _FAILURE, _CUT = (ENDINGS.index(name) for name in ('success', 'failure', 'cut'))


class GoalValue:
    """Discounted probability of success after an action, Q(s, a) (Hoque et al. 2021).

    Args:
        networks: One network, from features and action (D + A,) to the logit of Q.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def risk(self, features: Array, action: Array) -> float:
        """1 - Q of one step; features (D,), action (A,) in units of `Actor.action_std`."""
        return 1.0 - float(_sigmoid(self._networks(np.concatenate([features, action]))[0, 0]))

    def risks(self, features: Array, actions: Array) -> Array:
        """1 - Q of many steps, shape (F,); features (F, D), actions (F, A)."""
        x = np.concatenate([features, actions], axis=1)
        return 1.0 - _sigmoid(self._networks.of_frames(x)[0, :, 0])


def learn_goal_value(now: RoundContext, discount: float) -> GoalValue:
    """Fitted Q iteration over all steps with a successor or a known ending.

    The target is 1 where the task is done, 0 where it has failed, and else the discounted Q of the
    next step with what the learner would do there. Steps after which an episode was cut
    say nothing.
    """
    steps, actor = now.steps, now.actor
    features = actor.features(steps.observation)
    done = np.asarray(steps.executed, np.float64) / actor.action_std
    own = actor.decide(actor.members(steps.observation)) / actor.action_std
    known = steps.ending != _CUT
    following = np.minimum(np.flatnonzero(known) + 1, len(steps) - 1)
    x = np.concatenate([features, done], axis=1)[known]
    ahead = np.concatenate([features, own], axis=1)[following]
    ending = steps.ending[known]
    target = (ending == _SUCCESS).astype(np.float64)
    random = np.random.default_rng(now.seed)
    networks = Networks.random((x.shape[1], *_HIDDEN, 1), 1, 'tanh', random)
    for sweep in range(_SWEEPS):
        if sweep:
            target = targets(ending, _sigmoid(networks.of_frames(ahead)[0, :, 0]), discount)
        loss = cross_entropy_of(x, target, batch_size=_BATCH)
        networks = fit_networks(networks, loss, steps=_STEPS, seed=now.seed + sweep)
    return GoalValue(networks)


def targets(ending: NDArray[np.uint8], ahead: Array, discount: float) -> Array:
    """What Q should be, shape (F,), where the next step's is `ahead`, shape (F,)."""
    success, failure = ending == _SUCCESS, ending == _FAILURE
    return np.where(success, 1.0, np.where(failure, 0.0, discount * ahead))


def _sigmoid(logit: NDArray[np.floating] | np.floating) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logit, np.float64))))
