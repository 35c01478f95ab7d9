import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.intervals import Rate, percent, rate_fields, wilson

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ('successes', 'trials', 'low', 'high'),
    [
        # z = 1.959964, z^2 = 3.841459.
        # 5 of 10: centre (0.5 + 0.192073) / 1.384146 = 0.5; half
        # sqrt(3.841459 * (0.025 + 0.009604)) / 1.384146 = 0.364594 / 1.384146 = 0.263407
        (5, 10, 0.236593, 0.763407),
        # 0 of 10: high = z^2 / (n + z^2) = 3.841459 / 13.841459
        (0, 10, 0.0, 0.277533),
        # 10 of 10: low = n / (n + z^2) = 10 / 13.841459
        (10, 10, 0.722467, 1.0),
        # 1 of 1: low = 1 / 4.841459
        (1, 1, 0.206549, 1.0),
        # 45 of 50: centre (0.9 + 0.038415) / 1.076829 = 0.871461; half
        # sqrt(3.841459 * (0.0018 + 0.000384)) / 1.076829 = 0.091598 / 1.076829 = 0.085063
        (45, 50, 0.786398, 0.956524),
    ],
)
def test_wilson_by_hand(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=2e-6)


def test_other_confidence_by_hand():
    # 68.27 % is one standard deviation, z = 1: 5 of 10 is 0.5 +- sqrt(0.025 + 0.0025) / 1.1
    assert wilson(5, 10, 0.6826894921) == pytest.approx((0.349244, 0.650756), abs=2e-6)


@given(COUNTS, st.floats(0.01, 0.999))
def test_contains_its_estimate_and_stays_a_share(counts, confidence):
    low, high = wilson(*counts, confidence)
    assert 0 <= low <= Rate(*counts).rate <= high <= 1


@given(COUNTS)
def test_a_rate_has_its_interval(counts):
    rate = Rate(*counts)
    assert (rate.low, rate.high) == wilson(*counts)


@given(COUNTS, st.floats(0.5, 0.999))
def test_agrees_with_scipy(counts, confidence):
    expected = binomtest(*counts).proportion_ci(confidence, method='wilson')
    assert wilson(*counts, confidence) == pytest.approx(tuple(expected), abs=1e-9)


@given(COUNTS)
def test_failures_mirror_successes(counts):
    successes, trials = counts
    low, high = wilson(successes, trials)
    mirrored = wilson(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_one_more_success_raises_both_ends(counts):
    successes, trials = counts
    before, after = wilson(successes, trials), wilson(successes + 1, trials)
    assert before[0] < after[0]
    assert before[1] < after[1]


@given(COUNTS, st.integers(2, 20))
def test_more_trials_narrow_and_more_confidence_widens(counts, factor):
    successes, trials = counts
    low, high = wilson(successes, trials)
    many_low, many_high = wilson(successes * factor, trials * factor)
    sure_low, sure_high = wilson(successes, trials, 0.99)
    assert many_high - many_low < high - low < sure_high - sure_low


@pytest.mark.parametrize(('successes', 'trials'), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(EvaluationError) as caught:
        Rate(successes, trials)
    assert str(caught.value) == (
        f'rate: {successes} successes of {trials} trials; '
        'allowed: 0 <= successes <= trials, trials >= 1'
    )


@pytest.mark.parametrize('confidence', [0.0, 1.0, 95.0, float('nan')])
def test_impossible_confidence_is_refused(confidence):
    with pytest.raises(EvaluationError, match=f'got {confidence}; allowed: 0 < confidence < 1'):
        wilson(1, 2, confidence)


def test_of_counts_outcomes_and_knows_nothing_from_zero():
    assert Rate.of([True, False, True]) == Rate(2, 3)
    assert Rate.of([]) is None


def test_overlap():
    assert Rate(6, 10).overlaps(Rate(4, 10))
    assert Rate(4, 10).overlaps(Rate(6, 10))
    assert not Rate(49, 50).overlaps(Rate(5, 50))


def test_for_readers():
    assert str(Rate(45, 50)) == '45 of 50 = 90 % (95 % interval 78.6 to 95.7 %)'
    assert [percent(share) for share in (0, 0.995, 1 / 3, 1)] == [
        '0 %',
        '99.5 %',
        '33.3 %',
        '100 %',
    ]


def test_json_fields():
    assert rate_fields(None, 'r', 'i') == {'r': None, 'i_low': None, 'i_high': None}
    fields = rate_fields(Rate(0, 10), 'success_rate', 'wilson')
    assert fields['success_rate'] == fields['wilson_low'] == 0
    assert fields['wilson_high'] == pytest.approx(0.277533, abs=2e-6)
