"""ROS names: joining namespaces, and what a node or a namespace may be called."""

from __future__ import annotations

import re

from il_ros.launching.launch_document import LaunchError

_ALLOWED = 'letters, digits and _, not starting with a digit'
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
        raise _invalid(namespace, 'namespace', f'parts of {_ALLOWED}, joined by /', where)
    return namespace


def node(name: str, where: str) -> str:
    """Return the node name.

    Raises:
        LaunchError: If ROS would refuse it.
    """
    if not _NODE.fullmatch(name):
        raise _invalid(name, 'node name', _ALLOWED, where)
    return name


def _invalid(name: str, kind: str, allowed: str, where: str) -> LaunchError:
    return LaunchError(f'{name!r} is not a valid {kind}', where=where, allowed=allowed)


def fully_qualified(namespace: str | None, name: str | None) -> str | None:
    """Return ``/namespace/name``, or None where the launch file leaves one of them to the node."""
    if namespace is None or name is None:
        return None
    return f'{namespace.rstrip("/")}/{name}'
