"""Charts of an evaluation report; each draws numbers into a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from il_ros.core.limits import Array
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.failure_detection import WatchedPair
from il_ros.evaluation.svg import colour, new_figure

BINS = 160
"""Most points of a drawn novelty trace, each the highest score of its bin."""

LOWEST_RATIO = 0.03
"""Smaller ratios of novelty to threshold are drawn at this value: the axis is logarithmic."""


def success_chart(suites: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> Figure:
    """Draw the success rate of each suite with its Wilson interval, except suites not run.

    Args:
        suites: 'suites' of the summary.
        titles: Label of each suite on the axis.
    """
    shown = [(titles[name], suite) for name, suite in suites.items() if suite['episodes']]
    with new_figure(1.2 + 0.46 * len(shown)) as figure:
        axes = figure.subplots()
        for row, (_, suite) in enumerate(shown):
            axes.plot(
                [suite['wilson_low'], suite['wilson_high']],
                [row, row],
                color=colour('blue'),
                linewidth=5,
                alpha=0.35,
                solid_capstyle='butt',
            )
            axes.plot(suite['success_rate'], row, 'o', color=colour('blue'), markersize=6)
            axes.annotate(
                f'{suite["successes"]} / {suite["episodes"]}',
                (1.0, row),
                xycoords=('axes fraction', 'data'),
                xytext=(8, 0),
                textcoords='offset points',
                va='center',
                fontsize=8.5,
            )
        axes.set_yticks(range(len(shown)), [title.replace(', ', ',\n', 1) for title, _ in shown])
        axes.set(ylim=(len(shown) - 0.5, -0.5), xlim=(-0.02, 1.02))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set(title='Episodes solved', xlabel='share of episodes [%]')
        axes.grid(visible=False, axis='y')
    return figure


def novelty_limits(episodes: Sequence[EpisodeResult]) -> tuple[float, float] | None:
    """Return a common range of novelty / threshold for all episodes; None if none has both."""
    ratios = [_ratio(episode) for episode in episodes if scored(episode)]
    if not ratios:
        return None
    highest = max(float(np.nanmax(ratio)) for ratio in ratios)
    lowest = min(float(np.nanmin(ratio)) for ratio in ratios)
    return max(LOWEST_RATIO, min(0.5, lowest)) * 0.9, max(2.0, min(highest, 1e6)) * 1.5


def scored(episode: EpisodeResult) -> bool:
    """Whether the episode has a score and a finite threshold above 0."""
    threshold = episode.threshold
    measurable = threshold is not None and 0 < threshold < np.inf
    return measurable and bool(np.isfinite(episode.scores).any())


def nominal_novelty_chart(episodes: Sequence[EpisodeResult], limits: tuple[float, float]) -> Figure:
    """Draw the novelty of nominal episodes; each fallback there is a false alarm."""
    groups = {
        ('no fallback', 'blue'): [e for e in episodes if not e.fallback],
        ('false alarm', 'red'): [e for e in episodes if e.fallback],
    }
    return _novelty_chart('Nominal episodes', groups, limits)


def ood_novelty_chart(
    watched: Sequence[EpisodeResult], pairs: Sequence[WatchedPair], limits: tuple[float, float]
) -> Figure:
    """Draw the novelty of watched perturbed episodes, grouped by the monitor's verdict.

    Args:
        watched: All watched episodes.
        pairs: Those that were also run without the monitor.
        limits: From `novelty_limits`.
    """
    paired = {id(pair.watched) for pair in pairs}
    groups = {
        ('never run alone', 'green'): [e for e in watched if id(e) not in paired],
        ('policy alone succeeds', 'muted'): [p.watched for p in pairs if not p.failed],
        ('failure, detected', 'blue'): [p.watched for p in pairs if p.detected],
        ('failure, missed', 'red'): [p.watched for p in pairs if p.failed and not p.detected],
    }
    return _novelty_chart('Perturbed episodes', groups, limits)


def _novelty_chart(
    title: str,
    groups: Mapping[tuple[str, str], Sequence[EpisodeResult]],
    limits: tuple[float, float],
) -> Figure:
    with new_figure(3.3) as figure:
        axes = figure.subplots()
        for (label, name), episodes in groups.items():
            traced = [episode for episode in episodes if scored(episode)]
            strong = name == 'red'
            for episode in traced:
                times, ratios = _peaks(episode.times, _ratio(episode))
                axes.plot(
                    times,
                    np.clip(ratios, LOWEST_RATIO, None),
                    color=colour(name),
                    alpha=0.9 if strong else 0.35,
                    linewidth=1.2 if strong else 0.8,
                )
            if traced:
                axes.plot([], [], color=colour(name), label=f'{label} ({len(traced)})')
        axes.axhline(1.0, color=colour('ink'), linestyle='--', linewidth=1.2, label='threshold')
        _mark_fallbacks(axes, [episode for some in groups.values() for episode in some])
        axes.set(title=title, xlabel='time [s]', ylabel='novelty / threshold [-]')
        axes.set(yscale='log', ylim=limits)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
        axes.set_xlim(left=0)
        axes.minorticks_off()
        figure.legend(loc='outside lower left', ncols=2)
    return figure


def _mark_fallbacks(axes: Axes, episodes: Sequence[EpisodeResult]) -> None:
    moments = [
        (e.fallback_time, max(_ratio_at(e, e.fallback_time), LOWEST_RATIO))
        for e in episodes
        if e.fallback_time is not None and scored(e)
    ]
    if moments:
        times, ratios = zip(*moments, strict=True)
        axes.scatter(
            times,
            ratios,
            marker='v',
            s=26,
            color=colour('orange'),
            zorder=3,
            edgecolors=colour('paper'),
            linewidths=0.6,
            label='fallback',
        )


def _ratio_at(episode: EpisodeResult, time: float) -> float:
    """Ratio at the tick nearest that time [s] among those with a score."""
    distance = np.where(np.isfinite(episode.scores), np.abs(episode.times - time), np.inf)
    return float(_ratio(episode)[np.argmin(distance)])


def _ratio(episode: EpisodeResult) -> Array:
    """Novelty as a multiple of the threshold, NaN where it is not finite, shape (T,)."""
    ratio = episode.scores / (episode.threshold or 1.0)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _peaks(times: Array, values: Array) -> tuple[Array, Array]:
    """Thin a trace to BINS points, keeping the peaks, because peaks cross a threshold."""
    if len(times) <= BINS:
        return times, values
    edges = np.linspace(0, len(times), BINS + 1).astype(int)
    kept = [a + int(np.argmax(np.nan_to_num(values[a:b], nan=-1.0))) for a, b in pairwise(edges)]
    return times[kept], values[kept]


def joint_chart(policy: EpisodeResult, expert: EpisodeResult) -> Figure:
    """Draw the commanded joints of one episode over the expert's on the same seed.

    Args:
        policy: Episode with N joints.
        expert: Episode with N joints.
    """
    joints = policy.joints.shape[1]
    rows = -(-joints // 2)
    with new_figure(0.8 + 1.25 * rows) as figure:
        panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
        for joint, axes in enumerate(panels[:joints]):
            axes.plot(expert.times, expert.joints[:, joint], color=colour('orange'), linestyle='--')
            axes.plot(policy.times, policy.joints[:, joint], color=colour('blue'))
            axes.set_title(f'joint {joint + 1} [rad or m]', fontsize=8.5, fontweight='normal')
            axes.tick_params(labelsize=8)
            axes.margins(y=0.12)
        for axes in panels[joints:]:
            axes.set_axis_off()
        figure.supxlabel('time [s]', fontsize=9.5)
        figure.legend(panels[0].lines, ('expert', 'policy'), loc='outside upper left', ncols=2)
    return figure
