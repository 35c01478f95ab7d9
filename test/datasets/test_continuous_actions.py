"""Actions and labels of a joint that turns without end: near to where it is measured."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from turning_joint import PERIOD, TEXT, decoder, message, wrapped

from il_ros.bags.bag_reader import BagMessage
from il_ros.core.contract import parse_contract
from il_ros.core.frames import NS, FrameBuilder
from il_ros.datasets.action_extraction import action_extractor
from il_ros.datasets.expert_labels import ExpertLabels
from il_ros.interop.dataset_import import even_stamps, foreign_episode
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice


def frames_of(path):
    frames = []
    builder = FrameBuilder(COMMANDED, ('position', 'turn_alone', 'lean_alone'))
    both = decoder('position', 'turn_alone', 'lean_alone')
    for i, angle in enumerate(path):
        stamp = NS + i * PERIOD
        _, values, _ = both.decode(message(wrapped(angle), stamp=stamp), stamp)
        for key in ('turn_alone', 'lean_alone', 'position'):
            frames += builder.add(key, values[key], header=stamp, receive=stamp)
    return frames


COMMANDED = parse_contract(
    TEXT.replace(
        '  position: [lean',
        """\
  demonstration: {topic: leader}
  position: [lean""",
    )
)


@settings(max_examples=30)
@given(start=st.floats(-3.1, 3.1), speed=st.floats(-2, 2), turns=st.integers(-2, 2))
def test_an_action_is_near_to_where_its_joint_is_measured(start, speed, turns):
    """Whatever turn the leader counts, and across pi: no step of the data is that of a turn."""
    path = start + speed * np.arange(60) * 0.05
    frames = frames_of(path)
    extractor = action_extractor(COMMANDED, ['leader'])
    for i, angle in enumerate(path):
        data = message(wrapped(angle + 0.1) + 2 * math.pi * turns, lean=0.3)
        stamp = NS + i * PERIOD
        extractor.add(
            BagMessage(
                topic='leader',
                type='sensor_msgs/msg/JointState',
                receive=stamp + 1_000_000,
                data=data,
            )
        )
    actions, _ = extractor.actions(frames)
    known = np.isfinite(actions).all(axis=1)
    assert known.sum() >= 58
    measured = np.array([frame.vector(['lean_alone', 'turn_alone']) for frame in frames])[known]
    np.testing.assert_allclose(actions[known] - measured, [[0.3, 0.1]] * known.sum(), atol=1e-9)
    assert np.abs(np.diff(actions[known], axis=0)).max() <= 0.1 + 1e-9


@pytest.mark.parametrize('turns', [-2, 0, 3])
def test_a_label_goes_on_from_where_its_joint_is_measured(turns, messages):
    (frame, *_) = frames_of([3.1, 3.12])
    ahead = [3.0, 3.2, 3.4, 3.1]
    labels = ExpertLabels(COMMANDED, 4)
    flat = [x for angle in ahead for x in (0.1, wrapped(angle) + 2 * math.pi * turns)]
    data = bytes(messages.chunk(frame.stamp, flat, names=('lean', 'turn'), source='expert'))
    labels.add(
        BagMessage(topic='expert/action_chunk', type='il_ros/msg/ActionChunk', receive=1, data=data)
    )
    np.testing.assert_allclose(labels.of([frame])[0, :, 1], ahead, atol=1e-5)


def test_an_imported_episode_has_no_step_of_a_turn_either(tmp_path):
    contract = parse_contract(TEXT)
    path = np.linspace(2.9, 3.6, 36)
    driver = np.array([wrapped(angle) for angle in path], np.float32)
    driver[20] = np.nan
    sizes = {key: stream.size for key, stream in contract.streams.items()}
    columns = {key: np.zeros((36, size), np.float32) for key, size in sizes.items()}
    columns['turn_alone'][:, 0] = columns['between'][:, 0] = columns['position'][:, 0] = driver
    columns['action'] = np.stack([np.zeros(36), [wrapped(angle + 0.02) for angle in path]], axis=1)
    mapping = FeatureMapping(
        streams={key: FeatureSlice(feature=key) for key in contract.streams},
        action=FeatureSlice(feature='action'),
    )
    episode = foreign_episode(
        contract,
        mapping,
        id='e',
        bag=tmp_path,
        numbers=lambda feature: columns[feature].astype(np.float32),
        images=lambda *_: (),
        stamp=even_stamps(36, 20.0),
    )
    known = np.delete(np.arange(36), 20)
    for key in ('turn_alone', 'between', 'position'):
        np.testing.assert_allclose(episode.values[key][known, 0], path[known], atol=1e-5)
        assert not episode.valid[key][20]
    np.testing.assert_allclose(episode.action[known, 1], path[known] + 0.02, atol=1e-5)
