"""The Parquet tables of a LeRobot dataset, as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.interop.foreign_files import library

_BATCH = 256  # rows that are in memory besides those of an episode


class Rows:
    """The rows of one data file, taken one episode after the other.

    Args:
        path: The file.
        columns: Columns to read.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file: Any = library('pyarrow.parquet').ParquetFile(str(path))
        missing = [name for name in columns if name not in self._file.schema_arrow.names]
        if missing:
            self._file.close()
            raise DatasetError(f'no columns {", ".join(missing)}', where=str(path))
        self._batches: Iterator[Any] = self._file.iter_batches(_BATCH, columns=list(columns))
        self._path, self._rest = path, None

    def take(self, rows: int, episode: int) -> Any:
        """The next `rows` rows (pyarrow.Table), which have to be those of one episode.

        Raises:
            DatasetError: If there are fewer, or rows of another episode.
        """
        pa = library('pyarrow')
        parts, count = ([self._rest], self._rest.num_rows) if self._rest is not None else ([], 0)
        while count < rows:
            batch = next(self._batches, None)
            if batch is None:
                raise DatasetError(
                    f'episode {episode} ends after {count} of {rows} rows', where=str(self._path)
                )
            parts.append(pa.Table.from_batches([batch]))
            count += batch.num_rows
        table = pa.concat_tables(parts)
        self._rest = table.slice(rows)
        found = table.slice(0, rows)
        indices = set(found['episode_index'].to_pylist())
        if indices != {episode}:
            raise DatasetError(
                f'rows of episodes {sorted(map(str, indices))[:3]}',
                where=str(self._path),
                allowed=f'episode {episode} there, as meta/episodes says',
            )
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def as_array(column: Any, name: str, size: int, dtype: type[np.generic] | None) -> NDArray[Any]:
    """A column of a table as an array of shape (F, size), without a change of any bit.

    Raises:
        DatasetError: If it has gaps, or not `size` numbers of type `dtype` in each row.
    """
    pa = library('pyarrow')
    rows = len(column)
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], flat.type)
    while pa.types.is_nested(flat.type) and not pa.types.is_struct(flat.type):
        if flat.null_count:
            raise DatasetError('rows without a value', where=name)
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
        DatasetError: If one is not in the table, but in a file beside it.
    """
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
    table = library('pyarrow.parquet').read_table(str(path))
    texts = [name for name in table.column_names if name != 'task_index']
    if 'task_index' not in table.column_names or len(texts) != 1:
        raise DatasetError(
            f'columns {table.column_names}', where=str(path), allowed='task_index, task'
        )
    pairs = zip(table['task_index'].to_pylist(), table[texts[0]].to_pylist(), strict=True)
    return {int(index): str(text) for index, text in pairs}
