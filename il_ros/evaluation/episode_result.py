"""Result of one evaluated episode, in memory and as a line of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from il_ros.core.documents import load_json
from il_ros.core.errors import EvaluationError
from il_ros.core.limits import Array
from il_ros.core.regular_files import read_regular
from il_ros.evaluation import json_values as jv

AFTER_ALARM = 1.0
"""How long an episode continues after the monitor stopped it [s], to see that the arm rests."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeResult:
    """The outcome of one episode, as measured in the simulator or on the robot.

    Attributes:
        suite: Key of `il_ros.evaluation.suites.SUITES`, or another name of letters, digits, '_'
            and '-'.
        task: Name of the task.
        seed: Seed of the scene, at least 0.
        success: Whether the task was solved.
        duration: Length of the episode [s].
        progress: Progress on the task at the end, 0 (nothing) to 1 (done).
        violations: Number of limit violations by their kind.
        fallback: Whether the monitor took the arm from the policy.
        fallback_time: When it did, since the start of the episode [s]; None if it did not.
        reason: Why the episode ended as it did, for a reader.
        perturbations: Applied perturbations, each a kind with optional detail ('push: 30 N').
        times: Time of each control tick since the start, not decreasing, shape (T,) [s].
        scores: Novelty score of each tick, NaN without one, shape (T,).
        threshold: Novelty from which the monitor counts a tick as novel; None without one.
        joints: Commanded joint positions, NaN without a command, shape (T, N) [rad or m], or
            (0, 0) if they were not kept.
        takeovers: How often an operator took over the arm.
        latencies: Wall-clock time from an observation to the chunk that answers it, NaN without
            an answer, shape (T,) [s], or (0,) if it was not measured.
        action_errors: Distance of the policy's action from the expert's in the same state, as
            `il_ros.rollouts.action_error` defines it, NaN while the policy did not drive, shape
            (T,), or (0,) if it was not measured.
        bag: Path of the recording; empty without one.

    Raises:
        EvaluationError: If a field is invalid; the text names it.
    """

    suite: str
    task: str
    seed: int
    success: bool
    duration: float
    progress: float
    violations: Mapping[str, int] = field(default_factory=dict)
    fallback: bool = False
    fallback_time: float | None = None
    reason: str = ''
    perturbations: tuple[str, ...] = ()
    times: Array = field(default_factory=lambda: np.zeros(0))
    scores: Array = field(default_factory=lambda: np.zeros(0))
    threshold: float | None = None
    joints: Array = field(default_factory=lambda: np.zeros((0, 0)))
    takeovers: int = 0
    latencies: Array = field(default_factory=lambda: np.zeros(0))
    action_errors: Array = field(default_factory=lambda: np.zeros(0))
    bag: str = ''

    def __post_init__(self) -> None:
        _check_outcome(self)
        _check_traces(self)

    @property
    def kind(self) -> str:
        """Kinds of the perturbations, without details: 'push', 'push + sensor_bias', or 'none'."""
        kinds = (re.split(r'[^\w-]', text)[0] or text for text in self.perturbations)
        return ' + '.join(sorted(kinds)) or 'none'

    @property
    def violated(self) -> int:
        """Number of limit violations of all kinds."""
        return sum(self.violations.values())

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values: NaN becomes null, `joints` becomes one list per joint."""
        values: dict[str, Any] = jv.to_json(vars(self) | {'joints': self.joints.T})
        return values | {'duration': float(self.duration), 'progress': float(self.progress)}

    @classmethod
    def from_json(cls, values: object, where: str = 'episode') -> EpisodeResult:
        """Read the output of `to_json`.

        Args:
            values: Decoded JSON.
            where: File and line for errors.

        Raises:
            EvaluationError: At the first missing, unknown or invalid key.
        """
        if not isinstance(values, dict):
            raise EvaluationError(f'got {_short(values)}', where=where, allowed='an object')
        for name in [*_READERS, *values]:
            if name not in values or name not in _READERS:
                problem = 'unknown key' if name in values else 'missing key'
                raise EvaluationError(f'{problem} {name!r}', where=where, allowed=_READERS)
        fields = {name: _read(name, value, where) for name, value in values.items()}
        try:
            return cls(**fields)
        except EvaluationError as error:
            place = f'{where}.{error.where}'
            raise EvaluationError(error.problem, where=place, allowed=error.allowed) from error


_READERS: Mapping[str, Callable[[object], Any]] = {
    'suite': jv.read_text,
    'task': jv.read_text,
    'seed': jv.read_integer,
    'success': jv.read_boolean,
    'duration': jv.read_finite,
    'progress': jv.read_finite,
    'violations': jv.read_counts,
    'fallback': jv.read_boolean,
    'fallback_time': lambda value: None if value is None else jv.read_finite(value),
    'reason': jv.read_text,
    'perturbations': lambda value: tuple(jv.read_text(item) for item in jv.read_list(value)),
    'times': jv.read_vector,
    'scores': jv.read_vector,
    'threshold': lambda value: None if value is None else jv.read_number(value),
    'joints': jv.read_columns,
    'takeovers': jv.read_integer,
    'latencies': jv.read_vector,
    'action_errors': jv.read_vector,
    'bag': jv.read_text,
}


def why_it_ended(alarm: str, success: bool) -> str:
    """Why an episode ended, for a reader; the monitor's reason takes precedence."""
    return alarm or ('goal reached' if success else 'time limit of the task')


def episode_line(episode: EpisodeResult) -> str:
    """One episode as a line of JSON Lines, with the line end."""
    return json.dumps(episode.to_json(), allow_nan=False) + '\n'


def read_episodes(path: Path | str) -> tuple[EpisodeResult, ...]:
    """Read a file of lines written by `episode_line`.

    Raises:
        EvaluationError: At the first invalid line, with file, line and key.
    """
    try:
        text = read_regular(path, 1 << 30).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f'cannot be read: {error}', where=str(path), allowed='JSON Lines, one episode per line'
        ) from error
    return read_lines(text, str(path))


def read_lines(text: str, where: str) -> tuple[EpisodeResult, ...]:
    """Read episodes, one per line; errors as `read_episodes`, naming `where`."""
    lines = text.splitlines()
    return tuple(_read_line(line, f'{where}:{number}') for number, line in enumerate(lines, 1))


def _read_line(line: str, where: str) -> EpisodeResult:
    try:
        values = load_json(line)
    except ValueError as error:
        raise EvaluationError(
            f'not JSON: {error}',
            where=where,
            allowed='one episode per line',
            fix='the file was truncated or edited; resuming the evaluation repairs a truncated end',
        ) from error
    return EpisodeResult.from_json(values, where)


def _read(name: str, value: object, where: str) -> Any:
    try:
        return _READERS[name](value)
    except ValueError as error:
        raise EvaluationError(
            f'got {_short(value)}', where=f'{where}.{name}', allowed=str(error)
        ) from error


def _check_outcome(episode: EpisodeResult) -> None:
    suite, time = episode.suite, episode.fallback_time
    _check('suite', suite, re.fullmatch(r'[A-Za-z][A-Za-z0-9_-]*', suite), 'a plain name')
    _check('seed', episode.seed, episode.seed >= 0, 'at least 0')
    _check('duration', episode.duration, 0 <= episode.duration < inf, 'finite, at least 0')
    _check('progress', episode.progress, isfinite(episode.progress), 'finite')
    for kind, count in episode.violations.items():
        _check(f'violations.{kind}', count, count >= 0, 'at least 0')
    consistent = (time is not None) == episode.fallback
    _check('fallback_time', time, consistent, 'a time after a fallback, null without one')
    _check('fallback_time', time, time is None or 0 <= time < inf, 'finite, at least 0')
    _check('takeovers', episode.takeovers, episode.takeovers >= 0, 'at least 0')
    defined = episode.threshold is None or not isnan(episode.threshold)
    _check('threshold', episode.threshold, defined, 'a number, null without one')


def _check_traces(episode: EpisodeResult) -> None:
    times, scores, joints = episode.times, episode.scores, episode.joints
    _check('times', f'shape {times.shape}', times.ndim == 1, 'shape (T,)')
    ordered = np.isfinite(times).all() and (np.diff(times) >= 0).all()
    _check('times', times, ordered, 'finite, not decreasing')
    _check('scores', f'shape {scores.shape}', scores.shape == times.shape, f'shape {times.shape}')
    matching = joints.ndim == 2 and len(joints) == len(times) and joints.shape[1] > 0
    allowed = f'shape ({len(times)}, N) or (0, 0)'
    _check('joints', f'shape {joints.shape}', matching or joints.shape == (0, 0), allowed)
    for name in ('latencies', 'action_errors'):
        shape = getattr(episode, name).shape
        fits = shape in ((0,), times.shape)
        _check(name, f'shape {shape}', fits, f'shape {times.shape} or (0,)')


def _check(name: str, value: object, holds: object, allowed: str) -> None:
    if not holds:
        raise EvaluationError(f'got {_short(value)}', where=name, allowed=allowed)


def _short(value: object) -> str:
    text = value if isinstance(value, str) and value.startswith('shape (') else repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
