import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_episodes import CONTRACT, FINGER, PERIOD, made

from il_ros.datasets.preprocessing.segmentation import (
    GripperCuts,
    Idle,
    Pauses,
    Segmentation,
    parts,
    session_rows,
    usable_rows,
)


def cut(episode, **options):
    return parts(CONTRACT, episode, Segmentation(**options), FINGER)


def moving(*speeds):
    """Joint a at these speeds [rad a period], 0.025 being half its limit."""
    return np.cumsum(speeds)


def test_one_piece_without_a_gap():
    ranges, effect = cut(made(10))
    assert ranges == [(0, 10)]
    assert set(effect.values()) == {0}


@pytest.mark.parametrize(('step', 'whole'), [(1.4, True), (1.6, False), (0.0, False)])
def test_a_gap_is_longer_than_one_and_a_half_periods(step, whole):
    steps = np.concatenate([np.arange(4), 3 + step + np.arange(4)])
    ranges, effect = cut(made(8, steps=steps))
    assert ranges == ([(0, 8)] if whole else [(0, 4), (4, 8)])
    assert effect['gap_cuts'] == (not whole)


def test_a_wider_gap_can_be_allowed():
    assert cut(made(6, steps=[0, 1, 2, 4, 5, 6]), gap=2.5)[0] == [(0, 6)]


def test_a_clock_that_begins_anew_ends_a_part():
    assert cut(made(6, steps=[7, 8, 9, 0, 1, 2]))[0] == [(0, 3), (3, 6)]


def test_events_begin_parts_at_the_frame_at_or_behind_them():
    events = [('attempt', 0.0), ('attempt', 3.0), ('note', 5.0), ('attempt', 6.2), ('attempt', 50)]
    ranges, effect = cut(made(10, events=events), events=('attempt',))
    assert ranges == [(0, 3), (3, 7), (7, 10)]
    assert effect['event_cuts'] == 2


def test_an_event_cuts_only_the_piece_it_lies_in():
    # The clock begins anew: 6 to 9 come before 0 to 3. An event at 2 lies in the second piece.
    episode = made(8, steps=[6, 7, 8, 9, 0, 1, 2, 3], events=[('attempt', 2.0)])
    assert cut(episode, events=('attempt',))[0] == [(0, 4), (4, 6), (6, 8)]


def test_session_lies_between_first_begin_and_last_end():
    events = [('start', 2.0), ('start', 4.0), ('stop', 5.0), ('stop', 7.0)]
    episode = made(10, events=events)
    between = Segmentation(begin='start', end='stop')
    assert session_rows(episode, between).tolist() == [2, 3, 4, 5, 6, 7]
    assert session_rows(episode, Segmentation()).tolist() == list(range(10))
    assert session_rows(made(10), between).tolist() == list(range(10))


def test_usable_frames_have_an_action_and_every_required_stream():
    action = np.zeros((10, 3))
    action[4, 2] = np.nan
    episode = made(action, np.zeros((10, 3)), invalid=[('arm', [1]), ('goal', [7]), ('truth', [8])])
    # The goal is not required, and the truth is not seen, so that frames 7 and 8 stay.
    assert usable_rows(CONTRACT, episode).tolist() == [0, 2, 3, 5, 6, 7, 8, 9]


def test_idle_ends_are_trimmed_to_their_margin():
    # 20 frames at rest, 10 that move, 30 at rest. Speed is taken over 0.2 s, 2 frames to each
    # side, so that 2 frames before and 2 behind count as moving; a margin of 0.2 s is 4 frames.
    # Frame 20 is the first step, and commands are measured one frame later, up to frame 30.
    action = moving(*[0.0] * 20, *[0.025] * 10, *[0.0] * 30)
    (part,), effect = cut(made(action), idle=Idle(trim=True))
    first, last = 20 - 2, 30 + 1
    assert part == (first - 4, last + 4 + 1)
    assert effect['idle_frames'] == 60 - (part[1] - part[0])


def test_a_short_wait_is_no_idling():
    action = moving(*[0.0] * 11, *[0.025] * 20, *[0.0] * 6)
    # 11 frames less 2 that see the motion are 9, less than the 10 of half a second.
    assert cut(made(action), idle=Idle(trim=True))[0] == [(0, 37)]


def test_what_moves_is_seen_in_the_measured_joints_too():
    measured = np.zeros((60, 3))
    measured[:, 1] = moving(*[0.0] * 20, *[0.025] * 20, *[0.0] * 20)
    assert cut(made(np.zeros((60, 3)), measured), idle=Idle(trim=True))[0] == [(14, 45)]


def test_a_gripper_that_closes_is_motion():
    action = np.zeros((60, 3))
    action[30:, 2] = 0.04
    (part,), _ = cut(made(action), idle=Idle(trim=True))
    assert part[0] < 30 < part[1] < 60


def test_an_unmeasured_joint_does_not_stand_still_for_that():
    action = moving(*[0.025] * 30)
    episode = made(action, invalid=[('arm', slice(0, 30))])
    assert cut(episode, idle=Idle(trim=True))[0] == [(0, 30)]


def test_where_nothing_moves_nothing_stays():
    ranges, effect = cut(made(30), idle=Idle(trim=True))
    assert ranges == []
    assert effect['idle_frames'] == 30


def test_each_part_loses_its_own_idle_ends():
    wait, go = [0.0] * 20, [0.025] * 10
    episode = made(moving(*go, *wait, *wait, *go), events=[('attempt', 30.0)])
    ranges, _ = cut(episode, events=('attempt',), idle=Idle(trim=True))
    # Motion ends at frame 10 (measured) and begins anew at 50; 2 frames see it, 4 are the margin.
    assert [r[0] for r in ranges] == [0, 50 - 2 - 4]
    assert [r[1] for r in ranges] == [10 + 1 + 4 + 1, 60]


def test_gripper_changes_begin_parts_and_a_tremor_does_not():
    action = np.zeros((40, 3))
    action[:10, 2] = 0.04
    action[10:14, 2] = [0.03, 0.02, 0.018, 0.022]  # on the way
    action[30:, 2] = 0.04
    ranges, effect = cut(made(action), gripper=GripperCuts(cut=True))
    assert ranges == [(0, 14), (14, 30), (30, 40)]
    assert effect['gripper_cuts'] == 2
    assert cut(made(action))[0] == [(0, 40)]


def test_a_gripper_that_hardly_moves_has_not_changed():
    action = np.zeros((40, 3))
    action[20:, 2] = 0.007  # of 0.04: less than a fifth
    assert cut(made(action), gripper=GripperCuts(cut=True))[0] == [(0, 40)]


def test_pauses_are_cut_in_their_middle():
    # Ten frames of motion, nine at rest, ten of motion, and rest at the end, which is no pause.
    action = moving(*[0.025] * 10, *[0.0] * 9, *[-0.025] * 10, *[0.0] * 9)
    measured = np.stack([action, action * 0, action * 0], axis=1)
    ranges, effect = cut(made(measured, measured), pauses=Pauses(cut=True))
    assert ranges == [(0, 14), (14, 38)]
    assert effect['pause_cuts'] == 1


def test_short_parts_are_left_out_and_counted():
    steps = np.concatenate([np.arange(9), 20 + np.arange(10), 40 + np.arange(3)])
    ranges, effect = cut(made(22, steps=steps), min_length=0.5)
    assert ranges == [(9, 19)]  # 10 frames are 10 periods of 0.05 s
    assert (effect['short_parts'], effect['short_frames']) == (2, 12)


def test_nothing_of_nothing():
    ranges, _ = cut(made(0), idle=Idle(trim=True), gripper=GripperCuts(cut=True))
    assert ranges == []


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (lambda: Idle(margin=0.6), 'margin 0.6 s; allowed: from half the window, 0.1 s, to less'),
        (lambda: Idle(window=0.5), 'margin 0.2 s; allowed: from half the window, 0.25 s'),
        (lambda: Idle(speed=0.0), 'speed 0, window 0.2, dwell 0.5; allowed: positive'),
        (lambda: GripperCuts(travel=2.0), 'travel 2; allowed: more than 0, at most 1'),
        (lambda: Pauses(speed=-1.0), 'speed -1; allowed: a positive, finite number'),
        (lambda: Segmentation(gap=0.5), 'gap 0.5 periods; allowed: more than 1'),
        (lambda: Idle(dwell=math.inf), 'dwell inf; allowed: positive, finite'),
        (lambda: Segmentation(min_length=math.inf), 'min_length inf s; allowed: 0 or more, finite'),
        (lambda: Segmentation(min_length=math.nan), 'min_length nan s; allowed: 0 or more'),
    ],
)
def test_refuses_settings_that_mean_nothing(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@st.composite
def episodes(draw):
    """Up to 80 frames with gaps, restarts of the clock, rests, gripper changes and events."""
    frames = draw(st.integers(0, 80))
    steps = draw(st.lists(st.sampled_from([1.0] * 12 + [1.3, 3.0, -5.0]), min_size=frames,
                          max_size=frames))  # fmt: skip
    speed = draw(st.lists(st.sampled_from([0.0, 0.0, 0.02, -0.02]), min_size=20, max_size=20))
    closed = draw(st.lists(st.booleans(), min_size=9, max_size=9))
    rows = np.arange(frames)
    action = np.zeros((frames, 3))
    action[:, 0] = np.cumsum(np.repeat(speed, 4)[:frames])
    action[:, 2] = 0.04 * np.array(closed)[rows // 9]
    times = draw(st.lists(st.floats(-3.0, 90.0), max_size=4))
    return made(action, steps=100 + np.cumsum(steps), events=[('cut', t + 100) for t in times])


options = st.builds(
    Segmentation,
    gap=st.sampled_from([1.5, 3.5]),
    events=st.sampled_from([(), ('cut',)]),
    idle=st.builds(Idle, trim=st.booleans()),
    gripper=st.builds(GripperCuts, cut=st.booleans()),
    pauses=st.builds(Pauses, cut=st.booleans()),
    min_length=st.sampled_from([0.0, 0.3]),
)


@given(episodes(), options)
@settings(deadline=None)
def test_parts_are_in_order_apart_and_without_gaps(episode, chosen):
    ranges, effect = parts(CONTRACT, episode, chosen, FINGER)
    rows = [row for start, stop in ranges for row in range(start, stop)]
    assert rows == sorted(set(rows))
    assert all(0 <= start < stop <= episode.frames for start, stop in ranges)
    for start, stop in ranges:
        steps = np.diff(episode.stamp[start:stop])
        assert (steps > 0).all()
        assert (steps <= chosen.gap * PERIOD).all()
        assert stop - start >= round(chosen.min_length * CONTRACT.rate)
    assert episode.frames == len(rows) + effect['idle_frames'] + effect['short_frames']


@given(episodes(), st.booleans(), st.sampled_from([0.0, 0.3]))
@settings(deadline=None)
def test_a_part_is_not_cut_again(episode, trim, least):
    chosen = Segmentation(events=('cut',), idle=Idle(trim=trim), min_length=least)
    for start, stop in parts(CONTRACT, episode, chosen, FINGER)[0]:
        again, effect = parts(CONTRACT, episode.take(slice(start, stop)), chosen, FINGER)
        assert again == [(0, stop - start)]
        assert set(effect.values()) == {0}
