"""Classes of messages and actions by their names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from il_ros.core.errors import IlRosError


def message_type(name: str) -> Any:
    """The class of `package/msg/Name`.

    Raises:
        IlRosError: If the package is not installed or has no such message.
    """
    return _interface(name, 'msg', 'message')


def action_type(name: str) -> Any:
    """The class of `package/action/Name`.

    Raises:
        IlRosError: If the package is not installed or has no such action, as control_msgs before
            Jazzy has no ParallelGripperCommand.
    """
    return _interface(name, 'action', 'action')


def _interface(name: str, group: str, what: str) -> Any:
    package, _, short = name.partition(f'/{group}/')
    try:
        return getattr(import_module(f'{package}.{group}'), short)
    except (ImportError, AttributeError):
        raise IlRosError(
            f'{what} type {name!r} is not there', fix=f'install or source the package {package}'
        ) from None
