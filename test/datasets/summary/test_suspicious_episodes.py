import numpy as np
import pytest

from il_ros.core.dataset_summary import Coverage, EpisodeSummary
from il_ros.datasets.summary.suspicious_episodes import suspicious_first


def episodes(count=12, **odd):
    """Plain episodes; those at the indices given have other values: at_3={'gaps': 2}."""
    return [
        EpisodeSummary(
            **(
                {'id': f'e{i}', 'index': i, 'frames': 100, 'duration': 5.0 + 0.01 * i, 'jerk': 0.1}
                | odd.get(f'at_{i}', {})
            )
        )
        for i in range(count)
    ]


def compared(distances, nearest, duplicate=0.05):
    count = len(distances)
    nothing = np.zeros((count, 2))
    return Coverage(
        episodes=np.arange(count),
        nearest=np.array(nearest),
        distance=np.array(distances, float),
        points=nothing,
        progress=np.zeros(count),
        starts=nothing,
        ends=nothing,
        explained=(0.5, 0.5),
        duplicate=duplicate,
    )


def test_plain_episodes_stay_in_order_without_a_reason():
    found = suspicious_first(episodes())
    assert [e.index for e in found] == list(range(12))
    assert not any(e.reasons for e in found)


@pytest.mark.parametrize(
    ('odd', 'reason'),
    [
        ({'flagged': True}, 'flagged by the operator'),
        ({'gaps': 1}, '1 gap in time'),
        ({'gaps': 3}, '3 gaps in time'),
        ({'lost': 7.0}, '7 messages lost'),
        ({'invalid': 0.25}, 'a stream invalid in 25% of it'),
        ({'saturated': 0.4}, 'at a limit in 40% of it'),
        ({'left_out': 50}, '50 of 150 frames left out'),
        ({'duration': 1.0}, 'unusually short: 1.0 s'),
        ({'duration': 0.0}, 'unusually short: 0.0 s'),
        ({'duration': 25.0}, 'unusually long: 25.0 s'),
        ({'jerk': 0.5}, 'unusually jerky: 0.5 of the limit'),
    ],
)
def test_every_oddity_has_its_reason_and_comes_first(odd, reason):
    found = suspicious_first(episodes(at_9=odd))
    assert found[0].index == 9
    assert found[0].reasons == (reason,)
    assert not any(e.reasons for e in found[1:])


def test_what_nobody_measured_is_no_oddity():
    nan = {'jerk': np.nan, 'saturated': np.nan, 'lost': np.nan}
    assert not any(e.reasons for e in suspicious_first(episodes(at_2=nan)))


def test_less_jerk_than_usual_is_no_oddity():
    assert not any(e.reasons for e in suspicious_first(episodes(at_2={'jerk': 1e-6})))


def test_few_episodes_have_no_outliers():
    found = suspicious_first(episodes(5, at_2={'duration': 100.0}))
    assert not any(e.reasons for e in found)


def test_a_stream_that_fails_everywhere_is_no_oddity_of_one_episode():
    everywhere = {f'at_{i}': {'invalid': 0.3} for i in range(12)}
    everywhere['at_4'] = {'invalid': 0.9}
    found = suspicious_first(episodes(**everywhere))
    assert [e.reasons for e in found[:2]] == [('a stream invalid in 90% of it',), ()]


def test_duplicates_name_each_other_and_loners_are_named():
    distances = [0.01, 0.01, *[1.0] * 9, 30.0]
    found = suspicious_first(episodes(), compared(distances, [1, 0, *range(3, 12), 2]))
    reasons = {e.index: e.reasons for e in found if e.reasons}
    assert reasons == {
        0: ('near-duplicate of e1',),
        1: ('near-duplicate of e0',),
        11: ('unlike any other',),
    }
    assert found[0].nearest == 1
    assert found[0].nearest_distance == 0.01


def test_an_episode_that_was_not_compared_has_no_neighbour():
    coverage = compared([1.0] * 10, [1, 0, *range(3, 11)])
    found = suspicious_first(episodes(), coverage)
    assert [e.nearest for e in found if e.index > 9] == [-1, -1]


def test_flagged_comes_before_more_reasons_and_these_before_fewer():
    found = suspicious_first(
        episodes(at_3={'gaps': 1}, at_5={'gaps': 1, 'lost': 2.0}, at_8={'flagged': True})
    )
    assert [e.index for e in found[:4]] == [8, 5, 3, 0]


def test_no_episodes():
    assert suspicious_first([]) == ()
