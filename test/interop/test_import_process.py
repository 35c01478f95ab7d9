"""What a library in C does with a file ends: with a dataset, or with one error."""

import signal

import numpy as np
import pytest

from benchmarks.file_bombs import make_endless_heap
from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.interop import import_process
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice
from il_ros.interop.import_process import import_bounded
from il_ros.interop.read_limits import files_size
from il_ros.interop.robomimic_export import export_robomimic

pytest.importorskip('h5py')


@pytest.fixture
def dataset(make_dataset, texts):
    return make_dataset(texts.state + texts.images, lengths=(4, 6))


def test_what_is_sound_comes_out_as_without_a_process(dataset, tmp_path):
    whole = export_robomimic(dataset, tmp_path / 'whole.hdf5')
    made = import_bounded(whole, tmp_path / 'back', 'robomimic')
    assert made.manifest.data_hash == dataset.manifest.data_hash
    assert not [path for path in tmp_path.rglob('*') if path.name.startswith('.')]


def test_a_library_without_an_end_is_ended_and_leaves_nothing(tmp_path):
    make_endless_heap(tmp_path)
    with pytest.raises(DatasetError, match=r'x\.hdf5: a library that reads it comes to no end; to'):
        import_bounded(tmp_path / 'x.hdf5', tmp_path / 'back', 'robomimic')
    assert [path.name for path in tmp_path.iterdir()] == ['x.hdf5']


def test_an_error_is_the_one_of_the_process(dataset, tmp_path):
    whole = export_robomimic(dataset, tmp_path / 'whole.hdf5')
    other = parse_contract(dataset.contract.text.replace('rate: 20.0', 'rate: 10.0'))
    with pytest.raises(ContractError) as said:
        import_bounded(whole, tmp_path / 'back', 'robomimic', contract=other)
    assert said.value.problem


def test_a_mapping_reaches_the_process(dataset, tmp_path):
    whole = export_robomimic(dataset, tmp_path / 'whole.hdf5')
    mapping = FeatureMapping(streams={'nothing': FeatureSlice(feature='x')},
                             action=FeatureSlice(feature='actions'))  # fmt: skip
    with pytest.raises(DatasetError, match='nothing'):
        import_bounded(
            whole, tmp_path / 'back', 'robomimic', contract=dataset.contract, mapping=mapping
        )


@pytest.mark.parametrize(
    ('code', 'text'),
    [
        (-signal.SIGPROF, 'comes to no end'),
        (-signal.SIGSEGV, 'fell: Segmentation fault'),
        (1, 'ended with exit code 1'),
    ],
)
def test_how_the_process_ended_is_said(code, text, tmp_path, monkeypatch):
    class Ended:
        returncode, stdout = code, b''

    monkeypatch.setattr(import_process.subprocess, 'run', lambda *_, **__: Ended)
    with pytest.raises(DatasetError, match=f'x: .*{text}; to fix: get it again'):
        import_bounded(tmp_path / 'x', tmp_path / 'back', 'robomimic')
    assert not list(tmp_path.iterdir())


def test_holes_of_a_file_give_it_no_more_time(tmp_path):
    (tmp_path / 'a').write_bytes(np.random.default_rng(0).bytes(8192))
    with (tmp_path / 'b').open('wb') as file:
        file.truncate(1 << 40)
    (tmp_path / 'gone').symlink_to('nowhere')
    assert files_size(tmp_path / 'a') == files_size(tmp_path) == 8192
    assert files_size(tmp_path / 'b') == 0
