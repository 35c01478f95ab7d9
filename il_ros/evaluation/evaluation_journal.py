"""The episodes of an evaluation on disk, one by one, so that it can go on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from il_ros.core.atomic_files import sync, write_alone, write_atomic
from il_ros.core.errors import IlRosError
from il_ros.evaluation.episode_result import EpisodeResult, episode_line, read_lines
from il_ros.evaluation.errors import EvaluationError
from il_ros.evaluation.failure_detection import CaseKey, case_key

MANIFEST = 'evaluation.json'
"""What the episodes beside it are of."""

EPISODES = 'episodes.jsonl'
"""One episode a line; a last line without an end was cut and does not count."""

FORMAT = 1

Identity = Mapping[str, str]
"""What two episodes must share to belong to one evaluation: name to value or hash."""


class EvaluationJournal:
    """Episodes of one evaluation, each on disk before the next one is run.

    Use it as a context manager. A line that a crash has cut is dropped. Two evaluations cannot
    write to one folder at the same time.

    Args:
        folder: Where `evaluation.json` and `episodes.jsonl` are; made if it is not there.
        identity: What is evaluated, and how.
        anew: Forget what is there instead of going on with it.

    Raises:
        EvaluationError: If the episodes in the folder are of something else, or not known of
            what, or damaged before their last line.
        IlRosError: If the folder cannot be written, or another process writes to it.
    """

    def __init__(self, folder: Path, identity: Identity, *, anew: bool = False) -> None:
        self._folder, self._path = folder, folder / EPISODES
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as problem:
            raise IlRosError(
                f'cannot be written: {problem.strerror or problem}',
                where=str(self._path),
                fix='choose a folder that you may write to, on a disk with room',
            ) from None
        try:
            self._open(identity, anew)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    @property
    def done(self) -> set[tuple[str, CaseKey]]:
        """Suite and case of every episode that is there."""
        return {(episode.suite, case_key(episode)) for episode in self.episodes}

    def add(self, episode: EpisodeResult) -> None:
        """Write one episode; when this returns it outlives a power cut."""
        data = episode_line(episode).encode()
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self.episodes.append(episode)

    def _open(self, identity: Identity, anew: bool) -> None:
        write_alone(self._file, str(self._path))
        if anew:
            os.ftruncate(self._file, 0)
            (self._folder / MANIFEST).unlink(missing_ok=True)
        self._claim(identity)
        self.episodes = list(read_lines(self._whole_lines(), str(self._path)))

    def _claim(self, identity: Identity) -> None:
        """Say what the episodes will be of, or see that it was said."""
        if (self._folder / MANIFEST).exists():
            found = read_identity(self._folder)
            if found != identity:
                raise EvaluationError(
                    f'the episodes there are of another evaluation: {difference(found, identity)}',
                    where=str(self._folder),
                    fix='choose another folder with --out, or replace them with --overwrite',
                )
            return
        if os.fstat(self._file).st_size:
            raise EvaluationError(
                f'episodes without {MANIFEST}: it is not known what they are of',
                where=str(self._folder),
                fix='choose another folder with --out, or replace them with --overwrite',
            )
        text = json.dumps({'format': FORMAT, 'identity': dict(identity)}, indent=1)
        write_atomic(self._folder / MANIFEST, f'{text}\n')
        sync(self._folder)

    def _whole_lines(self) -> str:
        """The text of the file, after the cut line at its end, if there is one, is dropped."""
        data = self._path.read_bytes()
        whole = data[: data.rfind(b'\n') + 1]
        if len(whole) < len(data):
            os.ftruncate(self._file, len(whole))
            os.fsync(self._file)
        try:
            return whole.decode()
        except UnicodeDecodeError as problem:
            raise EvaluationError(f'damaged: {problem}', where=str(self._path)) from None


def read_identity(folder: Path) -> dict[str, str]:
    """What the episodes in a folder are of.

    Raises:
        EvaluationError: If it does not say so.
    """
    path = folder / MANIFEST
    try:
        data: Any = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as problem:
        raise EvaluationError(
            f'cannot be read: {problem}',
            where=str(path),
            allowed='the folder of "il_ros evaluate"',
        ) from None
    known = isinstance(data, dict) and data.get('format') == FORMAT
    identity = data.get('identity') if known else None
    if not isinstance(identity, dict) or not all(isinstance(v, str) for v in identity.values()):
        raise EvaluationError(
            'not understood', where=str(path), allowed=f'format {FORMAT} of this package'
        )
    return identity


def difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What two identities do not share, for a reader."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ', '.join(
        f'{name} is {_told(there.get(name))} there and {_told(here.get(name))} here'
        for name in names
    )


def _told(value: Any) -> Any:
    return 'none' if value in (None, '') else value
