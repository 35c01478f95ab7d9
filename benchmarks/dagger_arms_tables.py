"""Table, plot and rows of the study of interactive imitation on arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.rows import Row
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.paired_statistics import PairedOutcomes, difference_interval
from il_ros.evaluation.svg import colour, new_figure

METHODS = {
    'expert': 'the expert',
    'dagger': 'DAgger',
    'bc': 'behaviour cloning, as many labels',
    'monitor_gated': 'DAgger, monitor-gated',
    'safe_dagger': 'SafeDAgger',
    'lazy_dagger': 'LazyDAgger',
}
"""What a reader calls each method; behaviour cloning needs the result of DAgger."""

_COLOURS = dict(zip(METHODS, ('ink', 'blue', 'muted', 'red', 'orange', 'green'), strict=True))


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one method came to on one task with one seed.

    Attributes:
        task: Name of the task.
        method: Key of `METHODS`.
        seed: Of the run.
        labels: Steps that the expert was asked about after the demonstrations.
        takeovers: Times that the expert took over from the learner.
        steps: Steps of all episodes that were learned from.
        gains: 1 for each evaluation episode that the last policy solved, else 0.
    """

    task: str
    method: str
    seed: int
    labels: int
    takeovers: int
    steps: int
    gains: tuple[float, ...]


def table(runs: Sequence[Run]) -> str:
    """One line for each task and method, all seeds together, as Markdown."""
    head = (
        'task', 'method', 'seeds', 'labels', 'of DAgger', 'takeovers', 'success',
        'difference from the expert, paired', 'from DAgger, paired',
    )  # fmt: skip
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for task in dict.fromkeys(run.task for run in runs):
        for method, name in METHODS.items():
            some = _chosen(runs, task, method)
            if some:
                others = [_chosen(runs, task, other) for other in ('expert', 'dagger')]
                cells = _cells(some, *others)
                lines.append('| ' + ' | '.join([f'`{task}`', name, *cells]) + ' |')
    return '\n'.join(lines) + '\n'


def _cells(some: Sequence[Run], expert: Sequence[Run], dagger: Sequence[Run]) -> Iterator[str]:
    yield str(len(some))
    yield str(sum(run.labels for run in some))
    share = label_share(some, dagger)
    yield f'{share:.2f}' if share else '-'
    yield str(sum(run.takeovers for run in some))
    yield str(Rate.of(gain > 0 for run in some for gain in run.gains))
    yield _difference(some, expert)
    yield _difference(some, dagger)


def _difference(some: Sequence[Run], others: Sequence[Run]) -> str:
    pairs = [
        (before > 0, now > 0)
        for one, other in _same_seeds(some, others)
        for before, now in zip(other.gains, one.gains, strict=True)
    ]
    if some == others or not pairs:
        return '-'
    counts = PairedOutcomes.of(pairs)
    low, high = difference_interval(counts)
    return f'{100 * counts.difference:+.0f} points ({100 * low:+.0f} to {100 * high:+.0f})'


def label_share(some: Sequence[Run], dagger: Sequence[Run]) -> float | None:
    """Labels as a share of those that DAgger had in the runs of the same task and seed."""
    pairs = _same_seeds(some, dagger)
    whole = sum(other.labels for _, other in pairs)
    return sum(one.labels for one, _ in pairs) / whole if whole else None


def switch_cut(lazy: Sequence[Run], safe: Sequence[Run]) -> float | None:
    """Share of SafeDAgger's takeovers that LazyDAgger does without, in runs of the same kind."""
    pairs = _same_seeds(lazy, safe)
    whole = sum(other.takeovers for _, other in pairs)
    return 1 - sum(one.takeovers for one, _ in pairs) / whole if whole else None


def rows(runs: Sequence[Run]) -> Iterator[Row]:
    """The figures with a target; those that these runs do not tell are left out."""
    of = {method: [run for run in runs if run.method == method] for method in METHODS}
    how = ', '.join(
        f'{task} seeds {sorted({run.seed for run in runs if run.task == task})}'
        for task in dict.fromkeys(run.task for run in runs)
    )
    for name, method in (
        ('gated_label_share', 'monitor_gated'),
        ('safe_label_share', 'safe_dagger'),
    ):
        share = label_share(of[method], of['dagger'])
        if share is not None:
            yield Row(name=name, value=share, unit='of DAgger', target=0.4, better='less', how=how)
    cut = switch_cut(of['lazy_dagger'], of['safe_dagger'])
    if cut is not None:
        unit = 'of SafeDAgger'
        yield Row(
            name='context_switch_cut', value=cut, unit=unit, target=0.6, better='more', how=how
        )


def plot(runs: Sequence[Run]) -> Figure:
    """Success over labels, a point for each task and method with its Wilson interval."""
    tasks = list(dict.fromkeys(run.task for run in runs))
    with new_figure(0.8 + 2.2 * len(tasks)) as figure:
        _draw(runs, tasks, figure)
    return figure


def _draw(runs: Sequence[Run], tasks: Sequence[str], figure: Figure) -> None:
    panels = figure.subplots(len(tasks), 1, squeeze=False).ravel()
    for axes, task in zip(panels, tasks, strict=True):
        for method, name in METHODS.items():
            some = _chosen(runs, task, method)
            rate = Rate.of(gain > 0 for run in some for gain in run.gains)
            if rate is None:
                continue
            labels, shade = sum(run.labels for run in some) / len(some), colour(_COLOURS[method])
            axes.plot([labels] * 2, [rate.low, rate.high], color=shade, linewidth=5, alpha=0.35)
            label = name if task == tasks[0] else None
            axes.plot(labels, rate.rate, 'o', color=shade, markersize=6, label=label)
        axes.set_title(task)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylabel('episodes solved [%]')
    panels[-1].set_xlabel('labels after the demonstrations, a run')
    figure.legend(loc='outside lower left', ncols=2)


def _chosen(runs: Sequence[Run], task: str, method: str) -> list[Run]:
    return [run for run in runs if (run.task, run.method) == (task, method)]


def _same_seeds(some: Sequence[Run], others: Sequence[Run]) -> list[tuple[Run, Run]]:
    by_case = {(run.task, run.seed): run for run in others}
    return [(run, by_case[run.task, run.seed]) for run in some if (run.task, run.seed) in by_case]
