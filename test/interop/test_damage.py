"""Exports cut or overwritten anywhere: the same dataset or an error, never another one."""

import random
import shutil
from functools import partial

import pytest

from il_ros.core.errors import IlRosError
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.lerobot_export import export_lerobot
from il_ros.interop.robomimic_export import export_robomimic

import_lerobot = partial(import_dataset, format='lerobot')
import_robomimic = partial(import_dataset, format='robomimic')


def damaged(content, chance):
    """Bytes cut short, or a few of them overwritten."""
    if chance.random() < 0.3:
        return content[: chance.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 20])):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


@pytest.fixture
def dataset(make_dataset, texts):
    return make_dataset(texts.state + texts.images, lengths=(4, 6))


def outcomes(dataset, out, importer, seeds, prepare):
    found = {'same': 0, 'error': 0}
    for seed in seeds:
        path = prepare(random.Random(seed))
        try:
            made = importer(path, out, overwrite=True)
        except IlRosError:
            found['error'] += 1
        else:
            assert made.manifest.data_hash == dataset.manifest.data_hash, seed
            found['same'] += 1
    assert not list(out.parent.glob('.*'))
    return found


@pytest.mark.parametrize('seeds', [range(12), pytest.param(range(300), marks=pytest.mark.slow)])
def test_lerobot(dataset, tmp_path, seeds):
    pytest.importorskip('pyarrow')
    whole = export_lerobot(dataset, tmp_path / 'whole')

    def prepare(chance):
        copy = tmp_path / 'copy'
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        file = chance.choice(sorted(p for p in copy.rglob('*') if p.is_file()))
        file.write_bytes(damaged(file.read_bytes(), chance))
        return copy

    found = outcomes(dataset, tmp_path / 'back', import_lerobot, seeds, prepare)
    assert found['error'] > len(seeds) // 3


@pytest.mark.parametrize('seeds', [range(12), pytest.param(range(300), marks=pytest.mark.slow)])
def test_robomimic(dataset, tmp_path, seeds):
    pytest.importorskip('h5py')
    content = export_robomimic(dataset, tmp_path / 'whole.hdf5').read_bytes()

    def prepare(chance):
        copy = tmp_path / 'copy.hdf5'
        copy.write_bytes(damaged(content, chance))
        return copy

    found = outcomes(dataset, tmp_path / 'back', import_robomimic, seeds, prepare)
    assert found['error'] > len(seeds) // 3
