"""Joints that turn without end: frames, plans and data go the short way where a driver wraps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from turning_joint import CONTRACT, PERIOD, TEXT, decoder, message, wrapped

from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import NS, FrameBuilder
from il_ros.core.geometry import nearest_turn, unwrapped
from il_ros.core.observation_features import Features
from il_ros.monitors.joint_consistency import JointConsistency
from il_ros.policies.mlp import MlpConfig, relative_joints

ENDLESS = np.array([True, False])
angles = st.floats(-50, 50)
steps = st.lists(st.floats(-3.1, 3.1), min_size=1, max_size=40)


@settings(max_examples=30)
@given(start=st.floats(-3.1, 3.1), steps=steps)
def test_positions_go_on_where_the_driver_goes_back_by_a_turn(start, steps):
    path = np.cumsum([start, *steps])
    decode = decoder().decode
    found = [
        decode(message(wrapped(angle), lean=7.0), NS + i * PERIOD)[1]['position'].tolist()
        for i, angle in enumerate(path)
    ]
    np.testing.assert_allclose([turn for turn, _ in found], path, atol=1e-9)
    assert {lean for _, lean in found} == {7.0}  # an ordinary joint is what its driver says


def test_a_driver_that_counts_turns_is_taken_at_its_word_also_after_it_was_silent():
    decode = decoder().decode
    at = NS
    for said, expected in ((9.0, 9.0), (9.1, 9.1), (9.1 - 4 * math.pi, 9.1)):
        at += PERIOD
        assert decode(message(said), at)[1]['position'][0] == pytest.approx(expected)
    # It was restarted: were it told 9.1 now, it might turn twice around.
    assert decode(message(0.2), at + 2 * NS)[1]['position'][0] == 0.2


def test_what_is_no_number_is_forgotten_and_not_followed():
    decode = decoder().decode
    values = [
        decode(message(said), NS + i * PERIOD)[1]['position'][0]
        for i, said in enumerate((3.1, math.nan, -3.1))
    ]
    assert values[0] == 3.1
    assert math.isnan(values[1])
    assert values[2] == pytest.approx(2 * math.pi - 3.1)


def test_the_value_between_two_samples_is_between_them():
    take, builder = decoder('position', 'speed', 'between'), FrameBuilder(
        CONTRACT, ('position', 'speed', 'between')
    )  # fmt: skip
    frames = []
    for i, angle in enumerate(np.arange(3.0, 3.4, 0.05)):
        stamp = NS + i * PERIOD
        _, values, errors = take.decode(message(wrapped(angle), stamp=stamp), stamp)
        assert not errors
        for key in ('speed', 'between', 'position'):
            frames += builder.add(key, values[key], header=stamp, receive=stamp)
    assert len(frames) > 5
    for frame in frames[1:]:
        here, between = frame.values['position'][0], frame.values['between'][0]
        # Measured 20 ms before its stamp, it is due 20 ms further on the way of 50.
        assert here - 1e-9 <= between <= here + 0.05


@settings(max_examples=30)
@given(value=angles, near=angles)
def test_the_nearest_turn_is_the_same_angle_within_half_a_turn(value, near):
    found = nearest_turn(np.array([value, value]), np.array([near, near]), ENDLESS)
    assert abs(found[0] - near) <= math.pi + 1e-9
    turns = (found[0] - value) / (2 * math.pi)
    assert turns == pytest.approx(round(turns), abs=1e-9)
    assert found[1] == value


@settings(max_examples=30)
@given(path=arrays(float, (6, 2), elements=angles), near=arrays(float, 2, elements=angles))
def test_an_unwrapped_path_takes_no_step_beyond_half_a_turn(path, near):
    found = unwrapped(path, near, ENDLESS)
    steps = np.abs(np.diff(np.concatenate([near[None], found]), axis=0))
    assert steps[:, 0].max() <= math.pi + 1e-9
    np.testing.assert_allclose(np.cos(found[:, 0]), np.cos(path[:, 0]), atol=1e-9)
    np.testing.assert_array_equal(found[:, 1], path[:, 1])
    none = np.zeros(2, bool)
    assert unwrapped(path, near, none) is path


def test_a_crossing_is_no_contradiction_but_a_second_publisher_is():
    now = [0.0]
    consistency, take = JointConsistency(CONTRACT, lambda: now[0]), decoder('turn_alone')

    def say(angle, at):
        now[0] = at
        stamp = NS + round(at * NS)
        _, values, _ = take.decode(message(wrapped(angle), stamp=stamp), stamp)
        consistency.add('turn_alone', values['turn_alone'], stamp, stamp)

    for i in range(100):  # 1.5 rad/s through pi, back and forth
        say(math.pi + 0.5 * math.sin(3.0 * i * 0.02), i * 0.02)
        assert consistency.problems() == []
    say(math.pi + 1.0, 2.01)
    assert 'turn at' in consistency.problems()[0]


@settings(max_examples=30)
@given(turns=st.integers(-3, 3), angle=st.floats(-math.pi, math.pi), lean=st.floats(-2, 2))
def test_a_policy_sees_the_same_whatever_turn_a_joint_is_in(turns, angle, lean):
    features = Features(CONTRACT, exclude_keys=())
    size = sum(CONTRACT.observations[key].size for key in features.keys)

    def seen(angle):
        raw = {key: np.zeros(CONTRACT.observations[key].size) for key in features.keys}
        raw['position'][:] = angle, lean
        raw['turn_alone'][:] = raw['between'][:] = angle
        return features.of_raw(np.concatenate([raw[key] for key in features.keys]))

    here = seen(angle)
    np.testing.assert_allclose(seen(angle + 2 * math.pi * turns), here, atol=1e-9)
    # Three of the numbers are angles without end: they become two each.
    assert features.size == len(here) == len(features.optional) == size + 3
    assert np.isclose(here, math.cos(angle)).sum() >= 3
    assert lean in here


@pytest.mark.parametrize(
    ('old', 'new', 'text'),
    [
        (
            'continuous: [turn]',
            'continuous: [twist]',
            "action.continuous: got 'twist'; allowed: ea",
        ),
        (
            'continuous: [turn]',
            'continuous: [turn, turn]',
            "got 'turn'; allowed: each of action.na",
        ),
        (
            '-3.1416',
            '-6.28',
            '-6.28 to 3.1416 for turn, which turns without end; allowed: -3.1416 ',
        ),
        (
            '-3.1416',
            '-2.0',
            '-2.0 to 3.1416 for turn, which turns without end; allowed: -3.1416 to',
        ),
    ],
)
def test_a_joint_without_end_has_no_limits_of_position(old, new, text):
    with pytest.raises(ContractError) as caught:
        parse_contract(TEXT.replace(old, new))
    assert text in str(caught.value)


def test_the_limits_of_the_arm_know_no_end_and_the_range_of_the_action_is_a_turn():
    assert CONTRACT.continuous == {'turn'}
    assert CONTRACT.endless.tolist() == CONTRACT.limits.endless.tolist() == [False, True]
    assert CONTRACT.limits.position_min.tolist() == [-2, -math.inf]
    assert CONTRACT.limits.position_max.tolist() == [2, math.inf]
    assert [side.tolist() for side in CONTRACT.action_range] == [[-2, -3.1416], [2, 3.1416]]
    plain = parse_contract(TEXT.replace('  continuous: [turn]\n', ''))
    assert not plain.endless.any()
    assert plain.limits.position_max.tolist() == [2, 3.1416]


def test_a_policy_predicts_changes_of_a_joint_without_end_whatever_its_key():
    config = MlpConfig(absolute=('turn_alone', 'lean_alone'))
    assert relative_joints(CONTRACT, config).tolist() == [0, 1]
    bounded = parse_contract(TEXT.replace('  continuous: [turn]\n', ''))
    assert relative_joints(bounded, config).tolist() == [0, 0]
