"""What the journal of a run says of each of its rounds."""

from __future__ import annotations

from il_ros.algorithms.transitions import POLICY, join
from il_ros.core.errors import IlRosError
from il_ros.evaluation.coaching_report import CoachedRound
from il_ros.evaluation.intervals import Rate
from il_ros.interactive.round_journal import RoundJournal


def coached_round(journal: RoundJournal, round_: int, period: float) -> CoachedRound:
    """A round that is over, counted from the record.

    Args:
        journal: Of the run, in which a gain of 1 is a success and 0 is none.
        round_: Which.
        period: Time of one step [s].

    Raises:
        IlRosError: If it is not over.
    """
    episodes, result = journal.episodes(round_), journal.result(round_)
    if not episodes or result is None:
        raise IlRosError(f'round {round_} is not over', where=str(journal.folder))
    steps = join(episodes)
    return CoachedRound(
        round=round_,
        policy_id=str(result['policy_id']),
        episodes=len(episodes),
        labels=int(steps.asked.sum()),
        takeovers=int(steps.takeovers.sum()),
        minutes=len(steps) * period / 60.0,
        autonomy=float((steps.source == POLICY).mean()),
        success=Rate.of(gain > 0.5 for gain in result['gains']),
    )


def coached_rounds(journal: RoundJournal, period: float) -> list[CoachedRound]:
    """All rounds that are over, in order; see `coached_round`."""
    rounds: list[CoachedRound] = []
    while journal.result(len(rounds)) is not None:
        rounds.append(coached_round(journal, len(rounds), period))
    return rounds
