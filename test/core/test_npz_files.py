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


def test_arrays_beyond_the_limit_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / 'a.npz'
    save_arrays(path, {'a': np.zeros(1000), 'b': np.zeros(1000)})
    monkeypatch.setattr(npz_files, 'LIMIT', 16_256)
    assert load_arrays(path)['b'].size == 1000
    monkeypatch.setattr(npz_files, 'LIMIT', 16_255)
    with pytest.raises(DatasetError, match=r'16256 bytes in a file of .*, at most 16255 are read'):
        load_arrays(path)


def test_a_small_file_that_becomes_large_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, a=np.zeros(100_000), b=np.zeros(100_000))
    with pytest.raises(DatasetError, match=r'arrays of 1600256 bytes in a file of .*; to fix: rem'):
        load_arrays(path)


def test_a_member_that_says_less_than_it_has_is_damage(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, a=np.zeros(100_000))
    with zipfile.ZipFile(path) as file:
        said = file.infolist()[0].file_size.to_bytes(4, 'little')
    content = path.read_bytes()
    assert said in content
    path.write_bytes(content.replace(said, (500).to_bytes(4, 'little')))
    with pytest.raises(DatasetError, match='cannot be read: '):
        load_arrays(path)


def test_a_changed_byte_of_an_array_is_noticed(tmp_path):
    path = tmp_path / 'a.npz'
    save_arrays(path, {'a': np.full(1000, 7.0)})
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(7.0).tobytes()) + 4000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r'cannot be read: .*CRC'):
        load_arrays(path)


def test_one_array_is_no_file_of_arrays(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros(3))
    (tmp_path / 'a.npy').rename(tmp_path / 'a.npz')
    with pytest.raises(DatasetError, match=r'a\.npz: cannot be read: '):
        load_arrays(tmp_path / 'a.npz')


@pytest.mark.parametrize('content', [b'', b'no zip', b'PK\3\4'])
def test_what_is_no_such_file_is_named(tmp_path, content):
    (tmp_path / 'a.npz').write_bytes(content)
    with pytest.raises(DatasetError, match=r'a\.npz: cannot be read: '):
        load_arrays(tmp_path / 'a.npz')
