"""Report of interactive imitation, round by round: the expert's effort and the policy's success."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.html_pages import render_page
from il_ros.evaluation.intervals import Rate, rate_fields
from il_ros.evaluation.svg import colour, new_figure, to_svg


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
    charts = [to_svg(figure, f'c{i}', name) for i, (name, figure) in enumerate(_charts(rounds))]
    page = render_page(
        'coaching.html.j2', title=title, rounds=rounds, charts=charts, command=command
    )
    return write_atomic(folder / 'curves.html', page)


def _plain(one: CoachedRound) -> dict[str, Any]:
    return {
        **{name: value for name, value in vars(one).items() if name != 'success'},
        'takeovers_per_minute': one.takeovers_per_minute,
        **rate_fields(one.success, 'success', 'wilson'),
    }


def _charts(rounds: Sequence[CoachedRound]) -> Iterator[tuple[str, Figure]]:
    draws = {
        'Success of the policy alone': _draw_success,
        'Labels': _draw_labels,
        'Takeovers per minute': _draw_takeovers,
        'Share of steps that the policy drove': _draw_autonomy,
    }
    for name, draw in draws.items():
        title = f'{name}, by round'
        with new_figure(2.6) as figure:
            axes = figure.subplots()
            draw(rounds, axes)
            last = max(one.round for one in rounds)
            axes.set(title=title, xlabel='round', xlim=(-0.5, last + 0.5))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        yield title, figure


def _draw_success(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    evaluated = [(one.round, one.success) for one in rounds if one.success is not None]
    numbers = [number for number, _ in evaluated]
    axes.plot(numbers, [rate.rate for _, rate in evaluated], 'o-', color=colour('blue'))
    ends = [rate.low for _, rate in evaluated], [rate.high for _, rate in evaluated]
    axes.vlines(numbers, *ends, color=colour('blue'), alpha=0.35, linewidth=5)
    _as_percent(axes)


def _draw_labels(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    axes.bar([one.round for one in rounds], [one.labels for one in rounds], color=colour('orange'))


def _draw_takeovers(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    rates = {one.round: one.takeovers_per_minute for one in rounds if one.round}
    axes.plot(list(rates), list(rates.values()), 'o-', color=colour('red'))
    axes.set_ylim(bottom=0.0)


def _draw_autonomy(rounds: Sequence[CoachedRound], axes: Axes) -> None:
    fractions = {one.round: one.autonomy for one in rounds if one.round}
    axes.plot(list(fractions), list(fractions.values()), 'o-', color=colour('green'))
    _as_percent(axes)


def _as_percent(axes: Axes) -> None:
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
