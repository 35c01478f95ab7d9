"""A dataset with everything that formats tend to lose, made up without a bag."""

from types import SimpleNamespace

import numpy as np
import pytest
from episode_fixtures import *  # noqa: F403
from episode_fixtures import TEXT

from il_ros.core.contract import parse_contract
from il_ros.core.images import encode
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.episode_arrays import EpisodeArrays, Event
from il_ros.datasets.manifest import EpisodeEntry, LeftOut

WRENCH = """  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped, fields: [wrench.force],
           rate: 20.0}
"""
GOAL_AND_WIDTH = """
  goal: {topic: goal, type: geometry_msgs/msg/PointStamped, fields: [point], required: false}
  width: {topic: gripper, type: sensor_msgs/msg/JointState, fields: [position], names: [g]}
""".lstrip('\n')
SIDES = 'position_min: [-1, -1], position_max: [1, 1]'
STATE_TEXT = TEXT.replace(WRENCH, GOAL_AND_WIDTH).replace(
    SIDES, 'position_min: [-2, -1], position_max: [2, 3]'
)
IMAGES_TEXT = """
images:
  wrist: {topic: wrist/image, encoding: rgb8, size: [32, 48], record: jpeg, required: false}
  side: {topic: side/image, encoding: mono8, size: [16, 16], required: false}
"""
DEPTH_TEXT = '  depth: {topic: depth/image, encoding: 16UC1, size: [16, 24]}\n'


def picture(stream, seed):
    """A smooth image, so that a video keeps most of it."""
    height, width = stream.size
    rows, columns = np.mgrid[0:height, 0:width]
    plane = (rows * 3 + columns * 2 + seed * 7) % 200
    if stream.encoding == '16UC1':
        return encode((plane * 300).astype(np.uint16), 'png')
    if stream.encoding == 'mono8':
        return encode(plane.astype(np.uint8), 'png')
    colours = np.stack([plane, 200 - plane, np.full_like(plane, 30 + seed % 100)], axis=2)
    return encode(colours.astype(np.uint8), 'jpeg')


def made_up(contract, seed, frames):
    """An episode with jitter, gaps in validity, and changing control."""
    rng = np.random.default_rng(seed)
    keys = list(contract.inputs)
    valid = {k: rng.random(frames) > (0.3 if not contract.inputs[k].required else 0) for k in keys}
    values = {
        k: np.where(valid[k][:, None], rng.uniform(-1, 1, (frames, s.size)), np.nan).astype(
            np.float32
        )
        for k, s in contract.streams.items()
    }
    age = {k: rng.random(frames).astype(np.float32) for k in keys}
    age[keys[2]][0] = np.nan
    action = rng.uniform(-1, 1, (frames, 2)).astype(np.float32)
    stamp = (
        1_700_000_000_123_456_789 + np.arange(frames) * 50_000_000 + rng.integers(0, 999, frames)
    )
    return EpisodeArrays(
        entry=EpisodeEntry(
            id=f'e{seed}', start=0, length=frames, outcome='success' if seed % 2 else 'failure',
            task=f'task {seed % 2}', seed=seed, bag=f'/bags/e{seed}', sha256=f'{seed:02x}' * 32,
            left_out=seed, measures={'jerk': 0.1 * seed}, flagged=seed == 1,
            notes='größer\n"x"\u2028',
        ),
        values=values,
        valid=valid,
        age=age,
        stamp=stamp,
        action=action,
        action_raw=action + np.float32(0.25),
        source=rng.integers(0, 4, frames).astype(np.uint8),
        images={
            k: tuple(picture(s, i) if valid[k][i] else b'' for i in range(frames))
            for k, s in contract.images.items()
        },
        events=(Event(stamp=int(stamp[0]), kind='start', text='los'),) * seed,
    )  # fmt: skip


@pytest.fixture
def make_dataset(tmp_path):
    """Write a dataset of made-up episodes of these lengths."""

    def make(text=STATE_TEXT, lengths=(7, 12, 5), name='dataset', image_format='jpeg'):
        contract = parse_contract(text)
        with DatasetWriter(tmp_path / name, contract, image_format=image_format) as writer:
            for seed, frames in enumerate(lengths):
                writer.add(made_up(contract, seed, frames))
            return writer.finish(
                left_out=[LeftOut(bag='/bags/bad', reason='cut off', id='bad')],
                preprocessing={'trim': {'idle': True}},
                steps={'trim': {'frames': 3.0}},
            )

    return make


@pytest.fixture
def texts():
    """Parts of contracts."""
    return SimpleNamespace(state=STATE_TEXT, images=IMAGES_TEXT, depth=DEPTH_TEXT)


@pytest.fixture(name='same')
def _same():
    return same


def same(one, other):
    """Two datasets hold the same bits."""
    assert one.manifest.data_hash == other.manifest.data_hash
    for name, array in one.arrays():
        np.testing.assert_array_equal(dict(other.arrays())[name], array, err_msg=name)
    assert list(one.events) == list(other.events)
    for key, store in one.images.items():
        assert [store.encoded(i) for i in range(one.frames)] == [
            other.images[key].encoded(i) for i in range(one.frames)
        ]
    assert one.manifest.episodes == other.manifest.episodes
    for name in ('left_out', 'preprocessing', 'steps', 'image_format', 'contract'):
        assert getattr(one.manifest, name) == getattr(other.manifest, name)
