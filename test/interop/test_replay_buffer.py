"""Diffusion Policy's replay buffers, as its code writes them, and some that are damaged."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip('numcodecs')

from benchmarks.foreign_samples import images_of, write_replay_buffer, write_zarr
from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice
from il_ros.interop.import_process import import_bounded

import_zarr = partial(import_dataset, format='zarr')
CAMERAS = """
images:
  wrist: {topic: wrist/image, encoding: rgb8, size: [32, 48], record: raw}
  depth: {topic: depth/image, encoding: 16UC1, size: [16, 24]}
"""


@pytest.fixture
def contract(texts):
    return parse_contract(texts.state + CAMERAS)


@pytest.fixture
def dataset(make_dataset, texts):
    return make_dataset(texts.state + CAMERAS, lengths=(4, 6, 5))


@pytest.fixture
def folder(dataset, tmp_path):
    path = tmp_path / 'buffer.zarr'
    write_replay_buffer(dataset, path)
    depth = images_of(dataset, 'depth', slice(0, dataset.frames))
    write_zarr(path / 'data/depth', depth, chunks=(4, 16, 24))
    return path


def test_numbers_images_and_episodes_come_out_as_they_were(dataset, folder, contract, tmp_path):
    back = import_bounded(folder, tmp_path / 'back', 'zarr', contract=contract)
    assert [(e.id, e.length) for e in back.episodes] == [
        ('episode_000000', 4), ('episode_000001', 6), ('episode_000002', 5)
    ]  # fmt: skip
    np.testing.assert_array_equal(back.action, dataset.action)
    for key in ('position', 'speed', 'width'):
        np.testing.assert_array_equal(back.values[key], dataset.values[key])
    np.testing.assert_array_equal(back.valid['goal'], dataset.valid['goal'])
    every = slice(0, 15)
    for key in ('wrist', 'depth'):  # the floats of the one are whole, and PNG loses nothing
        np.testing.assert_array_equal(images_of(back, key, every), images_of(dataset, key, every))


def test_a_mapping_chooses_scales_and_swaps(dataset, folder, contract, tmp_path):
    mapping = FeatureMapping(
        streams={
            'position': FeatureSlice(feature='speed', index=(1, 0)),
            'speed': FeatureSlice(feature='speed', scale=(2.0,)),
            'width': FeatureSlice(feature='width'),
        },
        images={'wrist': 'wrist', 'depth': 'depth'},
        action=FeatureSlice(feature='action', scale=(0.5,)),
        outcome='unknown',
        swap_colours=('wrist',),
    )
    back = import_zarr(folder, tmp_path / 'back', contract=contract, mapping=mapping)
    np.testing.assert_array_equal(back.values['position'], dataset.values['speed'][:, ::-1])
    np.testing.assert_array_equal(back.values['speed'], dataset.values['speed'] * 2)
    np.testing.assert_array_equal(back.action, dataset.action / 2)
    assert {entry.outcome for entry in back.episodes} == {'unknown'}
    np.testing.assert_array_equal(back.images['wrist'][7], dataset.images['wrist'][7][..., ::-1])


def test_numbers_stay_without_their_images(folder, texts, tmp_path):
    back = import_zarr(folder, tmp_path / 'back', contract=parse_contract(texts.state))
    assert back.frames == 15
    assert not back.images


def ends(*values):
    return lambda path: write_zarr(
        path / 'meta/episode_ends', np.array(values), chunks=(max(1, len(values)),)
    )


def rewritten(name, values):
    return lambda path: write_zarr(path / f'data/{name}', values, chunks=values.shape)


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (ends(4, 10, 14), 'data/position: 15 rows; allowed: 14, as meta/episode_ends says'),
        (ends(4, 4, 15), 'meta/episode_ends: episodes without a frame'),
        (ends(9, 4, 15), 'meta/episode_ends: episodes without a frame'),
        (ends(0, 15), 'meta/episode_ends: episodes without a frame'),
        (ends(-1, 15), 'meta/episode_ends: episodes without a frame'),
        (ends(), 'episode_ends: float64 of shape (0,); allowed: whole number'),
        (ends(7.5, 15.0), 'float64 of shape (2,); allowed: whole numbers, 1 to 1048576'),
        (lambda path: (path / 'meta/episode_ends/.zarray').unlink(), 'cannot be read'),
        (
            lambda path: (path / 'data/action/.zarray').unlink(),
            'no data/action in it; allowed: a z',
        ),
        (rewritten('speed', np.zeros((9, 2))), 'data/speed: 9 rows; allowed: 15, as meta/episode'),
        (
            rewritten('wrist', np.zeros((15, 32, 40, 3), np.uint8)),
            'data/wrist: an image of 32 x 40; allowed: 32 x 48, as the contract has it',
        ),
        (
            rewritten('wrist', np.full((15, 32, 48, 3), 0.5)),
            'data/wrist: pixels of 0.5 to 0.5; allowed: whole numbers from 0 to 255; to fix: store',
        ),
        (
            rewritten('wrist', np.full((15, 32, 48, 3), np.nan)),
            'allowed: whole numbers from 0 to 255',
        ),
        (
            rewritten('depth', np.zeros((15, 16, 24), np.uint8)),
            'data/depth: uint8 of shape (15, 16, 24); allowed: images of 16UC1, as the contract',
        ),
        (rewritten('wrist', np.zeros((15, 3))), 'wrist holds no images'),
        (
            rewritten('action', np.full((15, 2), 3.5)),
            '15 of 15 actions of b are out of limits: 3.5',
        ),
    ],
)
def test_what_cannot_be_is_refused_by_one_error(folder, contract, tmp_path, change, error):
    change(folder)
    with pytest.raises(DatasetError) as caught:
        import_zarr(folder, tmp_path / 'back', contract=contract)
    assert error in str(caught.value)
    assert not (tmp_path / 'back').exists()


def test_a_folder_that_is_none_is_named(contract, tmp_path):
    for name in ('none', 'file'):
        (tmp_path / 'file').write_text('x')
        with pytest.raises(DatasetError, match=r'no data/action in it; allowed: a zarr replay buf'):
            import_zarr(tmp_path / name, tmp_path / 'back', contract=contract)
