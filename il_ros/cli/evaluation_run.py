"""Runs the episodes of an evaluation, shows the progress, and writes the report."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import il_ros
from il_ros.cli.printing import Console, progress_bars
from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.episode_table import episodes_csv
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.evaluation_report import write_report
from il_ros.evaluation.evaluation_summary import summarise
from il_ros.evaluation.report_videos import ReportVideos
from il_ros.evaluation.suites import SUITES
from il_ros.policies.bundle import Bundle
from il_ros.rollouts.episode_cases import PlannedEpisode
from il_ros.rollouts.evaluator import Evaluator, remaining_episodes

if TYPE_CHECKING:
    from il_ros.ros.graph_client import GraphClient


def graph_evaluator(client: GraphClient, task: str, bundle: Path, heuristic: str) -> Evaluator:
    """An evaluator over a running graph; what needs ROS is imported only here."""
    from il_ros.ros.graph_evaluator import GraphEvaluator

    return GraphEvaluator(client, task, bundle, heuristic)


def run_plan(
    runner: Evaluator,
    plan: Sequence[PlannedEpisode],
    journal: EvaluationJournal,
    task: str,
    console: Console,
) -> None:
    """Run the planned episodes that are missing, add each to the journal, and show progress."""
    left = remaining_episodes(plan, journal, task)
    planned, missing = (Counter(one.suite for one in episodes) for episodes in (plan, left))
    with progress_bars(console) as progress, closing(runner.run(left)) as episodes:
        bars = {
            suite: progress.add_task(
                SUITES[suite].title, total=count, completed=count - missing[suite]
            )
            for suite, count in planned.items()
        }
        for episode in episodes:
            journal.add(episode)
            progress.advance(bars[episode.suite])


def write_evaluation(
    results: Sequence[EpisodeResult],
    out: Path,
    bundle: Bundle,
    *,
    videos: ReportVideos,
    command: str,
    watched: bool = True,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write report.json, report.html and episodes.csv; returns the summary.

    Args:
        results: The episodes.
        out: Folder of the three files.
        bundle: Bundle of the policy.
        videos: Videos of some of the episodes.
        command: The command that repeats the evaluation.
        watched: Whether a monitor ran.
        notes: What else a reader must know before trusting the numbers.
    """
    summary = summarise(
        results,
        versions=versions(),
        training=_training(bundle),
        created=datetime.now(UTC).isoformat(timespec='seconds'),
        watched=watched,
    )
    summary['notes'] = [*notes, *summary['notes']]
    write_atomic(out / 'episodes.csv', episodes_csv(results))
    write_report(out, summary, results, videos=videos, command=command)
    return summary


def _training(bundle: Bundle) -> dict[str, Any]:
    training = bundle.training
    held_out = bool(training.metrics.get('held_out_frames'))
    return {
        'policy': f'{bundle.policy.kind} {bundle.policy_id}',
        'bundle': bundle.identity,
        'algorithm': training.algorithm,
        'episodes': len(training.episodes),
        'held_out_episodes': len(training.held_out),
        'held_out_loss': training.metrics.get('best_loss') if held_out else None,
    }


def versions() -> dict[str, str]:
    """Versions of the packages that an evaluation depends on."""
    installed = {'il_ros': il_ros.__version__, 'python': platform.python_version()}
    for name in ('rclpy', 'mujoco', 'metaworld', 'torch', 'numpy', 'ruckig'):
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed
