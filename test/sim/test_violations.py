"""Violations are counted as a reader of the rules would count them, one number at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.limits import Limits
from il_ros.sim.violations import KINDS, POSITION_SLACK, TOLERANCE, Violations

PERIOD = 0.1
LIMITS = Limits(
    names=('a', 'b'),
    position_min=np.array([-1.0, -2.0]),
    position_max=np.array([1.0, 2.0]),
    velocity=np.array([1.0, 0.5]),
    acceleration=np.array([10.0, 5.0]),
    jerk=np.array([100.0, 100.0]),
    workspace_min=np.array([-0.5, -0.5, 0.0]),
    workspace_max=np.array([0.5, 0.5, 1.0]),
    force=10.0,
    torque=2.0,
)
REST = {
    'position': np.zeros((4, 2)), 'velocity': np.zeros((4, 2)),
    'tool': np.tile([0.0, 0.0, 0.5], (4, 1, 1)), 'wrench': np.zeros((4, 1, 6)),
}  # fmt: skip


def counted(**changes):
    violations = Violations(LIMITS, np.zeros(2), PERIOD)
    violations.motion(**{**REST, **changes})
    return {kind: int(count) for kind, count in violations.counts.items() if count}


def at(name, index, value):
    """Everything at rest but one number in the third substep."""
    rows = REST[name].copy()
    rows[(2, *index)] = value
    return {name: rows}


@pytest.mark.parametrize(
    ('kind', 'name', 'index', 'bound'),
    [
        ('position', 'position', (0,), 1.0 + POSITION_SLACK),
        ('position', 'position', (1,), -2.0 - POSITION_SLACK),
        ('velocity', 'velocity', (0,), TOLERANCE * 1.0),
        ('velocity', 'velocity', (1,), -TOLERANCE * 0.5),
        ('workspace', 'tool', (0, 0), 0.5),
        ('workspace', 'tool', (0, 2), -0.0),
        ('force', 'wrench', (0, 1), 10.0),
        ('torque', 'wrench', (0, 5), -2.0),
    ],
)
def test_each_bound_may_be_touched_and_not_passed(kind, name, index, bound):
    beyond = bound + np.copysign(1e-9, bound)
    assert counted(**at(name, index, bound)) == {}
    assert counted(**at(name, index, beyond)) == {kind: 1}


def test_a_force_counts_by_its_norm_and_a_torque_on_its_own():
    # 6 and 8 N are 10 N together: on the bound; with 1 N more they are beyond.
    wrench = REST['wrench'].copy()
    wrench[2, 0, :2] = 6.0, 8.0
    assert counted(wrench=wrench) == {}
    wrench[2, 0, 2] = 1.0
    assert counted(wrench=wrench) == {'force': 1}
    wrench[1:, 0, 3:] = 1.5
    assert counted(wrench=wrench) == {'force': 1, 'torque': 3}


def test_a_substep_with_two_joints_beyond_counts_once():
    assert counted(velocity=np.full((4, 2), 9.0)) == {'velocity': 4}


numbers = st.floats(-3.0, 3.0)


@settings(max_examples=40)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8))
def test_acceleration_is_the_second_difference_of_the_commands(targets):
    violations = Violations(LIMITS, np.zeros(2), PERIOD)
    path = [(0.0, 0.0), (0.0, 0.0), *targets]  # at rest before the first command
    expected = 0
    for before, last, now in zip(path, path[1:], path[2:], strict=False):
        second = [(c - 2 * b + a) / PERIOD**2 for a, b, c in zip(before, last, now, strict=True)]
        margin = [abs(x) - TOLERANCE * y for x, y in zip(second, LIMITS.acceleration, strict=True)]
        if any(abs(gap) < 1e-6 for gap in margin):
            return  # on the bound to rounding
        expected += any(gap > 0 for gap in margin)
    for target in targets:
        violations.command(np.array(target))
    assert violations.counts['acceleration'] == expected


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(0, 3))
def test_many_episodes_at_once_count_as_each_alone(seed, rows, restarted):
    rng, restarted = np.random.default_rng(seed), min(restarted, rows - 1)
    hold = rng.uniform(-1, 1, (rows, 2))
    kept = hold.copy()
    many = Violations(LIMITS, hold, PERIOD)
    alone = [Violations(LIMITS, row, PERIOD) for row in kept]
    for tick in range(4):
        if tick == 2:  # one of them begins anew
            many.restart(restarted, np.ones(2))
            alone[restarted] = Violations(LIMITS, np.ones(2), PERIOD)
        targets = rng.normal(0, 1, (rows, 2))
        motion = [
            rng.normal(0, 1, (rows, *shape)) for shape in ((4, 2), (4, 2), (4, 1, 3), (4, 1, 6))
        ]
        many.command(targets)
        many.motion(*motion)
        for row, one in enumerate(alone):
            one.command(targets[row])
            one.motion(*[part[row] for part in motion])
    for kind in KINDS:
        assert many.counts[kind].tolist() == [int(one.counts[kind]) for one in alone]
    np.testing.assert_array_equal(hold, kept)  # what was handed over is left alone
