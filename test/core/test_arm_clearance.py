"""Distances between segments, and between the arms of a pair."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.arm_geometry import Clearance
from il_ros.core.kinematics import segment_distance
from il_ros.core.robots.viperx_pair import VIPERX_PAIR

COORDINATE = st.floats(-1.0, 1.0).map(lambda x: round(x, 3))
POINT = st.tuples(COORDINATE, COORDINATE, COORDINATE).map(np.array)
SHARES = np.linspace(0.0, 1.0, 201)[:, None]
CLEARANCE = Clearance(VIPERX_PAIR)
HOME = VIPERX_PAIR.home


def samples(start, end):
    return start + SHARES * (end - start)


@given(a=POINT, b=POINT, c=POINT, d=POINT)
def test_no_two_points_are_nearer_and_some_are_as_near(a, b, c, d):
    found = float(segment_distance(a, b, c, d))
    between = np.linalg.norm(samples(a, b)[:, None] - samples(c, d), axis=-1).min()
    step = (math.dist(a, b) + math.dist(c, d)) / 400  # half of the way between two samples, each
    assert between - step - 1e-9 <= found <= between + 1e-9


@given(a=POINT, b=POINT, c=POINT, d=POINT)
def test_neither_order_nor_direction_matters(a, b, c, d):
    found = segment_distance(a, b, c, d)
    for other in ((c, d, a, b), (b, a, c, d), (a, b, d, c)):
        np.testing.assert_allclose(segment_distance(*other), found, atol=1e-9)


@given(a=POINT, way=POINT, off=POINT, shift=st.floats(-3.0, 3.0))
def test_parallel_segments(a, way, off, shift):
    """One shifted along itself, and aside: it is as far as they are aside, or their ends are."""
    c = a + shift * way + off
    found = float(segment_distance(a, a + way, c, c + way))
    between = np.linalg.norm(samples(a, a + way)[:, None] - samples(c, c + way), axis=-1).min()
    assert between - math.dist(way, np.zeros(3)) / 200 - 1e-9 <= found <= between + 1e-9


def test_by_hand():
    origin, x, y, z = np.zeros(3), *np.eye(3)
    assert segment_distance(origin, x, z, y + z) == 1.0  # crossing, one above the other
    assert segment_distance(origin, x, 3 * x, 4 * x) == 2.0  # end to end
    assert segment_distance(origin, origin, y, y) == 1.0  # two points
    assert segment_distance(origin, origin, y - x, y + x) == 1.0  # a point beside a line
    assert segment_distance(-x, x, -y, y) == 0.0  # they meet


def test_every_part_of_one_arm_is_held_against_every_part_of_the_other():
    left, right = VIPERX_PAIR.limbs
    assert CLEARANCE.gaps(np.tile(HOME, (3, 1))).shape == (3, len(left.body) * len(right.body))
    assert CLEARANCE.parts[0] == ('left_shoulder_link', 'right_shoulder_link')
    gaps = dict(zip(CLEARANCE.parts, CLEARANCE.gaps(HOME[None])[0], strict=True))
    # The feet are 0.938 m apart, and 0.06 m thick each.
    assert gaps['left_shoulder_link', 'right_shoulder_link'] == 0.938 - 0.12


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_gaps_are_those_of_points_on_the_parts(seed):
    q = np.random.default_rng(seed).uniform(VIPERX_PAIR.position_min, VIPERX_PAIR.position_max)
    found = CLEARANCE.gaps(q[None])[0].reshape(10, 10)
    parts = []
    for limb in VIPERX_PAIR.limbs:
        frames = limb.chain.frames(q[limb.columns(VIPERX_PAIR.names)])
        parts.append([
            (samples(np.array(p.start), np.array(p.end)) @ frames[p.frame, :3, :3].T
             + frames[p.frame, :3, 3], p.radius)
            for p in limb.body
        ])  # fmt: skip
    for i, (one, thick) in enumerate(parts[0]):
        for j, (other, wide) in enumerate(parts[1]):
            apart = np.linalg.norm(one[:, None] - other, axis=-1).min() - thick - wide
            assert apart - 2e-3 <= found[i, j] <= apart + 1e-9
