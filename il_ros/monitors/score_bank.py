"""Several scores of one policy side by side, smoothed alike: one channel each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from typing import Any, Literal, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError, require
from il_ros.core.limits import Array
from il_ros.core.registry import lookup
from il_ros.monitors.conformal_thresholds import ScoreWindow
from il_ros.monitors.scores.score import SCORES, InputPart, Score, ScoreInput

On = Literal['observation', 'embedding']
Spec = tuple[str, str, On]
"""Name of a channel, its kind of score in the registry, and what the score looks at."""

LONGEST = 100_000
"""Most steps of a chunk, and most ticks of a window: over an hour at 20 Hz, a slip beyond that."""

_ANSWER: frozenset[InputPart] = frozenset({'chunk', 'samples'})


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A score and what it looks at.

    Attributes:
        name: Its name among the channels of a bank.
        kind: The score's name in the registry.
        on: Whether its features are those of the observation or the policy's embedding.
        score: The score, fitted.
    """

    name: str
    kind: str
    on: On
    score: Score

    @property
    def spec(self) -> Spec:
        """All but the score itself."""
        return self.name, self.kind, self.on

    def arrays(self) -> dict[str, Array]:
        """What the score learned, by the channel's and its own names."""
        return {f'score.{self.name}.{name}': a for name, a in self.score.arrays().items()}

    @classmethod
    def from_arrays(cls, spec: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The channel of this `spec` whose `arrays` were saved, maybe among others.

        Raises:
            UnknownNameError: If a kind of score is not known.
            IlRosError: If arrays are missing or do not belong together.
        """
        fine = len(spec) == 3 and spec[2] in get_args(On)
        require(fine, list(spec), 'channels', f'name, kind, one of {get_args(On)}')
        name, kind, on = spec
        start = f'score.{name}.'
        learned = {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}
        score: Score = lookup('score', kind, SCORES).from_arrays(learned)
        return cls(name=name, kind=kind, on=cast(On, on), score=score)

    @cached_property
    def needs(self) -> frozenset[InputPart]:
        """Parts of a score input that it cannot do without."""
        needs = frozenset(self.score.needs)
        if self.on == 'embedding' and 'features' in needs:
            return needs - {'features'} | {'embedding'}
        return needs

    @cached_property
    def uses_policy_output(self) -> bool:
        """Whether it reads what the policy answers, not the observation alone."""
        return bool(self.needs & _ANSWER)

    def read(self, score_input: ScoreInput) -> float:
        """Its score at this tick, not averaged; NaN where an input that it needs is missing."""
        if any(getattr(score_input, part) is None for part in self.needs):
            return nan
        if self.on == 'embedding':
            score_input = replace(score_input, features=score_input.embedding)
        return self.score.score(score_input)


class ScoreBank:
    """The scores of one policy, each averaged over the last `window` ticks.

    A score that is not a finite number (nothing to compare with yet, an input missing) is given
    out as it is at its own tick and left out of the averages that follow: it neither hides nor
    spreads. A chunk that was scored before adds nothing new: scores of the policy's answer stay
    as they are until the next chunk, however much slower than the ticks the policy is.

    Args:
        channels: The scores, K of them; their earlier ticks are forgotten.
        window: Ticks that each one is averaged over.

    Raises:
        IlRosError: If there is no channel, or two of one name, or the window is out of range.
    """

    def __init__(self, channels: Sequence[Channel], window: int) -> None:
        require(0 < window <= LONGEST, window, 'window', f'1 to {LONGEST}')
        self.channels, self.window = tuple(channels), window
        self.names = tuple(channel.name for channel in channels)
        if not self.names or len(set(self.names)) < len(self.names):
            raise IlRosError(
                f'channels are {list(self.names)}',
                where='score bank',
                allowed='one or more different names',
            )
        self._windows = [ScoreWindow(window) for _ in channels]
        self._chunk_time: float | None = None
        self.reset()

    @cached_property
    def needs(self) -> frozenset[InputPart]:
        """Parts of a score input that some channel cannot do without."""
        return frozenset().union(*(channel.needs for channel in self.channels))

    @cached_property
    def uses_policy_output(self) -> bool:
        """Whether some channel reads what the policy answers."""
        return bool(self.needs & _ANSWER)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How much each channel had seen before this tick, shape (K,).

        Scores of the policy's answer see its chunks, however slow the policy is; others see ticks.
        """
        return self._counts - 1

    def read(self, score_input: ScoreInput) -> Array:
        """Averaged scores at this tick, shape (K,); not finite where one is not known."""
        known = score_input.chunk is not None and score_input.chunk_time == self._chunk_time
        for i, channel in enumerate(self.channels):
            if not (known and channel.uses_policy_output):
                self._counts[i] += score_input.chunk is not None or not channel.uses_policy_output
                self._values[i] = self._windows[i].push(channel.read(score_input))
        self._chunk_time = None if score_input.chunk is None else score_input.chunk_time
        return self._values.copy()

    def trace(self, score_inputs: Iterable[ScoreInput]) -> Array:
        """Averaged scores of an episode from its beginning, shape (T, K)."""
        self.reset()
        readings = [self.read(score_input) for score_input in score_inputs]
        return np.array(readings).reshape(len(readings), len(self.channels))

    def reset(self) -> None:
        """Forget earlier ticks, as at the beginning of an episode."""
        for channel, window in zip(self.channels, self._windows, strict=True):
            channel.score.reset()
            window.reset()
        self._values = np.full(len(self.channels), nan)
        self._counts = np.zeros(len(self.channels), dtype=np.int64)
        self._chunk_time = None
