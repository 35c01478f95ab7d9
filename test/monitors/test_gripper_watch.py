"""A gripper that does not move is told from one that holds something."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.limits import Limits
from il_ros.monitors.gripper_watch import GripperWatch

DT = 0.05
OPEN, CLOSED = 0.04, 0.0


def limits():
    ones = np.ones(2)
    return Limits(
        names=('arm', 'finger'),
        position_min=np.array([-1.0, CLOSED]),
        position_max=np.array([1.0, OPEN]),
        velocity=ones,
        acceleration=ones,
        jerk=ones,
        workspace_min=-np.ones(3),
        workspace_max=np.ones(3),
        force=1.0,
        torque=1.0,
    )


def first(measured, commanded, patience=1.0):
    """The first fault and its frame; the arm itself stands far from its command all the time."""
    watch = GripperWatch(limits(), np.array([True, False]), patience)
    for i, (at, to) in enumerate(zip(measured, commanded, strict=True)):
        fault = watch.look(np.array([0.0, at]), np.array([0.9, to]), 7.0 + i * DT)
        if fault:
            return fault, i
    return None, None


def run(start, commands, *, low=CLOSED, high=OPEN, speed=0.1, delay=4):
    """What a gripper measures that is commanded so and has something in its way."""
    measured, at = [], start
    for i in range(len(commands)):
        to = commands[max(i - delay, 0)] if i >= delay else start
        at = np.clip(at + np.clip(to - at, -speed * DT, speed * DT), low, high)
        measured.append(at)
    return measured


@pytest.mark.parametrize(('start', 'to'), [(OPEN, CLOSED), (CLOSED, OPEN)])
def test_one_that_is_stuck_at_an_end_is_noticed_within_its_patience(start, to):
    fault, at = first([start] * 60, [start] * 20 + [to] * 40)
    assert fault.kind == 'tracking'
    assert at - 20 in (19, 20)  # periods of 0.05 s do not quite add up
    assert fault.text == (
        f'finger: the gripper has not moved from {start:.4f} rad or m for 1.0 s, '
        f'commanded to {to:.4f}'
    )


def test_one_that_is_stuck_half_way_is_noticed_once_it_was_asked_both_ways():
    commands = [CLOSED] * 30 + [OPEN] * 30
    fault, at = first([0.02] * 60, commands)
    assert fault is not None
    assert at - 30 in (19, 20)
    assert first([0.02] * 60, [CLOSED] * 60)[0] is None  # it may hold something


def test_one_that_holds_something_is_not_stuck():
    grasp = [OPEN] * 10 + [CLOSED] * 60 + [0.02] * 20 + [CLOSED] * 60 + [OPEN] * 30
    assert first(run(OPEN, grasp, low=0.02), grasp)[0] is None
    held = [0.02] * 10 + [CLOSED] * 80  # from the start
    assert first(run(0.02, held, low=0.02), held)[0] is None
    wide = [0.036] * 10 + [CLOSED] * 80
    assert first(run(0.036, wide, low=0.036), wide)[0] is None


def test_one_that_answers_late_or_slowly_is_not_stuck():
    commands = [OPEN] * 10 + [CLOSED] * 60
    assert first(run(OPEN, commands, delay=18), commands)[0] is None
    assert first(run(OPEN, commands, speed=0.004), commands)[0] is None


def test_a_command_that_flickers_does_not_add_up():
    flicker = ([CLOSED] * 15 + [0.03] * 3) * 20
    assert first([0.02] * len(flicker), flicker)[0] is None
    both = [CLOSED] * 25 + [0.02] * 10 + [0.03] * 25  # each of them for long, with a pause
    assert first([0.02] * 60, both)[0] is not None


def test_small_steps_from_where_it_stands_count():
    """Experts and policies that answer the measured opening ask for no more than a part of it."""
    assert first([OPEN] * 60, [OPEN] * 20 + [0.0355] * 40)[0] is not None


def test_a_patience_of_zero_watches_none():
    assert first([OPEN] * 60, [CLOSED] * 60, patience=0.0)[0] is None


def test_noise_is_no_motion_and_a_gap_is_no_waiting():
    noise = OPEN + np.random.default_rng(0).normal(0.0, 1e-4, 60)
    assert first(noise, [OPEN] * 20 + [CLOSED] * 40)[0] is not None
    watch = GripperWatch(limits(), np.array([True, False]), 1.0)
    for stamp in (0.0, 5.0, 10.0):
        assert watch.look(np.array([0.0, OPEN]), np.array([0.0, CLOSED]), stamp) is None


def test_where_nothing_is_commanded_or_there_is_no_gripper_nothing_is_watched():
    watch = GripperWatch(limits(), np.array([True, False]), 1.0)
    for i in range(60):
        commanded = None if i % 15 == 0 else np.array([0.0, CLOSED])
        assert watch.look(np.array([0.0, OPEN]), commanded, i * DT) is None
    watch = GripperWatch(limits(), np.array([True, True]), 1.0)
    for i in range(60):
        assert watch.look(np.array([0.0, OPEN]), np.array([0.0, CLOSED]), i * DT) is None


@given(
    st.lists(st.tuples(st.floats(CLOSED, OPEN), st.integers(1, 40)), min_size=1, max_size=8),
    st.floats(CLOSED, OPEN),
    st.floats(0.06, 0.2),
    st.integers(0, 10),
    st.floats(CLOSED, 0.037),
)
def test_one_that_follows_with_something_below_it_is_never_stuck(orders, start, speed, delay, low):
    """Whatever is asked for: to the other side it moves, as far as there is room."""
    commands = [to for to, times in orders for _ in range(times)]
    start = max(start, low)
    assert first(run(start, commands, low=low, speed=speed, delay=delay), commands)[0] is None
