"""What an older version wrote, made into what this one reads.

A package (`policies`, `datasets`, ...) that changes a format of its own gives `il_ros migrate` a
function from a path to a `Migration` (`cli.migrate_command.FOLDERS`). Renamed keys of YAML and JSON
need none: the dataclass that reads them lists them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from il_ros.core.config import renamed_keys
from il_ros.core.documents import compose_yaml
from il_ros.core.errors import IlRosError


@dataclass(frozen=True, kw_only=True)
class Migration:
    """How one file or folder becomes up to date.

    Attributes:
        changes: What is different afterwards, one line each; none if it is up to date.
        write: Writes the converted copy to a path that does not exist; leaves the original alone.
    """

    changes: tuple[str, ...]
    write: Callable[[Path], object]


def rename_keys(text: str, cls: type, *, where: str) -> tuple[str, tuple[str, ...]]:
    """Rename the old keys of a YAML or JSON document; comments and layout stay.

    Args:
        text: The document.
        cls: The dataclass that reads it.
        where: What begins the dotted paths: the name of the file.

    Returns:
        The new text, and one line for each key.

    Raises:
        IlRosError: If the text is not YAML, or has a key under its old and its new name.
    """
    try:
        root = compose_yaml(text)
    except yaml.YAMLError as problem:
        raise IlRosError(f'not YAML: {problem}', where=where, fix='correct the syntax') from None
    places: dict[int, tuple[yaml.ScalarNode, str, str]] = {}
    for node, new, path in _old(root, cls, where):
        places.setdefault(node.start_mark.index, (node, new, path))  # an alias is its anchor again
    for start, (node, new, _) in sorted(places.items(), reverse=True):
        quote = node.style or ''
        text = f'{text[:start]}{quote}{new}{quote}{text[node.end_mark.index :]}'
    return text, tuple(f'{path}: now {new}' for _, (_, new, path) in sorted(places.items()))


def _old(node: Any, hint: Any, where: str) -> Iterator[tuple[yaml.ScalarNode, str, str]]:
    """Each old key below a node that is read as `hint`: its node, its new name, its place."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for arg in args:
            yield from _old(node, arg, where)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _old(item, _item(args, i), f'{where}[{i}]')
    elif isinstance(node, yaml.MappingNode) and dataclasses.is_dataclass(hint):
        yield from _old_fields(node, typing.cast(type, hint), where)
    elif isinstance(node, yaml.MappingNode) and len(args) == 2:
        for key, value in node.value:
            yield from _old(value, args[1], f'{where}.{key.value}')


def _item(args: tuple[Any, ...], i: int) -> Any:
    """The hint of entry `i` of a tuple with these arguments."""
    if not args:
        return None
    return args[0] if args[-1] is Ellipsis else args[min(i, len(args) - 1)]


def _old_fields(
    node: yaml.MappingNode, cls: type, where: str
) -> Iterator[tuple[yaml.ScalarNode, str, str]]:
    hints, new_names = typing.get_type_hints(cls), renamed_keys(cls)
    given = {key.value for key, _ in node.value}
    for key, value in node.value:
        place = f'{where}.{key.value}'
        name = new_names.get(key.value, key.value)
        if name != key.value:
            if name in given:
                raise IlRosError(
                    f'{key.value!r} and its new name {name!r} both stand there',
                    where=where,
                    fix='remove one of them',
                )
            yield key, name, place
        if name in hints:
            yield from _old(value, hints[name], place)
