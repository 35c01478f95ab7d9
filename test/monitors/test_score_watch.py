"""The watch over one policy: strange ticks, warnings, missing scores, getting nowhere."""

from math import inf, isnan, nan

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.calibrated_scores import Calibration
from il_ros.monitors.conformal_thresholds import ConformalThresholds
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_bank import Channel, ScoreBank
from il_ros.monitors.score_watch import ScoreWatch
from il_ros.monitors.scores.score import ScoreInput

DT = 0.1


class First:
    """The first feature."""

    needs = ('features',)

    def score(self, score_input):
        return float(score_input.features[0])

    def reset(self):
        pass


class Jump:
    """By how much the chunk changed; NaN at the first."""

    needs = ('chunk',)
    before = None

    def score(self, score_input):
        before, self.before = self.before, score_input.chunk
        return nan if before is None else float(np.abs(score_input.chunk - before).max())

    def reset(self):
        self.before = None


def calibration(scores=('look',), stop=1.0, warn=0.5, longest=100):
    kinds = {'look': First, 'jump': Jump}
    bank = ScoreBank(
        [Channel(name=n, kind=n, on='observation', score=kinds[n]()) for n in scores], window=1
    )
    size = len(scores)
    thresholds = ConformalThresholds(
        loc=np.zeros((size, 1)), scale=np.full((size, 1), 2.0),
        begin=tuple(int(n == 'jump') for n in scores), stop=stop, warn=warn,
    )  # fmt: skip
    return Calibration(bank=bank, thresholds=thresholds, longest=longest, policy_id='bc-1')


class Rig:
    """A watch whose scores stop at 2 and warn at 1."""

    def __init__(self, scores=('look',), longest=100, warn=0.5, stop=1.0, **changes):
        made = calibration(scores, stop=stop, warn=warn, longest=longest)
        self.watch = ScoreWatch(made, MonitorConfig(**changes))
        self.tick = 0

    def read(self, x=0.0, chunk=None, *, driving=True, time=None):
        self.tick += 1
        time = DT * self.tick if time is None else time
        score_input = ScoreInput(
            time=time,
            features=None if x is None else np.array([x]),
            chunk=None if chunk is None else np.full((2, 1), float(chunk)),
            chunk_time=time,
        )
        return self.watch.read(score_input, driving)

    def stops(self, values):
        return [self.watch.stop_text(self.read(value)) for value in values]

    def warns(self, values):
        return [self.read(value).warned for value in values]


def test_three_of_five_strange_ticks_stop_with_score_and_threshold():
    found = Rig(trigger_count=3, trigger_window=5).stops([3, 0, 3, 0, 3])
    assert found[:4] == [''] * 4
    assert found[4] == 'look 3 above threshold 2, 3 of the last 5 ticks were'


def test_the_text_says_so_when_the_last_tick_was_not_strange_itself():
    found = Rig().stops([3, 3, 3, 1])
    assert found[3] == 'look 1 not above threshold 2, 3 of the last 5 ticks were'


def test_a_look_has_all_scores_with_their_thresholds():
    rig = Rig(('look', 'jump'))
    first, second = rig.read(1.0, 0), rig.read(3.0, 5)
    assert first.names == ('look', 'jump')
    assert (first.values[0], first.score, first.warn) == (1.0, 0.5, 0.5)
    assert isnan(first.values[1])
    assert not first.exceeded
    np.testing.assert_array_equal(second.values, [3, 5])
    np.testing.assert_array_equal(second.thresholds, [2, 2])
    assert (second.score, second.exceeded, second.channel) == (2.0, True, 'jump')
    assert second.of('look') == (3.0, 2.0)


def test_the_strangest_score_is_named():
    rig = Rig(('look', 'jump'), trigger_count=1, trigger_window=1)
    assert rig.watch.stop_text(rig.read(0.0, 0)) == ''
    assert rig.watch.stop_text(rig.read(3.0, 5)) == (
        'jump 5 above threshold 2 (all 2 on average 2.00 of theirs), 1 of the last 1 ticks were'
    )
    text = rig.watch.stop_text(rig.read(5.0, 5))
    assert text.startswith('look 5 above threshold 2 (all 2 on average 1.25 of theirs)')


def test_one_strange_score_among_normal_ones_has_to_be_the_stranger():
    rig = Rig(('look', 'jump'), trigger_count=1, trigger_window=1)
    rig.read(0.0, 0)
    assert not rig.read(3.0, 0).exceeded  # 1.5 of its threshold, 0.75 on average
    again = Rig(('look', 'jump'), trigger_count=1, trigger_window=1)
    again.read(0.0, 0)
    assert again.read(4.2, 0).exceeded


def test_exactly_at_the_threshold_is_not_above_it():
    reading = Rig().read(2.0)
    assert (reading.score, reading.exceeded) == (1.0, False)


# What is not there ------------------------------------------------------------------------------


@pytest.mark.parametrize('value', [None, nan, inf])
def test_a_score_that_should_be_there_and_is_not_is_strange(value):
    rig = Rig(trigger_count=2, trigger_window=2)
    assert rig.read(0.0).score == 0.0
    reading = rig.read(value)
    assert (reading.score, reading.exceeded, reading.triggered) == (inf, True, False)
    text = rig.watch.stop_text(rig.read(value))
    assert text == 'look is not known (threshold 2), 2 of the last 2 ticks were so or above it'


def test_what_cannot_be_there_yet_is_not_strange():
    rig = Rig(('jump',), trigger_count=1, trigger_window=1)
    waiting = [rig.read() for _ in range(3)]  # the policy has not answered yet
    assert not any(reading.exceeded for reading in waiting)
    first = rig.read(chunk=0)
    assert isnan(first.score)
    assert not first.exceeded
    assert rig.read(chunk=1).score == 0.5
    assert rig.read().exceeded  # by now a chunk has to be there


def test_while_the_first_chunk_is_awaited_what_is_seen_counts():
    rig = Rig(('look', 'jump'), trigger_count=1, trigger_window=1)
    assert rig.read(3.0).triggered


# Who drives -------------------------------------------------------------------------------------


def test_while_another_one_drives_scores_are_told_and_nothing_triggers():
    rig = Rig(('look', 'jump'), trigger_count=1, trigger_window=1, warn=0.1)
    for _ in range(3):
        reading = rig.read(9.0, rig.tick, driving=False)
        assert (reading.values[0], reading.score, reading.exceeded) == (9.0, 4.5, True)
        assert isnan(reading.values[1])  # what the policy answers is not judged
        assert (reading.triggered, reading.warned) == (False, False)
        assert rig.watch.stop_text(reading) == rig.watch.warn_text(reading) == ''


def test_a_policy_that_gets_the_arm_begins_afresh():
    rig = Rig(('jump',), trigger_count=2, trigger_window=2)
    for chunk in (0, 1, 9):
        rig.read(chunk=chunk)
    rig.read(chunk=0, driving=False)
    reading = rig.read(chunk=9)
    assert isnan(reading.score)  # the chunk before was of another time
    assert not rig.read(chunk=18).triggered
    assert rig.read(chunk=0).triggered


def test_without_a_calibration_there_is_nothing_to_say():
    watch = ScoreWatch(None, MonitorConfig())
    reading = watch.read(ScoreInput(time=0.0, features=np.ones(1)), True)
    assert (reading.names, reading.exceeded, reading.triggered, reading.warned) == (
        (),
        False,
        False,
        False,
    )
    assert isnan(reading.score)
    assert isnan(reading.warn)
    assert watch.stop_text(reading) == watch.warn_text(reading) == ''
    assert (watch.calibrated, watch.required) == (False, False)


def test_a_watch_that_only_reports_neither_stops_nor_slows():
    rig = Rig(novelty=False, trigger_count=1, trigger_window=1, longest=1)
    reading = [rig.read(9.0) for _ in range(5)][-1]
    assert (reading.triggered, reading.warned) == (True, True)
    assert rig.watch.stop_text(reading) == rig.watch.warn_text(reading) == ''
    assert (rig.watch.calibrated, rig.watch.required) == (True, False)
    assert Rig().watch.required


# Warnings ---------------------------------------------------------------------------------------


def test_a_warning_begins_when_n_of_m_are_above_its_level():
    rig = Rig(trigger_count=3, trigger_window=5)
    assert rig.warns([1.5, 0, 1.5, 0]) == [False] * 4
    reading = rig.read(1.5)
    assert (reading.warned, reading.triggered) == (True, False)
    text = 'look 1.5 is 0.75 of its threshold 2, warning from 0.50'
    assert rig.watch.warn_text(reading) == text


def test_it_ends_after_a_while_well_below_its_level():
    # It warns above 1.0 and is calm below 0.9, for 0.5 s.
    rig = Rig(trigger_count=1, trigger_window=1, hysteresis=0.9, dwell=0.5)
    assert rig.warns([1.1]) == [True]
    assert rig.warns([0.95] * 20) == [True] * 20  # below the level, but not well below
    assert rig.warns([0.8] * 4) == [True] * 4
    assert rig.warns([0.95]) == [True]  # and the time begins again
    assert rig.warns([0.8] * 7) == [True] * 5 + [False] * 2
    assert rig.warns([0.95]) == [False]


def test_without_a_dwell_it_ends_at_once():
    rig = Rig(trigger_count=2, trigger_window=5, dwell=0.0)
    assert rig.warns([1.5, 1.5, 0.0, 0.0]) == [False, True, False, False]


def test_a_level_below_zero_has_its_calm_below_it_too():
    # stop = -1: the ratio of a value v is 1 + (v / 2 + 1), the threshold lies at -2.
    rig = Rig(stop=-1.0, warn=-1.0, trigger_count=1, trigger_window=1, hysteresis=0.5, dwell=0.0)
    assert rig.read(-2.0).score == 1.0
    assert rig.warns([-5.9]) == [True]  # ratio -0.95
    assert rig.warns([-6.5]) == [True]  # -1.25, not well below
    assert rig.warns([-7.5]) == [False]  # -1.75


def test_a_missing_score_keeps_a_warning_up():
    rig = Rig(trigger_count=1, trigger_window=1, dwell=0.0)
    assert rig.warns([1.5, None, 0.0]) == [True, True, False]


# Getting nowhere --------------------------------------------------------------------------------


def test_a_policy_that_gets_nowhere_is_overdue_though_every_tick_looks_normal():
    found = Rig(longest=8, overdue=1.25).stops([0] * 12)
    assert found[:10] == [''] * 10
    assert found[10] == 'overdue: 11 ticks, 1.25 times the longest good episode'


@pytest.mark.parametrize('changes', [{'overdue': 0.0}, {'novelty': False}])
def test_nothing_is_overdue_where_nobody_asked(changes):
    assert set(Rig(longest=8, **changes).stops([0] * 50)) == {''}


def test_a_new_mode_begins_the_count_again():
    rig = Rig(longest=8)
    rig.stops([0] * 10)
    rig.watch.begin()
    assert set(rig.stops([0] * 10)) == {''}


def test_scores_and_thresholds_of_different_policies_are_refused():
    one, two = calibration(), calibration(('look', 'jump'))
    with pytest.raises(IlRosError) as caught:
        Calibration(bank=one.bank, thresholds=two.thresholds, longest=1, policy_id='bc-1')
    assert str(caught.value) == (
        "calibration: policy 'bc-1': 1 scores, thresholds of [2]; allowed: the identity of a "
        'policy, and thresholds for each score; to fix: calibrate the policy again'
    )
    with pytest.raises(IlRosError, match="calibration: policy '': 1 scores, thresholds of"):
        Calibration(bank=one.bank, thresholds=one.thresholds, longest=1, policy_id='')


def varying(longest=100):
    thresholds = ConformalThresholds(
        loc=np.zeros((1, 4)), scale=np.array([[1.0, 2.0, 3.0, 4.0]]), begin=(0,), stop=1.0, warn=0.5
    )
    one = calibration()
    made = Calibration(bank=one.bank, thresholds=thresholds, longest=longest, policy_id='bc-1')
    return ScoreWatch(made, MonitorConfig(trigger_count=1, trigger_window=1))


def seen(x):
    return ScoreInput(time=1.0, features=np.array([x]))


def test_a_warning_does_not_loosen_what_stops():
    watch = varying()
    assert watch.read(seen(0.9), True).warned
    reading = watch.read(seen(2.5), True)
    assert (reading.thresholds[0], reading.exceeded) == (2.0, True)


def test_in_the_middle_of_an_episode_the_largest_threshold_holds():
    watch = varying()
    watch.begin(midway=True)
    assert watch.read(seen(0.1), True).thresholds[0] == 4.0
    watch.begin()
    assert watch.read(seen(0.1), True).thresholds[0] == 1.0


def test_a_slow_policy_is_not_stopped_for_what_its_first_chunk_cannot_tell():
    rig = Rig(('look', 'jump'), trigger_count=1, trigger_window=1)
    first = [rig.read(0.0, 0, time=0.1) for _ in range(5)]  # the same chunk over and over
    assert not any(reading.exceeded for reading in first)
    assert rig.read(0.0, 9, time=0.6).exceeded
