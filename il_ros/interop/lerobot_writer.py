"""The data and video files of a LeRobot dataset while it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.images import decode
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.foreign_files import library
from il_ros.interop.lerobot_statistics import NAMES
from il_ros.interop.mp4_files import VideoFile

_MB = 1 << 20
_GROUP = 16 * _MB  # a reader has a row group in memory, whatever it wants of it


class DataFiles:
    """`data/`: episodes one after another, a new file once one is large."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, -1
        self._path = folder
        self._writer: Any = None

    def add(self, table: Any) -> dict[str, Any]:
        """Append rows (pyarrow.Table); gives what `meta/episodes` says of where they are."""
        if self._writer is None or self._path.stat().st_size >= layout.DATA_MB * _MB:
            self.close()
            self._number += 1
            self._path = layout.numbered(self._folder, layout.DATA, self._number)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = library('pyarrow.parquet').ParquetWriter(str(self._path), table.schema)
        rows = max(1, min(1000, _GROUP * table.num_rows // max(1, table.nbytes)))
        self._writer.write_table(table, row_group_size=rows)
        return layout.place('data', self._number)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


class VideoFiles:
    """The videos of one camera: episodes one after another, a new file once one is large."""

    def __init__(self, folder: Path, contract: Contract, key: str) -> None:
        self._folder, self._rate, self._stream = folder, contract.rate, contract.images[key]
        self._column, self._number = layout.column_of(contract, key), -1
        self._file: VideoFile | None = None

    def add(self, blobs: Sequence[bytes]) -> dict[str, Any]:
        """Append the encoded images of an episode; gives what `meta/episodes` says of them."""
        if self._file is None or self._file.path.stat().st_size >= layout.VIDEO_MB * _MB:
            self.close()
            self._number += 1
            path = layout.numbered(self._folder, layout.VIDEO, self._number, video_key=self._column)
            self._file = VideoFile(path, self._rate, self._stream.size)
        file, start = self._file, self._file.seconds
        for blob in blobs:
            file.add(decode(blob, self._stream.encoding))
        name = f'videos/{self._column}'
        times = {f'{name}/from_timestamp': start, f'{name}/to_timestamp': file.seconds}
        return layout.place(name, self._number) | times

    def close(self, *, whole: bool = True) -> None:
        """End the file; one that is not to be `whole` is closed in whatever state it is."""
        if self._file is not None:
            self._file.close(whole=whole)


_FLUSH = 100  # episodes of which the metadata is kept until it is written


def data_table(
    contract: Contract,
    episode: EpisodeArrays,
    images: Mapping[str, Sequence[bytes]],
    *,
    episode_index: int,
    first_index: int,
    task_index: int,
) -> Any:
    """One episode as rows of `data/`, columns as `features_of` names them (pyarrow.Table)."""
    frames, keys = episode.frames, list(contract.inputs)
    state = np.concatenate([episode.values[key] for key in contract.observations], axis=1)
    frame = np.arange(frames)
    arrays: dict[str, NDArray[Any]] = {layout.STATE: state, layout.ACTION: episode.action}
    arrays |= {layout.column_of(contract, k): episode.values[k] for k in contract.streams}
    arrays |= {
        layout.STAMP: episode.stamp,
        layout.SOURCE: episode.source,
        layout.VALID: np.stack([episode.valid[key] for key in keys], axis=1),
        layout.AGE: np.stack([episode.age[key] for key in keys], axis=1),
        layout.ACTION_RAW: episode.action_raw,
        'timestamp': (frame / contract.rate).astype(np.float32),
        'frame_index': frame,
        'episode_index': np.full(frames, episode_index),
        'index': frame + first_index,
        'task_index': np.full(frames, task_index),
    }
    columns = {name: _column(array) for name, array in arrays.items()}
    for key, blobs in images.items():
        columns[layout.column_of(contract, key)] = _blobs(blobs)
    return library('pyarrow').table(columns)


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write `meta/tasks.parquet`: an index of texts, as pandas stores one."""
    pa = library('pyarrow')
    table = pa.table(
        {
            'task_index': pa.array(range(len(tasks)), pa.int64()),
            'task': pa.array(tasks, pa.string()),
        }
    )
    text = {'name': 'task', 'field_name': 'task', 'pandas_type': 'unicode', 'numpy_type': 'object'}
    number = {'name': 'task_index', 'field_name': 'task_index', 'pandas_type': 'int64'}
    pandas = {
        'index_columns': ['task'],
        'column_indexes': [],
        'columns': [
            {**number, 'numpy_type': 'int64', 'metadata': None},
            {**text, 'metadata': None},
        ],
        'creator': {'library': 'pyarrow', 'version': pa.__version__},
    }
    table = table.replace_schema_metadata({'pandas': json.dumps(pandas)})
    path.parent.mkdir(parents=True, exist_ok=True)
    library('pyarrow.parquet').write_table(table, str(path))


class EpisodeTable:
    """`meta/episodes/`: where each episode is, and its statistics.

    Args:
        path: The file.
        contract: What the dataset holds.
        images: `image` or `video`.
    """

    def __init__(self, path: Path, contract: Contract, images: str) -> None:
        self._rows: list[dict[str, Any]] = []
        self._schema = _episode_schema(contract, images)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer: Any = library('pyarrow.parquet').ParquetWriter(str(path), self._schema)

    def add(self, row: dict[str, Any]) -> None:
        """Write one episode's row."""
        self._rows.append(row)
        if len(self._rows) >= _FLUSH:
            self._flush()

    def close(self, *, whole: bool = True) -> None:
        """Close the file, with what is held back if it is to be `whole`."""
        if whole:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        table = library('pyarrow').Table.from_pylist(self._rows, schema=self._schema)
        self._writer.write_table(table)
        self._rows.clear()


def _column(array: NDArray[Any]) -> Any:
    pa = library('pyarrow')
    values = pa.array(np.ascontiguousarray(array).reshape(-1))
    if array.ndim == 1 or array.shape[1] == 1:
        return values
    return pa.FixedSizeListArray.from_arrays(values, array.shape[1])


def _blobs(blobs: Sequence[bytes]) -> Any:
    pa = library('pyarrow')
    fields = [pa.array(blobs, pa.binary()), pa.nulls(len(blobs), pa.string())]
    return pa.StructArray.from_arrays(fields, names=['bytes', 'path'])


def _episode_schema(contract: Contract, images: str) -> Any:
    pa = library('pyarrow')
    whole, real = pa.int64(), pa.float64()
    fields: dict[str, Any] = {'episode_index': whole, 'tasks': pa.list_(pa.string())}
    fields |= dict.fromkeys(('length', 'dataset_from_index', 'dataset_to_index'), whole)
    fields |= dict.fromkeys([*layout.place('data', 0), *layout.place('meta/episodes', 0)], whole)
    for key in contract.images if images == 'video' else ():
        name = f'videos/{layout.column_of(contract, key)}'
        fields |= dict.fromkeys(layout.place(name, 0), whole)
        fields |= {f'{name}/from_timestamp': real, f'{name}/to_timestamp': real}
    numbers = [layout.STATE, layout.ACTION]
    numbers += [layout.column_of(contract, key) for key in contract.streams]
    colours = [
        layout.column_of(contract, key)
        for key, stream in contract.images.items()
        if stream.encoding != '16UC1'
    ]
    for names, kind in ((numbers, pa.list_(real)), (colours, pa.list_(pa.list_(pa.list_(real))))):
        for column in names:
            fields |= {f'stats/{column}/{name}': kind for name in NAMES}
            fields[f'stats/{column}/count'] = pa.list_(whole)
    return pa.schema(list(fields.items()))
