"""One page and one JSON file with the results of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation import report_plots
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.expert_comparison import same_case
from il_ros.evaluation.failure_detection import pair_up
from il_ros.evaluation.html_pages import page_environment, without_controls
from il_ros.evaluation.intervals import percent
from il_ros.evaluation.report_notes import seed_ranges
from il_ros.evaluation.report_videos import FOLDER, ReportVideos, video_name
from il_ros.evaluation.suites import SUITES
from il_ros.evaluation.svg import COLOURS, to_svg
from il_ros.evaluation.worst_episodes import worst_episodes

LISTED = 15
"""Most of the worst episodes that the page lists; it also shows their total number."""

NO_VIDEOS = ReportVideos(missing='none were made')

NOTHING = '\u2013'
"""What the page shows for a missing value."""


def write_report(
    directory: Path | str,
    summary: Mapping[str, Any],
    episodes: Iterable[EpisodeResult],
    *,
    videos: ReportVideos = NO_VIDEOS,
    command: str = '',
    joint_labels: Sequence[str] = (),
) -> Path:
    """Write report.json and the self-contained report.html, each atomically.

    Args:
        directory: Folder of both files; created if needed.
        summary: From `il_ros.evaluation.evaluation_summary.summarise`.
        episodes: The episodes of the summary.
        videos: Videos of the episodes.
        command: Command line that repeats the evaluation.
        joint_labels: Name and unit of each commanded joint ('fr3_joint1 [rad]').

    Returns:
        The path of report.html.

    Raises:
        IlRosError: If the folder cannot be written.
        ValueError: If the summary holds a value that JSON cannot represent (NaN, an object).
    """
    directory = Path(directory)
    text = json.dumps(summary, indent=2, allow_nan=False)
    page = render(
        summary, tuple(episodes), videos=videos, command=command, joint_labels=joint_labels
    )
    write_atomic(directory / 'report.json', f'{text}\n')
    return write_atomic(directory / 'report.html', page)


def render(
    summary: Mapping[str, Any],
    episodes: Sequence[EpisodeResult],
    *,
    videos: ReportVideos = NO_VIDEOS,
    command: str = '',
    joint_labels: Sequence[str] = (),
) -> str:
    """Return the page as text; arguments as `write_report`."""
    environment = page_environment()
    environment.filters.update(
        percent=lambda value: NOTHING if value is None else percent(value),
        number=lambda value, digits=2: NOTHING if value is None else f'{value:.{digits}f}',
        seeds=seed_ranges,
    )
    problems = worst_episodes(episodes)
    page = environment.get_template('report.html.j2').render(
        s=summary,
        titles=_titles(summary),
        charts=_charts(summary, episodes, joint_labels),
        example=_example(episodes),
        problems=problems[:LISTED],
        problem_count=len(problems),
        videos=[
            (problem, video)
            for problem in problems
            if (video := videos.by_name.get(video_name(problem.episode)))
        ],
        video_folder=FOLDER,
        no_videos=videos.missing,
        command=command,
        colours=COLOURS,
    )
    return without_controls(page)


def _titles(summary: Mapping[str, Any]) -> dict[str, str]:
    return {name: SUITES[name].title if name in SUITES else name for name in summary['suites']}


def _charts(
    summary: Mapping[str, Any], episodes: Sequence[EpisodeResult], labels: Sequence[str]
) -> dict[str, Markup]:
    """Return every chart by name as SVG; empty if there is nothing to draw."""
    nominal, watched, unwatched = (_suite(episodes, s) for s in ('nominal', 'ood', 'ood_unwatched'))
    pairs = pair_up(watched, unwatched)
    limits = report_plots.novelty_limits([*nominal, *watched])
    figures = {}
    if episodes:
        figures['success'] = report_plots.success_chart(summary['suites'], _titles(summary))
    if limits and nominal:
        figures['nominal'] = report_plots.nominal_novelty_chart(nominal, limits)
    if limits and watched:
        figures['ood'] = report_plots.ood_novelty_chart(watched, pairs, limits)
    example = _example(episodes)
    if example:
        policy, expert = example
        figures['joints'] = report_plots.joint_chart(policy, expert, _joint_labels(policy, labels))
    return {
        name: Markup(to_svg(figures[name], name, label) if name in figures else '')
        for name, label in _LABELS.items()
    }


_LABELS = {
    'success': 'Success rate of each suite with its Wilson interval',
    'nominal': 'Novelty over time of the nominal episodes',
    'ood': 'Novelty over time of the perturbed episodes, with the moments of fallback',
    'joints': 'Commanded joint positions over time, policy and expert',
}


def _suite(episodes: Iterable[EpisodeResult], name: str) -> list[EpisodeResult]:
    return [episode for episode in episodes if episode.suite == name]


def _example(episodes: Sequence[EpisodeResult]) -> tuple[EpisodeResult, EpisodeResult] | None:
    """Return the (policy, expert) pair of the lowest seed with traces, so it is not hand-picked."""
    pairs = same_case(_suite(episodes, 'nominal'), _suite(episodes, 'expert'))
    for policy, expert in pairs:
        if policy.joints.size and policy.joints.shape[1] == expert.joints.shape[1]:
            return policy, expert
    return None


def _joint_labels(episode: EpisodeResult, labels: Sequence[str]) -> list[str]:
    """Return the given labels, or numbered ones if their number does not match."""
    joints = episode.joints.shape[1]
    if len(labels) == joints:
        return [without_controls(label) for label in labels]
    return [f'joint {joint + 1} [rad or m]' for joint in range(joints)]
