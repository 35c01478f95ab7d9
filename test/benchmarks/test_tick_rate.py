"""The benchmark of the tick rate runs, and its smallest size keeps the target, too."""

from benchmarks import tick_rate


def test_the_smallest_size_is_within_the_target():
    found = tick_rate.run(tick_rate.SMOKE)
    assert found['tick_rate_error_percent_max'] <= 0.5
    assert found['tick_rate_error_percent_max_with_loss'] <= 0.5
    assert found['tick_rate_refused'] == found['tick_rate_refused_with_loss'] == 0
