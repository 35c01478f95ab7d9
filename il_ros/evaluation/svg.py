"""Matplotlib figures as inline SVG whose colours follow the page's light or dark theme."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

WIDTH = 4.7
"""Width of every chart [inch], so that its text is legible on a phone."""

COLOURS: Mapping[str, tuple[str, str]] = {
    'ink': ('#1f2328', '#e6e8eb'),
    'muted': ('#59636e', '#9aa4af'),
    'rule': ('#d1d9e0', '#3a424c'),
    'paper': ('#fefefe', '#14181d'),
    'panel': ('#f6f8fa', '#1c2229'),
    'blue': ('#0072b2', '#5ab4e5'),
    'orange': ('#d88a00', '#f0b13c'),
    'red': ('#c64a00', '#ff8b52'),
    'green': ('#007a5a', '#35c79a'),
}
"""Colour by name: (light, dark). Hues of Okabe and Ito 2008, which colour-blind readers tell
apart, with lightness moved until they read on paper and on black."""

_STYLE: dict[Any, Any] = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'il_ros',
    'text.parse_math': False,
    'font.family': 'DejaVu Sans',
    'font.size': 9.5,
    'axes.titlesize': 10.5,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'axes.edgecolor': COLOURS['muted'][0],
    'axes.labelcolor': COLOURS['ink'][0],
    'axes.titlecolor': COLOURS['ink'][0],
    'axes.facecolor': 'none',
    'figure.facecolor': 'none',
    'grid.color': COLOURS['rule'][0],
    'grid.linewidth': 0.6,
    'lines.linewidth': 1.2,
    'text.color': COLOURS['ink'][0],
    'xtick.color': COLOURS['muted'][0],
    'ytick.color': COLOURS['muted'][0],
    'xtick.labelcolor': COLOURS['ink'][0],
    'ytick.labelcolor': COLOURS['ink'][0],
    'legend.frameon': False,
    'legend.fontsize': 8.5,
}


def colour(name: str) -> str:
    """Return the light colour of that name; `to_svg` makes it follow the theme."""
    return COLOURS[name][0]


@contextmanager
def new_figure(height: float) -> Iterator[Figure]:
    """A figure of that height [inch] to draw into, in the common style and without a display."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout='constrained')
        yield figure
        figure.draw_without_rendering()


def to_svg(figure: Figure, name: str, label: str) -> Markup:
    """Return the figure as an <svg> element for the inside of an HTML page.

    Args:
        figure: From `new_figure`.
        name: Prefix of every id in it, unique on the page.
        label: Description for screen readers.
    """
    buffer = StringIO()
    no_metadata = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format='svg', metadata=no_metadata)
    text = buffer.getvalue()
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>|<style .*?</style>', '', text, flags=re.DOTALL)
    text = re.sub(r' (width|height)="[\d.]+pt"', '', text, count=2)
    text = re.sub(r'( id="|url\(#|href="#)', rf'\g<1>{name}-', text)
    for variable, (light, _) in COLOURS.items():
        text = text.replace(light, f'var(--{variable})')
    titled = text.replace('<svg', f'<svg role="img" aria-label="{escape(label)}"', 1)
    return Markup(titled.strip())
