"""Sensors that have stopped measuring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.limits import Limits
from il_ros.monitors.measurement_checks import FrozenWatch, MeasurementChecks
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import MonitorInput
from il_ros.monitors.plan import Plan

STEP = 0.01
ONE = np.ones(1)


def run(joints, commanded, pose=None, window=5):
    """The first fault, and the frame that it came at."""
    watch = FrozenWatch(window, 0.02)
    for i, (at, told) in enumerate(zip(joints, commanded, strict=True)):
        streams = {} if pose is None else {'pose': np.array([pose[i]])}
        target = None if told is None else np.array([told])
        fault = watch.look(np.array([at]), target, streams)
        if fault:
            return fault, i
    return None, None


MOVING = [STEP * i for i in range(30)]


def test_joints_that_repeat_while_they_are_commanded_to_move():
    fault, at = run([0.1] * 30, MOVING)
    assert fault.kind == 'frozen'
    assert fault.text == (
        'measured joint position: no digit has changed for 5 frames, but it is commanded to'
    )
    assert at == 4


def test_a_sensor_that_freezes_on_the_way():
    fault, at = run(MOVING[:20] + [MOVING[19]] * 10, MOVING)
    assert fault is not None
    assert at == 23  # frames 19 to 23 are the same


def test_joints_that_follow_late_are_not_frozen():
    assert run([0.0, *MOVING[:-1]], MOVING)[0] is None
    noise = np.random.default_rng(0).normal(0, 1e-6, 30)
    assert run(noise, MOVING)[0] is None  # a brake is for the tracking check to see


def test_at_rest_everything_may_repeat():
    assert run([0.1] * 30, [0.1] * 30, [3.0] * 30)[0] is None
    assert run(MOVING, [None] * 30, [3.0] * 30)[0] is None  # and while nothing is commanded


def test_a_jump_of_the_command_alone_is_no_motion():
    assert run([0.1] * 30, [0.0] * 10 + [0.5] * 20)[0] is None


def test_a_stream_that_has_to_follow_the_arm():
    fault, at = run(MOVING, MOVING, [1.0] * 30)
    assert fault.text == 'pose: no digit has changed for 5 frames, but the joints have moved'
    assert at == 4
    assert run(MOVING, MOVING, [1.0 + 1e-9 * i for i in range(30)])[0] is None


def test_a_reset_forgets():
    watch = FrozenWatch(3, 0.02)
    for i in range(6):
        if i % 2 == 0:
            watch.reset()
        assert watch.look(np.zeros(1), np.array([STEP * i]), {}) is None


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=40, unique=True))
def test_what_changes_at_every_frame_is_never_frozen(values):
    assert run(values, [0.1 * i for i in range(len(values))], values)[0] is None


def gripping(moves):
    """The arm rests and repeats exactly, as coarse encoders do, while only the gripper moves."""
    watch = FrozenWatch(5, 0.004, moves)
    for i in range(20):
        closing = np.array([0.5, 0.04 - 0.002 * i])
        fault = watch.look(closing, closing, {'pose': np.ones(7)})
        if fault:
            return fault
    return None


def held(moves):
    """The same, and something in the gripper keeps it from closing as it is commanded to."""
    watch = FrozenWatch(5, 0.004, moves)
    for i in range(20):
        fault = watch.look(np.array([0.5, 0.02]), np.array([0.5, 0.04 - 0.002 * i]), {})
        if fault:
            return fault
    return None


def test_what_the_gripper_does_says_nothing_of_the_arms_sensors():
    arm = np.array([True, False])
    assert gripping(arm) is None
    assert held(arm) is None
    assert gripping(None).text.startswith('pose: no digit')
    assert held(None).text.startswith('measured joint position: no digit')


def test_an_arm_that_freezes_is_seen_though_its_gripper_goes_on():
    watch, fault = FrozenWatch(5, 0.004, np.array([True, False])), None
    for i in range(5):
        fault = watch.look(np.array([0.5, 0.001 * i]), np.array([STEP * i, 0.0]), {})
    assert fault.kind == 'frozen'


LIMITS = Limits(
    names=('a',), position_min=-ONE, position_max=ONE, velocity=ONE, acceleration=ONE, jerk=ONE,
    workspace_min=-ONE, workspace_max=ONE, force=1.0, torque=1.0,
)  # fmt: skip


def frozen_after(looks, *, frames=20, still_from=3):
    """Which frame is the first that counts as frozen, where each is judged so often; or None."""
    checks = MeasurementChecks(LIMITS, MonitorConfig(), dt=0.05, geometry=None)
    for i in range(frames):
        stamp = 0.05 * i
        position = np.array([0.5 * 0.05 * min(i, still_from)])
        frame = MonitorInput(stamp=stamp, position=position, velocity=np.array([0.5]))
        faults = {
            # Each time by another plan: its controller waits.
            checks.judge(frame, Plan(begin=0.001 * look, pieces=steady(0.5)))
            for look in range(looks)
        }
        assert len(faults) == 1, 'another judgement of the same frame'
        if fault := faults.pop():
            assert fault.kind == 'frozen'
            return i
    return None


def steady(speed):
    pieces = np.zeros((5, 1, 1))
    pieces[2] = speed
    return pieces


@pytest.mark.parametrize('looks', [2, 3])
def test_a_frame_that_is_judged_again_counts_once(looks):
    assert frozen_after(looks) == frozen_after(1) == 7  # the fifth with the same digits
    assert frozen_after(looks, still_from=99) is None


def test_a_frame_of_a_world_that_was_reset_is_taken_though_its_stamp_was_seen():
    checks = MeasurementChecks(LIMITS, MonitorConfig(), dt=0.05, geometry=None)
    frame, plan = MonitorInput(stamp=1.0, position=np.zeros(1)), Plan(begin=0.0, pieces=steady(0.0))
    checks.judge(frame, plan)
    checks.judge(frame, None)  # nothing is commanded: all is forgotten
    checks.judge(frame, plan)
    checks.reset()
    checks.judge(frame, plan)
    (watch,) = checks._frozen.values()
    assert len(watch._joints) == 1


def test_what_is_known_of_the_clock_is_said_where_a_frame_is_too_old():
    watch = MeasurementChecks(LIMITS, MonitorConfig(), dt=0.05, geometry=None)
    frame = MonitorInput(stamp=1.0, position=np.zeros(1), invalid=('wrench: old',), clock='behind')
    fault = watch.trust(frame, 1.25)
    assert fault.kind == 'deadline'
    assert fault.text == 'frame: nothing newer for 0.250 s, limit 0.200 s; wrench: old; behind'
    assert watch.trust(frame, 1.1).text == 'wrench: old'
