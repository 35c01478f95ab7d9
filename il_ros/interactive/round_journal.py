"""The rounds on disk. The record is the journal: where a run stands is which files are whole.

    coaching.json            what the run is of
    round_003/episode_00012.json  where its bag is, where it was recorded as one
    round_003/episode_00012.npz   steps of one episode
    round_003/policy.npz     what was learned from all episodes up to this round
    round_003/result.json    how it did in evaluation

Every file is written under another name, synced, and renamed. An episode counts from its rename on,
with all its labels: no separate counter could disagree after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from il_ros.algorithms.transitions import COLUMNS, Transitions
from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import read_json
from il_ros.core.errors import DatasetError
from il_ros.core.journal_folder import JournalFolder
from il_ros.core.npz_files import load_arrays, save_arrays, unreadable

MANIFEST = 'coaching.json'
FORMAT = 2
_SCORE = 'score.'
_FIX = 'remove it, and run again'


class RoundJournal(JournalFolder):
    """Rounds of one run; see `JournalFolder`.

    Raises:
        DatasetError: If the rounds there belong to another run, or are of an older version.
        IlRosError: If another process writes there, or the folder cannot be written.
    """

    manifest, format, locked = MANIFEST, FORMAT, '.lock'
    content, run = 'rounds', 'run'
    fix = 'choose another folder, or remove this one'
    error = DatasetError

    def _has_content(self) -> bool:
        return any(self.folder.glob('round_*'))

    def episodes(self, round_: int) -> list[Transitions]:
        """Whole episodes of a round, in their order."""
        return [load_steps(path) for path in sorted(self._round(round_).glob('episode_*.npz'))]

    def add_episode(self, round_: int, number: int, steps: Transitions, *, bag: str = '') -> None:
        """Write an episode; when this returns, it outlives a power cut.

        Args:
            round_: Which round it is of.
            number: Its number among all.
            steps: What happened.
            bag: Folder of its bag; empty where there is none.
        """
        path = self._round(round_) / f'episode_{number:05d}.npz'
        if bag:
            write_atomic(path.with_suffix('.json'), json.dumps({'bag': bag}, indent=1) + '\n')
        elif not path.exists():  # an attempt that was broken off may have left its own
            path.with_suffix('.json').unlink(missing_ok=True)
        save_steps(path, steps)

    def bags(self) -> list[Path]:
        """Bags of the whole episodes, in their order; one that was broken off has none."""
        notes = [
            path.with_suffix('.json')
            for path in sorted(self.folder.glob('round_*/episode_*.npz'))
            if path.with_suffix('.json').exists()
        ]
        return [_bag(note) for note in notes]

    def policy(self, round_: int) -> dict[str, NDArray[Any]] | None:
        """Arrays of what was learned after a round; None if nothing was, yet."""
        path = self._round(round_) / 'policy.npz'
        return load_arrays(path) if path.exists() else None

    def save_policy(self, round_: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write what was learned; it ends the round's episodes."""
        save_arrays(self._round(round_) / 'policy.npz', arrays)

    def result(self, round_: int) -> dict[str, Any] | None:
        """What `save_result` was told; None if nothing was, yet."""
        path = self._round(round_) / 'result.json'
        return _mapping(path) if path.exists() else None

    @property
    def finished(self) -> int:
        """How many rounds are over, the demonstrations included."""
        return next(number for number in count() if self.result(number) is None)

    def save_result(self, round_: int, result: Mapping[str, Any]) -> None:
        """Write how a round went; it ends the round."""
        path = self._round(round_) / 'result.json'
        write_atomic(path, json.dumps(dict(result), indent=1) + '\n')

    def _round(self, round_: int) -> Path:
        return self.folder / f'round_{round_:03d}'


def _mapping(path: Path) -> dict[str, Any]:
    found = read_json(path, DatasetError, fix=_FIX)
    if not isinstance(found, dict):
        raise DatasetError('no mapping', where=str(path), fix=_FIX)
    return found


def _bag(note: Path) -> Path:
    bag = _mapping(note).get('bag')
    if not isinstance(bag, str):
        raise DatasetError('names no bag', where=str(note), fix=_FIX)
    return Path(bag)


def save_steps(path: Path, steps: Transitions) -> None:
    """Write steps into one file, whole or not at all.

    Raises:
        IlRosError: If it cannot be written.
    """
    scores = {_SCORE + name: column for name, column in steps.scores.items()}
    save_arrays(path, {**{name: getattr(steps, name) for name in COLUMNS}, **scores})


def load_steps(path: Path) -> Transitions:
    """Read what `save_steps` wrote.

    Raises:
        DatasetError: If it is no such file.
    """
    arrays = load_arrays(path)
    try:
        columns = {name: arrays.pop(name) for name in COLUMNS}
        scores = {name.removeprefix(_SCORE): column for name, column in arrays.items()}
        if {len(column) for column in (*columns.values(), *scores.values())} != {
            len(columns['source'])
        }:
            raise ValueError('columns of different lengths')
        return Transitions(**columns, scores=scores)
    except (KeyError, ValueError, TypeError) as problem:
        raise unreadable(path, problem) from None
