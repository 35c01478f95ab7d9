"""Speeds that a driver does not measure, from its positions: the same live and from a bag."""

import math

import numpy as np
import pytest
from cdr_messages import joints
from hypothesis import given, settings
from hypothesis import strategies as st
from turning_joint import TEXT, message, wrapped

from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.frames import NS, TopicDecoder

SPEED = """speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [turn, lean], rate: 20.0"""
DERIVED = TEXT.replace(SPEED, SPEED.replace('rate: 20.0', 'rate: 100.0, derived: 0.1'))
assert DERIVED != TEXT
CONTRACT = parse_contract(DERIVED)
PERIOD = 0.01  # s


def speeds(data, times, contract=CONTRACT):
    """What a decoder makes of messages received at `times` [s]; None where nothing is known."""
    streams = {'speed': contract.observations['speed']}
    decoder = TopicDecoder(streams, 'base', continuous=contract.continuous)
    found = []
    for one, at in zip(data, times, strict=True):
        _, values, errors = decoder.decode(one, NS + round(at * NS))
        assert not errors
        found.append(values['speed'].tolist() if 'speed' in values else None)
    return found


def moving(times, speed, *, said=0.0, start=3.0):
    """A joint that turns steadily, across pi, and what its driver says of its speed."""
    return [
        joints(
            ('turn', 'lean'),
            (wrapped(start + speed * at), 0.5 * speed * at),
            velocity=() if said is None else (said, said),
            stamp=NS + round(at * NS),
        )
        for at in times
    ]


@pytest.mark.parametrize('said', [0.0, math.nan, None, 99.0])
def test_what_the_driver_says_of_speeds_plays_no_part(said):
    times = np.arange(0, 0.6, PERIOD)
    found = speeds(moving(times, 1.2, said=said), times)
    # Known after three quarters of the time; then exact across pi.
    assert found[:8] == [None] * 8
    np.testing.assert_allclose(found[8:], [[1.2, 0.6]] * len(found[8:]), atol=1e-6)


@settings(max_examples=30)
@given(
    speed=st.floats(-2, 2),
    jitter=st.lists(st.floats(-0.004, 0.004), min_size=40, max_size=40),
    cut=st.integers(9, 40),
)
def test_jitter_of_stamps_changes_nothing_and_later_messages_nothing_before(speed, jitter, cut):
    times = np.arange(40) * PERIOD + np.array(jitter)
    data = moving(times, speed)
    found = speeds(data, times)
    np.testing.assert_allclose(found[10:], [[speed, speed / 2]] * 30, atol=1e-5)
    assert speeds(data[:cut], times[:cut]) == found[:cut]


def test_noise_is_filtered_and_a_change_is_seen_half_the_time_later():
    rng, times = np.random.default_rng(0), np.arange(0, 2.0, PERIOD)
    noise = 1e-3 * rng.standard_normal(len(times))
    data = [message(x, stamp=NS + round(at * NS)) for x, at in zip(noise, times, strict=True)]
    found = np.array(speeds(data, times)[10:])[:, 0]
    raw = np.diff(noise) / PERIOD
    # The deviation of the slope of 11 points is that of one, over the root of their scatter.
    scatter = math.sqrt(sum((PERIOD * (i - 5)) ** 2 for i in range(11)))
    assert found.std() == pytest.approx(1e-3 / scatter, rel=0.3)
    assert found.std() < raw.std() / 10
    ramp = [message(at**2 / 2, stamp=NS + round(at * NS)) for at in times]  # 1 rad/s^2
    found = np.array(speeds(ramp, times)[20:])[:, 0]
    np.testing.assert_allclose(found, times[20:] - 0.05, atol=1e-6)


def test_nothing_is_derived_across_a_silence_or_a_step_back_of_time():
    early = np.arange(20) * PERIOD
    times = np.concatenate([early, early + 3.0])
    found = speeds(moving(times, 1.0), times)
    assert found[20:28] == [None] * 8
    np.testing.assert_allclose(found[28:], [[1.0, 0.5]] * 12, atol=1e-6)
    back = np.concatenate([early, early])
    found = speeds(moving(back, 1.0), back)
    assert found[20:28] == [None] * 8
    np.testing.assert_allclose(found[28:], [[1.0, 0.5]] * 12, atol=1e-6)


def test_a_position_that_is_no_number_has_no_speed_and_spoils_no_other():
    times = np.arange(0, 0.3, PERIOD)
    data = moving(times, 1.0)
    data[15] = joints(('turn', 'lean'), (math.nan, 0.0), stamp=NS + round(times[15] * NS))
    found = speeds(data, times)
    assert np.isnan(found[15]).all()
    del found[15]
    np.testing.assert_allclose(found[8:], [[1.0, 0.5]] * 21, atol=1e-6)


def test_without_it_a_driver_that_has_no_speeds_is_refused():
    streams = {'speed': parse_contract(TEXT).observations['speed']}
    _, values, errors = TopicDecoder(streams, 'base').decode(moving([0.0], 1.0, said=None)[0], NS)
    assert not values
    assert 'derived' in str(errors['speed'])
    assert isinstance(errors['speed'], IlRosError)


@pytest.mark.parametrize(
    ('old', 'new', 'text'),
    [
        ('derived: 0.1', 'derived: 0.01', 'derived: got 0.01; allowed: 0.02 s (two messages) to 1'),
        ('derived: 0.1', 'derived: 2.0', 'derived: got 2.0; allowed: 0.02 s (two messages) to 1 s'),
        ('derived: 0.1', 'derived: -0.1', 'speed.derived: got -0.1; allowed: 0.02 s'),
        ('rate: 100.0, ', '', 'speed.derived: got 0.1; allowed: 0 without a rate'),
        ('[velocity],\n          names: [turn, lean]', '[position],\n          names: [turn, lean]',
         'speed.derived: got 0.1; allowed: 0; a time for [velocity] of a sensor_msgs/msg/Jo'),
    ],
)  # fmt: skip
def test_only_speeds_are_derived_and_from_enough_messages(old, new, text):
    assert old in DERIVED
    with pytest.raises(ContractError) as caught:
        parse_contract(DERIVED.replace(old, new))
    assert text in str(caught.value)
