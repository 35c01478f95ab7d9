"""Reading a LeRobot dataset, version 3.0: its metadata, and its rows one episode after another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from il_ros.core.errors import DatasetError
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.feature_mapping import ForeignFeature
from il_ros.interop.foreign_files import library, reading
from il_ros.interop.lerobot_rows import Rows, read_tasks

WHAT = 'a LeRobot dataset, version 3.0'


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
            info = json.loads(text_of(path, layout.INFO))
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
                name: ForeignFeature(
                    shape=tuple(int(n) for n in given['shape']),
                    names=_names(given.get('names')),
                    image=given['dtype'] in ('image', 'video'),
                )
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
                rows = Rows(path, [*wanted, 'episode_index'])
            try:
                for episode in episodes:
                    with reading(path, 'a data file of ' + WHAT):
                        table = rows.take(episode.length, episode.index)
                    yield episode, table
            finally:
                rows.close()

    def _episodes(self) -> tuple[LerobotEpisode, ...]:
        # The statistics of each episode stand in the same files and are much larger.
        found: list[LerobotEpisode] = []
        with reading(self.path / 'meta/episodes', WHAT):
            tasks = read_tasks(layout.inside(self.path, layout.TASKS))
            for path in sorted((self.path / 'meta/episodes').glob('*/*.parquet')):
                inside = layout.inside(self.path, str(path.relative_to(self.path)))
                with library('pyarrow.parquet').ParquetFile(str(inside)) as file:
                    names = [n for n in file.schema_arrow.names if not n.startswith('stats/')]
                    rows = file.read(columns=names).to_pylist()
                found += [self._episode(row, tasks) for row in rows]
        if not found:
            raise DatasetError('no episode in meta/episodes', where=str(self.path), allowed=WHAT)
        return tuple(sorted(found, key=lambda episode: episode.index))

    def _episode(self, row: Mapping[str, Any], tasks: Mapping[int, str]) -> LerobotEpisode:
        length, index = int(row['length']), int(row['episode_index'])
        if length < 1:
            raise DatasetError(f'episode {index} of {length} frames', where=str(self.path))
        texts = row.get('tasks') or [tasks.get(0, '')]
        file = {'chunk_index': int(row['data/chunk_index'])}
        file['file_index'] = int(row['data/file_index'])
        return LerobotEpisode(
            index=index,
            length=length,
            task=str(texts[0]),
            data=layout.inside(self.path, self._data, **file),
            videos={name: self._clip(row, name) for name in self._features if self.is_video(name)},
        )

    def _clip(self, row: Mapping[str, Any], name: str) -> tuple[Path, float]:
        start = f'videos/{name}'
        names: dict[str, int | str] = {
            'video_key': name,
            'chunk_index': int(row[f'{start}/chunk_index']),
            'file_index': int(row[f'{start}/file_index']),
        }
        path = layout.inside(self.path, self._video, **names)
        return path, float(row[f'{start}/from_timestamp'])


def _names(given: Any) -> tuple[str, ...]:
    """Names of a feature's numbers: a list, or lists in a table (`motors: [...]`)."""
    if isinstance(given, dict):
        given = [name for part in given.values() if isinstance(part, list) for name in part]
    return tuple(str(name) for name in given) if isinstance(given, list) else ()


def text_of(root: Path, name: str) -> str:
    """The text of a file of the dataset.

    Raises:
        DatasetError: If it cannot be read.
    """
    path = layout.inside(root, name)
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as problem:
        raise DatasetError(
            f'cannot be read: {problem}', where=str(path), allowed=WHAT, fix='check the path'
        ) from None
