from itertools import combinations

import pytest

from il_ros.core.errors import EvaluationError, UnknownNameError
from il_ros.evaluation.suites import SEEDS, SUITES, draw_seeds


def test_no_seed_serves_two_purposes():
    for a, b in combinations(SEEDS.values(), 2):
        assert max(a.start, b.start) >= min(a.stop, b.stop)
    assert all(
        seeds.start >= 0 and seeds.stop < 2**31 and seeds.step == 1 for seeds in SEEDS.values()
    )


def test_suites_take_their_seeds_from_a_part_that_never_trains():
    assert {suite.seeds for suite in SUITES.values()} == {'nominal', 'ood'}


def test_suites_that_are_compared_share_their_seeds():
    assert SUITES['nominal'].seeds == SUITES['expert'].seeds == SUITES['heuristic'].seeds
    assert SUITES['ood'].seeds == SUITES['ood_unwatched'].seeds
    assert SUITES['ood'].watched
    assert not SUITES['ood_unwatched'].watched


def test_draws_consecutive_seeds():
    assert list(draw_seeds('nominal', 3)) == [300_000, 300_001, 300_002]
    assert list(draw_seeds('nominal', 2, 5)) == [300_005, 300_006]
    assert list(draw_seeds('calibration', 1)) == [100_000]
    assert len(draw_seeds('ood', 100_000)) == 100_000


@pytest.mark.parametrize(('count', 'start'), [(100_001, 0), (1, 100_000), (-1, 0), (1, -1)])
def test_a_draw_that_leaves_its_range_is_refused(count, start):
    with pytest.raises(EvaluationError) as caught:
        draw_seeds('nominal', count, start)
    assert str(caught.value) == (
        f'seeds.nominal: {count} seeds from offset {start} do not fit; '
        'allowed: offset and count of at least 0, together at most 100000; '
        'to fix: ask for fewer seeds or a smaller offset'
    )


def test_an_unknown_part_is_refused():
    with pytest.raises(UnknownNameError) as caught:
        draw_seeds('training', 1)
    assert str(caught.value) == (
        "unknown part of the seeds 'training'; "
        'allowed: demonstrations, calibration, corrections, nominal, ood, adversarial'
    )
