import hashlib
import json
import os
import struct

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
        (file_of({'a': 'x'}), 'not safetensors: '),
        (file_of([]), 'not safetensors: '),
        (SOUND[:-1], 'not safetensors: '),
    ],
)
def test_a_header_that_promises_what_is_not_there_is_refused(tmp_path, content, text):
    with pytest.raises(BundleError, match=f'x: not safetensors: .*{text.split(": ")[-1]}'):
        read(tmp_path / 'x', content)


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
