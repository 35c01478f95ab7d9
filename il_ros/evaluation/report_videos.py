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
from il_ros.core.errors import EvaluationError, IlRosError
from il_ros.evaluation.episode_result import EpisodeResult, episode_line

FOLDER = 'videos'
INDEX = 'videos.json'


@dataclass(frozen=True, kw_only=True)
class EpisodeVideo:
    """A video of one episode, or why there is none.

    Attributes:
        episode: What `fingerprint` gives of the episode.
        text: What the video shows, or why there is none.
        file: Name in the folder `FOLDER`; empty where there is none.
    """

    episode: str
    text: str
    file: str = ''


@dataclass(frozen=True, kw_only=True)
class ReportVideos:
    """What can be shown of an evaluation.

    Attributes:
        by_name: Videos by what `video_name` gives of the episode.
        missing: Why there are none at all; empty where there are.
    """

    by_name: Mapping[str, EpisodeVideo] = field(default_factory=dict)
    missing: str = ''


@dataclass(frozen=True, kw_only=True)
class _Index:
    """What `INDEX` holds."""

    videos: Mapping[str, EpisodeVideo]


def video_name(episode: EpisodeResult) -> str:
    """What the video of an episode is called: `nominal_300001`."""
    return f'{episode.suite}_{episode.seed}'


def fingerprint(episode: EpisodeResult) -> str:
    """What tells this run of an episode from any other: SHA-256 of all that is kept of it (hex)."""
    return hashlib.sha256(episode_line(episode).encode()).hexdigest()


def read_videos(out: Path) -> dict[str, EpisodeVideo]:
    """Videos that are there already, by name; those whose file is gone are left out.

    Args:
        out: Folder of the report.

    Raises:
        EvaluationError: If the list of them is damaged.
    """
    folder = out / FOLDER
    path = folder / INDEX
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        found = parse(_Index, data, where=str(path)).videos
    except (OSError, ValueError, IlRosError) as problem:
        raise EvaluationError(
            f'cannot be read: {problem}', where=str(path), fix=f'delete the folder {folder}'
        ) from None
    return {
        name: video
        for name, video in found.items()
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
