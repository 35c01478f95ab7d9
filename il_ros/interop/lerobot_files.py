"""The data and video files of a LeRobot dataset while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from il_ros.core.contract import Contract
from il_ros.core.images import decode
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.foreign_files import library
from il_ros.interop.mp4_files import Clip, VideoFile

_MB = 1 << 20
_GROUP = 16 * _MB  # a reader has a row group in memory, whatever it wants of it


class DataFiles:
    """`data/`: episodes one behind the other, a new file once one is large."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, -1
        self._writer: Any = None

    def add(self, table: Any) -> tuple[int, int]:
        """Append rows (pyarrow.Table); gives the indices of the folder and of the file."""
        if self._writer is None or self._path.stat().st_size >= layout.DATA_MB * _MB:
            self.close()
            self._file += 1
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = library('pyarrow.parquet').ParquetWriter(str(self._path), table.schema)
        rows = max(1, min(1000, _GROUP * table.num_rows // max(1, table.nbytes)))
        self._writer.write_table(table, row_group_size=rows)
        return divmod(self._file, layout.CHUNK)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @property
    def _path(self) -> Path:
        chunk, file = divmod(self._file, layout.CHUNK)
        return layout.inside(self._folder, layout.DATA, chunk_index=chunk, file_index=file)


class VideoFiles:
    """The videos of one camera: episodes one behind the other, a new file once one is large."""

    def __init__(self, folder: Path, contract: Contract, key: str) -> None:
        self._folder, self._rate, self._stream = folder, contract.rate, contract.images[key]
        self._column, self._index = layout.column_of(contract, key), -1
        self._file: VideoFile | None = None

    def add(self, blobs: Sequence[bytes]) -> Clip:
        """Append the encoded images of an episode."""
        if self._file is None or self._file.path.stat().st_size >= layout.VIDEO_MB * _MB:
            self.close()
            self._index += 1
            self._file = VideoFile(self._path(), self._rate, self._stream.size)
        file, first = self._file, self._file.frames
        for blob in blobs:
            file.add(decode(blob, self._stream.encoding))
        chunk, index = divmod(self._index, layout.CHUNK)
        return Clip(
            chunk=chunk, file=index, start=file.seconds(first), stop=file.seconds(file.frames)
        )

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def abandon(self) -> None:
        """Close the file, whatever state it is in."""
        if self._file is not None:
            self._file.abandon()

    def _path(self) -> Path:
        chunk, file = divmod(self._index, layout.CHUNK)
        names: dict[str, int | str] = {'chunk_index': chunk, 'file_index': file}
        return layout.inside(self._folder, layout.VIDEO, video_key=self._column, **names)
