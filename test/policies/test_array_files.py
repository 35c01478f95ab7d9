import hashlib
import json
import os
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from il_ros.core.errors import BundleError
from il_ros.policies.array_files import LIMIT, read_arrays

ARRAYS = {'a': np.arange(6, dtype=np.float32).reshape(2, 3), 'b': np.zeros((0, 4), np.int8)}
SOUND = safetensors.numpy.save(ARRAYS, {'made': 'here'})


def file_of(header, data=b''):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def array(dtype, shape, begin, end):
    return {'a': {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}}


def read(path, content):
    path.write_bytes(content)
    return read_arrays(path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = read(tmp_path / 'x', SOUND)
    assert arrays.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays[name].dtype == expected.dtype


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'a header of'),
        (b'\0' * 8, 'not safetensors: '),
        (struct.pack('<Q', 2**62) + b'{}', 'a header of 4611686018427387904 bytes'),
        (file_of({'__metadata__': {'x': 'y' * (1 << 20)}}), 'a header of 1048'),
        (file_of(b'[' * 10**5 + b']' * 10**5), 'nested more than 100 deep'),
        (file_of(array('F32', [2**40, 2**40], 0, 4), b'\0' * 4), 'an array of 4835703278'),
        (file_of(array('F32', [2**62, 4], 0, 0)), 'an array of 73786976'),
        (file_of(array('F32', [1], 0, 8), b'\0' * 4), 'an array of 4 bytes in 8'),
        (file_of(array('F32', [-1, -1], 0, 4), b'\0' * 4), 'not safetensors: '),
        (file_of(array('F7', [1], 0, 4), b'\0' * 4), 'not safetensors: '),
        (file_of(array('F32', 1, 0, 4), b'\0' * 4), 'not safetensors: '),
        (file_of(array('F32', [1], 4, 8), b'\0' * 8), 'an array begins at 4, not at 0'),
        (file_of(array('F32', [1], 0, 4), b'\0' * 8), 'arrays of 4 bytes in 8'),
        (file_of(array('F32', [1.0], 0, 4), b'\0' * 4), 'not safetensors: '),
        (file_of({'a': 'x'}), 'not safetensors: '),
        (file_of([]), 'not safetensors: '),
        (SOUND[:-1], 'not safetensors: '),
    ],
)
def test_a_header_that_promises_what_is_not_there_is_refused(tmp_path, content, text):
    with pytest.raises(BundleError, match=f'x: not safetensors: .*{text.split(": ")[-1]}'):
        read(tmp_path / 'x', content)


def test_arrays_that_share_bytes_are_refused(tmp_path):
    one, two = array('F32', [2], 0, 8)['a'], array('F32', [1], 4, 8)['a']
    with pytest.raises(BundleError, match='an array begins at 4, not at 8'):
        read(tmp_path / 'x', file_of({'a': one, 'b': two}, bytes(8)))


@pytest.mark.parametrize('kind', ['<f8', '<f4', '<f2', '<i8', '<u8', '<i4', '<u4', 'i1', 'u1', '?'])
def test_every_type_comes_back_and_cannot_be_written_to(tmp_path, kind):
    values = np.arange(6).astype(kind).reshape(3, 2)
    found = read(tmp_path / 'x', safetensors.numpy.save({'x': values, 'y': np.zeros(3, 'u1')}))
    np.testing.assert_array_equal(found['x'], values)
    assert found['x'].dtype == values.dtype
    assert not found['x'].flags.writeable


def test_arrays_of_a_header_of_odd_length_are_aligned(tmp_path):
    content = file_of(array('F64', [2], 0, 16), np.array([1.5, 2.5]).tobytes())
    for pad in range(8):
        header = {'__metadata__': {'x': 'y' * pad}, **array('F64', [2], 0, 16)}
        found = read(tmp_path / 'x', file_of(header, content[-16:]))['a']
        assert found.flags.aligned
        assert found.tolist() == [1.5, 2.5]


def test_a_large_file_is_held_once(tmp_path):
    path, size = tmp_path / 'x', 16 << 20
    content = safetensors.numpy.save({'x': np.zeros(size, np.uint8)})
    path.write_bytes(content)
    sha256, length = hashlib.sha256(content).hexdigest(), len(content)
    del content
    tracemalloc.start()
    try:
        arrays = read_arrays(path, bytes=length, sha256=sha256)
        assert arrays['x'].size == size
        assert tracemalloc.get_traced_memory()[1] < 1.2 * size
    finally:
        tracemalloc.stop()


def test_the_header_is_looked_at_before_the_body_is_read(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(file_of(array('F32', [2**40], 0, 4)))
    os.truncate(path, LIMIT)  # its hash would be another one
    with pytest.raises(BundleError, match='not safetensors: an array of 4398046511104 bytes in 4'):
        read_arrays(path, bytes=LIMIT, sha256='')


def test_a_file_of_another_size_is_not_read(tmp_path):
    (tmp_path / 'x').write_bytes(SOUND)
    for size in (0, -1, len(SOUND) - 1, len(SOUND) + 1, 2**63):
        with pytest.raises(BundleError, match=f'{len(SOUND)} bytes; allowed: {size} bytes'):
            read_arrays(tmp_path / 'x', bytes=size, sha256='')
    os.truncate(tmp_path / 'x', 8 << 30)
    with pytest.raises(BundleError, match=f'8589934592 bytes, at most {LIMIT} are read'):
        read_arrays(tmp_path / 'x', bytes=8 << 30, sha256='')
