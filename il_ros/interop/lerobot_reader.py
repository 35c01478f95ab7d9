"""Reading a LeRobot dataset, version 3.0: its metadata, and its rows one episode after another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError, reason
from il_ros.core.regular_files import read_text
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.feature_mapping import ForeignFeature
from il_ros.interop.foreign_files import library, reading, regular
from il_ros.interop.read_limits import step

WHAT = 'a LeRobot dataset, version 3.0'
_DEPTH = 3  # of lists of names in one another
_BATCH = 256  # rows that are in memory besides those of an episode
_ROWS = 1 << 20  # of a table of tasks or of episodes
_BUDGET = 64 << 20  # bytes that such a table has in memory
_EPISODE = 1 << 30  # bytes that the rows of one episode have in memory


@dataclass(frozen=True, kw_only=True)
class LerobotEpisode:
    """Where one episode is.

    Attributes:
        index: Its index.
        length: How many frames it has.
        task: What was to be done.
        data: File with its rows.
        videos: Per video feature, the file and the time of its first frame in it [s].
    """

    index: int
    length: int
    task: str
    data: Path
    videos: Mapping[str, tuple[Path, float]]


class LerobotDataset:
    """A LeRobot dataset's metadata, and its episodes in order.

    Args:
        path: Its folder.

    Raises:
        DatasetError: If it is damaged, of another version, or names files outside its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, where = path, str(path / layout.INFO)
        with reading(path / layout.INFO, WHAT):
            info = load_json(text_of(path, layout.INFO))
            version, self._features = str(info['codebase_version']), dict(info['features'])
            self.rate, self._data = float(info['fps']), str(info['data_path'])
            self._video = str(info.get('video_path') or '')
        if not version.startswith('v3.'):
            raise DatasetError(
                f'version {version}',
                where=where,
                allowed='v3.0',
                fix="convert it by lerobot's convert_dataset_v21_to_v30",
            )
        if not 0 < self.rate < float('inf'):
            raise DatasetError(f'fps {self.rate}', where=where, allowed='a positive number')
        self.episodes = self._episodes()

    def features(self) -> dict[str, ForeignFeature]:
        """Its features by name."""
        with reading(self.path / layout.INFO, WHAT):
            return {
                name: _feature(given)
                for name, given in self._features.items()
                if given['dtype'] != 'string'
            }

    def is_video(self, name: str) -> bool:
        """Whether a feature's images are in videos."""
        return bool(self._features.get(name, {}).get('dtype') == 'video')

    def tables(self, columns: Sequence[str]) -> Iterator[tuple[LerobotEpisode, Any]]:
        """Each episode with the rows of these columns."""
        wanted = [name for name in dict.fromkeys(columns) if not self.is_video(name)]
        for path, episodes in groupby(self.episodes, key=lambda episode: episode.data):
            with reading(path, 'a data file of ' + WHAT):
                yield from _rows_of(path, [*wanted, 'episode_index'], episodes)

    def _episodes(self) -> tuple[LerobotEpisode, ...]:
        # The same files hold the statistics of each episode, which are much larger.
        found: list[LerobotEpisode] = []
        with reading(self.path / 'meta/episodes', WHAT):
            tasks = read_tasks(layout.inside(self.path, layout.TASKS))
            for path in sorted((self.path / 'meta/episodes').glob('*/*.parquet')):
                inside = layout.inside(self.path, str(path.relative_to(self.path)))
                with _table(inside) as file:
                    names = [n for n in file.schema_arrow.names if not n.startswith('stats/')]
                    found += [self._episode(row, tasks) for row in _small_rows(file, names, path)]
        if not found:
            raise DatasetError('no episode in meta/episodes', where=str(self.path), allowed=WHAT)
        return tuple(sorted(found, key=lambda episode: episode.index))

    def _episode(self, row: Mapping[str, Any], tasks: Mapping[int, str]) -> LerobotEpisode:
        length, index = int(row['length']), int(row['episode_index'])
        if length < 1:
            raise DatasetError(f'episode {index} of {length} frames', where=str(self.path))
        texts = row.get('tasks') or [tasks.get(0, '')]
        return LerobotEpisode(
            index=index,
            length=length,
            task=str(texts[0]),
            data=layout.inside(self.path, self._data, **_place(row, 'data')),
            videos={name: self._clip(row, name) for name in self._features if self.is_video(name)},
        )

    def _clip(self, row: Mapping[str, Any], name: str) -> tuple[Path, float]:
        start = f'videos/{name}'
        path = layout.inside(self.path, self._video, video_key=name, **_place(row, start))
        return path, float(row[f'{start}/from_timestamp'])


def _place(row: Mapping[str, Any], name: str) -> dict[str, int]:
    return {index: int(row[f'{name}/{index}']) for index in ('chunk_index', 'file_index')}


def _feature(given: Mapping[str, Any]) -> ForeignFeature:
    """What `info.json` says of a feature; names that do not fit its numbers are none."""
    shape = tuple(int(n) for n in given['shape'])
    image = given['dtype'] in ('image', 'video')
    found = ForeignFeature(shape=shape, image=image)
    if image or not given.get('names'):
        return found
    try:
        names = tuple(_flat(given['names']))
    except ValueError as problem:
        return replace(found, unnamed=f'its names cannot be used ({problem})')
    if len(names) != math.prod(shape):
        return replace(found, unnamed=f'it has {len(names)} names for {math.prod(shape)} numbers')
    return replace(found, names=names)


def _flat(given: Any, depth: int = 0) -> Iterator[str]:
    """Names in lists, in lists of lists, in a table of lists (`motors: [...]`), or by index.

    Raises:
        ValueError: If they are of another shape, or indices are not 0, 1, 2, ...
    """
    if depth > _DEPTH:
        raise ValueError('lists in lists in lists')
    if isinstance(given, dict):
        indices = list(given.values())
        if all(type(index) is int for index in indices):
            if sorted(indices) != list(range(len(indices))):
                raise ValueError('indices that are not 0, 1, 2, ...')
            given = sorted(given, key=given.__getitem__)
        else:  # a text beside the lists is a remark
            given = [part for part in indices if isinstance(part, list | dict)]
    if not isinstance(given, list):
        raise ValueError(f'{type(given).__name__} in the place of a list')
    for part in given:
        if isinstance(part, list | dict):
            yield from _flat(part, depth + 1)
        else:
            yield str(part)


def text_of(root: Path, name: str) -> str:
    """The text of a file of the dataset.

    Raises:
        DatasetError: If it cannot be read.
    """
    path = layout.inside(root, name)
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as problem:
        raise DatasetError(
            f'cannot be read: {reason(problem)}',
            where=str(path),
            allowed=WHAT,
            fix='check the path',
        ) from None


def _rows_of(
    path: Path, columns: list[str], episodes: Iterable[LerobotEpisode]
) -> Iterator[tuple[LerobotEpisode, Any]]:
    """Each episode of one data file with its rows (pyarrow.Table)."""
    pa = library('pyarrow')
    with _table(path) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise DatasetError(f'no columns {", ".join(missing)}', where=str(path))
        batches = file.iter_batches(_BATCH, columns=columns)
        held: list[Any] = []
        for episode in episodes:
            while (count := sum(part.num_rows for part in held)) < episode.length:
                step()
                batch = next(batches, None)
                if batch is None:
                    raise DatasetError(
                        f'episode {episode.index} ends after {count} of {episode.length} rows',
                        where=str(path),
                    )
                held.append(pa.Table.from_batches([batch]))
                _require_bytes(sum(part.nbytes for part in held), _EPISODE, path)
            table = pa.concat_tables(held)
            held = [table.slice(episode.length)]
            rows = table.slice(0, episode.length)
            indices = set(rows['episode_index'].to_pylist())
            if indices != {episode.index}:
                raise DatasetError(
                    f'rows of episodes {sorted(map(str, indices))[:3]}',
                    where=str(path),
                    allowed=f'episode {episode.index} there, as meta/episodes says',
                )
            yield episode, rows


def as_array(column: Any, name: str, size: int, dtype: type[np.generic] | None) -> NDArray[Any]:
    """A column of a table as an array of shape (F, size), without a change of any bit.

    Raises:
        DatasetError: If it has gaps, or not `size` numbers of type `dtype` in each row.
    """
    pa = library('pyarrow')
    library('pyarrow.compute')
    step()
    rows = len(column)
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], flat.type)
    while pa.types.is_nested(flat.type) and not pa.types.is_struct(flat.type):
        if flat.null_count:
            raise DatasetError('rows without a value', where=name)
        lengths = pa.compute.list_value_length(flat).unique()
        if len(lengths) > 1:  # the numbers of one row would be taken for those of another
            raise DatasetError(
                f'rows of {min(lengths.to_pylist())} to {max(lengths.to_pylist())} numbers',
                where=name,
                allowed=f'{size} in each row',
            )
        flat = flat.flatten()
    array: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    if flat.null_count or array.dtype == object or array.size != rows * size:
        raise DatasetError(
            f'{array.size} values of type {flat.type} in {rows} rows, {flat.null_count} missing',
            where=name,
            allowed=f'{size} in each row',
        )
    if dtype is not None and array.dtype != dtype:
        raise DatasetError(f'{array.dtype}', where=name, allowed=np.dtype(dtype).name)
    return array.reshape(rows, size)


def image_bytes(column: Any, name: str) -> tuple[bytes, ...]:
    """The encoded images in a column.

    Raises:
        DatasetError: If one is not in the table, but in a file next to it.
    """
    step()
    found = []
    for value in column.to_pylist():
        blob = value.get('bytes') if isinstance(value, dict) else value
        if not isinstance(blob, bytes) or not blob:
            raise DatasetError('a row without the bytes of an image', where=name)
        found.append(blob)
    return tuple(found)


def read_tasks(path: Path) -> dict[int, str]:
    """Tasks by index; the text is pandas' index, whatever its name.

    Raises:
        DatasetError: If there is no such table.
    """
    with _table(path) as file:
        names = file.schema_arrow.names
        texts = [name for name in names if name != 'task_index']
        if 'task_index' not in names or len(texts) != 1:
            raise DatasetError(f'columns {names}', where=str(path), allowed='task_index, task')
        rows = _small_rows(file, names, path)
        return {int(row['task_index']): str(row[texts[0]]) for row in rows}


def _small_rows(file: Any, columns: list[str], path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table (pyarrow.parquet.ParquetFile) that has to be small in memory, too."""
    if file.metadata.num_rows > _ROWS:
        raise DatasetError(
            f'{file.metadata.num_rows} rows', where=str(path), allowed=f'at most {_ROWS}'
        )
    groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
    stored = max((_stored(group, columns) for group in groups), default=0)
    _require_bytes(stored, _BUDGET, path)
    # One text may be the value of every row, and have all the bytes of the file.
    size = 0
    for batch in file.iter_batches(max(1, min(_BATCH, _BUDGET // max(stored, 1))), columns=columns):
        step()
        size += batch.nbytes
        _require_bytes(size, _BUDGET, path)
        yield from batch.to_pylist()


def _table(path: Path) -> Any:
    parquet = library('pyarrow.parquet')
    step()
    return parquet.ParquetFile(regular(path))


def _stored(group: Any, columns: list[str]) -> int:
    """Bytes of columns in a group of rows, once decompressed."""
    wanted = {name.split('.')[0] for name in columns}
    parts = (group.column(index) for index in range(group.num_columns))
    return sum(
        part.total_uncompressed_size
        for part in parts
        if part.path_in_schema.split('.')[0] in wanted
    )


def _require_bytes(size: int, limit: int, path: Path) -> None:
    if size > limit:
        raise DatasetError(
            f'rows of {size} bytes', where=str(path), allowed=f'at most {limit} at once'
        )
