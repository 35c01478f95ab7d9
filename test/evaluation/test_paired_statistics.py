from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.paired_statistics import (
    PairedOutcomes,
    bootstrap,
    difference_interval,
    mcnemar,
    pairs_needed,
)

COUNT = st.integers(0, 60)
TABLES = (
    st.tuples(COUNT, COUNT, COUNT, COUNT).filter(any).map(lambda counts: PairedOutcomes(*counts))
)


def swapped(table):
    return PairedOutcomes(table.both, table.only_b, table.only_a, table.neither)


def test_outcomes_are_counted_by_kind():
    table = PairedOutcomes.of(
        [(True, True), (True, False), (True, False), (False, True), (False, False)]
    )
    assert (table.both, table.only_a, table.only_b, table.neither) == (1, 2, 1, 1)
    assert table.difference == pytest.approx(-0.2)
    assert table.discordant == pytest.approx(0.6)
    for counts in ((0, 0, 0, 0), (3, -1, 0, 0)):
        with pytest.raises(EvaluationError, match='allowed: at least 0, and at least one pair'):
            PairedOutcomes(*counts)


def test_the_exact_test_by_hand():
    # 14 discordant, 2 to one side: 2 * (1 + 14 + 91) / 2^14
    assert mcnemar(PairedOutcomes(36, 12, 2, 0)) == 2 * 106 / 2**14
    assert mcnemar(PairedOutcomes(5, 0, 0, 5)) == 1
    assert mcnemar(PairedOutcomes(0, 3, 3, 0)) == 1
    # six to none is the fewest that is significant at 5 %
    assert (
        mcnemar(PairedOutcomes(9, 0, 6, 0)) == 2 / 2**6 < 0.05 < mcnemar(PairedOutcomes(9, 0, 5, 0))
    )


@given(TABLES)
def test_the_exact_test_is_symmetric_and_a_probability(table):
    n, fewer = table.only_a + table.only_b, min(table.only_a, table.only_b)
    both_tails = sum(comb(n, k) for k in range(n + 1) if min(k, n - k) <= fewer) / 2**n
    assert mcnemar(table) == pytest.approx(min(1.0, both_tails))
    assert mcnemar(table) == mcnemar(swapped(table))


def test_the_interval_of_newcombe_s_example():
    # Newcombe 1998, table III: 36, 12, 2, 0 of 50, method 10: 0.0569 to 0.3404 (A minus B).
    low, high = difference_interval(PairedOutcomes(36, 12, 2, 0))
    assert (-high, -low) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(TABLES)
def test_the_interval_holds_the_difference_and_mirrors(table):
    low, high = difference_interval(table)
    assert -1 <= low <= table.difference <= high <= 1
    assert low < high
    mirrored = difference_interval(swapped(table))
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high))
    narrow = difference_interval(table, 0.5)
    assert low <= narrow[0] <= narrow[1] <= high


@pytest.mark.parametrize('shares', [(0.8, 0.05, 0.1, 0.05), (0.5, 0.2, 0.2, 0.1)])
def test_the_interval_covers_as_often_as_it_says(shares):
    drawn = np.random.default_rng(0).multinomial(50, shares, 1000)
    truth = shares[2] - shares[1]
    ends = [difference_interval(PairedOutcomes(*counts)) for counts in drawn.tolist()]
    assert 0.92 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.99


@pytest.mark.parametrize(('difference', 'discordant'), [(0.1, 0.2), (0.2, 0.3), (0.05, 0.1)])
def test_as_many_as_needed_find_the_difference_as_often_as_asked(difference, discordant):
    n = pairs_needed(difference, discordant)
    a, b = (discordant - difference) / 2, (discordant + difference) / 2
    drawn = np.random.default_rng(0).multinomial(n, (1 - a - b, a, b, 0), 1000)
    found = np.mean([mcnemar(PairedOutcomes(*counts)) <= 0.05 for counts in drawn.tolist()])
    assert 0.77 <= found <= 0.85


def test_what_cannot_be_told_apart_needs_no_number():
    assert pairs_needed(0.0, 0.3) is None
    assert pairs_needed(0.2, 0.1) is None  # cannot differ by more than they disagree
    assert pairs_needed(0.2, 0.2) == pairs_needed(-0.2, 0.2)
    assert pairs_needed(0.05, 0.2) > pairs_needed(0.1, 0.2) > pairs_needed(0.1, 0.1)


def test_the_bootstrap_is_repeatable_and_near_what_theory_says():
    values = np.random.default_rng(1).normal(3.0, 1.0, 200)
    low, high = bootstrap(values, np.mean, seed=0)
    assert (low, high) == bootstrap(values, np.mean, seed=0) != bootstrap(values, np.mean, seed=1)
    half = 1.96 * values.std() / np.sqrt(200)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    low, high = bootstrap([1.0, 2.0, 9.0], np.median, seed=0)
    assert (low, high) == (1.0, 9.0)
    assert bootstrap([1.0], np.mean, seed=0) == (None, None)
