"""Labels after the fact: of recorded episodes, and for an expert who answers later.

DAgger needs the expert's answer at the states that the learner visits, not while it visits them. So
episodes that a policy drove long ago can be labelled, and a round can be rolled out over night for
an expert who labels in the morning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.transitions import Floats, Transitions
from il_ros.core.errors import DatasetError
from il_ros.interactive.round_journal import RoundJournal

Answer = Callable[[Floats], NDArray[np.floating]]
"""An expert's actions, shape (F, A), for observations, shape (F, D); NaN for no answer."""


def relabel(
    steps: Transitions, answer: Answer, rows: NDArray[np.bool_] | None = None
) -> Transitions:
    """The same steps with the expert's answers; what was executed stays as it was.

    Args:
        steps: Recorded steps.
        answer: The expert.
        rows: Steps that the expert is asked about, shape (F,); all by default.

    Raises:
        DatasetError: If `answer` does not give one action of the right size for each step.
    """
    chosen = np.ones(len(steps), np.bool_) if rows is None else rows
    given = np.asarray(answer(steps.observation[chosen]), np.float32)
    wanted = (int(chosen.sum()), steps.expert.shape[1])
    if given.shape != wanted:
        raise DatasetError(f'answers of shape {given.shape}', where='relabel', allowed=str(wanted))
    expert, asked = steps.expert.copy(), steps.asked | chosen
    expert[chosen] = given
    return replace(steps, expert=expert, asked=asked)


def label_waiting(journal: RoundJournal, round_: int, answer: Answer) -> int:
    """Let the expert answer what a round has asked, episode by episode.

    Each episode is on disk before the next one is shown; an interrupted call resumes there.

    Returns:
        How many steps were labelled.

    Raises:
        DatasetError: As `relabel`; or if the round was trained on already.
    """
    if journal.policy(round_) is not None:
        raise DatasetError(
            'was trained on already', where=f'round {round_}', fix='label a round before its end'
        )
    labelled = 0
    for steps in journal.episodes(round_):
        rows = steps.waiting
        if rows.any():
            answered = relabel(steps, answer, rows)
            journal.add_episode(round_, int(steps.episode[0]), answered)
            labelled += int(rows.sum() - answered.waiting.sum())
    return labelled
