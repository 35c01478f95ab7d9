"""The files of an export, however many episodes there are and wherever it fails."""

import os

import numpy as np
import pytest

from il_ros.core.errors import DatasetError
from il_ros.interop import lerobot_writer
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.lerobot_export import export_lerobot

pa = pytest.importorskip('pyarrow')
pq = pytest.importorskip('pyarrow.parquet')


@pytest.mark.parametrize('episodes', [1, 2, 3, 4])
def test_every_episode_is_in_the_table_whenever_it_is_written(
    make_dataset, same, tmp_path, monkeypatch, episodes
):
    monkeypatch.setattr(lerobot_writer, '_FLUSH', 2)
    dataset = make_dataset(lengths=range(1, episodes + 1))
    folder = export_lerobot(dataset, tmp_path / 'out')
    rows = pq.read_table(folder / 'meta/episodes/chunk-000/file-000.parquet').to_pylist()
    assert [row['episode_index'] for row in rows] == list(range(episodes))
    assert [row['length'] for row in rows] == list(range(1, episodes + 1))
    assert [row['dataset_to_index'] for row in rows] == np.cumsum(range(1, episodes + 1)).tolist()
    same(dataset, import_dataset(folder, tmp_path / 'back', 'lerobot'))


@pytest.mark.parametrize(
    'case', [('image', 0), ('image', 1), ('image', 2), ('video', 0), ('video', 1), ('video', 2)]
)
def test_a_failure_in_any_episode_leaves_no_folder_and_no_open_file(
    make_dataset, texts, tmp_path, monkeypatch, case
):
    pytest.importorskip('av')
    images, fails_at = case
    dataset = make_dataset(texts.state + texts.images)
    real, done = lerobot_writer.DataFiles.add, []

    def add(self, table):
        done.append(table)
        if len(done) == fails_at + 1:
            raise OSError(28, 'No space left on device')
        return real(self, table)

    monkeypatch.setattr(lerobot_writer.DataFiles, 'add', add)
    before = sorted(os.readlink(f'/proc/self/fd/{fd}') for fd in _open_files())
    with pytest.raises(DatasetError, match=r'out: .*No space left on device'):
        export_lerobot(dataset, tmp_path / 'out', images=images)
    assert os.listdir(tmp_path) == ['dataset']
    after = sorted(os.readlink(f'/proc/self/fd/{fd}') for fd in _open_files())
    assert [name for name in after if 'out' in name] == [n for n in before if 'out' in n]


def _open_files():
    return [fd for fd in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{fd}')]


def test_row_groups_are_small_enough_to_read_one_episode(make_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(lerobot_writer, '_GROUP', 1)
    folder = export_lerobot(make_dataset(lengths=(3,)), tmp_path / 'out')
    with pq.ParquetFile(folder / 'data/chunk-000/file-000.parquet') as file:
        assert file.num_row_groups == 3
