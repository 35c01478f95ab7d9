"""Sticks: nothing around the middle, no step at its edge, never more than full speed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.joy import Axes, Axis

AXES = st.builds(
    Axis,
    index=st.just(0),
    scale=st.floats(0.01, 2.0),
    sign=st.sampled_from([1, -1]),
    deadzone=st.floats(0.0, 0.9),
    expo=st.floats(0.0, 1.0),
)
ANY = st.floats(-3.0, 3.0)


@given(axis=AXES, share=st.floats(-1.0, 1.0))
def test_within_the_dead_zone_there_is_exactly_nothing(axis, share):
    assert axis.speed(share * axis.deadzone) == 0.0


@given(axis=AXES, a=ANY, b=ANY)
def test_more_deflection_is_never_less_speed_nor_more_than_full(axis, a, b):
    low, high = sorted((a, b))
    assert axis.sign * axis.speed(low) <= axis.sign * axis.speed(high)
    assert abs(axis.speed(a)) <= axis.scale
    assert axis.speed(-a) == -axis.speed(a)


@given(axis=AXES)
def test_full_deflection_is_full_speed_and_the_edge_has_no_step(axis):
    assert axis.speed(1.0) == pytest.approx(axis.sign * axis.scale)
    assert abs(axis.speed(axis.deadzone + 1e-9)) < 1e-6 * axis.scale


def test_expo_is_gentler_in_the_middle():
    # (0.55 - 0.1) / 0.9 = 0.5; half of it linear, half cubic: 0.25 + 0.0625.
    axis = Axis(index=0, scale=1.0, deadzone=0.1, expo=0.5)
    assert axis.speed(0.55) == pytest.approx(0.3125)


def test_axes_make_a_twist_in_its_order():
    axes = Axes(
        z=Axis(index=1, scale=0.2, deadzone=0.0, expo=0.0),
        yaw=Axis(index=0, scale=1.0, sign=-1, deadzone=0.0, expo=0.0),
    )
    np.testing.assert_allclose(axes.twist([0.5, -1.0]), [0, 0, -0.2, 0, 0, -0.5])
    assert axes.used == {'z': 1, 'yaw': 0}


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        ({'x': {'index': -1, 'scale': 1.0}}, r'axes.x: index is -1; allowed: 0 or more'),
        ({'x': {'index': 0, 'scale': 0.0}}, r'axes.x: scale is 0.0; allowed: above 0'),
        ({'x': {'index': 0, 'scale': float('nan')}}, r'axes.x: scale is nan'),
        ({'x': {'index': 0, 'scale': 1.0, 'sign': 2}}, r'axes.x.sign: got 2; allowed: 1, -1'),
        ({'x': {'index': 0, 'scale': 1.0, 'deadzone': 1.0}}, r'deadzone is 1.0; allowed: 0 to 0.9'),
        ({'x': {'index': 0, 'scale': 1.0, 'expo': -0.1}}, r'expo is -0.1; allowed: 0 to 1.0'),
        ({'x': {'scale': 1.0}}, r'axes.x.index: missing'),
        ({}, r'axes: no axis is used'),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(data, text):
    with pytest.raises(IlRosError, match=text):
        parse(Axes, data, where='axes')
