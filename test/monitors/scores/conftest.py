"""A made-up task with phases, and every score fitted to it once."""

from functools import cache

import numpy as np
import pytest

from il_ros.core.registry import lookup
from il_ros.monitors.scores.score import SCORES, NominalData, ScoreInput

HORIZON, PERIOD = 4, 0.05


class Reaching:
    """Two joints go to an object within 80 ticks; features see where both are.

    Features are joints (2), object (2) and the difference (2): each is told by the others.
    """

    step_dt = PERIOD

    def __init__(self, episodes, seed):
        self.random = np.random.default_rng(seed)
        parts = [self._episode() for _ in range(episodes)]
        self.lengths = [len(position) for position, *_ in parts]
        self.position, self.chunks, self.features = map(np.concatenate, zip(*parts, strict=True))

    def nominal(self, seed=0):
        return NominalData(
            features=self.features,
            lengths=self.lengths,
            position=self.position,
            chunks=self.chunks,
            seed=seed,
        )

    def score_inputs(self, features=None):
        """Moments of the first episode, with other features if they are given."""
        seen = self.features if features is None else features
        return [
            ScoreInput(
                time=i * PERIOD,
                features=seen[i],
                position=self.position[i],
                chunk=self.chunks[i],
                chunk_time=i * PERIOD,
                step_dt=PERIOD,
                reference=self.chunks[i],
            )
            for i in range(self.lengths[0])
        ]

    def _episode(self):
        goal = self.random.uniform(0.5, 1.5, 2)
        way = 0.5 - 0.5 * np.cos(np.pi * np.arange(81) / 80)
        path = way[:, None] * goal
        ahead = np.minimum(np.arange(81)[:, None] + np.arange(1, HORIZON + 1), 80)
        features = np.concatenate([path, np.tile(goal, (81, 1)), goal - path], axis=1)
        noise = 0.01 * self.random.standard_normal(features.shape)
        return path, path[ahead], features + noise


@pytest.fixture(scope='session')
def reaching():
    """What the scores are fitted to: 40 episodes."""
    return Reaching(40, seed=0)


@pytest.fixture(scope='session')
def fresh():
    """One episode that no score was fitted to."""
    return Reaching(1, seed=1)


@pytest.fixture(scope='session')
def fitted(reaching):
    """A function of a name that gives the score, fitted once; its memory is cleared."""

    @cache
    def fit(name):
        return lookup('score', name, SCORES)().fit(reaching.nominal())

    def get(name):
        score = fit(name)
        score.reset()
        return score

    return get
