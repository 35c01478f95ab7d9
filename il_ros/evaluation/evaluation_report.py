"""One page and one JSON file with the results of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation import report_plots
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.failure_detection import EpisodePair, Groups, pair_up, same_case
from il_ros.evaluation.html_pages import NOTHING, Filters, inline_charts, render_page
from il_ros.evaluation.intervals import percent
from il_ros.evaluation.report_notes import seed_ranges
from il_ros.evaluation.report_videos import FOLDER, ReportVideos, video_name
from il_ros.evaluation.suites import SUITES
from il_ros.evaluation.worst_episodes import worst_episodes

LISTED = 15
"""Most of the worst episodes that the page lists; it also shows their total number."""

NO_VIDEOS = ReportVideos(missing='none were made')


def write_report(
    directory: Path | str,
    summary: Mapping[str, Any],
    episodes: Iterable[EpisodeResult],
    *,
    videos: ReportVideos = NO_VIDEOS,
    command: str = '',
) -> Path:
    """Write report.json and the self-contained report.html, each atomically.

    Args:
        directory: Folder of both files; created if needed.
        summary: From `il_ros.evaluation.evaluation_summary.summarise`.
        episodes: The episodes of the summary.
        videos: Videos of the episodes.
        command: Command line that repeats the evaluation.

    Returns:
        The path of report.html.

    Raises:
        IlRosError: If the folder cannot be written.
        ValueError: If the summary holds a value that JSON cannot represent (NaN, an object).
    """
    directory = Path(directory)
    text = json.dumps(summary, indent=2, allow_nan=False)
    page = render(summary, tuple(episodes), videos=videos, command=command)
    write_atomic(directory / 'report.json', f'{text}\n')
    return write_atomic(directory / 'report.html', page)


def render(
    summary: Mapping[str, Any],
    episodes: Sequence[EpisodeResult],
    *,
    videos: ReportVideos = NO_VIDEOS,
    command: str = '',
) -> str:
    """Return the page as text; arguments as `write_report`."""
    problems = worst_episodes(episodes)
    titles = {name: SUITES[name].title if name in SUITES else name for name in summary['suites']}
    by_suite = {name: [e for e in episodes if e.suite == name] for name in SUITES}
    example = _example(by_suite)
    return render_page(
        'report.html.j2',
        _FILTERS,
        s=summary,
        titles=titles,
        charts=inline_charts(_figures(summary, titles, by_suite, example), _LABELS),
        example=example,
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
    )


_FILTERS: Filters = {
    'percent': lambda value: NOTHING if value is None else percent(value),
    'number': lambda value, digits=2: NOTHING if value is None else f'{value:.{digits}f}',
    'seeds': seed_ranges,
}
_LABELS = {
    'success': 'Success rate of each suite with its Wilson interval',
    'nominal': 'Novelty over time of the nominal episodes',
    'ood': 'Novelty over time of the perturbed episodes, with the moments of fallback',
    'joints': 'Commanded joint positions over time, policy and expert',
}


def _figures(
    summary: Mapping[str, Any],
    titles: Mapping[str, str],
    by_suite: Groups,
    example: EpisodePair | None,
) -> dict[str, Figure]:
    """Every chart by name for which there is something to draw."""
    nominal, watched = by_suite['nominal'], by_suite['ood']
    pairs = pair_up(watched, by_suite['ood_unwatched'])
    limits = report_plots.novelty_limits([*nominal, *watched])
    figures = {}
    if summary['episodes']:
        figures['success'] = report_plots.success_chart(summary['suites'], titles)
    if limits and nominal:
        figures['nominal'] = report_plots.nominal_novelty_chart(nominal, limits)
    if limits and watched:
        figures['ood'] = report_plots.ood_novelty_chart(watched, pairs, limits)
    if example:
        figures['joints'] = report_plots.joint_chart(*example)
    return figures


def _example(by_suite: Groups) -> EpisodePair | None:
    """Return the (policy, expert) pair of the lowest seed with traces, so it is not hand-picked."""
    for policy, expert in same_case(by_suite['nominal'], by_suite['expert']):
        if policy.joints.size and policy.joints.shape[1] == expert.joints.shape[1]:
            return policy, expert
    return None
