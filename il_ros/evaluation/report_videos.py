"""Videos of episodes, in a folder next to the report."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import parse
from il_ros.core.documents import load_json
from il_ros.core.errors import EvaluationError, IlRosError
from il_ros.core.regular_files import read_text
from il_ros.evaluation.episode_result import EpisodeResult, episode_line

FOLDER = 'videos'
INDEX = 'videos.json'


@dataclass(frozen=True, kw_only=True)
class EpisodeVideo:
    """A video of one episode, or why there is none.

    Attributes:
        episode: The episode's `fingerprint`.
        text: Caption of the video, or why there is none.
        file: File name in the folder `FOLDER`; empty without a video.
    """

    episode: str
    text: str
    file: str = ''


@dataclass(frozen=True, kw_only=True)
class ReportVideos:
    """The videos of an evaluation.

    Attributes:
        by_name: Videos by `video_name`.
        missing: Why there are no videos at all; empty if there are some.
    """

    by_name: Mapping[str, EpisodeVideo] = field(default_factory=dict)
    missing: str = ''


@dataclass(frozen=True, kw_only=True)
class _Index:
    """Contents of the file `INDEX`."""

    videos: Mapping[str, EpisodeVideo]


def video_name(episode: EpisodeResult) -> str:
    """Name of the video of an episode, such as `nominal_300001`."""
    return f'{episode.suite}_{episode.seed}'


def fingerprint(episode: EpisodeResult) -> str:
    """SHA-256 (hex) of the stored episode, which identifies this run of it."""
    return hashlib.sha256(episode_line(episode).encode()).hexdigest()


def read_videos(out: Path) -> dict[str, EpisodeVideo]:
    """Existing videos by name, except those whose file is missing.

    Args:
        out: Folder of the report.

    Raises:
        EvaluationError: If the index is damaged.
    """
    folder = out / FOLDER
    path = folder / INDEX
    if not path.exists():
        return {}
    try:
        data = load_json(read_text(path))
        videos = parse(_Index, data, where=str(path)).videos
    except (OSError, ValueError, IlRosError) as problem:
        raise EvaluationError(
            f'cannot be read: {problem}', where=str(path), fix=f'delete the folder {folder}'
        ) from None
    return {
        name: video
        for name, video in videos.items()
        if not video.file or (folder / video.file).exists()
    }


def write_videos(
    out: Path, videos: Mapping[str, EpisodeVideo], contents: Mapping[str, bytes]
) -> None:
    """Put new videos next to a report, say which there are, and delete all others.

    Args:
        out: Folder of the report.
        videos: All of them, by name.
        contents: Of the new ones, by the name of the file.

    Raises:
        IlRosError: If the folder cannot be written.
    """
    folder = out / FOLDER
    for name, content in contents.items():
        write_atomic(folder / name, content)
    index = dataclasses.asdict(_Index(videos=dict(videos)))
    write_atomic(folder / INDEX, json.dumps(index, indent=1) + '\n')
    kept = {video.file for video in videos.values()}
    for path in folder.glob('*.webp'):
        if path.name not in kept:
            path.unlink()
