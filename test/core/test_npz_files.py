import zipfile

import numpy as np
import pytest

from il_ros.core import npz_files
from il_ros.core.errors import DatasetError
from il_ros.core.npz_files import load_arrays, save_arrays


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {'a': np.arange(6.0).reshape(2, 3), 'b': np.array(['x', 'yz'])}
    save_arrays(tmp_path / 'a.npz', arrays)
    found = load_arrays(tmp_path / 'a.npz')
    assert found.keys() == arrays.keys()
    for name, expected in arrays.items():
        np.testing.assert_array_equal(found[name], expected)


def test_a_small_file_that_becomes_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, a=np.zeros(100_000), b=np.zeros(100_000))
    monkeypatch.setattr(npz_files, 'LIMIT', 1_600_256)
    assert load_arrays(path)['b'].size == 100_000
    monkeypatch.setattr(npz_files, 'LIMIT', 1_600_255)
    with pytest.raises(DatasetError, match='1600256 bytes, at most 1600255 are read; to fix: rem'):
        load_arrays(path)


def test_a_member_that_says_less_than_it_has_is_damage(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, a=np.zeros(100_000))
    with zipfile.ZipFile(path) as file:
        said = file.infolist()[0].file_size.to_bytes(4, 'little')
    content = path.read_bytes()
    assert said in content
    path.write_bytes(content.replace(said, (1000).to_bytes(4, 'little')))
    with pytest.raises(DatasetError, match='cannot be read: '):
        load_arrays(path)


@pytest.mark.parametrize('content', [b'', b'no zip', b'PK\3\4'])
def test_what_is_no_such_file_is_named(tmp_path, content):
    (tmp_path / 'a.npz').write_bytes(content)
    with pytest.raises(DatasetError, match=r'a\.npz: cannot be read: '):
        load_arrays(tmp_path / 'a.npz')
