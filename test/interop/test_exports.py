"""What holds for an export to any format and its import."""

import os

import pytest

from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.lerobot_export import export_lerobot
from il_ros.interop.robomimic_export import export_robomimic

FORMATS = {
    'lerobot': ('pyarrow', export_lerobot, 'il_ros.interop.lerobot_export.data_table'),
    'robomimic': ('h5py', export_robomimic, 'il_ros.interop.robomimic_export._side'),
}


def contents(path):
    """The bytes of a file, or of every file in a folder by its name."""
    files = sorted(path.rglob('*')) if path.is_dir() else [path]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(params=FORMATS)
def kind(request):
    pytest.importorskip(FORMATS[request.param][0])
    return request.param


@pytest.fixture
def export(kind, tmp_path):
    """Export a dataset to one and the same path."""
    return lambda dataset, **options: FORMATS[kind][1](dataset, tmp_path / 'exported', **options)


@pytest.fixture
def again(kind, tmp_path):
    """Import an export into a new folder."""
    return lambda path, **options: import_dataset(path, tmp_path / 'back', kind, **options)


@pytest.fixture
def exported(make_dataset, texts, export):
    dataset = make_dataset(texts.state + texts.images + texts.depth)
    return dataset, export(dataset)


def test_a_round_trip_gives_the_same_bits(exported, again, same):
    dataset, path = exported
    same(dataset, again(path))


def test_so_does_one_of_a_dataset_of_pixels(make_dataset, export, again, same, texts):
    dataset = make_dataset(texts.state + texts.images, image_format='raw')
    same(dataset, again(export(dataset)))


def test_so_does_one_of_a_dataset_without_images(make_dataset, export, again, same):
    dataset = make_dataset()
    same(dataset, again(export(dataset)))


def test_nothing_is_replaced_unasked_and_nothing_is_left_of_a_failure(
    exported, export, kind, tmp_path, monkeypatch
):
    dataset, path = exported
    before = contents(path)
    with pytest.raises(DatasetError, match='exists already'):
        export(dataset)

    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(FORMATS[kind][2], full)
    with pytest.raises(DatasetError, match='No space left on device'):
        export(dataset, overwrite=True)
    assert contents(path) == before
    assert sorted(os.listdir(tmp_path)) == ['dataset', 'exported']


def test_another_contract_is_refused(exported, again, texts):
    other = parse_contract(texts.state)
    with pytest.raises(ContractError, match='they differ in'):
        again(exported[1], contract=other)
