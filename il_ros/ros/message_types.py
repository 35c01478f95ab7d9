"""Message classes by the names that contracts use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from il_ros.core.errors import IlRosError


def message_type(name: str) -> Any:
    """The class of `package/msg/Name`.

    Raises:
        IlRosError: If the package is not installed or has no such message.
    """
    package, _, short = name.partition('/msg/')
    try:
        return getattr(import_module(f'{package}.msg'), short)
    except (ImportError, AttributeError):
        raise IlRosError(
            f'message type {name!r} is not there', fix=f'install or source the package {package}'
        ) from None
