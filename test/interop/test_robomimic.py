import os
import shutil
from functools import partial

import numpy as np
import pytest

from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice
from il_ros.interop.robomimic_export import export_robomimic

import_robomimic = partial(import_dataset, format='robomimic')

h5py = pytest.importorskip('h5py')


@pytest.fixture
def exported(make_dataset, tmp_path, texts):
    dataset = make_dataset(texts.state + texts.images + texts.depth)
    return dataset, export_robomimic(dataset, tmp_path / 'demos.hdf5', held_out=0.4)


@pytest.fixture
def foreign(exported):
    """The file without what is ours, as if robomimic had written it."""
    dataset, path = exported
    with h5py.File(path, 'a') as file:
        del file['il_ros']
    return dataset, path


def test_the_layout_is_the_one_that_robomimic_publishes(exported):
    dataset, path = exported
    with h5py.File(path) as file:
        assert file['data'].attrs['total'] == 24
        assert file['data'].attrs['env_args'] == '{"env_name": "test", "type": 2, "env_kwargs": {}}'
        assert [file[f'data/demo_{i}'].attrs['num_samples'] for i in range(3)] == [7, 12, 5]
        assert sorted(file['mask/train'][:].tolist() + file['mask/valid'][:].tolist()) == [
            b'demo_0', b'demo_1', b'demo_2'
        ]  # fmt: skip
        demo = file['data/demo_1']
        position = dataset.values['position'][7:19]
        np.testing.assert_array_equal(demo['obs/position'][:], position)
        np.testing.assert_array_equal(demo['next_obs/position'][:-1], position[1:])
        np.testing.assert_array_equal(demo['next_obs/position'][-1], position[-1])
        np.testing.assert_array_equal(demo['obs/goal'][:], dataset.values['goal'][7:19])
        assert demo['states'].shape == (12, 15)
        assert demo['dones'][:].tolist() == [0] * 11 + [1]
        assert demo['rewards'][:].tolist() == [0] * 11 + [1]
        assert file['data/demo_0/rewards'][:].tolist() == [0] * 7  # a failure


def test_actions_are_scaled_to_the_limits_and_also_kept_as_they_are(exported):
    dataset, path = exported
    with h5py.File(path) as file:
        # Limits are -2 to 2 and -1 to 3: a half of 2 each, around 0 and 1.
        wanted = dataset.action[:7] / 2 - [0, 0.5]
        np.testing.assert_allclose(file['data/demo_0/actions'][:], wanted, atol=1e-6)
        np.testing.assert_array_equal(file['il_ros/demo_0/action'][:], dataset.action[:7])


def test_a_command_out_of_limits_is_never_clipped(make_dataset, same, texts, tmp_path):
    tight = texts.state.replace('position_max: [2, 3]', 'position_max: [0.25, 3]')
    dataset = make_dataset(tight)
    with pytest.raises(DatasetError, match=r'times its limit.*export without scale_actions'):
        export_robomimic(dataset, tmp_path / 'demos.hdf5')
    assert os.listdir(tmp_path) == ['dataset']
    path = export_robomimic(dataset, tmp_path / 'demos.hdf5', scale_actions=False)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file['data/demo_0/actions'][:], dataset.action[:7])
    same(dataset, import_robomimic(path, tmp_path / 'back'))


def test_images_are_pixels_and_the_next_ones_a_view_of_them(exported):
    dataset, path = exported
    with h5py.File(path) as file:
        demo = file['data/demo_0']
        for key, shape in (('wrist', (32, 48, 3)), ('side', (16, 16, 1)), ('depth', (16, 24, 1))):
            stored, later = demo[f'obs/{key}'], demo[f'next_obs/{key}']
            assert stored.shape == (7, *shape)
            for i, valid in enumerate(dataset.valid[key][:7]):
                pixels = dataset.images[key][i] if valid else np.zeros(shape)
                np.testing.assert_array_equal(stored[i], pixels.reshape(shape))
            np.testing.assert_array_equal(later[:-1], stored[1:])
            np.testing.assert_array_equal(later[-1], stored[-1])
            assert later.is_virtual


@pytest.mark.parametrize(
    ('name', 'error'),
    [
        ('data/demo_1/obs/speed', 'speed was changed since it was exported'),
        ('il_ros/demo_1/action', 'action was changed since it was exported'),
        ('il_ros/demo_1/stamp', 'stamp was changed since it was exported'),
    ],
)
def test_one_changed_number_is_found(exported, tmp_path, name, error):
    _, path = exported
    with h5py.File(path, 'a') as file:
        values = file[name][:]
        values[3] += 1
        file[name][:] = values
    with pytest.raises(DatasetError, match=error):
        import_robomimic(path, tmp_path / 'back')
    assert not (tmp_path / 'back').exists()


def test_a_foreign_file_gets_made_up_stamps_and_says_so(foreign, texts, tmp_path):
    dataset, path = foreign
    contract = parse_contract(texts.state + texts.images + texts.depth)
    with pytest.raises(DatasetError, match='give a contract'):
        import_robomimic(path, tmp_path / 'back')
    back = import_robomimic(path, tmp_path / 'back', contract=contract)
    assert back.stamp[5:9].tolist() == [250_000_000, 300_000_000, 0, 50_000_000]
    assert 'stamps are synthetic' in back.episodes[0].notes
    assert [e.id for e in back.episodes] == ['demo_0', 'demo_1', 'demo_2']
    np.testing.assert_array_equal(back.values['goal'], dataset.values['goal'])
    np.testing.assert_array_equal(back.valid['goal'], dataset.valid['goal'])
    np.testing.assert_array_equal(back.images['depth'][3], dataset.images['depth'][3])
    frame = int(np.flatnonzero(dataset.valid['side'])[0])
    np.testing.assert_array_equal(back.images['side'][frame], dataset.images['side'][frame])


def test_a_mapping_undoes_the_scale(foreign, texts, tmp_path):
    dataset, path = foreign
    same_names = {k: FeatureSlice(feature=k) for k in ('position', 'speed', 'width')}
    columns = FeatureMapping(
        streams=same_names,
        action=FeatureSlice(feature='actions', scale=(2.0,), offset=(0.0, 1.0)),
        outcome='unknown',
    )
    contract = parse_contract(texts.state)
    back = import_robomimic(path, tmp_path / 'back', contract=contract, mapping=columns)
    np.testing.assert_allclose(back.action, dataset.action, atol=1e-6)
    assert back.episodes[0].outcome == 'unknown'


def test_sizes_of_images_are_those_of_the_contract(foreign, texts, tmp_path):
    text = texts.state + texts.images.replace('[16, 16]', '[16, 20]')
    with pytest.raises(DatasetError, match=r'an image of 16 x 16; allowed: 16 x 20.*set size'):
        import_robomimic(foreign[1], tmp_path / 'back', contract=parse_contract(text))
    text = texts.state + texts.images.replace('mono8', 'rgb8')
    with pytest.raises(DatasetError, match=r'side of type uint8.*allowed: uint8 of shape'):
        import_robomimic(foreign[1], tmp_path / 'back', contract=parse_contract(text))


def test_numbers_in_other_files_are_never_read(foreign, texts, tmp_path):
    _, path = foreign
    contract = parse_contract(texts.state)
    secret = tmp_path / 'secret.hdf5'
    with h5py.File(secret, 'w') as file:
        file['position'] = np.ones((7, 2), np.float32)
    hidden = 'data/demo_0/obs/position'
    layout = h5py.VirtualLayout((7, 2), np.float32)
    layout[:] = h5py.VirtualSource(str(secret), 'position', (7, 2))
    raw = [(str(secret), 0, 56)]
    for make, error in (
        (lambda f: f.__setitem__(hidden, h5py.ExternalLink(str(secret), 'position')), 'is a link'),
        (lambda f: f.__setitem__(hidden, h5py.SoftLink('/data/demo_0/obs/speed')), 'is a link'),
        (lambda f: f.create_virtual_dataset(hidden, layout), 'has its numbers in another file'),
        (lambda f: f.create_dataset(hidden, (7, 2), np.float32, external=raw), 'in another file'),
    ):
        with h5py.File(path, 'a') as file:
            del file[hidden]
            make(file)
        with pytest.raises(DatasetError, match=error):
            import_robomimic(path, tmp_path / 'back', contract=contract)


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (lambda f: f.pop('data'), 'no data in it; to fix: check --format'),
        (lambda f: [f['data'].pop(f'demo_{i}') for i in range(3)], 'no data/demo_0'),
        (lambda f: f['data/demo_0'].pop('actions'), 'no actions in it'),
        (lambda f: f['data/demo_0'].attrs.__setitem__('num_samples', 9), 'num_samples 9, actions'),
        (lambda f: f['data/demo_1/obs'].pop('speed'), 'no obs/speed in it'),
        (lambda f: f['data/demo_0/obs'].pop('speed'), "no feature 'speed' in the dataset"),
    ],
)
def test_what_is_missing_is_named(foreign, texts, tmp_path, change, error):
    _, path = foreign
    with h5py.File(path, 'a') as file:
        change(file)
    with pytest.raises(DatasetError) as caught:
        import_robomimic(path, tmp_path / 'back', contract=parse_contract(texts.state))
    assert error in str(caught.value)


def test_what_is_no_hdf5_file_is_said(tmp_path):
    (tmp_path / 'text.hdf5').write_text('hello')
    with pytest.raises(DatasetError, match=r'text.hdf5: cannot be read.*allowed: a robomimic'):
        import_robomimic(tmp_path / 'text.hdf5', tmp_path / 'back')
    with pytest.raises(DatasetError, match='cannot be read'):
        import_robomimic(tmp_path / 'none.hdf5', tmp_path / 'back')


def test_a_claim_of_more_numbers_than_a_file_can_hold_is_refused(foreign, texts, tmp_path):
    _, path = foreign
    with h5py.File(path, 'a') as file:
        del file['data/demo_0/obs/position']
        file.create_dataset('data/demo_0/obs/position', (7, 10**12), np.float32, chunks=(1, 64))
    columns = FeatureMapping(
        streams={
            'position': FeatureSlice(feature='position', index=(0, 1)),
            'speed': FeatureSlice(feature='speed'),
            'width': FeatureSlice(feature='width'),
        },
        action=FeatureSlice(feature='actions'),
    )
    with pytest.raises(DatasetError, match='claims 28000000000000 bytes, 0 are stored'):
        import_robomimic(
            path, tmp_path / 'back', contract=parse_contract(texts.state), mapping=columns
        )


@pytest.mark.parametrize('held_out', [-0.1, 1.0, float('nan')])
def test_a_share_that_is_none_is_refused(exported, tmp_path, held_out):
    with pytest.raises(DatasetError, match=r'held_out: got .*; allowed: 0 <= x < 1'):
        export_robomimic(exported[0], tmp_path / 'new.hdf5', held_out=held_out)


def test_a_disk_without_room_is_refused_before_hdf5_meets_it(exported, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage)
    with pytest.raises(DatasetError, match=r'0\.1 MB of room left; allowed: .* MB, which is sure'):
        export_robomimic(exported[0], tmp_path / 'new.hdf5')
    assert not list(tmp_path.glob('*new*'))
