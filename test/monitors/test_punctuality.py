"""The lead follows the lateness of commands, at once when it grows and later when it shrinks."""

import pytest

from il_ros.monitors.punctuality import Punctuality


def test_punctual_commands_need_no_lead():
    punctuality = Punctuality(0.025)
    assert punctuality.lead(0.0) == 0.0
    for tick in range(100):
        punctuality.add(tick * 0.05, 0.01)
    assert punctuality.lead(5.0) == 0.0
    assert punctuality.worst(5.0) == 0.01


def test_the_lead_is_above_the_longest_lateness_of_the_last_ten_seconds():
    punctuality = Punctuality(0.025)
    punctuality.add(1.0, 0.1)
    punctuality.add(2.0, 0.05)
    # A quarter and 5 ms more than it was, less what commands are sent ahead anyway.
    assert punctuality.lead(2.0) == pytest.approx(0.105)
    punctuality.add(11.5, 0.0)
    assert punctuality.lead(11.5) == pytest.approx(0.0425)
    punctuality.add(12.5, 0.0)
    assert punctuality.lead(12.5) == 0.0


def test_what_was_measured_last_counts_until_something_newer_is_known():
    punctuality = Punctuality(0.025)
    punctuality.add(1.0, 0.1, transit=True)
    punctuality.add(100.0, 0.01)  # left in time, which says nothing of its way
    assert punctuality.lead(100.0) == pytest.approx(0.105)
    assert punctuality.worst(100.0) == 0.01  # nothing that forbids to drive
    punctuality.add(100.0, 0.0, transit=True)
    assert punctuality.lead(100.0) == 0.0


def test_lateness_before_sending_is_added_to_what_is_kept_for_the_way():
    punctuality = Punctuality(0.025, 0.5, 0.2)
    assert punctuality.lead(0.0) == 0.2
    punctuality.add(0.0, 0.1)
    assert punctuality.lead(0.0) == pytest.approx(0.305)
    punctuality.add(1.0, 0.2, transit=True)  # in all, so it has the other in it
    assert punctuality.lead(1.0) == pytest.approx(0.305)
    punctuality.add(2.0, 0.3, transit=True)
    assert punctuality.lead(2.0) == pytest.approx(0.355)
    punctuality.add(3.0, 0.3)
    assert punctuality.lead(3.0) == punctuality.most


def test_what_is_kept_for_the_way_is_not_used_up_before_sending():
    punctuality = Punctuality(0.025, 0.5, 0.2)
    assert not punctuality.too_late(0.022, 0.2)
    assert punctuality.too_late(0.024, 0.2)
    assert not punctuality.too_late(0.122, 0.3)
    assert not punctuality.too_late(0.022, 0.1)  # planned before there was a lead
    assert punctuality.problem(0.0) == ''
    punctuality.add(0.0, 0.256)
    assert punctuality.problem(0.0) == ''
    punctuality.add(0.0, 0.257)
    expected = 'late, allowed 0.256 s by command_lead less least_command_lead'
    assert punctuality.problem(0.0).endswith(expected)
    punctuality.clear()
    punctuality.add(0.0, 0.4, transit=True)
    assert punctuality.problem(0.0) == ''
    punctuality.add(0.0, 0.42, transit=True)
    assert punctuality.problem(0.0).endswith('late, allowed 0.416 s by command_lead')


def test_the_lead_is_bounded():
    punctuality = Punctuality(0.025)
    punctuality.add(0.0, 5.0)
    assert punctuality.lead(0.0) == punctuality.most == 0.5
    punctuality.clear()
    assert punctuality.lead(0.0) == 0.0


def test_a_clock_that_went_back_forgets():
    punctuality = Punctuality(0.025)
    punctuality.add(100.0, 0.3)
    assert punctuality.lead(1.0) == 0.0


def test_only_what_can_still_be_the_worst_is_kept():
    punctuality = Punctuality(0.0)
    for tick in range(100_000):
        punctuality.add(tick * 0.01, 0.001 * (tick % 7))
        punctuality.worst(tick * 0.01)
    assert sum(map(len, punctuality._sources)) <= 7


def test_what_cannot_arrive_in_time_any_more_is_too_late():
    punctuality = Punctuality(0.025)
    assert not punctuality.too_late(0.022, 0.0)
    assert punctuality.too_late(0.024, 0.0)
    assert not punctuality.too_late(0.024, 0.01)  # planned further ahead
    assert not Punctuality(0.0).too_late(0.0, 0.0)  # in lock-step nothing is late


def test_nothing_is_driven_where_no_lead_that_is_allowed_would_do():
    punctuality = Punctuality(0.025, 0.2)
    assert punctuality.problem(0.0) == ''
    punctuality.add(0.0, 0.17)
    assert punctuality.problem(0.0) == ''
    assert punctuality.lead(0.0) < 0.2
    punctuality.add(1.0, 0.18)
    assert punctuality.lead(1.0) == 0.2
    expected = 'commands are 0.180 s late, allowed 0.176 s by command_lead'
    assert punctuality.problem(1.0) == expected
    assert punctuality.problem(10.9) == expected
    punctuality.add(11.1, 0.0)
    assert punctuality.problem(11.1) == ''
