"""Running the episodes of an evaluation, whoever runs them, and showing how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.suites import SUITES
from il_ros.rollouts.episode_cases import PlannedEpisode
from il_ros.rollouts.evaluator import Evaluator, missing


def run_plan(
    runner: Evaluator,
    plan: Sequence[PlannedEpisode],
    journal: EvaluationJournal,
    task: str,
    console: Console,
) -> None:
    """Run what is planned and not yet done, write each episode down, and show how far it is."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    left = missing(plan, journal, task)
    names, open_ = [one.suite for one in plan], [one.suite for one in left]
    with Progress(*columns, console=console) as progress, closing(runner.run(left)) as episodes:
        bars = {
            name: progress.add_task(SUITES[name].title, total=count, completed=count - rest)
            for name in dict.fromkeys(names)
            for count, rest in [(names.count(name), open_.count(name))]
        }
        for episode in episodes:
            journal.add(episode)
            progress.advance(bars[episode.suite])
