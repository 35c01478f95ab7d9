"""The types of ROS parameters written as XML attributes, by the rules of launch_ros.

Without ``type`` the text is read as YAML, so ``8`` is an int, ``8.0`` a float and ``'8'`` a string;
``type="str"`` takes it as it stands. As in launch_ros the parameters reach the node in a file, not
as ``-p``: a file can name the one node they are for, in any namespace.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from il_ros.core.documents import load_yaml
from il_ros.launching.launch_document import LaunchError
from il_ros.launching.substitutions import Scope, expand, parse, unescape

Value = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]

_SCALARS: Mapping[str, type] = {'str': str, 'bool': bool, 'float': float, 'int': int}
TYPES = (*_SCALARS, *(f'list_of_{name}' for name in _SCALARS), 'yaml')
"""The values that the attribute ``type`` of ``<param>`` may have."""


def evaluate(text: str, kind: str, scope: Scope, where: str) -> Value:
    """Return the typed value of a parameter.

    Args:
        text: The attribute ``value`` as written.
        kind: The attribute ``type``, one of `TYPES` ('yaml' where it is not given).
        scope: What its substitutions see.
        where: Its place, for errors.

    Raises:
        LaunchError: If the type is unknown, or the text does not have it.
    """
    if kind not in TYPES:
        raise LaunchError(f'unknown parameter type {kind!r}', where=where, allowed=TYPES)
    template = parse(text, where)
    expanded = expand(template, scope, where)
    if kind == 'str':
        return expanded
    literal = all(isinstance(part, str) for part in template)
    if not literal:
        _refuse_inner(text, kind, where)
    given = text if literal else expanded
    try:
        value = _typed(given, kind, where)
    except yaml.YAMLError as error:
        if kind != 'yaml' or not literal:
            raise _mistyped(given, kind, where) from error
        value = given  # what YAML cannot read is meant as a string
    return unescape(value) if literal and isinstance(value, str) else value


def params_file(node: str, values: Mapping[str, Value]) -> str:
    """Return the text of a ROS parameter file for `node` (``/**``: any node that reads it)."""
    content = {node: {'ros__parameters': dict(values)}}
    return yaml.safe_dump(content, default_flow_style=False)


def _refuse_inner(text: str, kind: str, where: str) -> None:
    """Refuse what launch_ros reads in two passes, with results that surprise."""
    try:
        plain = kind in _SCALARS or load_yaml(text) == text
    except yaml.YAMLError:
        plain = True
    if not plain:
        raise LaunchError(
            f'parameter value {text!r} has a substitution inside a YAML list or quotes',
            where=where,
            fix='make the substitution the whole value, or write type="str"',
        )


def _typed(text: str, kind: str, where: str) -> Value:
    if kind in ('int', 'float'):
        try:
            return int(text) if kind == 'int' else float(text)
        except ValueError as error:
            raise _mistyped(text, kind, where) from error
    if kind == 'yaml' and not text:
        return text
    if kind == 'bool':
        text = {'1': 'true', '0': 'false'}.get(text, text)
    value = load_yaml(text)
    if not _has_type(value, kind):
        raise _mistyped(text, kind, where)
    return value  # type: ignore[no-any-return]


def _has_type(value: object, kind: str) -> bool:
    items = value if isinstance(value, list) else [value]
    found = {type(item) for item in items}
    if kind == 'yaml':
        return len(found) < 2 and found <= set(_SCALARS.values())
    wanted = _SCALARS[kind.removeprefix('list_of_')]
    return isinstance(value, list) == kind.startswith('list_of_') and found <= {wanted}


def _mistyped(text: str, kind: str, where: str) -> LaunchError:
    if kind == 'yaml':
        return LaunchError(
            f'parameter value {text!r} is neither a bool, int, float or string nor a list of one',
            where=where,
            fix='write type="str" if it is meant as text',
        )
    return LaunchError(f'parameter value {text!r} is not of type {kind!r}', where=where)
