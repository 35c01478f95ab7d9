"""What an episode's folder says about itself: `episode.json`, next to the bag."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from il_ros.bags.bag_metadata import METADATA_FILE, newer, require_inside
from il_ros.bags.bag_storage import storage_suffix
from il_ros.bags.mcap_file import Storage
from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import parse
from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import read_text

INFO_LIMIT = 16 << 20
"""Bytes of the largest `episode.json`."""

_LONGEST_TEXT = 1 << 16  # characters; anybody on the graph may send a text, of any length

T = TypeVar('T')

FORMAT = 2
FORMATS = (1, 2)  # format 1 has a part of the keys of format 2, with the same meaning
EPISODE_FILE = 'episode.json'
KEPT = '.damaged'  # a recovery adds this to the name of what it replaced
# Without a way back, which would take the square of white space in time.
_KEY = re.compile(r'\s*+,?\s*+("(?:[^"\\]|\\.)*+")\s*+:\s*+')
_END = re.compile(r'\s*[,}]')

Outcome = Literal['success', 'failure', 'discarded', 'unknown']


@dataclass(frozen=True, kw_only=True)
class MessageLoss:
    """What is known of the messages of a topic that did not arrive.

    Attributes:
        lost: Messages that were published and are not in the bag, by their sequence numbers.
        overflow: How many of these came, but had no room in the queue to the disk.
        faults: Images stored raw because they could not be converted.
        expected_rate: Rate that the contract expects [Hz]; 0 where it names none.
        publishers: Most publishers seen at once.
        latched: Whether the topic is latched, so that its last earlier message was requested.
    """

    lost: int = 0
    overflow: int = 0
    faults: int = 0
    expected_rate: float = 0.0
    publishers: int = 0
    latched: bool = False


@dataclass(frozen=True, kw_only=True)
class TopicInfo(MessageLoss):
    """One topic of an episode, with what did not arrive of it.

    Attributes:
        type: ROS message type.
        messages: How many messages were recorded.
        bytes: Of these messages.
        rate: Measured [Hz]: messages but one, over the time from the first to the last.
        qos: Profiles that the publishers offered, as rosbag2 writes them.
    """

    type: str
    messages: int
    bytes: int = 0
    rate: float = 0.0
    qos: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What the recovery of an episode kept and dropped.

    Attributes:
        chunks: Whole chunks, all kept; a message outside of chunks counts as one.
        dropped_bytes: Bytes of the files that nothing could be made of.
        dropped: Where they were and what was wrong with them.
    """

    chunks: int
    dropped_bytes: int
    dropped: tuple[str, ...] = ()


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
        flagged: Whether the operator wants it looked at.
        started: When recording began (ISO 8601, UTC).
        ended: When it ended; empty while recording.
        start_ns: When the episode proper began (receive clock) [ns]; what was received earlier is
            pre-roll. 0 if nothing was said: then it begins with the first message.
        stop_ns: When it was to end (receive clock) [ns]; 0 likewise.
        duration: Time from the first message to the last, pre-roll included [s].
        messages: Messages of all topics.
        topics: Topics by absolute name.
        state: `recording` until it is closed, then `complete`; `recovered` after a crash.
        storage: How it is stored.
        host: Machine that recorded it.
        versions: Of the software that recorded it.
        recovery: What a recovery did; none if there was none.
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
    flagged: bool = False
    started: str = ''
    ended: str = ''
    start_ns: int = 0
    stop_ns: int = 0
    duration: float = 0.0
    messages: int = 0
    topics: Mapping[str, TopicInfo] = field(default_factory=dict)
    state: Literal['recording', 'complete', 'recovered'] = 'recording'
    storage: Storage | None = None
    host: str = ''
    versions: Mapping[str, str] = field(default_factory=dict)
    recovery: Recovery | None = None


def write_episode_info(folder: Path, info: EpisodeInfo) -> None:
    """Write `episode.json` into `folder`, whole or not at all.

    Task, notes and reason are cut at 65,536 characters each, so that it can be read again.
    """
    task, notes, reason = map(_cut, (info.task, info.notes, info.reason))
    info = dataclasses.replace(info, task=task, notes=notes, reason=reason)
    text = json.dumps(dataclasses.asdict(info), indent=1, ensure_ascii=True)
    write_atomic(folder / EPISODE_FILE, text + '\n')


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    end = f'... ({len(text)} characters)'
    return text[: _LONGEST_TEXT - len(end)] + end


def read_episode_info(folder: Path) -> EpisodeInfo | None:
    """What `episode.json` in `folder` says; none if the bag is not one of ours.

    Raises:
        DatasetError: If the file is damaged.
        RefusedError: If it is a link out of the folder, or of a newer format.
    """
    path = folder / EPISODE_FILE
    require_inside(path)
    if not path.exists():
        return None
    try:
        data = load_json(read_text(path, INFO_LIMIT))
    except (OSError, ValueError) as problem:
        raise DatasetError(
            f'not JSON: {problem}',
            where=str(path),
            fix='run "il_ros bags recover" on its folder, or leave this episode out',
        ) from None
    found = data.get('format') if isinstance(data, dict) else None
    if isinstance(found, int) and not isinstance(found, bool) and found > FORMAT:
        raise newer(f'format {found}', str(path), ', '.join(map(str, FORMATS)))
    if found not in FORMATS or isinstance(found, bool):
        raise DatasetError(f'format {found}', where=str(path), allowed=FORMATS)
    return parse(EpisodeInfo, data, where=str(path), error=DatasetError)


def salvage_episode_info(folder: Path) -> dict[str, Any]:
    """The fields of a damaged `episode.json` that are whole, by name; of a cut one too.

    Raises:
        OSError: If it cannot be read.
    """
    data = _members(read_text(folder / EPISODE_FILE, INFO_LIMIT, errors='replace'))
    needed: dict[str, Any] = {'episode_id': '', 'contract': '', 'contract_hash': ''}
    fields = _salvaged(EpisodeInfo, data, needed)
    topics = data.get('topics')
    if isinstance(topics, dict):
        needed = {'type': '', 'messages': 0}
        fields['topics'] = {
            name: TopicInfo(**(needed | _salvaged(TopicInfo, topic, needed)))
            for name, topic in topics.items()
        }
    return fields


def _salvaged(cls: type[T], data: object, needed: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items() if isinstance(data, dict) else ():
        try:
            found[name] = getattr(parse(cls, {**needed, name: value}, error=DatasetError), name)
        except DatasetError:
            continue  # this is what is damaged
    return found


def _members(text: str) -> dict[str, Any]:
    """The members of a JSON object, up to where it is broken."""
    decoder, position = json.JSONDecoder(strict=False), text.find('{') + 1
    found: dict[str, Any] = {}
    while key := _KEY.match(text, position):
        try:
            value, position = decoder.raw_decode(text, key.end())
            if not _END.match(text, position):  # a number may be cut
                break
            found[json.loads(key[1])] = value
        except (ValueError, RecursionError):
            break
    return found


def is_bag(folder: Path) -> bool:
    """Whether a folder is a bag, damaged or not."""
    if not folder.is_dir():
        return False
    names = {entry.name for entry in folder.iterdir()}
    return bool(names & {METADATA_FILE, EPISODE_FILE}) or any(
        storage_suffix(name) and not name.startswith('.') for name in names
    )
