"""A dataset as a LeRobot dataset, version 3.0."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_folders import new_folder, require_free
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.images import decode
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.export_origin import origin_of, record_text, to_json
from il_ros.interop.foreign_images import blank
from il_ros.interop.lerobot_statistics import Histogram, Summary, sample_rows, side_by_side, summary
from il_ros.interop.lerobot_writer import (
    DataFiles,
    EpisodeTable,
    VideoFiles,
    data_table,
    write_tasks,
)
from il_ros.interop.mp4_files import video_info

Images = Literal['image', 'video']


def export_lerobot(
    dataset: Dataset, out: Path, *, images: Images = 'image', overwrite: bool = False
) -> Path:
    """Write a dataset as a LeRobot dataset, version 3.0, whole or not at all.

    Memory is bounded by one episode. Stamps, validity, ages, source, raw actions, events and the
    contract go into columns and files of our own, which lerobot carries along, so that
    `import_dataset` gives back the same dataset (videos excepted: they lose detail).

    Args:
        dataset: The dataset.
        out: Folder to make.
        images: `image` puts the encoded images as they are into the data files; `video` makes MP4.
        overwrite: Whether an existing folder is replaced.

    Returns:
        `out`.

    Raises:
        DatasetError: If the folder cannot be made, or the images cannot become a video.
    """
    require_free(out, overwrite=overwrite, marker=layout.INFO, error=DatasetError)
    _refuse_depth(dataset.contract, images)
    tasks = _tasks(dataset)
    with new_folder(out, overwrite=overwrite, marker=layout.INFO, error=DatasetError) as folder:
        histograms = _write_episodes(folder, dataset, images, tasks)
        write_tasks(folder / layout.TASKS, tasks)
        _write_meta(folder, dataset, images, len(tasks), histograms)
    return out


def _write_episodes(
    folder: Path, dataset: Dataset, images: Images, tasks: Sequence[str]
) -> dict[str, Histogram]:
    """Write `data/`, `videos/`, `meta/episodes/` and our records; gives counts of all pixels."""
    export = _Export(folder, dataset.contract, images)
    try:
        for index in range(len(dataset.episodes)):
            task = tasks.index(_task(dataset, index))
            export.add(dataset.episode_arrays(index), task, tasks)
        export.close(whole=True)
    finally:
        # After an error the folder goes away; its files have to be closed all the same.
        export.close(whole=False)
    return export.histograms


class _Export:
    """The files of an export while episodes are added to them."""

    def __init__(self, folder: Path, contract: Contract, images: Images) -> None:
        self._folder, self._contract = folder, contract
        self._data = DataFiles(folder)
        videos = contract.images if images == 'video' else {}
        self._videos = {key: VideoFiles(folder, contract, key) for key in videos}
        self._table = EpisodeTable(folder / layout.EPISODES, contract, images)
        self._records = (folder / layout.RECORDS).open('w', encoding='utf-8')
        # In the place of a missing image: lerobot's readers do not take an empty one.
        self._black = {key: blank(stream) for key, stream in contract.images.items()}
        self._frames = self._episodes = 0
        self.histograms = {key: Histogram(stream) for key, stream in contract.images.items()}

    def add(self, episode: EpisodeArrays, task: int, tasks: Sequence[str]) -> None:
        """Write one episode."""
        filled = {
            key: [blob or black for blob in episode.images[key]]
            for key, black in self._black.items()
        }
        table = data_table(
            self._contract,
            episode,
            {key: blobs for key, blobs in filled.items() if key not in self._videos},
            episode_index=self._episodes,
            first_index=self._frames,
            task_index=task,
        )
        row = {
            'episode_index': self._episodes,
            'tasks': [tasks[task]],
            'length': episode.frames,
            'dataset_from_index': self._frames,
            'dataset_to_index': self._frames + episode.frames,
            **layout.place('meta/episodes', 0),
            **self._data.add(table),
        }
        for key, video in self._videos.items():
            row |= video.add(filled[key])
        for column, found in self._statistics(episode).items():
            row |= {f'stats/{column}/{name}': value for name, value in (found or {}).items()}
        self._table.add(row)
        self._records.write(record_text(episode.entry, episode.events) + '\n')
        self._frames += episode.frames
        self._episodes += 1

    def close(self, *, whole: bool) -> None:
        """Close the files, with what is still held back if they are to be `whole`."""
        for video in self._videos.values():
            video.close(whole=whole)
        self._data.close()
        self._table.close(whole=whole)
        self._records.close()

    def _statistics(self, episode: EpisodeArrays) -> dict[str, Summary | None]:
        found = _numbers(self._contract, episode.values, episode.action)
        for key, stream in self._contract.images.items():
            if stream.encoding == '16UC1':
                continue
            histogram = Histogram(stream)
            for row in sample_rows(episode.valid[key]):
                histogram.add(decode(episode.images[key][row], stream.encoding))
            self.histograms[key].merge(histogram)
            found[layout.column_of(self._contract, key)] = histogram.summary()
        return found


def _refuse_depth(contract: Contract, images: Images) -> None:
    depth = [key for key, stream in contract.images.items() if stream.encoding == '16UC1']
    if images == 'video' and depth:
        raise DatasetError(
            f'{", ".join(depth)} has 16 bits a pixel, a video has 8', fix='export with images=image'
        )


def _task(dataset: Dataset, index: int) -> str:
    return dataset.episodes[index].task or dataset.contract.name


def _tasks(dataset: Dataset) -> list[str]:
    return list(dict.fromkeys(_task(dataset, i) for i in range(len(dataset.episodes))))


def _numbers(
    contract: Contract, values: Mapping[str, NDArray[Any]], action: NDArray[Any]
) -> dict[str, Summary | None]:
    each = {key: summary(values[key]) for key in contract.streams}
    found: dict[str, Summary | None] = {
        layout.STATE: side_by_side([each[key] for key in contract.observations]),
        layout.ACTION: summary(action),
    }
    return found | {layout.column_of(contract, key): each[key] for key in contract.streams}


def _times(dataset: Dataset) -> Iterator[tuple[str, NDArray[Any]]]:
    lengths = [entry.length for entry in dataset.episodes]
    frame = np.concatenate([np.arange(length) for length in lengths])
    yield 'frame_index', frame
    yield 'timestamp', frame / dataset.contract.rate
    yield 'episode_index', np.repeat(np.arange(len(lengths)), lengths)
    yield 'index', np.arange(len(frame))


def _write_meta(
    folder: Path, dataset: Dataset, images: Images, tasks: int, histograms: Mapping[str, Histogram]
) -> None:
    contract = dataset.contract
    counts = {'episodes': len(dataset.episodes), 'frames': dataset.frames, 'tasks': tasks}
    info = layout.info_of(contract, images=images, counts=counts)
    stats = _numbers(contract, dataset.values, dataset.action)
    stats |= {name: summary(array) for name, array in _times(dataset)}
    for key, stream in contract.images.items():
        column = layout.column_of(contract, key)
        stats[column] = histograms[key].summary() if stream.encoding != '16UC1' else None
        if images == 'video':
            info['features'][column]['info'] = video_info(stream.size, contract.rate)
    known = {name: found for name, found in stats.items() if found is not None}
    for name, text in (
        (layout.INFO, json.dumps(info, indent=4, ensure_ascii=False)),
        (layout.STATS, json.dumps(known, indent=4)),
        (layout.ORIGIN, to_json(origin_of(dataset))),
    ):
        (folder / name).write_text(text + '\n', encoding='utf-8')
