import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from il_ros.core.errors import IlRosError
from il_ros.interactive.drift_test import DriftConfig, DriftTest, PolicyRuns, upper_tail


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.999))
def test_the_p_value_is_that_of_the_binomial_distribution(trials, successes, probability):
    expected = binom.sf(successes - 1, trials, probability)
    assert upper_tail(trials, successes, probability) == pytest.approx(expected, abs=1e-12)


def test_runs_as_calibrated_confirm_nothing_and_a_drift_is_confirmed_within_a_few():
    rng, alpha = np.random.default_rng(0), 0.02
    test = DriftTest(alpha, DriftConfig())
    confirmed = [test.add(stopped=bool(x)).confirmed for x in rng.random(20_000) < alpha]
    starts = np.flatnonzero(np.diff(np.array(confirmed, int)) == 1)
    assert len(starts) <= 20_000 * DriftConfig.level  # one in 1 / level runs
    needed = []
    for _ in range(200):
        test = DriftTest(alpha, DriftConfig())
        for _ in range(40):
            test.add(stopped=False)
        runs = 1
        while not test.add(stopped=bool(rng.random() < 0.7)).confirmed:
            runs += 1
        needed.append(runs)
    assert np.mean(needed) < 8


def test_one_odd_drive_is_no_shift_and_only_the_window_counts():
    test = DriftTest(0.02, DriftConfig(window=5))
    assert not test.now.confirmed
    assert test.now.p_value == 1.0
    assert not test.add(stopped=True).confirmed
    found = [test.add(stopped=False) for _ in range(5)][-1]
    assert (found.runs, found.stopped) == (5, 0)
    assert '0 of the last 5 runs, where 2 %' in str(found)


@pytest.mark.parametrize(
    ('settings', 'where'), [({'window': 0}, 'drift.window'), ({'level': 1.0}, 'drift.level')]
)
def test_settings_without_sense_are_refused(settings, where):
    with pytest.raises(IlRosError, match=where):
        DriftConfig(**settings)
    with pytest.raises(IlRosError, match='alpha: got 0'):
        DriftTest(0, DriftConfig())


def hear(runs, said):
    """What comes of (policy, driving, stopped, fault) one after the other."""
    return [
        runs.hear(policy_id=policy, driving=driving, stopped=stopped, fault=fault)
        for policy, driving, stopped, fault in said
    ]


IDLE = ('a', False, False, False)
DRIVES = ('a', True, False, False)
STOPPED = ('a', False, True, False)


def test_a_drive_ends_when_the_policy_no_longer_has_the_arm():
    assert hear(PolicyRuns(), [IDLE, DRIVES, DRIVES, IDLE, IDLE]) == [None, None, None, False, None]
    assert hear(PolicyRuns(), [DRIVES, STOPPED, STOPPED, IDLE]) == [None, True, None, None]


def test_another_policy_ends_it_too_and_begins_its_own():
    said = [DRIVES, ('b', True, False, False), ('b', False, True, False)]
    assert hear(PolicyRuns(), said) == [None, False, True]


def test_a_fault_tells_nothing():
    assert hear(PolicyRuns(), [DRIVES, ('a', False, True, True)]) == [None, None]


def test_what_is_not_calibrated_has_no_runs():
    assert hear(PolicyRuns(), [('', True, False, False), ('', False, True, False)]) == [None, None]


@pytest.mark.parametrize(('trials', 'successes'), [(2000, 130), (2000, 2000), (5000, 0), (1, 1)])
def test_a_long_window_has_a_p_value_too(trials, successes):
    expected = binom.sf(successes - 1, trials, 0.05)
    assert upper_tail(trials, successes, 0.05) == pytest.approx(expected, rel=1e-9)


def test_a_window_of_thousands_of_runs_confirms_a_drift():
    test = DriftTest(0.05, DriftConfig(window=2000))
    test._runs.extend([False] * 1900)
    results = [test.add(stopped=True) for _ in range(200)]
    # Of 2000 runs 100 are to be expected, with a standard deviation of 10; the level is at 131.
    assert [one.stopped for one in results if not one.confirmed][-1] in range(126, 136)
    assert results[-1].confirmed


@given(st.lists(st.tuples(st.sampled_from(['', 'a', 'b']), *[st.booleans()] * 3), max_size=30))
def test_each_run_of_a_calibrated_policy_is_counted_once(said):
    """Counted again from the whole record: a run is a stretch of one policy that drives."""
    heard = hear(PolicyRuns(), said)
    drivers = [policy if driving else '' for policy, driving, _, _ in said]
    for tick, (before, now) in enumerate(zip(['', *drivers], drivers, strict=False)):
        _, driving, stopped, fault = said[tick]
        ends = before not in ('', now) and not fault
        assert heard[tick] is ((stopped and not driving) if ends else None)
