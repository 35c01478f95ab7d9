"""Journal of an evaluation's episodes on disk, so that it resumes where it stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from il_ros.core.errors import EvaluationError
from il_ros.core.journal_folder import JournalFolder
from il_ros.core.regular_files import read_regular
from il_ros.evaluation.episode_result import EpisodeResult, episode_line, read_lines
from il_ros.evaluation.failure_detection import CaseKey, case_key

MANIFEST = 'evaluation.json'
"""File with the identity of the evaluation."""

EPISODES = 'episodes.jsonl'
"""File with one episode per line; a last line without a line end was cut and does not count."""

FORMAT = 1

Identity = Mapping[str, str]
"""What two episodes must share to belong to one evaluation: name to value or hash."""


class EvaluationJournal(JournalFolder):
    """Writes each episode of one evaluation to disk before the next one runs; see `JournalFolder`.

    A line cut by a crash is dropped.

    Attributes:
        episodes: The episodes in the journal.

    Raises:
        EvaluationError: If the episodes in the folder belong to another or an unknown evaluation,
            or a line before the last one is damaged.
        IlRosError: If the folder cannot be written, or another process writes to it.
    """

    manifest, format, locked = MANIFEST, FORMAT, EPISODES
    content, run = 'episodes', 'evaluation'
    fix = 'choose another folder with --out, or replace them with --overwrite'
    error = EvaluationError

    @property
    def done(self) -> set[tuple[str, CaseKey]]:
        """Suite and case of every episode in the journal."""
        return {(episode.suite, case_key(episode)) for episode in self.episodes}

    def add(self, episode: EpisodeResult) -> None:
        """Write and sync one episode; after this returns it survives a power cut."""
        data = episode_line(episode).encode()
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self.episodes.append(episode)

    def _open(self) -> None:
        path = self.folder / EPISODES
        self.episodes = list(read_lines(self._whole_lines(path), str(path)))

    def _whole_lines(self, path: Path) -> str:
        """The text of the file, after removing a cut line at its end from the disk."""
        data = read_regular(path, 1 << 30)
        whole = data[: data.rfind(b'\n') + 1]
        if len(whole) < len(data):
            os.ftruncate(self._file, len(whole))
            os.fsync(self._file)
        try:
            return whole.decode()
        except UnicodeDecodeError as problem:
            raise EvaluationError(f'damaged: {problem}', where=str(path)) from None
