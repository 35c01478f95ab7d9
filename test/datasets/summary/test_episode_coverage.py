import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.datasets.summary.episode_coverage import choose, coverage_of


def paths(*starts, frames=50, size=3):
    """A straight path from each start to the origin, one behind the other."""
    shares = np.linspace(1.0, 0.0, frames)[:, None]
    column = np.concatenate([shares * np.full(size, start) for start in starts]).astype(np.float32)
    return [column], [(i * frames, frames) for i in range(len(starts))]


def test_the_nearest_episode_and_how_far_it_is():
    columns, borders = paths(1.0, 2.0, 2.5)
    found = coverage_of(columns, borders)
    assert found.episodes.tolist() == [0, 1, 2]
    assert found.nearest.tolist() == [1, 2, 1]
    # All three numbers are s * start, s from 1 to 0 in 24 steps: their spread is
    # std over (start, s); the difference of two paths has the rms |a - b| * rms(s).
    phases = np.linspace(0.0, 1.0, 24)
    shares = 1.0 - np.rint(phases * 49) / 49
    spread = np.std([start * shares for start in (1.0, 2.0, 2.5)])
    rms = np.sqrt(np.mean(shares**2))
    np.testing.assert_allclose(found.distance, np.array([1.0, 0.5, 0.5]) * rms / spread, rtol=1e-5)


@pytest.mark.parametrize('copies', [2, 3])
def test_copies_have_no_distance_whichever_comes_first(copies):
    columns, borders = paths(*[1.0] * copies, 5.0)
    found = coverage_of(columns, borders)
    assert found.distance[:copies].tolist() == [0.0] * copies
    assert all(found.nearest[i] != i for i in range(copies + 1))
    assert set(found.nearest[:copies].tolist()) <= set(range(copies))
    assert found.distance[copies] > found.duplicate


def test_an_episode_played_twice_as_slowly_is_nearly_the_same():
    slow, fast = np.linspace(0, 1, 101), np.linspace(0, 1, 51)
    column = np.concatenate([slow, fast, slow**2])[:, None].astype(np.float32)
    found = coverage_of([column], [(0, 101), (101, 51), (152, 101)])
    assert found.nearest.tolist()[:2] == [1, 0]
    assert found.distance[0] < found.duplicate < found.distance[2]


def test_one_episode_has_no_neighbour_but_is_projected():
    columns, borders = paths(1.0)
    found = coverage_of(columns, borders)
    assert found.nearest.tolist() == [-1]
    assert np.isnan(found.distance).all()
    assert len(found.points) == 24
    assert found.explained[0] == pytest.approx(1.0)


def test_nothing_to_compare():
    assert coverage_of([], []) is None
    assert coverage_of([np.zeros((5, 2), np.float32)], []) is None
    assert coverage_of([np.full((5, 2), 0.7, np.float32)], [(0, 5)]) is None
    assert coverage_of([np.full((5, 2), np.nan, np.float32)], [(0, 5)]) is None
    assert coverage_of([np.ones((1, 2), np.float32)], [(0, 1)]) is None


def test_a_sensor_that_fails_does_not_make_an_episode_unlike_all_others():
    columns, borders = paths(1.0, 2.0, 2.01)
    columns.append(np.random.default_rng(0).normal(size=(150, 1)).astype(np.float32))
    columns[1][50:100] = np.nan
    found = coverage_of(columns, borders)
    assert found.nearest.tolist()[1:] == [2, 1]
    assert np.isfinite(found.points).all()


def test_a_blow_on_a_sensor_does_not_hide_the_rest():
    columns, borders = paths(*np.linspace(1, 2, 20))
    plain = coverage_of(columns, borders)
    columns.append(np.zeros((1000, 1), np.float32))
    columns[1][-1] = 1e6
    assert np.abs(coverage_of(columns, borders).points).max() < 3 * np.abs(plain.points).max()


def test_projection_finds_the_plane_in_which_states_differ():
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(400, 2)) @ np.array([[3.0, 3.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    found = coverage_of([plane.astype(np.float32)], [(i * 40, 40) for i in range(10)])
    assert sum(found.explained) == pytest.approx(1.0, abs=1e-6)
    assert found.points.shape == (240, 2)
    assert found.starts.shape == found.ends.shape == (10, 2)
    assert found.progress.min() == 0.0
    assert found.progress.max() == 1.0


def test_of_many_a_seeded_choice_is_compared():
    columns, borders = paths(*np.linspace(1, 9, 30), frames=5)
    few = {'episodes': 7, 'points': 11}
    one, same, other = (coverage_of(columns, borders, seed=s, **few) for s in (1, 1, 2))
    assert len(one.episodes) == 7
    assert len(one.points) == len(one.progress) == 11
    assert set(one.nearest.tolist()) <= set(one.episodes.tolist())
    np.testing.assert_array_equal(one.episodes, same.episodes)
    np.testing.assert_array_equal(one.points, same.points)
    assert one.episodes.tolist() != other.episodes.tolist()


@given(count=st.integers(0, 50), most=st.integers(0, 60), seed=st.integers(0, 5))
def test_a_choice_is_in_order_and_has_no_twins(count, most, seed):
    chosen = choose(count, most, seed).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, most)
    assert set(chosen) <= set(range(count))


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_distances_are_those_of_a_search_through_all_pairs(lengths, size, seed):
    rng = np.random.default_rng(seed)
    column = rng.normal(size=(sum(lengths), size)).astype(np.float32)
    starts = np.cumsum([0, *lengths])[:-1].tolist()
    borders = list(zip(starts, lengths, strict=True))
    found = coverage_of([column], borders)
    if found is None or len(lengths) < 2:
        return
    rows = np.array([s + np.rint(np.linspace(0, 1, 24) * (n - 1)) for s, n in borders], int)
    states = column[rows].astype(float)
    flat = states.reshape(-1, size)
    spread = flat.std(axis=0)
    moves = spread > 1e-6
    scaled = np.clip((states - flat.mean(axis=0))[..., moves] / spread[moves], -5, 5)
    apart = np.sqrt(((scaled[:, None] - scaled[None]) ** 2).mean(axis=(2, 3)))
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(found.distance, apart.min(axis=1), rtol=1e-6, atol=1e-9)
