"""Report of interactive imitation, round by round: the expert's effort and the policy's success."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.html_pages import page_environment, without_controls
from il_ros.evaluation.intervals import Rate, rate_fields
from il_ros.evaluation.report_plots import WIDTH
from il_ros.evaluation.svg import COLOURS, colour, drawn, to_svg


@dataclass(frozen=True, kw_only=True)
class CoachedRound:
    """One round.

    Attributes:
        round: Number of the round; 0 is the demonstrations.
        policy_id: Hash of the policy trained after it.
        episodes: Number of episodes.
        labels: Steps that the expert was asked to label.
        takeovers: Times that the expert took over from the policy.
        minutes: Total length of the episodes [min].
        autonomy: Fraction of the steps that the policy drove, 0 to 1.
        success: Success rate of that policy alone; None if it was not evaluated.
    """

    round: int
    policy_id: str
    episodes: int
    labels: int
    takeovers: int
    minutes: float
    autonomy: float
    success: Rate | None

    @property
    def takeovers_per_minute(self) -> float:
        """Takeovers per minute [1/min]; 0 without any episode."""
        return self.takeovers / self.minutes if self.minutes else 0.0


def write_coaching_report(
    folder: Path, rounds: Sequence[CoachedRound], *, title: str, command: str
) -> Path:
    """Write curves.json and curves.html, each atomically, and return the path of the page.

    Args:
        folder: Folder of both files.
        rounds: All rounds so far, in order.
        title: Title of the page.
        command: Command line that made it.

    Raises:
        IlRosError: If a file cannot be written.
    """
    data = {'title': title, 'rounds': [_plain(one) for one in rounds]}
    write_atomic(folder / 'curves.json', json.dumps(data, indent=1, ensure_ascii=False) + '\n')
    page = page_environment().get_template('coaching.html.j2')
    html = page.render(
        title=title,
        rounds=rounds,
        charts=_charts(rounds),
        command=command,
        colours=COLOURS,
    )
    return write_atomic(folder / 'curves.html', without_controls(html))


def _plain(one: CoachedRound) -> dict[str, Any]:
    numbers = {name: value for name, value in vars(one).items() if name != 'success'}
    return {
        **numbers,
        'takeovers_per_minute': one.takeovers_per_minute,
        **rate_fields(one.success, 'success', 'wilson'),
    }


def _charts(rounds: Sequence[CoachedRound]) -> list[Markup]:
    draws: dict[str, Callable[[Sequence[CoachedRound], Axes], None]] = {
        'Success of the policy alone, by round': _draw_success,
        'Labels, by round': _draw_labels,
        'Takeovers per minute, by round': _draw_takeovers,
        'Share of steps that the policy drove, by round': _draw_autonomy,
    }
    return [
        Markup(to_svg(drawn(partial(_draw, draw, rounds, title), WIDTH, 2.6), f'c{i}', title))
        for i, (title, draw) in enumerate(draws.items())
    ]


def _draw(
    draw: Callable[[Sequence[CoachedRound], Axes], None],
    rounds: Sequence[CoachedRound],
    title: str,
    figure: Figure,
) -> None:
    axes = figure.subplots()
    draw(rounds, axes)
    axes.set_title(title)
    axes.set_xlabel('round')
    axes.set_xlim(-0.5, max(one.round for one in rounds) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_success(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    evaluated = [(one.round, one.success) for one in rounds if one.success is not None]
    numbers = [number for number, _ in evaluated]
    rates = np.array([[rate.rate, rate.low, rate.high] for _, rate in evaluated]).reshape(-1, 3)
    axes.plot(numbers, rates[:, 0], 'o-', color=colour('blue'))
    axes.vlines(numbers, rates[:, 1], rates[:, 2], color=colour('blue'), alpha=0.35, linewidth=5)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _draw_labels(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    axes.bar([one.round for one in rounds], [one.labels for one in rounds], color=colour('orange'))


def _draw_takeovers(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    later = [one for one in rounds if one.round]
    axes.plot(
        [one.round for one in later],
        [one.takeovers_per_minute for one in later],
        'o-',
        color=colour('red'),
    )
    axes.set_ylim(bottom=0.0)


def _draw_autonomy(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    later = [one for one in rounds if one.round]
    axes.plot(
        [one.round for one in later], [one.autonomy for one in later], 'o-', color=colour('green')
    )
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
