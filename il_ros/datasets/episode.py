"""What an episode's folder says about itself: `episode.json`, next to the bag."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from il_ros.core.config import parse
from il_ros.core.errors import DatasetError
from il_ros.core.files import write_atomic

FORMAT = 1
EPISODE_FILE = 'episode.json'
METADATA_FILE = 'metadata.yaml'

Outcome = Literal['success', 'failure', 'discarded', 'unknown']


@dataclass(frozen=True, kw_only=True)
class TopicInfo:
    """One topic of an episode.

    Attributes:
        type: ROS message type.
        messages: How many messages were recorded.
    """

    type: str
    messages: int


@dataclass(frozen=True, kw_only=True)
class EpisodeInfo:
    """One recorded episode.

    Attributes:
        format: Version of this file.
        episode_id: Name of the episode and of its folder.
        contract: Text of the contract it was recorded under.
        contract_hash: Hash of that contract (hex).
        namespace: Namespace of the robot, under which the contract's topics were recorded.
        task: Task's name; empty when there is none.
        seed: Seed of the simulated world; none on a robot.
        notes: What the operator wrote.
        outcome: How it ended.
        reason: Why it ended so.
        started: When recording began (ISO 8601, UTC).
        ended: When it ended; empty while recording.
        duration: Time from the first message to the last [s].
        messages: Messages of all topics.
        topics: Topics by absolute name.
        state: Whether the episode is still being recorded.
    """

    format: int = FORMAT
    episode_id: str
    contract: str
    contract_hash: str
    namespace: str = '/'
    task: str = ''
    seed: int | None = None
    notes: str = ''
    outcome: Outcome = 'unknown'
    reason: str = ''
    started: str = ''
    ended: str = ''
    duration: float = 0.0
    messages: int = 0
    topics: Mapping[str, TopicInfo] = field(default_factory=dict)
    state: Literal['recording', 'complete'] = 'recording'


def write_episode_info(folder: Path, info: EpisodeInfo) -> None:
    """Write `episode.json` into `folder`, whole or not at all."""
    text = json.dumps(dataclasses.asdict(info), indent=1, ensure_ascii=False)
    write_atomic(folder / EPISODE_FILE, text + '\n')


def read_episode_info(folder: Path) -> EpisodeInfo | None:
    """What `episode.json` in `folder` says; none if the bag is not one of ours.

    Raises:
        DatasetError: If the file is damaged or of another format.
    """
    path = folder / EPISODE_FILE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as problem:
        raise DatasetError(
            f'not JSON: {problem}', where=str(path), fix='leave this episode out'
        ) from None
    found = data.get('format') if isinstance(data, dict) else None
    if found != FORMAT:
        raise DatasetError(f'format {found}', where=str(path), allowed=str(FORMAT))
    return parse(EpisodeInfo, data, where=str(path), error=DatasetError)


def find_episodes(paths: Iterable[Path]) -> list[Path]:
    """Folders of the bags among `paths`; a folder of episodes counts as its episodes.

    Damaged episodes are among them, so that whoever reads them can say why they are left out;
    unfinished ones (hidden folders) are not.

    Raises:
        DatasetError: If a path does not exist or holds no episode.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise DatasetError(
                'not a folder' if path.exists() else 'no such folder',
                where=str(path),
                allowed='the folder of a bag, or a folder of such folders',
            )
        visible = sorted(entry for entry in path.iterdir() if not entry.name.startswith('.'))
        inside = [path] if _is_episode(path) else [e for e in visible if _is_episode(e)]
        if not inside:
            raise DatasetError(
                'no episode in it', where=str(path), fix='record some, or check the path'
            )
        found += inside
    return list(dict.fromkeys(found))


def _is_episode(path: Path) -> bool:
    names = (METADATA_FILE, EPISODE_FILE)
    return path.is_dir() and (
        any((path / name).exists() for name in names) or any(path.glob('*.mcap'))
    )
