"""What interactive imitation records, step by step, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.datasets.episode_arrays import SOURCES

Floats = NDArray[np.float32]

POLICY, EXPERT = SOURCES.index('policy'), SOURCES.index('expert')
"""Codes of the column `source`."""

Ending = Literal['running', 'cut', 'success', 'failure']
ENDINGS: tuple[Ending, ...] = ('running', 'cut', 'success', 'failure')
"""How an episode stands after a step, by the code in the column `ending`: it goes on; it was ended
from outside (time limit, budget), so that nothing is said of what would have followed; the task is
done; the task has failed."""


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """F steps of one or several episodes, in order.

    D numbers are observed. An answer has A numbers: one action, or a chunk of them laid flat, as
    the learner and the expert have agreed.

    Attributes:
        observation: What was seen, float32 of shape (F, D), not normalised.
        policy: What the learner would have done, float32 of shape (F, A); NaN where there was none.
        expert: The expert's answer, float32 of shape (F, A); NaN where there is none.
        executed: What was done, float32 of shape (F, A).
        source: Who drove, uint8 of shape (F,), an index into `SOURCES`.
        asked: Whether the expert was asked, bool of shape (F,). Where `expert` is NaN all the
            same, the answer is still to come.
        policy_id: Hash of the learner's weights, text of shape (F,); empty where there was none.
        round: Round, from 0 for the demonstrations, int32 of shape (F,).
        episode: Number of the episode among all, int32 of shape (F,).
        before_takeover: Whether the expert took over within the next few steps, bool of (F,).
        ending: How the episode stands after the step, uint8 of shape (F,), index into `ENDINGS`.
        scores: Scores of each step by name, float32 of shape (F,); NaN where one was not known.
    """

    observation: Floats
    policy: Floats
    expert: Floats
    executed: Floats
    source: NDArray[np.uint8]
    asked: NDArray[np.bool_]
    policy_id: NDArray[np.str_]
    round: NDArray[np.int32]
    episode: NDArray[np.int32]
    before_takeover: NDArray[np.bool_]
    ending: NDArray[np.uint8]
    scores: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Steps that the expert has answered, shape (F,)."""
        return np.asarray(np.isfinite(self.expert).all(axis=1))

    @property
    def waiting(self) -> NDArray[np.bool_]:
        """Steps that the expert was asked about and has not answered yet, shape (F,)."""
        return self.asked & ~self.labelled

    @property
    def takeovers(self) -> NDArray[np.bool_]:
        """Steps at which the expert takes over from the learner, shape (F,)."""
        taken = np.zeros(len(self), np.bool_)
        now, before = self.source[1:] == EXPERT, self.source[:-1] == POLICY
        taken[1:] = now & before & (self.episode[1:] == self.episode[:-1])
        return taken

    def take(self, rows: NDArray[Any] | slice) -> Transitions:
        """These steps, in that order."""
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in COLUMNS},
            scores={name: column[rows] for name, column in self.scores.items()},
        )


COLUMNS = tuple(each.name for each in fields(Transitions) if each.name != 'scores')
"""Names of the columns that every step has."""


def join(parts: Sequence[Transitions]) -> Transitions:
    """All steps of the parts, one after the other; a score that a part lacks is NaN there."""
    names = {name: None for part in parts for name in part.scores}
    return Transitions(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS},
        scores={
            name: np.concatenate(
                [part.scores.get(name, np.full(len(part), np.nan, np.float32)) for part in parts]
            )
            for name in names
        },
    )
