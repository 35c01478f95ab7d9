"""Makers of episodes: everything that a test does not name is plain."""

import numpy as np
import pytest

from il_ros.evaluation.episode_result import EpisodeResult


def make_episode(suite='nominal', seed=300_000, success=True, **changes):
    plain = {'task': 'reach', 'duration': 4.0, 'progress': 1.0 if success else 0.5}
    return EpisodeResult(suite=suite, seed=seed, success=success, **(plain | changes))


def make_stopped(suite='ood', seed=400_000, time=2.0, **changes):
    return make_episode(suite, seed, success=False, fallback=True, fallback_time=time, **changes)


def make_traced(suite='nominal', seed=300_000, success=True, ticks=40, **changes):
    times = np.arange(ticks) * 0.1
    swing = np.sin(times)[:, None] * np.arange(1, 4)
    scores = np.where(times < 1.0, np.nan, 2.0 + np.sin(3 * times))
    traces = {'times': times, 'scores': scores, 'threshold': 5.0, 'joints': swing}
    return make_episode(suite, seed, success, **(traces | changes))


def make_evaluation(count=20):
    """A whole evaluation: one nominal failure, one false alarm, one missed and late detection."""
    found = []
    for i in range(count):
        nominal, ood, kind = 300_000 + i, 400_000 + i, ('push: 30 N', 'sensor_bias')[i % 2]
        found += [
            make_traced('expert', nominal),
            make_traced('heuristic', nominal, success=False),
            make_traced(
                'ood_unwatched', ood, False, perturbations=(kind,), violations={'force': 2}
            ),
            make_traced('nominal', nominal, success=i > 1, **_fallback(i == 1, 1.5)),
            make_traced('ood', ood, False, perturbations=(kind,), **_fallback(i > 0, 1.0 + i % 3)),
        ]
    return found


def _fallback(happened, time):
    return {'fallback': happened, 'fallback_time': time if happened else None}


@pytest.fixture(scope='session')
def episode():
    return make_episode


@pytest.fixture(scope='session')
def stopped():
    return make_stopped


@pytest.fixture(scope='session')
def traced():
    return make_traced


@pytest.fixture(scope='session')
def evaluation():
    return make_evaluation
