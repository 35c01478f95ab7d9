"""HTML pages: made from templates, with charts in them and without control codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from il_ros.evaluation.svg import COLOURS, to_svg

NOTHING = '\u2013'
"""What a page shows for a missing value."""

Filters = Mapping[str, Callable[..., str]]


def render_page(template: str, filters: Filters | None = None, **values: Any) -> str:
    """A page of a template, which escapes all values and refuses undefined names."""
    environment = Environment(
        loader=PackageLoader('il_ros.evaluation'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return without_controls(environment.get_template(template).render(colours=COLOURS, **values))


def inline_charts(figures: Mapping[str, Figure], labels: Mapping[str, str]) -> dict[str, Markup]:
    """Every labelled chart by name as SVG; empty if it was not drawn."""
    return {
        name: to_svg(figures[name], name, label) if name in figures else Markup()
        for name, label in labels.items()
    }


def without_controls(text: str) -> str:
    """Replace characters that are invalid in HTML or UTF-8; names and reasons are untrusted."""
    return re.sub(r'[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]', '\ufffd', text)
