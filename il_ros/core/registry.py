"""Registries are plain dictionaries of lazy ``'module:attribute'`` strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from il_ros.core.errors import UnknownNameError


def load(place: str) -> Any:
    """Import the attribute that a string 'module:attribute' names."""
    module, _, attribute = place.partition(':')
    return getattr(import_module(module), attribute)


def lookup(kind: str, name: str, registry: Mapping[str, str]) -> Any:
    """Import what `name` refers to, from `registry` or a third party's entry point.

    Third parties register under the entry-point group ``il_ros.<kind>``.

    Raises:
        UnknownNameError: If neither knows `name`; it lists every name that is known.
    """
    if name in registry:
        return load(registry[name])
    plugins = _plugins(kind)
    if name in plugins:
        return plugins[name].load()
    raise UnknownNameError(
        f'unknown {kind} {name!r}',
        allowed=names_of(kind, registry),
        fix=f'use one of these, or install a package with an il_ros.{kind} entry point',
    )


def names_of(kind: str, registry: Iterable[str]) -> list[str]:
    """Every name that is known, those of third parties included; sorted."""
    return sorted({*registry, *_plugins(kind)})


def _plugins(kind: str) -> dict[str, Any]:
    return {point.name: point for point in entry_points(group=f'il_ros.{kind}')}
