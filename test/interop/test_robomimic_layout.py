"""Files of robomimic that claim, lack or mix what no exporter would write."""

from functools import partial

import numpy as np
import pytest

from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop import hdf5_files
from il_ros.interop import robomimic_layout as layout
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice
from il_ros.interop.robomimic_export import export_robomimic

import_robomimic = partial(import_dataset, format='robomimic')

h5py = pytest.importorskip('h5py')


@pytest.fixture
def file(tmp_path):
    """An open, empty HDF5 file."""
    with h5py.File(tmp_path / 'x.hdf5', 'w') as opened:
        yield opened


@pytest.fixture
def exported(make_dataset, tmp_path, texts):
    dataset = make_dataset(texts.state + texts.images)
    return dataset, export_robomimic(dataset, tmp_path / 'demos.hdf5', scale_actions=False)


@pytest.fixture
def foreign(exported):
    with h5py.File(exported[1], 'a') as opened:
        del opened['il_ros']
    return exported[1]


def replaced(path, name, make):
    with h5py.File(path, 'a') as opened:
        del opened[name]
        make(opened)


def test_demonstrations_are_sorted_by_number_and_others_are_left_out(file):
    for name in ('demo_10', 'demo_9', 'demo_0', 'demo_x', 'demo_', 'other', 'demo_1_2'):
        file.create_group(f'data/{name}')
    assert layout.demos(file) == ['demo_0', 'demo_9', 'demo_10']


def test_the_length_is_that_of_the_actions_where_nothing_is_stated(file):
    demo = file.create_group('data/demo_0')
    demo['actions'] = np.zeros((4, 2))
    assert layout.length(demo) == 4


@pytest.mark.parametrize(
    ('actions', 'stated'), [(np.zeros((0, 2)), 0), (np.float32(1), 1), (np.zeros((3, 2)), -3)]
)
def test_a_demonstration_without_frames_is_refused(file, actions, stated):
    demo = file.create_group('data/demo_0')
    demo['actions'] = actions
    demo.attrs['num_samples'] = stated
    with pytest.raises(
        DatasetError, match=r'x\.hdf5/data/demo_0: num_samples .*, actions of shape'
    ):
        layout.length(demo)


@pytest.mark.parametrize(
    ('values', 'error'),
    [
        (np.array([b'a', b'b']), r'n of type \|S1'),
        (np.zeros(2, np.complex64), 'n of type complex64'),
        (np.zeros((3, 1)), r'and shape \(3, 1\); allowed: numbers in 2 rows'),
        (np.float64(1), r'and shape \(\); allowed: numbers in 2 rows'),
    ],
)
def test_what_is_not_one_row_of_numbers_a_frame_is_refused(file, values, error):
    file['n'] = values
    with pytest.raises(DatasetError, match=error):
        hdf5_files.numbers(file, 'n', 2)


def test_a_text_is_a_text(file):
    file['a'], file['b'], file['c'] = 'größe', np.zeros(2), ['x', 'y']
    assert hdf5_files.text(file, 'a') == 'größe'
    for name in 'bc':
        with pytest.raises(DatasetError, match=f'{name} is no text'):
            hdf5_files.text(file, name)
    file.create_group('d')
    with pytest.raises(DatasetError, match='d is a group; allowed: an array'):
        hdf5_files.text(file, 'd')
    with pytest.raises(DatasetError, match='no a/b in it'):
        hdf5_files.text(file, 'a/b')


@pytest.mark.parametrize('kind', ['S2000000000', np.float32])
def test_nothing_that_was_never_stored_is_read_as_a_text(file, kind):
    shape = () if kind == 'S2000000000' else (10**12,)
    file.create_dataset('a', shape, kind, chunks=None if shape == () else (64,))
    with pytest.raises(DatasetError, match=r'a claims \d+ bytes, \d+ are stored'):
        hdf5_files.text(file, 'a')


def test_a_virtual_array_claims_no_more_than_the_file_can_hold(file):
    file['small'] = np.ones((2, 3), np.float32)
    honest = h5py.VirtualLayout((2, 3), np.float32)
    honest[:] = h5py.VirtualSource('.', 'small', (2, 3))
    file.create_virtual_dataset('honest', honest)
    assert hdf5_files.numbers(file, 'honest', 2).tolist() == np.ones((2, 3)).tolist()
    huge = h5py.VirtualLayout((2, 10**12), np.float32)
    huge[:, :3] = h5py.VirtualSource('.', 'small', (2, 3))
    file.create_virtual_dataset('huge', huge)
    with pytest.raises(DatasetError, match='huge claims 8000000000000 bytes'):
        hdf5_files.numbers(file, 'huge', 2)


def test_images_that_nobody_stored_are_refused_by_their_size(foreign, texts, tmp_path):
    replaced(
        foreign,
        'data/demo_1/obs/side',
        lambda f: f.create_dataset(
            'data/demo_1/obs/side', (12, 10**6, 10**6, 1), np.uint8, chunks=(1, 16, 16, 1)
        ),
    )
    contract = parse_contract(texts.state + texts.images)
    with pytest.raises(DatasetError, match='an image of 1000000 x 1000000; allowed: 16 x 16'):
        import_robomimic(foreign, tmp_path / 'back', contract=contract)


@pytest.mark.parametrize('shape', [(12, 16), (12,), (12, 16, 16, 2), (11, 16, 16, 1)])
def test_images_of_a_later_demonstration_are_checked_too(foreign, texts, tmp_path, shape):
    name = 'data/demo_1/obs/side'
    replaced(foreign, name, lambda f: f.__setitem__(name, np.zeros(shape, np.uint8)))
    with pytest.raises(DatasetError, match=r'side of type uint8|an image of'):
        import_robomimic(
            foreign, tmp_path / 'back', contract=parse_contract(texts.state + texts.images)
        )
    assert not (tmp_path / 'back').exists()


@pytest.mark.parametrize('width', [1, 3])
@pytest.mark.parametrize('index', [(), (1, 0)])
def test_a_later_demonstration_of_other_width_is_never_taken(
    foreign, texts, tmp_path, width, index
):
    """Features are those of the first demonstration; the others have to have them too."""
    name = 'data/demo_1/obs/position'
    replaced(foreign, name, lambda f: f.__setitem__(name, np.zeros((12, width), np.float32)))
    streams = {k: FeatureSlice(feature=k) for k in ('speed', 'width')}
    mapping = FeatureMapping(
        streams=streams | {'position': FeatureSlice(feature='position', index=index)},
        action=FeatureSlice(feature='actions'),
    )
    with pytest.raises(DatasetError, match=rf'demo_1/obs/position of shape \(12, {width}\)'):
        import_robomimic(
            foreign, tmp_path / 'back', contract=parse_contract(texts.state), mapping=mapping
        )
    assert not (tmp_path / 'back').exists()


def test_frames_are_a_period_of_the_contract_apart_to_the_nanosecond(foreign, texts, tmp_path):
    contract = parse_contract(texts.state.replace('rate: 20.0\nclock', 'rate: 30.0\nclock'))
    back = import_robomimic(foreign, tmp_path / 'back', contract=contract)
    assert back.stamp[7:12].tolist() == [0, 33_333_333, 66_666_667, 100_000_000, 133_333_333]


@pytest.mark.parametrize(
    ('name', 'values', 'error'),
    [
        ('il_ros/demo_1/stamp', np.zeros(12, np.float64), 'stamp of type float64; allowed: int64'),
        ('il_ros/demo_1/valid/side', np.zeros(12, np.uint8), 'valid/side of type uint8'),
        ('il_ros/demo_1/images/side', np.zeros(12, np.uint8), r'images/side of shape \(12,\)'),
        ('data/demo_1/obs/speed', np.zeros((12, 2)), 'obs/speed of type float64; allowed: float32'),
        ('il_ros/demo_1/source', np.full(12, 200, np.uint8), r'source \[200\]; allowed: '),
        ('il_ros/origin', b'{"format": 2}', 'format 2; allowed: 1'),
        ('il_ros/origin', b'[', 'not JSON'),
        ('il_ros/demo_1/record', b'{}', 'what is said of the episodes was changed'),
    ],
)
def test_what_an_export_never_writes_is_refused(exported, tmp_path, name, values, error):
    replaced(exported[1], name, lambda f: f.__setitem__(name, values))
    with pytest.raises(DatasetError, match=error):
        import_robomimic(exported[1], tmp_path / 'back')
    assert not (tmp_path / 'back').exists()
