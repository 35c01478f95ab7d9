"""The error of this folder."""

from __future__ import annotations

from il_ros.core.errors import IlRosError


class EvaluationError(IlRosError):
    """Episodes cannot be read, counted or compared as asked."""
