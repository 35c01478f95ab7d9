"""One page and one JSON file that describe a dataset and list suspicious episodes first."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from il_ros.core.dataset_summary import DatasetSummary, Thumbnail
from il_ros.evaluation import dataset_plots as plots
from il_ros.evaluation.html_pages import (
    NOTHING,
    Filters,
    inline_charts,
    render_page,
    without_controls,
)
from il_ros.evaluation.json_values import to_json

LISTED = 60
"""Most episodes that the page lists; it also shows their total number."""

LEFT_OUT_LISTED = 100
"""Most omitted episodes that the page lists."""

JOINTS = 24
"""Most joints that the page draws."""


def dataset_json(summary: DatasetSummary) -> str:
    """The summary as JSON; NaN is null, a lone surrogate '?', and images are only described."""
    plain = dataclasses.asdict(summary)
    for image in plain['thumbnails']:
        del image['jpeg']
    text = json.dumps(to_json(plain), indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode('utf-8', 'replace').decode() + '\n'


def render_dataset_report(summary: DatasetSummary, *, command: str = '') -> str:
    """The self-contained page as text.

    Args:
        summary: Summary of the dataset.
        command: Command line that makes the page again.
    """
    # A reason without its leading file or topic, so that equal reasons are counted together.
    reasons = Counter(reason.split(': ', 1)[-1] for _, reason in summary.left_out)
    quantiles = {share for feature in summary.features for share in feature.quantiles}
    return render_page(
        'dataset.html.j2',
        _FILTERS,
        s=summary,
        charts=inline_charts(_figures(summary), _LABELS),
        odd=sum(bool(e.reasons) for e in summary.episodes),
        listed=summary.episodes[:LISTED],
        left_out=summary.left_out[:LEFT_OUT_LISTED],
        left_out_kinds=reasons.most_common(12),
        ids={e.index: e.id for e in summary.episodes},
        cameras=_by_camera(summary.thumbnails),
        quantiles=sorted(quantiles, key=float),
        outside=[joint for joint in summary.joints if joint.outside],
        joints_shown=JOINTS,
        steps=[_step(name, effects) for name, effects in summary.steps.items()],
        command=command,
    )


_LABELS = {
    'durations': 'Histogram of the durations of the episodes, by outcome',
    'actions': 'Histogram of the commanded position of every joint against its limits',
    'distances': 'Histogram of the distance of each episode to the one most like it',
    'progress': 'States in two principal components, by progress in the episode',
    'ends': 'First and last states of the episodes in two principal components',
}


def _figures(summary: DatasetSummary) -> dict[str, Figure]:
    """Every chart by name for which there is something to draw."""
    figures = {}
    coverage = summary.coverage
    if summary.episodes:
        figures['durations'] = plots.duration_chart(summary.episodes)
    if any(joint.counts.any() for joint in summary.joints):
        joints = [
            dataclasses.replace(joint, name=without_controls(joint.name))
            for joint in summary.joints[:JOINTS]
        ]
        figures['actions'] = plots.action_chart(joints)
    if coverage is not None:
        figures['progress'] = plots.progress_chart(coverage)
        odd = [e.index for e in summary.episodes if e.reasons]
        figures['ends'] = plots.ends_chart(coverage, odd)
        if np.isfinite(coverage.distance).any():
            figures['distances'] = plots.distance_chart(coverage)
    return figures


def _by_camera(images: Sequence[Thumbnail]) -> dict[str, list[tuple[int, list[Thumbnail]]]]:
    """Images by camera, then by episode, in their order."""
    strips: dict[str, dict[int, list[Thumbnail]]] = {}
    for image in images:
        strips.setdefault(image.camera, {}).setdefault(image.episode, []).append(image)
    return {camera: list(by_episode.items()) for camera, by_episode in strips.items()}


def _step(name: str, effects: Mapping[str, float]) -> dict[str, Any]:
    """Effects of a processing step: single numbers, and a table of numbers per stream or joint.

    A number with a dot in its name is `measure.stream`.
    """
    rows: dict[str, dict[str, str]] = {}
    numbers, measures = {}, {}
    for full, value in effects.items():
        measure, dot, stream = full.partition('.')
        if dot:
            rows.setdefault(stream, {})[measure] = _effect(measure, value)
            measures[measure] = True
        else:
            numbers[full] = _effect(full, value)
    return {'name': name, 'numbers': numbers, 'measures': list(measures), 'rows': rows}


def _effect(name: str, value: float) -> str:
    if name.endswith('_share'):
        return _share(value)
    return f'{value:.0f}' if float(value).is_integer() else _number(value)


def _number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits; very large or small ones use an exponent."""
    if value is None or not isfinite(value):
        return NOTHING
    if value == 0:
        return '0'
    if not 1e-3 <= abs(value) < 1e6:
        return f'{value:.{digits - 1}e}'
    return f'{value:.{max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))}f}'


def _share(value: float) -> str:
    """A fraction as percent; only exactly 0 and 1 round to 0 % and 100 %."""
    if not isfinite(value):
        return NOTHING
    if value in (0, 1):
        return f'{100 * value:.0f} %'
    return f'{min(max(100 * value, 0.1), 99.9):.1f} %'


def _duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f'{seconds:.1f} s'
    return f'{seconds / 60:.1f} min' if seconds < 7200 else f'{seconds / 3600:.1f} h'


_FILTERS: Filters = {
    'number': _number,
    'count': lambda value: f'{value:.0f}' if isfinite(value) else NOTHING,
    'share': _share,
    'share_name': lambda share: f'{100 * float(share):g} %',
    'milliseconds': lambda value: f'{1000 * value:.1f}' if isfinite(value) else NOTHING,
    'duration': _duration,
    'data_uri': lambda jpeg: f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}',
}
