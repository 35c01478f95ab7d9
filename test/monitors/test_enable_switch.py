"""Enable switches."""

import pytest

from il_ros.monitors.enable_switch import EnableSwitch, EnableSwitches


def heard(*messages):
    switch = EnableSwitch(max_age=0.25)
    for held, now in messages:
        switch.hear(held, now)
    return switch


def test_it_is_held_after_it_was_seen_open():
    assert heard((False, 1.0), (True, 1.1)).held
    assert not heard((False, 1.0), (True, 1.1), (False, 1.2)).held


def test_a_switch_that_is_stuck_takes_nothing():
    switch = heard((True, 1.0), (True, 1.1))
    assert not switch.held
    switch.hear(False, 1.2)
    switch.hear(True, 1.3)
    assert switch.held


def test_after_a_reset_it_has_to_be_let_go_first():
    switch = heard((False, 1.0), (True, 1.1))
    switch.reset()
    switch.hear(True, 1.2)
    assert not switch.held


def test_a_device_that_comes_back_from_a_silence_has_to_be_let_go_first():
    switch = heard((False, 1.0), (True, 60.0))
    assert not switch.held
    switch.hear(False, 60.1)
    switch.hear(True, 60.2)
    assert switch.held


def test_a_device_that_repeats_itself_is_silent():
    switch = heard((False, 1.0), (True, 1.1))
    for _ in range(9):
        switch.hear(True, 1.1)
    assert switch.silent(1.5) is not None
    switch.hear(False, 1.05)  # late on its way: older than what is known
    assert switch.held


def test_after_a_jump_of_the_clock_any_time_is_taken():
    switch = heard((False, 99.0), (True, 99.1))
    switch.reset(clock_jumped=True)
    switch.hear(False, 2.0)
    switch.hear(True, 2.1)
    assert switch.held


def test_silence_is_a_fault_with_its_limit():
    switch = heard((False, 1.0), (True, 1.1))
    assert switch.silent(1.35) is None
    fault = switch.silent(1.36)
    assert fault.kind == 'takeover'
    assert fault.text == 'takeover: nothing from its device for 0.260 s, limit 0.250 s'


def several(*messages):
    switches = EnableSwitches(max_age=0.25)
    for device, held, now in messages:
        switches.hear(device, held, now)
    return switches


def test_one_device_that_is_let_go_takes_nothing_from_another():
    switches = several(('a', False, 1.0), ('b', False, 1.0), ('a', True, 1.1), ('b', False, 1.15))
    assert switches.any_held(1.15)
    switches.hear('a', False, 1.2)
    assert not switches.any_held(1.2)


def test_each_device_has_to_be_let_go_first():
    assert not several(('a', False, 1.0), ('b', True, 1.1)).any_held(1.1)


def test_of_two_readings_of_one_moment_letting_go_counts():
    assert not heard((False, 1.0), (True, 1.1), (False, 1.1)).held
    assert not heard((False, 1.0), (True, 1.1), (False, 1.1), (True, 1.1)).held


def test_the_arm_goes_to_one_device_whose_silence_counts():
    switches = several(('a', False, 1.0), ('a', True, 1.1), ('b', False, 1.1), ('b', True, 1.2))
    assert switches.silent(9.0) is None  # nobody has got it
    switches.take(1.2)
    assert switches.kept
    switches.hear('b', False, 1.3)
    switches.hear('b', True, 1.4)
    assert switches.silent(1.4).text.startswith('takeover: nothing from its device for 0.3')


def test_another_one_that_is_held_gets_it_when_the_first_is_let_go():
    switches = several(('a', False, 1.0), ('a', True, 1.1), ('b', False, 1.1), ('b', True, 1.2))
    switches.take(1.2)
    switches.hear('a', False, 1.3)
    assert not switches.kept
    assert switches.any_held(1.3)
    switches.take(1.3)
    assert switches.kept
    switches.hear('b', False, 1.35)
    assert not switches.kept
    assert not switches.any_held(1.35)


def test_a_device_that_is_lost_is_not_one_that_is_let_go():
    switches = several(('a', False, 1.0), ('a', True, 1.1), ('b', False, 1.1))
    switches.take(1.1)
    switches.hear('b', False, 1.15, lost=True)  # not the one that has the arm
    assert switches.kept
    assert not switches.lost
    switches.hear('a', True, 1.15, lost=True)  # whatever else it says
    assert not switches.kept
    switches.hear('a', True, 1.16)  # it is back, but has to be let go first
    assert not switches.any_held(1.16)
    switches.hear('a', False, 1.17)
    assert switches.lost  # before anybody has looked
    switches.hear('a', True, 1.18)
    switches.take(1.18)
    assert switches.kept
    assert not switches.lost


def test_a_device_that_has_died_gets_nothing():
    switches = several(('a', False, 1.0), ('a', True, 1.1))
    assert switches.any_held(1.3)
    assert not switches.any_held(1.4)
    switches.take(1.4)
    assert not switches.kept


def test_all_devices_are_reset_together():
    switches = several(('a', False, 1.0), ('a', True, 1.1))
    switches.reset()
    switches.hear('a', True, 1.2)
    assert not switches.any_held(1.2)
    switches.reset(clock_jumped=True)
    switches.hear('a', False, 0.1)
    switches.hear('a', True, 0.2)
    assert switches.any_held(0.2)


def test_fresh_names_take_no_memory_and_no_device_that_is_heard_loses_its_place():
    switches = EnableSwitches(max_age=0.25)
    switches.hear('operator', False, 1.0)
    switches.hear('operator', True, 1.05)
    switches.take(1.05)
    now = 1.05
    for i in range(5_000):  # 10,000 fresh names a second, and the operator at 50 Hz
        now += 1e-4
        if i % 200 == 0:
            switches.hear('operator', True, now)
        switches.hear(f'flood {i}', False, now)
        switches.hear(f'flood {i}', True, now + 1e-5)
        assert len(switches._switches) <= 64
        assert switches.kept


def test_a_new_device_takes_the_place_of_silent_ones_but_not_of_the_one_that_has_the_arm():
    switches = EnableSwitches(max_age=0.25)
    for held in (False, True):
        switches.hear('operator', held, 1.0 + 0.01 * held)
    switches.take(1.01)
    for i in range(70):
        switches.hear(f'{i}', False, 1.1)
    switches.hear('late', False, 1.2)  # all places are taken by devices that are heard
    switches.hear('late', True, 1.21)
    assert len(switches._switches) == 64
    assert 'late' not in switches._switches
    switches.hear('late', False, 5.0)
    assert set(switches._switches) == {'operator', 'late'}
    assert switches.silent(5.0) is not None  # the operator's device is missed all the same


@pytest.mark.parametrize('name', ['x' * 257, 'x' * 10_000_000])
def test_a_name_that_no_node_has_is_not_heard(name):
    switches = EnableSwitches(max_age=0.25)
    switches.hear(name, False, 1.0)
    switches.hear(name, True, 1.1)
    assert not switches.any_held(1.1)
    assert not switches._switches
