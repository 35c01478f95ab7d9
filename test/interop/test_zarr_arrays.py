"""Arrays of zarr folders, of every layout that is read, and of none that is not."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('numcodecs')

from benchmarks.foreign_samples import write_zarr
from il_ros.core.errors import DatasetError
from il_ros.interop.foreign_files import reading
from il_ros.interop.zarr_arrays import COMPRESSORS, ZarrArray


def opened(folder):
    return ZarrArray(folder, folder.parent)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_rows_of_any_layout_are_those_that_were_written(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    chunks = tuple(data.draw(st.integers(1, 11)) for _ in shape)
    kind = data.draw(st.sampled_from(['<f4', '>f8', '<i8', '|u1', '<u2', '|b1']))
    seed = data.draw(st.integers(0, 99))
    values = np.random.default_rng(seed).integers(0, 3, shape).astype(kind)
    start = data.draw(st.integers(0, shape[0] - 1))
    stop = data.draw(st.integers(start + 1, shape[0]))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / 'x'
        write_zarr(
            folder,
            values,
            chunks=chunks,
            codec=data.draw(st.sampled_from([None, *COMPRESSORS])),
            order=data.draw(st.sampled_from('CF')),
            separator=data.draw(st.sampled_from('./')),
            sparse=data.draw(st.booleans()),
        )
        array = opened(folder)
        array.require_stored()
        assert (array.shape, array.dtype) == (shape, values.dtype)
        np.testing.assert_array_equal(array.rows(start, stop), values[start:stop])
        np.testing.assert_array_equal(array.rows(0, shape[0]), values)


@pytest.mark.parametrize(
    ('fill', 'value'), [(None, 0.0), (2.5, 2.5), ('NaN', np.nan), ('-Infinity', -np.inf)]
)
def test_a_chunk_without_a_file_holds_the_fill_value(tmp_path, fill, value):
    write_zarr(
        tmp_path / 'x', np.zeros((4, 2)), chunks=(2, 2), sparse=True, head={'fill_value': fill}
    )
    np.testing.assert_array_equal(opened(tmp_path / 'x').rows(1, 4), np.full((3, 2), value))


@pytest.mark.parametrize(
    ('more', 'error'),
    [
        ({'zarr_format': 3}, 'zarr_format 3; allowed: 2; to fix: store it with zarr_format=2'),
        (
            {'filters': [{'id': 'pickle'}]},
            'it has filters; allowed: none; to fix: store it without',
        ),
        ({'compressor': {'id': 'pickle'}}, "compressor 'pickle'; allowed: blosc, zstd, lz4, zlib"),
        ({'compressor': 'blosc'}, 'store it with one of these'),
        ({'compressor': {'id': 'imagecodecs_jpegxl'}}, "compressor 'imagecodecs_jpegxl'; allowed"),
        ({'dtype': '|O'}, "dtype '|O'; allowed: numbers"),
        ({'dtype': [['a', '<f4']]}, "dtype [['a', '<f4']]; allowed: numbers"),
        ({'dtype': '<M8[s]'}, 'allowed: numbers'),
        ({'chunks': [0, 2]}, 'shape (4, 2) in chunks of (0, 2)'),
        ({'chunks': [2]}, 'shape (4, 2) in chunks of (2,)'),
        ({'shape': [-4, 2]}, 'shape [-4, 2]'),
        ({'shape': [4.0, 2]}, 'shape [4.0, 2]'),
        ({'shape': [4, 1 << 40], 'chunks': [2, 2]}, 'allowed: at most 4096 of 1073741824 bytes'),
        ({'chunks': [1 << 40, 2]}, 'allowed: at most 4096 of 1073741824 bytes'),
    ],
)
def test_what_is_not_read_is_refused_before_a_chunk_is_opened(tmp_path, more, error):
    write_zarr(tmp_path / 'x', np.zeros((4, 2)), chunks=(2, 2), head=more)
    with pytest.raises(DatasetError) as caught, reading(tmp_path / 'x', 'zarr'):
        opened(tmp_path / 'x')
    assert error in str(caught.value)


def test_a_folder_of_a_kilobyte_holds_no_gigabytes(tmp_path):
    write_zarr(tmp_path / 'x', np.zeros((4, 2)), chunks=(2, 2), head={'shape': [1 << 40, 2]})
    with pytest.raises(DatasetError, match='x: claims 17592186044416 bytes, '):
        opened(tmp_path / 'x').require_stored()


@pytest.mark.parametrize('codec', [None, *COMPRESSORS])
def test_a_chunk_of_another_size_than_it_says_is_refused(tmp_path, codec):
    write_zarr(tmp_path / 'x', np.ones((4, 2)), chunks=(2, 2), codec=codec)
    write_zarr(tmp_path / 'y', np.ones((6, 2)), chunks=(6, 2), codec=codec)
    (tmp_path / 'x/0.0').write_bytes((tmp_path / 'y/0.0').read_bytes())
    with pytest.raises(DatasetError, match=r'x: chunk 0\.0'):
        opened(tmp_path / 'x').rows(0, 2)
    assert opened(tmp_path / 'x').rows(2, 4).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize('codec', [None, *COMPRESSORS])
def test_a_damaged_chunk_is_an_error_or_numbers(tmp_path, codec):
    write_zarr(tmp_path / 'x', np.arange(64.0).reshape(32, 2), chunks=(32, 2), codec=codec)
    path, rng = tmp_path / 'x/0.0', np.random.default_rng(0)
    whole = path.read_bytes()
    for _ in range(100):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) + 1)] if rng.random() < 0.5 else data)
        with suppress(DatasetError):  # any other fails
            assert opened(tmp_path / 'x').rows(0, 32).shape == (32, 2)


def test_no_link_leads_out_of_the_folder(tmp_path):
    write_zarr(tmp_path / 'set/x', np.ones((4, 2)), chunks=(2, 2), codec=None)
    (tmp_path / 'set/x/0.0').rename(tmp_path / 'secret')
    (tmp_path / 'set/x/0.0').symlink_to(tmp_path / 'secret')
    with pytest.raises(DatasetError, match=r"'0\.0' leads out of the folder; to fix: copy the"):
        opened(tmp_path / 'set/x').rows(0, 2)
    text = json.loads((tmp_path / 'set/x/.zarray').read_text())
    (tmp_path / 'set/x/.zarray').unlink()
    (tmp_path / 'head').write_text(json.dumps(text))
    (tmp_path / 'set/x/.zarray').symlink_to(tmp_path / 'head')
    with pytest.raises(DatasetError, match=r"'\.zarray' leads out of the folder"):
        opened(tmp_path / 'set/x')


def test_two_episodes_in_one_chunk_read_it_once(tmp_path, monkeypatch):
    write_zarr(tmp_path / 'x', np.arange(8.0), chunks=(8,))
    array, read = opened(tmp_path / 'x'), []
    monkeypatch.setattr(ZarrArray, '_chunk', lambda self, place, old=ZarrArray._chunk: (
        read.append(place), old(self, place))[1])  # fmt: skip
    assert array.rows(0, 3).tolist() == [0, 1, 2]
    assert array.rows(3, 8).tolist() == [3, 4, 5, 6, 7]
    assert read == [(0,)]
