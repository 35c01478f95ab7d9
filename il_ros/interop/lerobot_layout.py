"""The folder of a LeRobot dataset, version 3.0: names, features and paths.

As lerobot 0.4.4 writes and reads it: `meta/info.json` (rate, features, path templates),
`meta/tasks.parquet`, `meta/episodes/`, `meta/stats.json`, `data/` (one row a frame, many episodes
a file), `videos/`. Ours in addition: `meta/il_ros.json`, `meta/il_ros_episodes.jsonl` and the
columns that begin with `il_ros.`.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.streams import ImageStream

VERSION = 'v3.0'
INFO = 'meta/info.json'
STATS = 'meta/stats.json'
TASKS = 'meta/tasks.parquet'
EPISODES = 'meta/episodes/chunk-000/file-000.parquet'
DATA = 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
VIDEO = 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'
ORIGIN = 'meta/il_ros.json'
RECORDS = 'meta/il_ros_episodes.jsonl'

CHUNK = 1000  # files a chunk folder
DATA_MB = 100  # size from which on a new data file is begun
VIDEO_MB = 200

STATE = 'observation.state'
ACTION = 'action'
STAMP = 'il_ros.stamp'
SOURCE = 'il_ros.source'
VALID = 'il_ros.valid'
AGE = 'il_ros.age'
ACTION_RAW = 'il_ros.action_raw'
INDICES = ('frame_index', 'episode_index', 'index', 'task_index')


def column_of(contract: Contract, key: str) -> str:
    """Name of the column of one key of the contract."""
    if key in contract.images:
        return f'observation.images.{key}'
    if key in contract.privileged:
        return f'il_ros.privileged.{key}'
    # LeRobot gives these two a meaning of their own.
    prefix = 'il_ros.observation' if key in ('state', 'environment_state') else 'observation'
    return f'{prefix}.{key}'


def number_names(contract: Contract, key: str) -> list[str]:
    """Names of the numbers of one stream: `key.joint`, else `key.0`, `key.1`, ..."""
    stream = contract.streams[key]
    names = stream.names if len(stream.names) == stream.size else range(stream.size)
    return [f'{key}.{name}' for name in names]


def features_of(contract: Contract, images: str) -> dict[str, dict[str, Any]]:
    """The table `features` of `info.json`.

    Args:
        contract: What the dataset holds.
        images: `image` (in the data files) or `video` (MP4).
    """
    keys, joints = list(contract.inputs), list(contract.action.names)
    names = {key: number_names(contract, key) for key in contract.streams}
    state = [name for key in contract.observations for name in names[key]]
    features = {STATE: _numbers('float32', state), ACTION: _numbers('float32', joints)}
    for key, stream in contract.inputs.items():
        column = column_of(contract, key)
        if isinstance(stream, ImageStream):
            features[column] = _image(stream, images)
        else:
            features[column] = _numbers('float32', names[key])
    features |= {
        STAMP: _numbers('int64', None),
        SOURCE: _numbers('uint8', None),
        VALID: _numbers('bool', keys),
        AGE: _numbers('float32', keys),
        ACTION_RAW: _numbers('float32', joints),
        'timestamp': _numbers('float32', None),
    }
    return features | {name: _numbers('int64', None) for name in INDICES}


def info_of(contract: Contract, *, images: str, counts: dict[str, int]) -> dict[str, Any]:
    """The content of `info.json`.

    Args:
        contract: What the dataset holds.
        images: `image` or `video`.
        counts: Numbers of episodes, frames and tasks.
    """
    rate = contract.rate
    return {
        'codebase_version': VERSION,
        'robot_type': contract.arm_name or contract.name,
        'total_episodes': counts['episodes'],
        'total_frames': counts['frames'],
        'total_tasks': counts['tasks'],
        'chunks_size': CHUNK,
        'data_files_size_in_mb': DATA_MB,
        'video_files_size_in_mb': VIDEO_MB,
        'fps': int(rate) if rate == int(rate) else rate,
        'splits': {'train': f'0:{counts["episodes"]}'},
        'data_path': DATA,
        'video_path': VIDEO if images == 'video' and contract.images else None,
        'features': features_of(contract, images),
    }


def place(name: str, number: int) -> dict[str, Any]:
    """What `meta/episodes` says of where in `name` an episode is: in the file of this number."""
    chunk, file = divmod(number, CHUNK)
    return {f'{name}/chunk_index': chunk, f'{name}/file_index': file}


def numbered(root: Path, template: str, number: int, **values: str) -> Path:
    """The file of this number by one of our own path templates."""
    chunk, file = divmod(number, CHUNK)
    return inside(root, template, chunk_index=chunk, file_index=file, **values)


def inside(root: Path, template: str, **values: int | str) -> Path:
    """The file that a path template names; templates are data and may name any file.

    Raises:
        DatasetError: If it names a field that is not given, or leaves the folder.
    """
    where = str(root / INFO)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as problem:
        raise DatasetError(f'path {template!r}: {problem}', where=where) from None
    text = ''
    for literal, name, spec, conversion in parts:
        text += literal
        if name is None:
            continue
        if name not in values or conversion:
            raise DatasetError(f'path {template!r}', where=where, allowed=values)
        text += _formatted(values[name], spec or '', template, where)
    path = root / text
    if not path.resolve().is_relative_to(root.resolve()):
        raise DatasetError(
            f'path {text!r} leads out of the folder',
            where=where,
            fix='copy the dataset with its links followed (cp -rL)',
        )
    return path


def _formatted(value: int | str, spec: str, template: str, where: str) -> str:
    # A width of a billion digits is a text of a gigabyte.
    if spec and not (len(spec) <= 3 and spec[-1] == 'd' and isinstance(value, int)):
        raise DatasetError(
            f'path {template!r}', where=where, allowed='fields like {file_index:03d}'
        )
    return format(value, spec)


def _numbers(dtype: str, names: list[str] | None) -> dict[str, Any]:
    return {'dtype': dtype, 'shape': [len(names) if names else 1], 'names': names}


def _image(stream: ImageStream, images: str) -> dict[str, Any]:
    colours = 3 if stream.encoding == 'rgb8' or images == 'video' else 1
    return {
        'dtype': images,
        'shape': [*stream.size, colours],
        'names': ['height', 'width', 'channels'],
    }
