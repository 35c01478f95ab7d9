from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from il_ros.core.config import parse
from il_ros.datasets import feature_statistics
from il_ros.datasets.feature_statistics import (
    BINS,
    QUANTILES,
    FeatureStatistics,
    StreamingStatistics,
    statistics_of,
)

numbers = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)
columns = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=numbers)


def one(values):
    return statistics_of({'x': np.asarray(values, np.float32)})['x']


def test_by_hand():
    # 2, 4, 4, 4, 5, 5, 7, 9: sum 40, mean 5, squared distances 9+1+1+1+0+0+4+16 = 32, 32/8 = 4.
    found = one([2, 4, 4, 4, 5, 5, 7, 9])
    assert (found.count, found.mean, found.std) == ((8,), (5.0,), (2.0,))
    assert (found.min, found.max) == ((2.0,), (9.0,))
    # Half of eight values is four: the fourth smallest is 4; 0.9 * 8 = 7.2: the eighth, 9.
    assert found.quantiles['0.5'][0] == pytest.approx(4, abs=7 / BINS**2)
    assert found.quantiles['0.9'][0] == pytest.approx(9, abs=7 / BINS**2)
    assert list(found.quantiles) == ['0.01', '0.1', '0.5', '0.9', '0.99']


def test_what_is_not_finite_is_left_out_and_what_never_was_is_none():
    found = one([[1, np.nan, np.inf], [3, np.nan, -np.inf], [np.nan, np.nan, 5]])
    assert found.count == (2, 0, 1)
    assert found.mean == (2.0, None, 5.0)
    assert found.std == (1.0, None, 0.0)
    assert found.min == (1.0, None, 5.0)
    assert found.max == (3.0, None, 5.0)
    assert found.quantiles['0.1'] == (pytest.approx(1.0, abs=2 / BINS**2), None, 5.0)


def test_minus_infinity_is_no_small_value():
    # The second smallest of four is 2, with or without what is not finite.
    found = one([-np.inf, 1, 2, 3, 4, -np.inf, np.nan, np.inf])
    assert found.quantiles['0.5'][0] == pytest.approx(2, abs=3 / BINS**2)


def test_an_empty_column_has_none_of_it():
    found = one(np.empty((0, 2)))
    assert found.count == (0, 0)
    assert found.mean == found.quantiles['0.5'] == (None, None)


@given(columns)
def test_like_numpy(column):
    found = one(column)
    for i in range(column.shape[1]):
        known = column[:, i][np.isfinite(column[:, i])].astype(float)
        assert found.count[i] == len(known)
        if not len(known):
            assert found.mean[i] is None
            continue
        size = max(1.0, float(np.abs(known).max()))
        assert found.mean[i] == pytest.approx(known.mean(), abs=1e-9 * size)
        assert found.std[i] == pytest.approx(known.std(), abs=1e-7 * size)
        assert (found.min[i], found.max[i]) == (known.min(), known.max())
        bound = np.ptp(known) / BINS**2 + 1e-9 * size
        for share in QUANTILES:
            # numpy's own rank is a rounding apart where share * n is whole: both are right then.
            exact = [
                np.quantile(known, np.clip(share + eps, 0, 1), method='inverted_cdf')
                for eps in (-1e-12, 1e-12)
            ]
            gap = min(abs(found.quantiles[str(share)][i] - e) for e in exact)
            assert gap <= bound


@given(columns, st.integers(1, 7))
def test_blocks_change_nothing(column, rows):
    whole = one(column)
    before = feature_statistics.BLOCK
    feature_statistics.BLOCK = rows * column.shape[1]
    try:
        parts = one(column)
    finally:
        feature_statistics.BLOCK = before
    assert parts.quantiles == whole.quantiles
    assert (parts.count, parts.min, parts.max) == (whole.count, whole.min, whole.max)
    for a, b in zip(parts.mean + parts.std, whole.mean + whole.std, strict=True):
        assert a == b or a == pytest.approx(b, rel=1e-9, abs=1e-6)


@given(columns, st.integers(0, 40))
def test_two_halves_are_the_whole(column, split):
    whole, halves = (StreamingStatistics(column.shape[1]) for _ in range(2))
    whole.update(column)
    halves.update(column[:split])
    halves.update(column[split:])
    np.testing.assert_array_equal(halves.count, whole.count)
    np.testing.assert_allclose(halves.mean, whole.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(halves.std, whole.std, rtol=1e-6, atol=1e-3)


def test_a_large_mean_costs_no_digits():
    # A stamp-like column: in float32 arithmetic, or as E[x^2] - E[x]^2, its spread would be lost.
    column = 1e9 + np.tile([-1.0, 1.0], 50_000)
    found = statistics_of({'x': column})['x']
    assert found.mean == (1e9,)
    assert found.std[0] == pytest.approx(1.0, rel=1e-9)


def test_a_spike_does_not_blunt_the_quantiles():
    values = np.concatenate([np.linspace(0, 1, 9999), [1e4]])
    found = one(values)
    assert found.quantiles['0.5'][0] == pytest.approx(0.5, abs=1e4 / BINS**2 + 1e-4)
    assert found.quantiles['0.99'][0] == pytest.approx(0.99, abs=1e4 / BINS**2 + 1e-4)


def test_memory_does_not_grow_with_a_mapped_column(tmp_path, monkeypatch):
    column = np.lib.format.open_memmap(tmp_path / 'x.npy', 'w+', np.float32, (10_000, 3))
    column[:] = np.arange(30_000).reshape(-1, 3)
    largest = []
    update = StreamingStatistics.update

    def watched(self, block):
        largest.append(block.nbytes)
        update(self, block)

    monkeypatch.setattr(feature_statistics, 'BLOCK', 3000)
    monkeypatch.setattr(StreamingStatistics, 'update', watched)
    found = statistics_of({'x': column})['x']
    assert len(largest) == 10
    assert max(largest) <= 3000 * 8
    assert found.mean == (14998.5, 14999.5, 15000.5)


def test_goes_through_json_shaped_data_and_back():
    found = one([[1, np.nan], [3, np.nan]])
    assert parse(FeatureStatistics, asdict(found)) == found
