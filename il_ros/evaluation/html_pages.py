"""Shared parts of the HTML pages: the template environment and the removal of control codes."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment() -> Environment:
    """Template environment that escapes all values and refuses undefined names."""
    return Environment(
        loader=PackageLoader('il_ros.evaluation'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def without_controls(text: str) -> str:
    """Replace characters that are invalid in HTML or UTF-8; names and reasons are untrusted."""
    return re.sub(r'[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]', '\ufffd', text)
