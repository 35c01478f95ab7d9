"""What the pages of this package have in common: their templates and what no page can carry."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment() -> Environment:
    """Templates that escape whatever they are given, and refuse a name that nobody gave."""
    return Environment(
        loader=PackageLoader('il_ros.evaluation'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def without_controls(text: str) -> str:
    """Replace what neither HTML nor UTF-8 can carry; reasons and names come from anywhere."""
    return re.sub(r'[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]', '\ufffd', text)
