"""Who rendered the images: said by each image, kept by the dataset, never two in one."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from cdr_messages import cdr

from il_ros.bags import EpisodeWriter
from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.core.images import rendered_frame
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_build import build_dataset
from il_ros.datasets.dataset_operations import append_bags, merge, split

CHUNK = (Path(__file__).parents[2] / 'msg/ActionChunk.msg').read_text()
OPENGL, RAYS = (rendered_frame(name, 'wrist') for name in ('opengl', 'rays'))
CAMERA = 'camera_optical_frame'
WRIST = '\nimages:\n  wrist: {topic: wrist, size: [4, 6]}\n'


@pytest.fixture
def film(tmp_path, messages, contract):
    """Record an episode whose images have these frames, over and over."""
    seen = parse_contract(contract.text + WRIST)

    def make(name, *frames):
        writer = EpisodeWriter(tmp_path / 'episodes', name, seen)
        writer.add_topic('/joint_states', 'sensor_msgs/msg/JointState')
        writer.add_topic('/wrench', 'geometry_msgs/msg/WrenchStamped')
        writer.add_topic('/monitor/executed', 'il_ros/msg/ActionChunk', CHUNK)
        writer.add_topic('/wrist', 'sensor_msgs/msg/Image')
        shade = sum(name.encode())  # no two episodes are the same
        for i in range(6):
            stamp = 10**9 + i * 50_000_000
            image = cdr(
                'sensor_msgs/msg/Image', stamp=stamp, frame_id=frames[i % len(frames)], height=4,
                width=6, encoding='rgb8', is_bigendian=0, step=18,
                data=np.full(72, shade % 256, np.uint8),
            )  # fmt: skip
            writer.write('/wrist', image, stamp)
            writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
            writer.write('/joint_states', messages.joints(stamp, [0.0, 0.1 * i]), stamp + 1)
            writer.write('/monitor/executed', messages.chunk(stamp, [0.1 * i, 0.0]), stamp + 2)
        return writer.close('success')

    return make


def renderers(dataset):
    return [entry.renderer for entry in dataset.episodes]


def test_the_dataset_knows_who_rendered_its_images(film, tmp_path):
    bags = [film('a', RAYS), film('b', CAMERA), film('c', RAYS, CAMERA)]
    dataset = build_dataset(bags, tmp_path / 'out', jobs=1)
    # A camera's images may be among them: that a robot looks otherwise is nobody's mistake.
    assert renderers(dataset) == ['rays', '', 'rays']
    assert renderers(load_dataset(tmp_path / 'out')) == ['rays', '', 'rays']
    parts = split(tmp_path / 'out', tmp_path / 'parts', {'one': ['c']})
    assert renderers(parts['one']) == ['rays']


def test_an_episode_of_two_renderers_is_left_out(film, tmp_path):
    bags = [film('a', RAYS), film('b', RAYS, OPENGL)]
    (left_out,) = build_dataset(bags, tmp_path / 'out', jobs=1).manifest.left_out
    assert left_out.reason.startswith('b: images of two renderers: opengl, rays')


def test_two_renderers_are_not_mixed_in_one_build(film, tmp_path):
    with pytest.raises(DatasetError) as caught:
        build_dataset([film('a', RAYS), film('b', OPENGL)], tmp_path / 'out', jobs=1)
    assert 'out: images rendered by rays in episode a, by opengl in episode b' in str(caught.value)
    assert 'allowed: one renderer in a dataset' in str(caught.value)
    assert not (tmp_path / 'out').exists()


def test_nothing_of_another_renderer_is_appended(film, tmp_path):
    before = build_dataset([film('a', RAYS)], tmp_path / 'out', jobs=1).manifest
    with pytest.raises(DatasetError, match='by rays in episode a, by opengl in episode b'):
        append_bags(tmp_path / 'out', [film('b', OPENGL)], jobs=1)
    assert load_dataset(tmp_path / 'out', verify=True).manifest == before
    assert renderers(append_bags(tmp_path / 'out', [film('c', RAYS)], jobs=1)) == ['rays', 'rays']


def test_datasets_of_two_renderers_are_not_merged(film, tmp_path):
    for name, frame in (('one', OPENGL), ('two', RAYS), ('three', CAMERA)):
        build_dataset([film(name, frame)], tmp_path / f'of_{name}', jobs=1)
    with pytest.raises(DatasetError, match='by opengl in episode one, by rays in episode two'):
        merge([tmp_path / 'of_one', tmp_path / 'of_two'], tmp_path / 'out')
    assert 'out' not in os.listdir(tmp_path)
    assert renderers(merge([tmp_path / 'of_one', tmp_path / 'of_three'], tmp_path / 'out')) == [
        'opengl',
        '',
    ]


def test_a_manifest_of_before_says_nothing(film, tmp_path):
    """Datasets of earlier versions have no such key."""
    build_dataset([film('a', CAMERA)], tmp_path / 'out', jobs=1)
    path = tmp_path / 'out/manifest.json'
    manifest = json.loads(path.read_text())
    del manifest['episodes'][0]['renderer']
    path.write_text(json.dumps(manifest))
    assert renderers(load_dataset(tmp_path / 'out')) == ['']
