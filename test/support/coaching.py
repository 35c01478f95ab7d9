"""Small worlds and learners in which rules and rounds are tried."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium
import numpy as np

from il_ros.algorithms.query_rules import QueryContext, RoundContext, make_rule
from il_ros.algorithms.transitions import ENDINGS, POLICY, Transitions
from il_ros.policies.policy import hash_arrays


class PointMass(gymnasium.Env):
    """A point in the plane on top of a hill: whoever errs is carried away, ever faster.

    Observed are position and velocity. An episode fails 2 m from the middle.
    """

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (4,))
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    dt = 0.1
    horizon = 60

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        angle = self.np_random.uniform(0, 2 * np.pi)
        self._state = np.array([np.cos(angle), np.sin(angle), 0.0, 0.0])
        self._left = self.horizon
        return self._state.copy(), {}

    def step(self, action):
        position, velocity = self._state[:2], self._state[2:]
        velocity = velocity + self.dt * (4.0 * action + 1.5 * position)
        position = position + self.dt * velocity
        self._state = np.concatenate([position, velocity])
        self._left -= 1
        distance = float(np.linalg.norm(position))
        return self._state.copy(), 1.0 - min(distance, 1.0), distance > 2, self._left == 0, {}


def point_expert(observation):
    """Circles inwards: towards the middle, and a little to the side."""
    position, velocity = observation[:2], observation[2:]
    side = np.array([-position[1], position[0]])
    return np.clip(
        np.tanh(-1.5 * position - 0.8 * velocity + 0.4 * side * position @ position), -1, 1
    )


@dataclass
class Linear:
    """A policy by one matrix, (A, D + 1); its members differ by a shift each."""

    matrix: np.ndarray
    shifts: tuple[float, ...] = (0.0,)

    def __post_init__(self):
        self.action_std = np.ones(len(self.matrix))
        self.policy_id = hash_arrays([('matrix', self.matrix)])[:16]

    def features(self, observation):
        return np.asarray(observation, np.float64)

    def members(self, observation):
        x = np.asarray(observation, np.float64)
        x = np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)
        return np.stack([x @ self.matrix.T + shift for shift in self.shifts])

    def decide(self, members):
        return members.mean(axis=0)


class LeastSquares:
    """Fits `Linear` exactly, at once; `fits` counts how often."""

    def __init__(self):
        self.fits = 0

    def fit(self, steps, *, seed, start=None, train_fraction=1.0):
        self.fits += 1
        rows = steps.labelled
        x = np.c_[steps.observation[rows], np.ones(rows.sum())].astype(np.float64)
        ridge = 1e-6 * np.eye(x.shape[1])
        y = steps.expert[rows].astype(np.float64)
        return Linear(np.linalg.solve(x.T @ x + ridge, x.T @ y).T)

    def arrays(self, actor):
        return {'matrix': actor.matrix}

    def load(self, arrays):
        return Linear(arrays['matrix'])


class Asked:
    """An expert's answer that counts how often it was wanted."""

    def __init__(self, answer):
        self.answer, self.count = answer, 0

    def __call__(self):
        self.count += 1
        return None if self.answer is None else np.array(self.answer, float)


def a_step(*, action=(0.0,), members=None, answer=(0.0,), features=(0.0,), **others):
    """One step, everything of it at rest unless said."""
    action = np.array(action, float)
    return QueryContext(
        **{
            'tick': 0,
            'features': np.array(features, float),
            'action': action,
            'members': np.stack([action] * 2) if members is None else np.array(members, float),
            'scores': {},
            'human': False,
            'ask': Asked(answer),
            **others,
        }
    )


def some_steps(count, *, action=1, **columns):
    """Steps of one episode of round 1 that the learner drove unasked, unless columns say else."""
    numbers = {name: np.zeros((count, action), np.float32) for name in ('policy', 'executed')}
    ending = np.zeros(count, np.uint8)
    ending[-1:] = ENDINGS.index('cut')
    return Transitions(
        **{
            **numbers,
            'observation': np.zeros((count, 2), np.float32),
            'expert': np.full((count, action), np.nan, np.float32),
            'source': np.full(count, POLICY, np.uint8),
            'asked': np.zeros(count, bool),
            'policy_id': np.full(count, 'p', 'U16'),
            'round': np.ones(count, np.int32),
            'episode': np.zeros(count, np.int32),
            'before_takeover': np.zeros(count, bool),
            'ending': ending,
            **columns,
        }
    )


def wrong_where_positive(count=400):
    """Labelled steps at which a learner that says 0 was wrong by 1 wherever x > 0."""
    x = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)
    wanted = (x[:, :1] > 0).astype(np.float32)
    return some_steps(count, observation=x, expert=wanted, asked=np.ones(count, bool))


def taught_safety(name, settings=()):
    """A rule with a classifier of such steps, at the beginning of an episode."""
    rule, actor = make_rule(name, settings), Linear(np.zeros((1, 3)))
    rule.begin_round(RoundContext(number=2, actor=actor, steps=wrong_where_positive(), seed=0))
    rule.begin_episode(np.random.default_rng(0))
    return rule
