"""ROS names: joining namespaces, and what a node or a namespace may be called."""

from __future__ import annotations

import re

from il_ros.launching.launch_document import LaunchError

_NODE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_NAMESPACE = re.compile(r'/|(/[A-Za-z_][A-Za-z0-9_]*)+')


def joined(base: str | None, namespace: str | None, where: str) -> str | None:
    """Return `namespace` below `base`, absolute; None where neither is given.

    An absolute namespace stands alone, as in launch_ros.

    Raises:
        LaunchError: If the result is no valid ROS namespace.
    """
    if base is None and namespace is None:
        return None
    if namespace is None or not namespace.startswith('/'):
        above = (base or '').strip('/')
        namespace = f'/{above}/{namespace or ""}' if above else f'/{namespace or ""}'
    namespace = namespace.rstrip('/') or '/'
    if not _NAMESPACE.fullmatch(namespace):
        raise LaunchError(
            f'{namespace!r} is not a valid namespace',
            where=where,
            allowed='parts of letters, digits and _, not starting with a digit, joined by /',
        )
    return namespace


def node(name: str, where: str) -> str:
    """Return the node name.

    Raises:
        LaunchError: If ROS would refuse it.
    """
    if not _NODE.fullmatch(name):
        raise LaunchError(
            f'{name!r} is not a valid node name',
            where=where,
            allowed='letters, digits and _, not starting with a digit',
        )
    return name


def fully_qualified(namespace: str | None, name: str | None) -> str | None:
    """Return ``/namespace/name``, or None where the launch file leaves one of them to the node."""
    if namespace is None or name is None:
        return None
    return f'{namespace.rstrip("/")}/{name}'
