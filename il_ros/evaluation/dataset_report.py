"""One page and one JSON file that describe a dataset and list suspicious episodes first."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from il_ros.core.atomic_files import write_atomic
from il_ros.core.dataset_summary import DatasetSummary, JointSummary, Thumbnail
from il_ros.evaluation import dataset_plots as plots
from il_ros.evaluation.evaluation_report import NOTHING
from il_ros.evaluation.html_pages import page_environment, without_controls
from il_ros.evaluation.json_values import array_to_json, number_to_json
from il_ros.evaluation.svg import COLOURS, to_svg

LISTED = 60
"""Most episodes that the page lists; it also shows their total number."""

LEFT_OUT_LISTED = 100
"""Most omitted episodes that the page lists."""

JOINTS = 24
"""Most joints that the page draws."""


def write_dataset_report(path: Path, summary: DatasetSummary, *, command: str = '') -> Path:
    """Write the self-contained page atomically.

    Args:
        path: The HTML file; an existing one is replaced.
        summary: Summary of the dataset.
        command: Command line that makes the page again.

    Raises:
        IlRosError: If the file cannot be written.
    """
    return write_atomic(path, render_dataset_report(summary, command=command))


def write_dataset_json(path: Path, summary: DatasetSummary) -> Path:
    """Write the same summary as JSON, atomically and without images.

    Raises:
        IlRosError: If the file cannot be written.
    """
    return write_atomic(path, dataset_json(summary))


def dataset_json(summary: DatasetSummary) -> str:
    """The summary as JSON; NaN is null, and images are reduced to their description."""
    plain = dataclasses.asdict(summary)
    plain['thumbnails'] = [
        {key: value for key, value in image.items() if key != 'jpeg'}
        for image in plain['thumbnails']
    ]
    return json.dumps(_plain(plain), indent=1, ensure_ascii=False, allow_nan=False) + '\n'


def render_dataset_report(summary: DatasetSummary, *, command: str = '') -> str:
    """The page as text; arguments as `write_dataset_report`."""
    environment = page_environment()
    environment.filters.update(_FILTERS)
    reasons = Counter(_kind(reason) for _, reason in summary.left_out)
    page = environment.get_template('dataset.html.j2').render(
        s=summary,
        charts=_charts(summary),
        odd=sum(bool(e.reasons) for e in summary.episodes),
        listed=summary.episodes[:LISTED],
        left_out=summary.left_out[:LEFT_OUT_LISTED],
        left_out_kinds=reasons.most_common(12),
        ids={e.index: e.id for e in summary.episodes},
        cameras=_by_camera(summary.thumbnails),
        quantiles=_quantiles(summary),
        outside=[joint for joint in summary.joints if joint.outside],
        joints_shown=JOINTS,
        steps=[_Step.of(name, effects) for name, effects in summary.steps.items()],
        command=command,
        colours=COLOURS,
    )
    return without_controls(page)


_LABELS = {
    'durations': 'Histogram of the durations of the episodes, by outcome',
    'actions': 'Histogram of the commanded position of every joint against its limits',
    'distances': 'Histogram of the distance of each episode to the one most like it',
    'progress': 'States in two principal components, by progress in the episode',
    'ends': 'First and last states of the episodes in two principal components',
}


def _charts(summary: DatasetSummary) -> dict[str, Markup]:
    """Every chart by name as SVG; empty if there is nothing to draw."""
    figures = {}
    coverage = summary.coverage
    if summary.episodes:
        figures['durations'] = plots.duration_chart(summary.episodes)
    if any(joint.counts.any() for joint in summary.joints):
        shown = [_clean(joint) for joint in summary.joints[:JOINTS]]
        figures['actions'] = plots.action_chart(shown)
    if coverage is not None:
        figures['progress'] = plots.progress_chart(coverage)
        odd = [e.index for e in summary.episodes if e.reasons]
        figures['ends'] = plots.ends_chart(coverage, odd)
        if np.isfinite(coverage.distance).any():
            figures['distances'] = plots.distance_chart(coverage)
    return {
        name: Markup(to_svg(figures[name], name, label) if name in figures else '')
        for name, label in _LABELS.items()
    }


def _clean(joint: JointSummary) -> JointSummary:
    """The joint with a name that is valid in SVG."""
    return dataclasses.replace(joint, name=without_controls(joint.name))


def _by_camera(
    images: Sequence[Thumbnail],
) -> dict[str, list[tuple[int, list[Thumbnail]]]]:
    """Images by camera, then by episode, in their order."""
    strips: dict[str, list[tuple[int, list[Thumbnail]]]] = {}
    for episode, group in groupby(images, key=lambda image: image.episode):
        by_camera: dict[str, list[Thumbnail]] = {}
        for image in group:
            by_camera.setdefault(image.camera, []).append(image)
        for camera, moments in by_camera.items():
            strips.setdefault(camera, []).append((episode, moments))
    return strips


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Step:
    """Effects of a processing step: single numbers, and a table of numbers per stream or joint.

    A number with a dot in its name is `measure.stream`.
    """

    name: str
    numbers: Mapping[str, str]
    measures: Sequence[str]
    rows: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, name: str, effects: Mapping[str, float]) -> _Step:
        rows: dict[str, dict[str, str]] = {}
        for full, value in effects.items():
            measure, _, stream = full.partition('.')
            if stream:
                rows.setdefault(stream, {})[measure] = _effect(measure, value)
        return cls(
            name=name,
            numbers={n: _effect(n, value) for n, value in effects.items() if '.' not in n},
            measures=list(dict.fromkeys(n.partition('.')[0] for n in effects if '.' in n)),
            rows=rows,
        )


def _effect(name: str, value: float) -> str:
    if name.endswith('_share'):
        return _share(value)
    return f'{value:.0f}' if float(value).is_integer() else _number(value)


def _quantiles(summary: DatasetSummary) -> list[str]:
    """All quantiles that any feature has, in order."""
    shares = {share for feature in summary.features for share in feature.quantiles}
    return sorted(shares, key=float)


def _kind(reason: str) -> str:
    """A reason without its leading file or topic, so that equal reasons are counted together."""
    return reason.split(': ', 1)[-1]


def _number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits; very large or small ones use an exponent."""
    if value is None or not isfinite(value):
        return NOTHING
    if value == 0:
        return '0'
    if not 1e-3 <= abs(value) < 1e6:
        return f'{value:.{digits - 1}e}'
    return f'{value:.{max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))}f}'


def _count(value: float) -> str:
    return f'{value:.0f}' if isfinite(value) else NOTHING


def _share(value: float) -> str:
    """A fraction as percent; only exactly 0 and 1 round to 0 % and 100 %."""
    if not isfinite(value):
        return NOTHING
    if value in (0, 1):
        return f'{100 * value:.0f} %'
    return f'{min(max(100 * value, 0.1), 99.9):.1f} %'


def _share_name(share: str) -> str:
    return f'{100 * float(share):g} %'


def _milliseconds(value: float) -> str:
    return f'{1000 * value:.1f}' if isfinite(value) else NOTHING


def _duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f'{seconds:.1f} s'
    return f'{seconds / 60:.1f} min' if seconds < 7200 else f'{seconds / 3600:.1f} h'


def _data_uri(jpeg: bytes) -> str:
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'


def _plain(value: Any) -> Any:
    """Recursively convert arrays to lists, NaN to null, and lone surrogates to '?'."""
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode('utf-8', 'replace').decode('utf-8')
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.kind == 'i' else array_to_json(value)
    return number_to_json(value) if isinstance(value, float) else value


_FILTERS = {
    'number': _number,
    'count': _count,
    'share': _share,
    'share_name': _share_name,
    'milliseconds': _milliseconds,
    'duration': _duration,
    'data_uri': _data_uri,
}
