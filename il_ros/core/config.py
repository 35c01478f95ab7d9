"""Mappings (YAML, JSON, ``name=value``) into frozen dataclasses, with errors that say where.

A dataclass whose fields were renamed lists them, so that an old key is answered with the new one::

    renamed: ClassVar[dict[str, str]] = {'old_key': 'new_key'}

and one that has left the dataclass is listed with the place where it is set now::

    moved: ClassVar[dict[str, str]] = {'old_key': 'the parameter new_key of the monitor'}
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from il_ros.core.documents import load_json, load_yaml
from il_ros.core.errors import IlRosError, reason, require
from il_ros.core.regular_files import read_text

T = TypeVar('T')

_PLAIN = (int, float, str, bool)
_ROWS = 10_000  # lists in a list
_ORDER: dict[str, Callable[[float, float], bool]] = {'<': operator.lt, '<=': operator.le}


def read_yaml(path: Path, error: type[IlRosError] = IlRosError) -> Any:
    """Read one YAML document with the safe loader.

    Raises:
        IlRosError: (as `error`) If the file is missing, unreadable, or not YAML.
    """
    try:
        return load_yaml(read_text(path))
    except FileNotFoundError:
        raise error('no such file', where=str(path), fix='check the path') from None
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f'cannot be read: {reason(problem)}', where=str(path)) from None
    except yaml.YAMLError as problem:
        raise error(f'not YAML: {problem}', where=str(path), fix='correct the syntax') from None


def read_json(
    path: Path,
    error: type[IlRosError] = IlRosError,
    *,
    allowed: str | Iterable[object] = '',
    fix: str = '',
) -> Any:
    """Read one JSON document.

    Raises:
        IlRosError: (as `error`) If the file is missing, unreadable, or not JSON.
    """
    try:
        return load_json(read_text(path))
    except (OSError, ValueError) as problem:
        raise error(
            f'cannot be read: {reason(problem)}', where=str(path), allowed=allowed, fix=fix
        ) from None


def parse(
    cls: type[T], data: object, *, where: str = '', error: type[IlRosError] = IlRosError
) -> T:
    """Make a dataclass of type `cls` from a mapping; every key must be a field of it.

    Nested dataclasses, tuples, dictionaries, literals and unions are followed by their
    annotations. `where` is the dotted path that errors begin with.

    Raises:
        IlRosError: (as `error`) On an unknown, renamed or missing key, or a value of another type.
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    if not isinstance(data, Mapping):
        raise error(f'got {data!r}', where=where, allowed=f'a mapping with {", ".join(fields)}')
    hints = typing.get_type_hints(cls)
    for key in data:
        if key not in fields:
            place = f'{where}.{key}' if where else str(key)
            refuse_renamed(cls, key, where=place, hint=', or run il_ros migrate', error=error)
            raise error(
                f'unknown key {key!r}',
                where=where or cls.__name__,
                allowed=fields,
                fix='correct or remove it',
            )
    values: dict[str, Any] = {}
    for name, field in fields.items():
        place = f'{where}.{name}' if where else name
        if name in data:
            values[name] = _convert(hints[name], data[name], place, error)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise error('missing', where=place, allowed=_name(hints[name]), fix='add it')
    try:
        return cls(**values)
    except ValueError as problem:
        raise error(str(problem), where=where or cls.__name__) from None


def require_ranges(
    config: object,
    where: str,
    ranges: Mapping[str, str],
    *,
    finite: bool = False,
    error: type[IlRosError] = IlRosError,
) -> None:
    """Refuse settings outside of their ranges, with the range as it is written here.

    Args:
        config: Holds the settings; one that is None is not looked at.
        where: Dotted path of `config`.
        ranges: What is allowed, by the name of the setting: `more than 0`, `1 or more`, `0 to 1`,
            or an inequality such as `0 <= x < 1`. NaN is in none of them.
        finite: Whether infinity is refused too.
        error: Kind of error to raise.

    Raises:
        IlRosError: (as `error`) It names the setting.
    """
    for name, allowed in ranges.items():
        value = getattr(config, name)
        fine = value is None or (_within(value, allowed) and not (finite and math.isinf(value)))
        if not fine:
            raise error(f'got {value}', where=f'{where}.{name}', allowed=allowed)


def _within(value: float, allowed: str) -> bool:
    match allowed.split():
        case ['more', 'than', low]:
            return value > float(low)
        case [low, 'or', 'more']:
            return value >= float(low)
        case [low, 'to', high]:
            return float(low) <= value <= float(high)
        case [low, above, 'x', below, high]:
            return _ORDER[above](float(low), value) and _ORDER[below](value, float(high))
    raise ValueError(f'no range: {allowed}')


def renamed_keys(cls: type) -> dict[str, str]:
    """Old key to new key of a dataclass and its bases, from their ``renamed`` tables."""
    tables = [vars(base).get('renamed', {}) for base in reversed(cls.__mro__)]
    return {old: new for table in tables for old, new in table.items()}


def moved_keys(cls: type) -> dict[str, str]:
    """Key to the place where it is set now, from the ``moved`` table of a dataclass."""
    return dict(vars(cls).get('moved', {}))


def refuse_renamed(
    cls: type, key: object, *, where: str, hint: str = '', error: type[IlRosError] = IlRosError
) -> None:
    """Raise if `key` is the old name of a field of `cls`, or of one that has left it.

    Args:
        cls: The dataclass.
        key: The key that was given.
        where: Its dotted path.
        hint: What can be done besides, as the end of a sentence.
        error: Kind of error to raise.

    Raises:
        IlRosError: (as `error`) With the new name or place.
    """
    place = moved_keys(cls).get(str(key))
    if place is not None:
        raise error(f'{key!r} is now {place}', where=where, fix=f'remove it here{hint}')
    new = renamed_keys(cls).get(str(key))
    if new is not None:
        raise error(f'{key!r} is now {new!r}', where=where, fix=f'write {new!r} instead{hint}')


def override(config: T, settings: Iterable[str]) -> T:
    """`config` with ``name=value`` settings applied, typed by its fields.

    A field of a nested dataclass is named with dots: ``policy.horizon=4``.

    Raises:
        IlRosError: On a setting that is not ``name=value``, names no field, or has a bad value.
    """
    data = dataclasses.asdict(config)  # type: ignore[call-overload]
    names = list(_leaves(data))
    for setting in settings:
        name, equals, text = setting.partition('=')
        _refuse_renamed_setting(config, name)
        if not equals or name not in names:
            raise IlRosError(
                f'got {setting!r}', where='settings', allowed=[f'{known}=...' for known in names]
            )
        *groups, leaf = name.split('.')
        target = data
        for group in groups:
            target = target[group]
        target[leaf] = _value(text, setting)
    return parse(type(config), data, where='settings')


def _refuse_renamed_setting(config: Any, name: str) -> None:
    """Raise if a part of a dotted `name` is an old one."""
    for key in name.split('.'):
        if not dataclasses.is_dataclass(config):
            return
        refuse_renamed(type(config), key, where=f'settings.{name}')
        config = getattr(config, key, None)


def _leaves(data: Mapping[str, Any], prefix: str = '') -> Iterable[str]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _leaves(value, f'{prefix}{name}.')
        else:
            yield prefix + name


def _value(text: str, setting: str) -> Any:
    try:
        value = load_yaml(text)
    except yaml.YAMLError as problem:
        raise IlRosError(f'got {setting!r}: {problem}', where='settings') from None
    if isinstance(value, str):  # YAML takes 1e-3, without a point, for a text
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _name(hint: Any) -> str:
    return str(getattr(hint, '__name__', hint)) if not typing.get_args(hint) else str(hint)


def _convert(hint: Any, value: Any, where: str, error: type[IlRosError]) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return parse(typing.cast(type, hint), value, where=where, error=error)
    if origin is typing.Literal:
        require(value in args, value, where, args, error)
        return value
    if origin in (types.UnionType, typing.Union):
        return _union(args, value, where, error)
    if origin is tuple:
        return _tuple(args, value, where, error)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        require(isinstance(value, Mapping), value, where, 'a mapping', error)
        return {str(k): _convert(args[1], v, f'{where}.{k}', error) for k, v in value.items()}
    return _scalar(hint, value, where, error)


def _union(args: tuple[Any, ...], value: Any, where: str, error: type[IlRosError]) -> Any:
    if value is None and type(None) in args:
        return None
    members = [arg for arg in args if arg is not type(None)]
    if len(members) == 1:
        return _convert(members[0], value, where, error)
    wanted = []
    for member in members:
        try:
            return _convert(member, value, where, error)
        except error as problem:
            wanted.append(_wanted(member, problem, where))
    raise error(f'got {value!r}', where=where, allowed='; or '.join(wanted))


def _wanted(member: Any, problem: IlRosError, where: str) -> str:
    """What one member of a union would have taken, and why it did not take the value."""
    if problem.where == where and problem.allowed:
        return problem.allowed
    return f'{_name(member)} ({problem})'


def _tuple(args: tuple[Any, ...], value: Any, where: str, error: type[IlRosError]) -> Any:
    require(isinstance(value, list | tuple), value, where, 'a list', error)
    hints = [args[0]] * len(value) if args[-1] is Ellipsis else args
    if len(hints) != len(value):
        raise error(f'got {len(value)} entries', where=where, allowed=f'{len(hints)} entries')
    if len(hints) > _ROWS and typing.get_origin(hints[0]) is tuple:
        raise error(f'got {len(hints)} lists', where=where, allowed=f'at most {_ROWS}')
    if hints and hints[0] in _PLAIN and {hints[0]} == {*hints} == {*map(type, value)}:
        return tuple(value)  # of a hundred thousand numbers, too
    return tuple(
        _convert(hint, item, f'{where}[{i}]', error)
        for i, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _scalar(hint: Any, value: Any, where: str, error: type[IlRosError]) -> Any:
    if hint is Any:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an integer that no float can hold
            return float(value)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is not Path and type(value) is hint:
        return value
    raise error(f'got {value!r}', where=where, allowed=_name(hint))
