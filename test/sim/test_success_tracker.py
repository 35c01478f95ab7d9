"""Success is a goal that stays reached, in one episode as in many."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.sim.success_tracker import HOLD, SuccessTracker


class Near:
    """A task that is done within 1 of the goal; progress is what the way there has got shorter."""

    def success(self, scene):
        return np.abs(scene['goal_position'][..., 0]) < 1.0

    def progress(self, scene, first):
        return 1 - np.abs(scene['goal_position'][..., 0]) / np.abs(first['goal_position'][..., 0])


def scene(*distances):
    """One episode of one number, many of several."""
    rows = np.array([[x, 0.0, 0.0] for x in distances])
    return {'goal_position': rows[0] if len(distances) == 1 else rows}


@given(st.lists(st.booleans(), max_size=40), st.sampled_from([10.0, 20.0, 50.0]))
def test_a_goal_counts_once_it_was_reached_for_long_enough_in_a_row(reached, rate):
    tracker, needed = SuccessTracker(Near(), scene(4.0), 1 / rate), math.ceil(HOLD * rate)
    succeeded = False
    for tick, near in enumerate(reached):
        tracker.update(scene(0.5 if near else 2.0))
        run = reached[max(0, tick + 1 - needed) : tick + 1]
        succeeded |= len(run) == needed and all(run)
        assert bool(tracker.success) is succeeded
    assert tracker.progress(scene(2.0)) == (1.0 if succeeded else 0.5)


@pytest.mark.parametrize('rate', [4, 8, 12, 20, 28, 40, 60, 100, 120, 200, 500])
def test_rounding_costs_no_period(rate):
    tracker = SuccessTracker(Near(), scene(4.0), 1 / rate)
    for _ in range(rate // 4 - 1):
        tracker.update(scene(0.0))
        assert not tracker.success
    tracker.update(scene(0.0))
    assert tracker.success


def test_progress_stays_between_none_and_all():
    tracker = SuccessTracker(Near(), scene(4.0), 0.05)
    assert [float(tracker.progress(scene(x))) for x in (9.0, 4.0, 1.0, 0.0)] == [0, 0, 0.75, 1]


@given(st.data())
def test_many_episodes_are_each_their_own(data):
    near = st.lists(st.booleans(), min_size=12, max_size=12)
    rows = data.draw(st.lists(near, min_size=2, max_size=4))
    begun = data.draw(st.integers(0, 11))
    many = SuccessTracker(Near(), scene(*[4.0] * len(rows)), 0.1)
    alone = [SuccessTracker(Near(), scene(4.0), 0.1) for _ in rows]
    for tick, now in enumerate(zip(*rows, strict=True)):
        if tick == begun:
            many.restart(0, scene(8.0))
            alone[0] = SuccessTracker(Near(), scene(8.0), 0.1)
        distances = [0.5 if reached else 2.0 for reached in now]
        many.update(scene(*distances))
        for tracker, distance in zip(alone, distances, strict=True):
            tracker.update(scene(distance))
        assert many.success.tolist() == [bool(one.success) for one in alone]
        progress = [one.progress(scene(x)) for one, x in zip(alone, distances, strict=True)]
        np.testing.assert_allclose(many.progress(scene(*distances)), progress)
