"""Hard faults: each check passes what is right and names what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.arm_geometry import Geometry
from il_ros.core.limits import Limits, Zone
from il_ros.monitors import checks
from il_ros.monitors.monitor_input import Chunk, MonitorInput
from il_ros.monitors.scores.score import ScoreInput

NAMES = ('a', 'b')
LIMITS = Limits(
    names=NAMES,
    position_min=np.array([-1.0, 0.0]),
    position_max=np.array([1.0, 0.04]),
    velocity=np.ones(2),
    acceleration=np.ones(2),
    jerk=np.ones(2),
    workspace_min=np.array([0.2, -0.5, 0.0]),
    workspace_max=np.array([0.8, 0.5, 0.7]),
    force=40.0,
    torque=8.0,
)
CHUNK = Chunk(
    stamp=1.0,
    step_dt=0.05,
    names=NAMES,
    positions=np.zeros((4, 2)),
    contract_hash='c0ffee',
    policy_id='bc-1',
    source='policy',
)
FRAME = MonitorInput(stamp=1.0, position=np.zeros(2), velocity=np.zeros(2))


def judge(chunk, **changed):
    expected = {
        'source': 'policy',
        'names': NAMES,
        'contract_hash': 'c0ffee',
        'policy_id': 'bc-1',
        **changed,
    }
    return checks.chunk_content(chunk, **expected)


def test_a_good_chunk_passes():
    assert judge(CHUNK) is None
    assert judge(replace(CHUNK, samples=np.zeros((256, 4, 2)))) is None
    assert judge(replace(CHUNK, policy_id='other'), policy_id='') is None
    expert = replace(CHUNK, source='expert', policy_id='')
    assert judge(expert, source='expert') is None


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'source': 'expert'}, "says that it comes from 'expert'"),
        ({'contract_hash': ''}, 'made for contract none, this monitor has c0ffee'),
        ({'policy_id': 'bc-2'}, 'comes from bc-2, the calibration is for bc-1'),
        (
            {'samples': np.zeros((0, 4, 2))},
            'samples have shape (0, 4, 2), allowed (1 .. 256, 4, 2)',
        ),
        (
            {'samples': np.zeros((257, 4, 2))},
            'samples have shape (257, 4, 2), allowed (1 .. 256, 4, 2)',
        ),
        ({'samples': np.full((2, 4, 2), np.inf)}, 'a sample is not finite'),
        ({'policy_id': ''}, 'comes from an unnamed policy, the calibration is for bc-1'),
        ({'names': ('b', 'a')}, "joint 0 is 'b', the contract says 'a'"),
        ({'names': ('a',)}, 'has 1 joints, the contract has 2'),
        ({'positions': np.zeros((4, 3))}, 'positions have shape (4, 3), allowed (1 .. 10000, 2)'),
        (
            {'positions': np.zeros((10_001, 2))},
            'positions have shape (10001, 2), allowed (1 .. 10000, 2)',
        ),
        ({'positions': np.zeros((0, 2))}, 'positions have shape (0, 2), allowed (1 .. 10000, 2)'),
        ({'positions': np.array([[0, 0], [0, np.nan]])}, 'step 1 of b is nan'),
        ({'positions': np.array([[np.inf, 0]])}, 'step 0 of a is inf'),
        ({'step_dt': 0.0}, 'step_dt is 0.0 s, it must be above 0 s'),
        ({'step_dt': float('nan')}, 'step_dt is nan s, it must be above 0 s'),
        ({'stamp': float('nan')}, 'stamp is nan s'),
    ],
)
def test_a_bad_chunk_is_named(change, text):
    assert judge(replace(CHUNK, **change)) == checks.Fault('chunk', f'policy chunk: {text}')


@pytest.mark.parametrize('field', ['contract_hash', 'policy_id', 'names', 'source'])
def test_what_a_chunk_says_neither_floods_nor_forges_what_is_said_of_it(field):
    text = '\n[INFO] all is well \x1b[2J' + 'x' * 1_000_000
    fault = judge(replace(CHUNK, **{field: (text, 'b') if field == 'names' else text}))
    assert len(fault.text) < 2100
    assert fault.text.isprintable()  # and so without a line break


def test_stamps():
    def at(stamp):
        return checks.stamp('frame', stamp, 10.0, max_age=0.2, future=0.05)

    assert at(10.0) is None
    assert at(10.04) is None
    assert at(9.81) is None
    early = 'frame: stamped 0.100 s in the future, limit 0.050 s'
    assert at(10.1).text == f'{early}: the clock that stamped it is ahead'
    assert at(9.0).text == 'frame: nothing newer for 1.000 s, limit 0.200 s'
    assert at(9.0).kind == 'deadline'
    assert at(float('nan')).kind == 'clock'


def test_clock_step():
    assert checks.clock_step(None, 5.0, 0.5) is None
    assert checks.clock_step(5.0, 5.1, 0.5) is None
    assert checks.clock_step(5.0, 5.0, 0.5) is None
    assert checks.clock_step(5.0, 4.9, 0.5).text == 'clock: jumped 0.100 s backwards'
    late = 'clock: 1.000 s since the last tick, limit 0.500 s'
    assert checks.clock_step(5.0, 6.0, 0.5).text == late
    assert checks.clock_step(None, float('nan'), 0.5).text == 'clock: reads nan s'


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'invalid': ('wrench: 0.4 s old, limit 0.1 s', 'x: never')},
         'wrench: 0.4 s old, limit 0.1 s; x: never'),
        ({'position': None}, 'measured joint position: missing'),
        ({'position': np.array([0, np.nan])}, 'measured position: element 1 is nan'),
        ({'position': np.zeros(3)}, 'measured position: shape (3,), allowed (2,)'),
        ({'velocity': np.array([np.inf, 0])}, 'measured velocity: element 0 is inf'),
        ({'score_input': ScoreInput(time=1.0, features=np.array([0, 0, np.nan]))},
         'measured features: element 2 is nan'),
        ({'force': np.zeros(2)}, 'measured force: shape (2,), allowed (3,)'),
        ({'torque': np.array([0, 0, -np.inf])}, 'measured torque: element 2 is -inf'),
    ],
)  # fmt: skip
def test_a_bad_frame_is_named(change, text):
    assert checks.frame_content(FRAME, 2) is None
    assert checks.frame_content(replace(FRAME, **change), 2) == checks.Fault('frame', text)


def test_joint_limits_and_tracking():
    inside = np.array([-1.005, 0.04])
    assert checks.joint_limits(inside, LIMITS, 0.01) is None
    fault = checks.joint_limits(np.array([0.0, 0.06]), LIMITS, 0.01)
    assert fault.text == 'b: measured at 0.0600, limits 0.0000 .. 0.0400 rad or m'
    assert checks.joint_limits(np.array([np.nan, 0.0]), LIMITS, 0.01) is not None
    assert checks.tracking(np.zeros(2), np.full(2, 0.1), NAMES, 0.1) is None
    fault = checks.tracking(np.zeros(2), np.array([-0.2, 0.0]), NAMES, 0.1)
    assert fault.text == 'a: 0.2000 from its command, limit 0.1000 rad or m'


def test_workspace():
    assert checks.workspace(np.array([[0.2, 0.5, 0.0]]), LIMITS) is None
    fault = checks.workspace(np.array([[0.5, 0.0, -0.1]]), LIMITS)
    assert fault.text == 'tool centre point: z = -0.100 m, workspace 0.000 .. 0.700 m'
    way = np.array([[0.3, 0.0, 0.3], [0.205, 0.0, 0.3]])
    fault = checks.workspace(way, LIMITS, margin=0.01, planned=True)
    assert fault.text == 'planned motion: x = 0.205 m, workspace 0.210 .. 0.790 m'
    assert checks.workspace(way[1:], LIMITS, margin=0.01).kind == 'workspace'
    assert checks.workspace(way[::-1], LIMITS, margin=0.01, planned=True) is None  # it leaves
    assert checks.workspace(np.full((1, 3), np.nan), LIMITS).kind == 'workspace'
    assert checks.workspace(np.full((2, 3), np.nan), LIMITS, planned=True).kind == 'workspace'


def test_wrench():
    assert checks.wrench(None, None, LIMITS) is None
    assert checks.wrench(np.array([24.0, 32.0, 0.0]), np.array([0, 8.0, 0]), LIMITS) is None
    fault = checks.wrench(np.array([24.0, 33.0, 0.0]), None, LIMITS)  # norm 40.80
    assert fault == checks.Fault('force', 'wrist force: 40.80 N, limit 40.00 N')
    fault = checks.wrench(None, np.array([0, 6.0, -8.0]), LIMITS)
    assert fault.text == 'wrist torque: 10.00 N m, limit 8.00 N m'


def test_speed_and_acceleration():
    assert checks.speed(np.array([1.2, -1.2]), LIMITS, 0.2) is None
    fault = checks.speed(np.array([0.0, -1.3]), LIMITS, 0.2)
    assert fault == checks.Fault('speed', 'b: measured at -1.300, limit 1.200 rad/s or m/s')
    assert checks.speed(np.array([np.nan, 0.0]), LIMITS, 0.2) is not None
    before = np.array([0.2, 0.0])
    # (0.5 - 0.2) / 0.1 = 3 = (1 + 2) * 1
    assert checks.acceleration(before, np.array([0.499, 0.0]), 0.1, LIMITS, 2.0) is None
    fault = checks.acceleration(before, np.array([0.6, 0.0]), 0.1, LIMITS, 2.0)
    assert fault.text == 'a: accelerates by 4.0, limit 3.0 rad/s^2 or m/s^2'


POST = replace(
    LIMITS, keep_out=(Zone(name='post', min=np.array([0.4, 0, 0]), max=np.array([0.5, 0.1, 1])),)
)


def test_keep_out_zones_name_the_zone_the_part_and_the_place():
    parts = ('elbow', 'tool')
    points = np.array([[[0.2, 0.0, 0.5], [0.38, 0.05, 0.5]]])
    assert checks.keep_out(points, POST, parts=parts, margin=0.019) is None
    fault = checks.keep_out(points, POST, parts=parts, margin=0.021)
    assert fault.kind == 'keep_out'
    assert fault.text == "tool: within 0.021 m of 'post', at 0.380, 0.050, 0.500 m"
    motion = np.concatenate([points, points + np.array([0.1, 0.0, 0.0])])
    fault = checks.keep_out(motion, POST, parts=parts, margin=0.0, planned=True)
    assert fault.text.startswith("planned motion: tool: within 0.000 m of 'post', at 0.480")
    assert checks.keep_out(np.full((1, 2, 3), np.nan), POST, parts=parts, margin=0.0) is not None


def test_without_a_zone_nothing_is_kept_out():
    def points(q):
        return np.tile([0.45, 0.05, 0.5], (len(q), 1, 1))

    arm = Geometry(lambda q: points(q)[:, 0], points, parts=('tool',), radius=9.0)
    assert checks.space(arm, LIMITS, np.zeros((1, 2))) is None
    assert checks.space(arm, POST, np.zeros((1, 2))).kind == 'keep_out'


def test_each_part_has_a_margin_of_its_own():
    points, parts = np.array([[[0.38, 0.05, 0.5], [0.38, 0.05, 0.5]]]), ('thin', 'thick')
    margin = np.array([0.01, 0.03])
    assert checks.keep_out(points, POST, parts=parts, margin=margin - 0.011) is None
    fault = checks.keep_out(points, POST, parts=parts, margin=margin)
    assert fault.text.startswith("thick: within 0.030 m of 'post'")


def test_depths_are_signed_distances_along_the_nearest_axis():
    # 0.38 is 0.02 in front of 0.4; 0.46 is 0.04 from 0.5, and 0.03 from the side at y = 0.1.
    points = np.array([[[0.38, 0.05, 0.5], [0.46, 0.07, 0.5]]])
    np.testing.assert_allclose(checks.into_zones(points, POST, 0.0), [[[-0.02, 0.03]]])
    np.testing.assert_allclose(checks.into_zones(points, POST, 0.05), [[[0.03, 0.08]]])
    # The box is 0.2 .. 0.8, -0.5 .. 0.5, 0 .. 0.7, less 0.01 on each side.
    points = np.array([[0.5, 0.0, 0.3], [0.9, 0.0, 0.3]])
    np.testing.assert_allclose(checks.beyond_workspace(points, LIMITS, 0.01), [-0.29, 0.11])
