import pytest
from made_episodes import CONTRACT

from il_ros.core.errors import DatasetError
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.preprocessing.quality_rules import (
    Bounds,
    Outliers,
    Quality,
    bound_reasons,
    check_streams,
    entry_reasons,
    find_outliers,
)


def entry(name='e', outcome='success', flagged=False, **measures):
    return EpisodeEntry(
        id=name, start=0, length=1, outcome=outcome, flagged=flagged, measures=measures
    )


def entries(durations):
    return [entry(f'e{i}', duration=d) for i, d in enumerate(durations)]


def test_any_outcome_stays_until_some_are_named():
    assert entry_reasons(entry(outcome='failure'), Quality()) == []
    chosen = Quality(outcomes=('success', 'unknown'))
    assert entry_reasons(entry(outcome='unknown'), chosen) == []
    assert entry_reasons(entry(outcome='failure'), chosen) == [
        'outcome failure, allowed: success, unknown'
    ]


def test_what_the_operator_flagged_stays_unless_it_shall_go():
    assert entry_reasons(entry(flagged=True), Quality()) == []
    strict = Quality(leave_out_flagged=True)
    assert entry_reasons(entry(flagged=True), strict) == ['flagged by the operator']
    assert entry_reasons(entry(), strict) == []


def test_bounds_are_inclusive_and_say_what_is_allowed():
    chosen = Quality(bounds={'duration': Bounds(min=1.0, max=9.0), 'gaps': Bounds(max=0)})
    assert bound_reasons({'duration': 1.0, 'gaps': 0}, chosen) == []
    assert bound_reasons({'duration': 9.0, 'gaps': 0}, chosen) == []
    assert bound_reasons({'duration': 0.51234567, 'gaps': 2}, chosen) == [
        'duration 0.5123 s, allowed: at least 1 s',
        'gaps 2, allowed: at most 0',
    ]
    assert bound_reasons({'duration': 9.5}, chosen) == ['duration 9.5 s, allowed: at most 9 s']


def test_what_is_not_measured_is_not_bounded():
    assert bound_reasons({}, Quality(bounds={'path_efficiency': Bounds(min=0.5)})) == []


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (Bounds, 'neither min nor max; allowed: one of them, or both'),
        (lambda: Bounds(min=2.0, max=1.0), 'min 2 is above max 1'),
        (lambda: Quality(bounds={'jrek': Bounds(max=1.0)}), "no measure 'jrek'; allowed: gaps"),
        (lambda: Outliers(measures=('length',)), "no measure 'length'; allowed: gaps"),
        (lambda: Outliers(deviations=0.0), 'deviations 0, spread 0.05, fewest 8; allowed: posit'),
    ],
)
def test_refuses_settings_that_mean_nothing(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_refuses_a_bound_on_a_stream_that_is_not_there():
    check_streams(CONTRACT, Quality(bounds={'invalid_fraction.arm': Bounds(max=0.1)}))
    with pytest.raises(DatasetError) as error:
        check_streams(CONTRACT, Quality(bounds={'invalid_fraction.amr': Bounds(max=0.1)}))
    assert str(error.value) == (
        "quality.bounds.invalid_fraction.amr: no stream 'amr'; "
        'allowed: arm, hand, speed, goal, truth'
    )


def test_outlier_by_hand():
    # Median of 10, 10, 11, 11, 12, 12, 13, 13, 40 is 12; distances 2, 2, 1, 1, 0, 0, 1, 1, 28 have
    # the median 1: five robust deviations are 5 * 1.4826 = 7.413, from 4.587 to 19.41.
    found = find_outliers(entries([10, 10, 11, 11, 12, 12, 13, 13, 40]), Outliers())
    assert found == {
        'e8': 'duration 40 s, where the median is 12 s and not to be an outlier means '
        '4.587 .. 19.41 s'
    }


def test_a_short_one_is_an_outlier_too():
    assert set(find_outliers(entries([10, 10, 11, 11, 12, 12, 13, 13, 1]), Outliers())) == {'e8'}


def test_among_equals_a_small_difference_is_none():
    # The absolute deviation is 0; a twentieth of the median times five is a quarter.
    same = [10.0] * 9
    assert find_outliers(entries([*same, 12.4]), Outliers()) == {}
    assert set(find_outliers(entries([*same, 12.6]), Outliers())) == {'e9'}


def test_of_few_nothing_is_an_outlier():
    assert find_outliers(entries([1, 1, 1, 1, 1, 1, 99]), Outliers()) == {}
    assert set(find_outliers(entries([1, 1, 1, 1, 1, 1, 1, 99]), Outliers())) == {'e7'}


def test_episodes_without_the_measure_do_not_count():
    some = [*entries([5.0] * 8), entry('x', jerk=1.0)]
    assert find_outliers(some, Outliers(measures=('duration', 'jerk'))) == {}


def test_an_old_name_of_a_measure_is_answered_with_the_new_one():
    with pytest.raises(ValueError, match="'idle_share' is now 'idle_fraction'"):
        Quality(bounds={'idle_share': Bounds(max=0.5)})
    with pytest.raises(
        ValueError, match=r"'invalid_share\.wrist' is now 'invalid_fraction\.wrist'"
    ):
        Outliers(measures=('invalid_share.wrist',))
