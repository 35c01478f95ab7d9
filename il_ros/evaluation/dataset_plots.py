"""Charts of the dataset report; each draws numbers into a figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from il_ros.core.dataset_summary import Coverage, EpisodeSummary, JointSummary
from il_ros.core.limits import Array
from il_ros.evaluation.svg import colour, new_figure

# Success is common; the other outcomes stand out. The order is that of the stack, from below.
_OUTCOMES = {'success': 'blue', 'unknown': 'muted', 'discarded': 'orange', 'failure': 'red'}

_DOTS_PER_INCH = 220


def duration_chart(episodes: Sequence[EpisodeSummary]) -> Figure:
    """Draw how long the episodes are, stacked by outcome."""
    with new_figure(2.9) as figure:
        axes = figure.subplots()
        by_outcome: dict[str, list[float]] = {outcome: [] for outcome in _OUTCOMES}
        for episode in episodes:
            outcome = episode.outcome if episode.outcome in _OUTCOMES else 'unknown'
            by_outcome[outcome].append(episode.duration)
        drawn_outcomes = {name: durations for name, durations in by_outcome.items() if durations}
        axes.hist(
            list(drawn_outcomes.values()),
            bins=_edges(np.array([e.duration for e in episodes], dtype=np.float64)),
            stacked=True,
            color=[colour(_OUTCOMES[name]) for name in drawn_outcomes],
            label=[f'{name} ({len(durations)})' for name, durations in drawn_outcomes.items()],
        )
        _name_histogram(axes, 'Durations', 'duration [s]')
        if len(drawn_outcomes) > 1:
            figure.legend(loc='outside lower left', ncols=4)
    return figure


def action_chart(joints: Sequence[JointSummary]) -> Figure:
    """Draw the commands of every joint over the range of its limits."""
    rows = -(-len(joints) // 2)
    with new_figure(0.7 + 1.05 * rows) as figure:
        panels = figure.subplots(-(-len(joints) // 2), 2, squeeze=False).ravel()
        for axes, joint in zip(panels, joints, strict=False):
            axes.stairs(joint.counts, joint.edges, fill=True, color=colour('blue'), alpha=0.8)
            for limit in (joint.lower, joint.upper):
                axes.axvline(limit, color=colour('red'), linestyle='--', linewidth=1.0)
            axes.set_title(joint.name, fontsize=8.5, fontweight='normal')
            axes.set(yticks=[], xlim=(joint.edges[0], joint.edges[-1]))
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.tick_params(labelsize=8)
            axes.spines['left'].set_visible(False)
            axes.grid(visible=False)
        for axes in panels[len(joints) :]:
            axes.set_axis_off()
        figure.supxlabel('command [rad or m; normalised: -1 to 1]', fontsize=9.5)
    return figure


def distance_chart(coverage: Coverage) -> Figure:
    """Draw the distance of each episode to the most similar one."""
    with new_figure(2.9) as figure:
        axes = figure.subplots()
        known = coverage.distance[np.isfinite(coverage.distance)]
        axes.hist(known, bins=_edges(np.append(known, 0.0)), color=colour('blue'))
        axes.axvline(
            coverage.duplicate,
            color=colour('red'),
            linestyle='--',
            linewidth=1.2,
            label=f'the same, below {coverage.duplicate:g}',
        )
        axes.set_xlim(left=0)
        title = 'Distance to the most similar episode'
        _name_histogram(axes, title, 'distance [standard deviations]')
        figure.legend(loc='outside lower left')
    return figure


def progress_chart(coverage: Coverage) -> Figure:
    """Draw states in their two leading principal components, coloured by progress."""
    with new_figure(3.9) as figure:
        axes = figure.subplots()
        ends = colour('blue'), '#8f8f8f', colour('orange')
        ramp = LinearSegmentedColormap.from_list('progress', ends)
        # Thousands of dots become one bitmap inside the SVG, a tenth of the size of vector dots.
        dots = axes.scatter(
            coverage.points[:, 0],
            coverage.points[:, 1],
            c=coverage.progress,
            cmap=ramp,
            s=7,
            linewidths=0,
            rasterized=True,
        )
        figure.set_dpi(_DOTS_PER_INCH)
        bar = figure.colorbar(dots, ax=axes, location='bottom', shrink=0.5, aspect=28, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_ticks([0.0, 1.0], labels=['start', 'end of the episode'])
        bar.ax.tick_params(length=0, labelsize=8.5)
        _name_components(axes, coverage, 'States, by progress')
    return figure


def ends_chart(coverage: Coverage, odd: Sequence[int]) -> Figure:
    """Draw where each episode begins and ends; the episodes at the indices `odd` are marked."""
    with new_figure(3.9) as figure:
        axes = figure.subplots()
        figure.set_dpi(_DOTS_PER_INCH)
        suspicious = np.isin(coverage.episodes, odd)
        sets = (('start', coverage.starts, 'blue', 'o'), ('end', coverage.ends, 'orange', 's'))
        for label, points, name, marker in sets:
            axes.scatter(
                points[:, 0],
                points[:, 1],
                s=16,
                marker=marker,
                color=colour(name),
                alpha=0.75,
                linewidths=0,
                label=label,
                rasterized=len(points) > 200,
            )
        if suspicious.any():
            both = np.concatenate([coverage.starts[suspicious], coverage.ends[suspicious]])
            axes.scatter(
                both[:, 0],
                both[:, 1],
                s=52,
                marker='o',
                facecolors='none',
                edgecolors=colour('red'),
                linewidths=1.0,
                label='suspicious',
                rasterized=len(both) > 200,
            )
        _name_components(axes, coverage, 'Where episodes start and end')
        figure.legend(loc='outside lower left', ncols=3)
    return figure


def _name_histogram(axes: Axes, title: str, xlabel: str) -> None:
    axes.set(title=title, xlabel=xlabel, ylabel='episodes')
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.grid(visible=False, axis='x')


def _name_components(axes: Axes, coverage: Coverage, title: str) -> None:
    first, second = coverage.explained
    axes.set(
        title=title,
        xlabel=f'first component ({first:.0%} of the variance)',
        ylabel=f'second component ({second:.0%})',
    )
    axes.locator_params(nbins=5)


def _edges(values: Array) -> list[float]:
    """Bin edges over all values; their number grows with the data, a single value gets one bin."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        return [low - 0.5, high + 0.5]
    bins = int(np.clip(2 * np.sqrt(len(values)), 5, 40))
    edges: list[float] = np.linspace(low, high, bins + 1).tolist()
    return edges
