"""Messages and back."""

from typing import get_args

import numpy as np
import pytest

pytest.importorskip('rclpy')

from hypothesis import given
from hypothesis import strategies as st
from il_ros.msg import ActionChunk, MonitorStatus
from il_ros.srv import StopEpisode

from il_ros.core import topics
from il_ros.core.contract import parse_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import Frame
from il_ros.monitors.checks import FaultKind
from il_ros.ros import message_conversion
from il_ros.ros.recording_session import OUTCOMES

TWO_JOINTS = parse_contract("""
version: 1
name: two_joints
base_frame: base
rate: 10.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a, b]}
  velocity: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
             names: [a, b]}
action:
  names: [a, b]
  position: [position]
  velocity: [velocity]
  limits: {position_min: [-1, -1], position_max: [1, 1], velocity: [1, 1], acceleration: [1, 1],
           jerk: [1, 1]}
  demonstration: {}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
""")


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_keep_every_nanosecond(nanoseconds):
    assert message_conversion.to_ns(message_conversion.to_stamp(nanoseconds)) == nanoseconds


def test_the_modes_have_the_numbers_of_the_message():
    numbers = [getattr(MonitorStatus, name.upper()) for name in topics.MODES]
    assert numbers == list(range(len(topics.MODES)))


def test_sources_and_faults_have_the_numbers_of_their_messages():
    sources = [getattr(ActionChunk, name.upper()) for name in topics.CHUNK_SOURCES]
    assert sources == list(range(len(topics.CHUNK_SOURCES)))
    faults = [getattr(MonitorStatus, f'FAULT_{name.upper()}') for name in topics.FAULTS]
    assert faults == list(range(len(topics.FAULTS)))
    assert topics.FAULTS[1:] == get_args(FaultKind)  # each kind of the monitor has its number
    assert topics.name_of(len(faults), topics.FAULTS) == f'unknown ({len(faults)})'


def test_outcomes_have_the_numbers_of_the_service():
    numbers = [getattr(StopEpisode.Request, name.upper()) for name in OUTCOMES]
    assert numbers == list(range(len(OUTCOMES)))


@given(st.floats(-1e6, 1e6))
def test_durations_keep_a_nanosecond(seconds):
    assert message_conversion.to_seconds(message_conversion.to_duration(seconds)) == pytest.approx(
        seconds, abs=1e-9
    )


def test_numbers_survive_the_way_through_keys_and_values():
    numbers = {'validation_loss': 0.1 + 0.2, 'training_loss': float('nan')}
    back = {item.key: float(item.value) for item in message_conversion.key_values(numbers)}
    np.testing.assert_equal(back, numbers)


def test_a_chunk_keeps_its_rows():
    rows = np.arange(6.0).reshape(3, 2)
    message = message_conversion.chunk_message(TWO_JOINTS, rows, stamp=5, source='policy')
    assert (message.names, message.contract_hash) == (['a', 'b'], TWO_JOINTS.hash)
    assert message.header.frame_id == 'base'
    assert (message.horizon, message.header.stamp.nanosec) == (3, 5)
    assert (message.source, message_conversion.chunk_source(message)) == (
        ActionChunk.POLICY,
        'policy',
    )
    assert message_conversion.to_seconds(message.step_dt) == 0.1
    assert [len(message.embedding), message.sample_count, len(message.samples)] == [0, 0, 0]
    assert message_conversion.chunk_samples(message) is None
    np.testing.assert_array_equal(message_conversion.chunk_positions(message), rows)


@pytest.mark.parametrize(('horizon', 'size'), [(2, 3), (0, 0), (0, 4), (3, 4)])
def test_a_chunk_whose_sizes_do_not_fit_has_no_rows(horizon, size):
    message = ActionChunk(names=['a', 'b'], horizon=horizon, positions=[0.0] * size)
    assert len(message_conversion.chunk_positions(message)) == 0


def test_samples_survive_the_way_through_a_message():
    samples = np.arange(12.0).reshape(2, 3, 2)
    message = message_conversion.chunk_message(
        TWO_JOINTS, samples[0], stamp=5, source='policy', samples=samples
    )
    np.testing.assert_array_equal(message_conversion.chunk_samples(message), samples)
    message.sample_count = 3  # which does not fit: the monitor refuses the chunk
    assert message_conversion.chunk_samples(message).shape == (0, 0, 2)


def test_a_frame_survives_the_way_through_a_message():
    frame = Frame(
        stamp=7 * 10**9 + 1,
        values={'x': np.array([1.0, 2.0]), 'y': np.array([np.nan])},
        valid={'x': True, 'y': False},
        age={'x': 0.01, 'y': float('nan')},
    )
    back = message_conversion.frame_of(message_conversion.observation_message(frame, 'base'))
    assert (back.stamp, back.valid) == (frame.stamp, frame.valid)
    for key, value in frame.values.items():
        np.testing.assert_array_equal(back.values[key], value)


def test_an_observation_whose_sizes_do_not_fit_is_refused():
    frame = Frame(stamp=1, values={'x': np.zeros(2)}, valid={'x': True}, age={'x': 0.0})
    message = message_conversion.observation_message(frame, 'base')
    message.sizes = [3]
    with pytest.raises(IlRosError, match='do not fit together'):
        message_conversion.frame_of(message)
