"""ALOHA's files, as its recorder writes them, and some that nobody should have written."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip('numcodecs')
h5py = pytest.importorskip('h5py')

from benchmarks.foreign_samples import images_of, write_aloha  # noqa: E402
from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.core.errors import DatasetError  # noqa: E402
from il_ros.interop.dataset_import import import_dataset  # noqa: E402
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice  # noqa: E402

import_aloha = partial(import_dataset, format='aloha')
CAMERAS = """
images:
  wrist: {topic: wrist/image, encoding: rgb8, size: [32, 48]}
"""


@pytest.fixture
def contract(texts):
    return parse_contract(texts.state + CAMERAS)


@pytest.fixture
def dataset(make_dataset, texts):
    return make_dataset(texts.state + CAMERAS, lengths=(4, 6))


@pytest.fixture(params=[False, True], ids=['pixels', 'jpeg'])
def written(request, dataset, tmp_path):
    write_aloha(dataset, tmp_path / 'aloha', packed=request.param)
    return tmp_path / 'aloha', request.param


def edited(folder, change, number=0):
    with h5py.File(folder / f'episode_{number}.hdf5', 'a') as file:
        change(file)
    return folder


def test_numbers_images_and_episodes_come_out_as_they_were(written, dataset, contract, tmp_path):
    folder, packed = written
    back = import_aloha(folder, tmp_path / 'back', contract=contract)
    assert [(e.id, e.length) for e in back.episodes] == [('episode_0', 4), ('episode_1', 6)]
    assert back.episodes[1].bag == str(folder / 'episode_1.hdf5')
    assert back.episodes[0].notes.startswith('stamps are synthetic')
    np.testing.assert_array_equal(back.action, dataset.action)
    np.testing.assert_array_equal(back.values['position'], dataset.values['position'])
    assert np.diff(back.stamp[:4]).tolist() == [50_000_000] * 3
    assert (back.source == 3).all()
    every = slice(0, 10)
    theirs, ours = images_of(dataset, 'wrist', every), images_of(back, 'wrist', every)
    assert theirs.shape == (10, 32, 48, 3)
    # JPEG of quality 50, and once more; a swap of red and blue would be off by 80
    far = np.abs(ours.astype(float) - theirs).mean()
    assert far < 8 if packed else far < 2


def test_colours_are_swapped_if_the_mapping_says_so(written, dataset, contract, tmp_path):
    folder, packed = written
    mapping = FeatureMapping(
        streams={k: FeatureSlice(feature=k) for k in ('position', 'speed', 'width')},
        images={'wrist': 'images/wrist'},
        action=FeatureSlice(feature='action'),
        swap_colours=('wrist',),
    )
    back = import_aloha(folder, tmp_path / 'back', contract=contract, mapping=mapping)
    every = slice(0, 10)
    theirs, ours = images_of(dataset, 'wrist', every), images_of(back, 'wrist', every)
    assert np.abs(ours[..., ::-1].astype(float) - theirs).mean() < 8
    if packed:  # the file's own bytes, without their padding
        with h5py.File(folder / 'episode_0.hdf5') as file:
            row = file['observations/images/wrist'][1].tobytes()
            length = int(file['compress_len'][0, 1])
        assert back.images['wrist'].encoded(1) == row[:length]
        assert not any(row[length:])


def test_rows_of_their_own_length_and_lengths_that_are_wrong_do_no_harm(
    written, contract, tmp_path
):
    folder, packed = written
    if not packed:
        pytest.skip('only encoded images have a length')
    whole = import_aloha(folder, tmp_path / 'whole', contract=contract)

    def change(file):
        rows = [row.tobytes().rstrip(b'\0') for row in file['observations/images/wrist'][()]]
        del file['observations/images/wrist']
        kind = h5py.vlen_dtype(np.uint8)
        made = file.create_dataset('observations/images/wrist', (len(rows),), dtype=kind)
        for i, row in enumerate(rows):
            made[i] = np.frombuffer(row, np.uint8)
        file['compress_len'][...] = 7

    edited(folder, change)
    back = import_aloha(folder, tmp_path / 'back', contract=contract)
    assert back.manifest.data_hash == whole.manifest.data_hash


def test_episodes_come_by_number_and_other_files_are_passed_over(written, contract, tmp_path):
    folder, _ = written
    (folder / 'episode_1.hdf5').rename(folder / 'episode_10.hdf5')
    (folder / 'episode_0.hdf5').rename(folder / 'episode_9.hdf5')
    (folder / 'notes.txt').write_text('x')
    (folder / 'episode_x.hdf5').write_text('x')
    back = import_aloha(folder, tmp_path / 'back', contract=contract)
    assert [entry.id for entry in back.episodes] == ['episode_9', 'episode_10']
    one = import_aloha(folder / 'episode_10.hdf5', tmp_path / 'one', contract=contract)
    assert [(e.id, e.length) for e in one.episodes] == [('episode_10', 6)]


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (lambda f: f.pop('action'), "no feature 'action' in the dataset; allowed: "),
        (lambda f: f.pop('observations'), 'no observations in it; to fix: check --format'),
        (lambda f: f['observations'].pop('speed'), "no feature 'speed' in the dataset; allowed: "),
        (lambda f: f['observations/images'].pop('wrist'), "no feature 'images/wrist'"),
        (
            lambda f: f['observations'].__setitem__('link', h5py.SoftLink('/action')),
            'link is a link; allowed: everything in the one file',
        ),
        (
            lambda f: replaced(f, 'observations/speed', np.zeros((3, 2))),
            'observations/speed of type float64 and shape (3, 2); allowed: numbers in 4 rows',
        ),
        (
            lambda f: replaced(f, 'observations/images/wrist', np.zeros((4, 32, 40, 3), np.uint8)),
            'an image of 32 x 40; allowed: 32 x 48',
        ),
        (
            lambda f: replaced(f, 'observations/images/wrist', np.ones((4, 90), np.uint8)),
            'get it again',
        ),
        (
            lambda f: replaced(f, 'observations/images/wrist', np.zeros((4, 90), np.uint8)),
            'get it again',
        ),
        (
            lambda f: replaced(f, 'observations/images/wrist', np.zeros((4, 90), np.float32)),
            'of type float32 and shape (4, 90); allowed: bytes in 4 rows',
        ),
        (lambda f: replaced(f, 'action', np.zeros((0, 2))), 'an action without frames'),
        (lambda f: replaced(f, 'action', np.full((4, 2), 9.0)), '4 of 10 actions of a are out '),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_one_error(written, contract, tmp_path, change, error):
    folder, _ = written
    edited(folder, change)
    with pytest.raises(DatasetError) as caught:
        import_aloha(folder, tmp_path / 'back', contract=contract)
    assert error in str(caught.value)
    assert not (tmp_path / 'back').exists()


def replaced(file, name, values):
    del file[name]
    file[name] = values


def test_an_episode_of_other_shapes_than_the_first_is_refused(written, contract, tmp_path):
    folder, _ = written
    edited(folder, lambda f: replaced(f, 'observations/width', np.zeros((6, 3))), number=1)
    with pytest.raises(DatasetError, match=r'episode_1.hdf5: width of shape \(6, 3\); allowed: '):
        import_aloha(folder, tmp_path / 'back', contract=contract)


def test_a_folder_without_episodes_and_a_file_that_is_none_are_named(contract, tmp_path):
    (tmp_path / 'in').mkdir()
    for name, error in (
        ('in', r'no episode_0\.hdf5 in it; allowed: an episode of ALOHA; to fix: check --format'),
        ('text', 'text: cannot be read.*allowed: an episode of ALOHA'),
        ('none', 'none: cannot be read'),
    ):
        (tmp_path / 'text').write_text('hello')
        with pytest.raises(DatasetError, match=error):
            import_aloha(tmp_path / name, tmp_path / 'back', contract=contract)
