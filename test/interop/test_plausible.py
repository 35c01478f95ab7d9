"""Mappings that destroy numbers are refused, and rounding is not."""

from functools import partial

import numpy as np
import pytest

from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice, load_mapping
from il_ros.interop.robomimic_export import export_robomimic

import_robomimic = partial(import_dataset, format='robomimic')

h5py = pytest.importorskip('h5py')


@pytest.fixture
def foreign(make_dataset, tmp_path, texts):
    path = export_robomimic(make_dataset(texts.state), tmp_path / 'demos.hdf5', scale_actions=False)
    with h5py.File(path, 'a') as file:
        del file['il_ros']
    return path


def imported(foreign, texts, tmp_path, action=None, **streams):
    columns = FeatureMapping(
        streams={
            k: FeatureSlice(feature=k, **streams.get(k, {})) for k in ('position', 'speed', 'width')
        },
        action=FeatureSlice(feature='actions', **(action or {})),
    )
    contract = parse_contract(texts.state)
    return import_robomimic(foreign, tmp_path / 'back', contract=contract, mapping=columns)


@pytest.mark.parametrize(
    ('given', 'error'),
    [
        ({'action': {'scale': (float('nan'),)}}, 'action.scale: got nan; allowed: finite numbers'),
        ({'width': {'offset': (float('inf'),)}}, 'width.offset: got inf; allowed: finite numbers'),
        ({'action': {'scale': (1e300,)}}, 'action: 24 of 24 actions are not finite; to fix: '),
        ({'width': {'scale': (1e300,)}}, 'width is finite at no frame, and the contract requires'),
        ({'action': {'scale': (400.0, 1.0)}}, 'of 24 actions of a are out of limits: -3'),
        ({'action': {'offset': (0.0, -1.5)}}, 'allowed: -1 to 3; to fix: give the scale'),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(foreign, texts, tmp_path, given, error):
    with pytest.raises(DatasetError) as caught:
        imported(foreign, texts, tmp_path, **given)
    assert error in str(caught.value)
    assert not (tmp_path / 'back').exists()


def test_a_rounding_beyond_a_limit_is_none(foreign, texts, tmp_path):
    with h5py.File(foreign, 'a') as file:
        file['data/demo_0/actions'][0] = [2.0001, -1.0001]
    assert imported(foreign, texts, tmp_path).action[0, 0] == np.float32(2.0001)


def test_one_action_that_is_not_finite_is_refused(foreign, texts, tmp_path):
    with h5py.File(foreign, 'a') as file:
        file['data/demo_2/actions'][0] = [np.nan, 0]
    with pytest.raises(DatasetError, match='1 of 24 actions are not finite'):
        imported(foreign, texts, tmp_path)


@pytest.mark.parametrize('text', ['2.0', '2', '2e0', '[2.0]', '[2e0]'])
def test_one_number_needs_no_brackets(tmp_path, text):
    path = tmp_path / 'map.yaml'
    path.write_text(f'streams: {{}}\naction: {{feature: action, scale: {text}, offset: {text}}}\n')
    assert load_mapping(path).action == FeatureSlice(feature='action', scale=(2.0,), offset=(2.0,))


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('scale: much', "map.yaml.action.scale[0]: got 'much'; allowed: a number"),
        ('index: [1.5]', 'map.yaml.action.index[0]: got 1.5; allowed: a whole number'),
        ('names: [1]', 'map.yaml.action.names[0]: got 1; allowed: a text'),
    ],
)
def test_mistakes_are_told_in_words(tmp_path, text, error):
    path = tmp_path / 'map.yaml'
    path.write_text(f'streams: {{}}\naction: {{feature: action, {text}}}\n')
    with pytest.raises(DatasetError) as caught:
        load_mapping(path)
    assert str(caught.value) == error
    path.write_text('streams: {}\n')
    with pytest.raises(DatasetError, match='action: missing; allowed: a mapping with feature, ind'):
        load_mapping(path)
    path.write_text('action: {feature: action}\n')
    with pytest.raises(DatasetError, match='streams: missing; allowed: a mapping of keys to fea'):
        load_mapping(path)
