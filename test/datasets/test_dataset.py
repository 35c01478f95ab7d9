"""Datasets on disk: round trips, random access, damage."""

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_writer import DatasetWriter, save_dataset
from il_ros.datasets.image_store import RawImages
from il_ros.datasets.manifest import EpisodeEntry, with_fractions
from il_ros.datasets.memory_dataset import dataset_of
from il_ros.datasets.preprocessing.preprocess import Preprocessing


@pytest.fixture
def episodes(camera_episode):
    return [camera_episode(seed, frames) for seed, frames in ((1, 5), (2, 8), (3, 3))]


def write(path, contract, episodes, image_format='jpeg'):
    with DatasetWriter(path, contract, image_format=image_format) as writer:
        for episode in episodes:
            writer.add(episode)
        return writer.finish()


@pytest.fixture
def saved(tmp_path, camera_contract, episodes):
    return write(tmp_path / 'out', camera_contract, episodes)


def same(one, other):
    """Whether two episodes are the same, entries aside."""
    for name in ('stamp', 'action', 'action_raw', 'source'):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for part in ('values', 'valid', 'age'):
        assert list(getattr(one, part)) == list(getattr(other, part))
        for key, array in getattr(one, part).items():
            np.testing.assert_array_equal(array, getattr(other, part)[key])
            assert array.dtype == getattr(other, part)[key].dtype
    assert dict(one.images) == dict(other.images)
    assert one.events == other.events


def test_episodes_come_back_as_they_went_in(saved, episodes, tmp_path):
    opened = load_dataset(tmp_path / 'out', verify=True)
    assert opened.manifest == saved.manifest
    assert [entry.start for entry in opened.episodes] == [0, 5, 13]
    for i, episode in enumerate(episodes):
        same(opened.episode_arrays(i), episode)


def test_in_memory_and_on_disk_are_one(saved, camera_contract, episodes):
    assert dataset_of(camera_contract, episodes).manifest == saved.manifest


def test_images_are_addressed_by_frame(saved, episodes):
    images = saved.images
    assert [store.suffix for store in images.values()] == ['.jpg', '.png']
    assert len(images['wrist']) == saved.frames == 16
    blobs = [blob for episode in episodes for blob in episode.images['wrist']]
    for frame in (15, 0, 7, 7):
        assert images['wrist'].encoded(frame) == blobs[frame]
        bgr = cv2.imdecode(np.frombuffer(blobs[frame], np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(images['wrist'][frame], bgr[..., ::-1])
    assert images['depth'][6].dtype == np.uint16
    assert not saved.valid['depth'][10]
    assert images['depth'].encoded(10) == b''
    with pytest.raises(DatasetError, match=r'depth\.images: no image at frame 10'):
        images['depth'][10]
    with pytest.raises(IndexError):
        images['wrist'][16]


def test_raw_images_are_the_pixels_of_the_encoded_ones(saved, camera_contract, episodes, tmp_path):
    raw = write(tmp_path / 'raw', camera_contract, episodes, 'raw')
    assert isinstance(raw.images['wrist'], RawImages)
    for frame in range(raw.frames):
        np.testing.assert_array_equal(raw.images['wrist'][frame], saved.images['wrist'][frame])
    with pytest.raises(DatasetError, match='no image at frame 10'):
        raw.images['depth'][10]
    again = save_dataset(raw, tmp_path / 'again')
    assert again.manifest == raw.manifest
    load_dataset(tmp_path / 'again', verify=True)


def test_a_writer_that_does_not_finish_leaves_nothing(tmp_path, camera_contract, episodes):
    with pytest.raises(ZeroDivisionError):
        _break_off(DatasetWriter(tmp_path / 'out', camera_contract), episodes[0])
    with DatasetWriter(tmp_path / 'out', camera_contract) as writer:
        writer.add(episodes[0])
    with pytest.raises(DatasetError, match='no usable frame'):
        write(tmp_path / 'out', camera_contract, [])
    assert list(tmp_path.iterdir()) == []


def _write_with(writer, episode):
    with writer:
        writer.add(episode)
        writer.finish()


def _break_off(writer, episode):
    with writer:
        writer.add(episode)
        raise ZeroDivisionError


def test_overwriting_keeps_the_old_one_until_the_new_one_is_whole(
    saved, tmp_path, camera_contract, episodes
):
    with pytest.raises(DatasetError, match='out: exists already'):
        write(tmp_path / 'out', camera_contract, episodes)
    with pytest.raises(ZeroDivisionError):
        _break_off(DatasetWriter(tmp_path / 'out', camera_contract, overwrite=True), episodes[0])
    assert load_dataset(tmp_path / 'out', verify=True).manifest == saved.manifest


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        ({'stamp': np.zeros(4, np.int64)}, r'e1: 4 frames, and arrays of lengths'),
        ({'values': {}}, r"e1: no array of 'position'"),
        ({'action': np.zeros((5, 3), np.float32)}, r'action: rows of shape \(3,\); allowed: \(2,'),
        ({'images': {'wrist': (b'',) * 5}}, r'e1\.wrist: an image is missing where it is marked'),
    ],
)
def test_an_episode_that_does_not_fit_is_refused(
    tmp_path, camera_contract, episodes, change, error
):
    wrong = dataclasses.replace(episodes[0], **change)
    with pytest.raises(DatasetError, match=error):
        write(tmp_path / 'out', camera_contract, [wrong])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('row', 'text'),
    [
        ({'mean': [0.0]}, r'manifest\.json\.statistics\.action: rows of \[1, 2\] features'),
        ({'quantiles': {'0.5': []}}, r'statistics\.action: rows of \[0, 2\] features'),
        (
            {name: [] for name in ('count', 'mean', 'std', 'min', 'max')} | {'quantiles': {}},
            r'manifest\.json: statistics\.action of 0 features; allowed: 2; to fix: build',
        ),
    ],
)
def test_statistics_of_another_size_are_refused(saved, tmp_path, row, text):
    path = tmp_path / 'out/manifest.json'
    data = json.loads(path.read_text())
    data['statistics']['action'] |= row
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=text):
        load_dataset(tmp_path / 'out')


def test_another_contract_is_refused(saved, tmp_path, contract):
    with pytest.raises(ContractError, match='they differ in'):
        load_dataset(tmp_path / 'out', contract)


@pytest.mark.parametrize(
    ('name', 'content', 'error'),
    [
        ('manifest.json', b'{"format": 3', r'manifest\.json: not JSON: .*; to fix: build the'),
        (
            'manifest.json',
            b'{"format": 1}',
            r'format 1; allowed: 2, 3; to fix: build',
        ),
        ('manifest.json', None, r'no manifest\.json in it; allowed: a dataset; to fix: make one'),
        ('action.npy', None, r'action\.npy: cannot be opened: .*; to fix: build the dataset again'),
        ('action.npy', b'', r'action\.npy: cannot be opened'),
        ('stamp.npy', 'half', r'stamp\.npy: cannot be opened'),
        ('wrist.images', None, r'wrist\.images: cannot be opened'),
        ('wrist.images', 'half', r'wrist\.images: \d+ bytes, but its offsets go from 0 to'),
        ('wrist.images', b'', r'wrist\.images: 0 bytes, but its offsets go from 0 to'),
        ('wrist.offsets.npy', 'half', r'wrist\.offsets\.npy: cannot be opened'),
        ('events.jsonl', b'[]\n', r'events\.jsonl: 1 lines; allowed: 3, one an episode'),
        ('events.jsonl', b'[1]\n[]\n[]\n', r'events\.jsonl: cannot be read'),
    ],
)
def test_a_damaged_file_is_named(saved, tmp_path, name, content, error):
    path = tmp_path / 'out' / name
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == 'half' else content)
    with pytest.raises(DatasetError, match=error):
        load_dataset(tmp_path / 'out')


def test_an_array_of_another_shape_and_pickles_are_refused(saved, tmp_path):
    np.save(tmp_path / 'out' / 'stamp.npy', np.zeros(3))
    with pytest.raises(DatasetError, match=r'float64 of shape \(3,\); allowed: int64 of shape'):
        load_dataset(tmp_path / 'out')
    np.save(tmp_path / 'out' / 'stamp.npy', np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r'stamp\.npy: '):
        load_dataset(tmp_path / 'out')


def test_an_image_that_was_changed_is_refused_where_it_is_read(saved, tmp_path):
    path = tmp_path / 'out' / 'wrist.images'
    path.write_bytes(bytes(path.stat().st_size))
    opened = load_dataset(tmp_path / 'out')
    with pytest.raises(DatasetError, match=r'wrist\.images: frame 3: not an encoded image'):
        opened.images['wrist'][3]
    with pytest.raises(DatasetError, match=r'out: wrist\.images not as written'):
        load_dataset(tmp_path / 'out', verify=True)


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        ({'frames': 17}, '17 frames, but 16 in the episodes'),
        ({'contract_hash': 'ab'}, 'does not fit the contract that is in it'),
        ({'contract': 'version: 1'}, 'its contract cannot be read: .*missing'),
        ({'images': []}, 'does not fit the contract that is in it'),
        ({'surprise': 1}, "unknown key 'surprise'"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(saved, tmp_path, change, error):
    path = tmp_path / 'out' / 'manifest.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DatasetError, match=error):
        load_dataset(tmp_path / 'out')


def test_episodes_that_overlap_are_refused(saved, tmp_path):
    path = tmp_path / 'out' / 'manifest.json'
    data = json.loads(path.read_text())
    data['episodes'][1]['start'] = 4
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=r'episodes\[1\]: starts at 4 .*; allowed: starts at 5'):
        load_dataset(tmp_path / 'out')


FILES = ('manifest.json', 'action.npy', 'stamp.npy', 'wrist.images', 'wrist.offsets.npy',
         'depth.valid.npy', 'events.jsonl')  # fmt: skip


@settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_whatever_happens_to_a_file_is_noticed_or_does_no_harm(saved, tmp_path, data):
    name = data.draw(st.sampled_from(FILES))
    folder = tmp_path / 'out'
    path, copy = folder / name, tmp_path / 'kept'
    shutil.copy(path, copy)
    whole = copy.read_bytes()
    changed = bytearray(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(['cut', 'flip', 'insert']))
    if kind == 'cut':
        del changed[at:]
    elif kind == 'flip':
        changed[at] ^= data.draw(st.integers(1, 255))
    else:
        changed[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    path.write_bytes(changed)
    try:
        # What the hashes do not cover is text in the manifest that nothing is computed from, and
        # the blanks in the header of an array.
        assert not _loads(folder, verify=True) or name == 'manifest.json' or _equal(path, copy)
        _loads(folder, verify=False)
    finally:
        shutil.copy(copy, path)


def _equal(path, copy):
    return path.suffix == '.npy' and np.array_equal(np.load(path), np.load(copy), equal_nan=True)


def _loads(folder, verify):
    """Whether a dataset can be opened and gone through; any error but DatasetError is a failure."""
    try:
        opened = load_dataset(folder, verify=verify)
        for frame in range(0, opened.frames, 5):
            opened.images['wrist'][frame]
    except DatasetError:
        return False
    return True


def test_random_access_equals_one_after_the_other(saved):
    order = np.random.default_rng(0).permutation(saved.frames)
    for key, array in saved.values.items():
        in_order = np.concatenate(
            [saved.episode_arrays(i).values[key] for i in range(len(saved.episodes))]
        )
        np.testing.assert_array_equal(np.stack([array[i] for i in order]), in_order[order])


def test_whole_episodes_are_split_repeatably(saved):
    train, held_out = saved.split(0.3, seed=4)
    assert saved.split(0.3, seed=4) == (train, held_out)
    assert sorted(train + held_out) == [0, 1, 2]
    assert len(held_out) == 1
    assert saved.split(0.99, seed=0)[0]  # never all of them
    assert saved.split(0.0, seed=0) == ([0, 1, 2], [])
    assert saved.rows([0, 2]).tolist() == [*range(5), *range(13, 16)]


def test_a_key_of_the_contract_may_not_be_the_name_of_an_array(tmp_path, contract):
    text = contract.text.replace('  wrench: {', '  source: {')
    with pytest.raises(DatasetError, match="the key 'source' is the name of an array"):
        DatasetWriter(tmp_path / 'out', parse_contract(text))


def test_entries_without_times_last_no_time():
    assert EpisodeEntry(id='x', start=0, length=0).duration == 0.0


def test_parts_of_one_bag_are_held_out_together(contract, camera_episode, camera_contract):
    episodes = [camera_episode(seed, sha256=f'bag {seed // 3}') for seed in range(9)]
    dataset = dataset_of(camera_contract, episodes)
    train, held = dataset.split(0.34, seed=0)
    assert sorted(train + held) == list(range(9))
    assert len(held) == 3
    assert len({index // 3 for index in held}) == 1


@pytest.mark.parametrize('room', [64, 4000, 40_000])
def test_a_full_disk_is_one_error_and_leaves_nothing(
    tmp_path, camera_contract, camera_episode, file_limit, room
):
    episode = camera_episode(1, frames=40)
    writer = DatasetWriter(tmp_path / 'out', camera_contract, image_format='raw')
    with file_limit(room), pytest.raises(DatasetError, match='out: cannot be written: File too'):
        _write_with(writer, episode)
    assert list(tmp_path.iterdir()) == []


def test_bytes_after_an_array_are_noticed(saved, tmp_path):
    with (tmp_path / 'out' / 'action.npy').open('ab') as file:
        file.write(b'?')
    with pytest.raises(DatasetError, match=r'action\.npy: 1 bytes after the array'):
        load_dataset(tmp_path / 'out')


def test_a_dataset_of_version_2_is_read_with_the_names_of_version_3(
    tmp_path, camera_contract, episodes
):
    write(tmp_path / 'new', camera_contract, episodes)
    path = tmp_path / 'new' / 'manifest.json'
    data = json.loads(path.read_text())
    quality = {'bounds': {'idle_share': {'max': 0.5}, 'invalid_share.load_share': {'max': 0.1}}}
    quality['outliers'] = {'measures': ['duration', 'saturated_share']}
    data |= {'format': 2, 'preprocessing': {'quality': quality}}
    data['steps'] = {'alignment': {'valid_share.position': 1.0}, 'filter': {'pieces': 2.0}}
    data['episodes'][0]['measures'] = {'idle_share': 0.25, 'invalid_share.load_share': 0.0}
    path.write_text(json.dumps(data))
    manifest = load_dataset(tmp_path / 'new', verify=True).manifest
    assert manifest.format == 3
    assert manifest.episodes[0].measures == {
        'idle_fraction': 0.25, 'invalid_fraction.load_share': 0.0
    }  # fmt: skip
    assert manifest.steps == {
        'alignment': {'valid_fraction.position': 1.0}, 'filter': {'pieces': 2.0}
    }  # fmt: skip
    settings = parse(Preprocessing, manifest.preprocessing)
    assert list(settings.quality.bounds) == ['idle_fraction', 'invalid_fraction.load_share']
    assert settings.quality.outliers.measures == ('duration', 'saturated_fraction')


def test_so_is_a_record_of_an_exported_episode_and_damage_stays_for_the_parser():
    entry = {'id': 'one_share', 'measures': {'idle_share': 0.5, 'loss.load_share': 0.0}}
    renamed = {'idle_fraction': 0.5, 'loss.load_share': 0.0}
    assert with_fractions({'entry': entry}) == {'entry': {**entry, 'measures': renamed}}
    for damaged in (None, [], {'entry': 3}, {'steps': [1]}, {'episodes': {}}, {'preprocessing': 1}):
        assert with_fractions(damaged) == damaged
