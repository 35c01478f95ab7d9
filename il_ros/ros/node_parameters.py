"""ROS parameters from a frozen dataclass: one default, one description, one range, in one place."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)  # fmt: skip
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from il_ros.core.config import refuse_renamed, renamed_keys
from il_ros.core.errors import IlRosError

T = TypeVar('T')


def setting(default: Any, text: str, *, low: float | None = None, high: float | None = None) -> Any:
    """Make a dataclass field that carries its description and, for numbers, its range."""
    limits = {name: limit for name, limit in (('min', low), ('max', high)) if limit is not None}
    return dataclasses.field(default=default, metadata={'help': text, **limits})


def attribute_texts(cls: type) -> dict[str, str]:
    """What the `Attributes` of a class's docstring say of each, in one line, by name."""
    docstring = inspect.cleandoc(cls.__doc__ or '')
    section = docstring.partition('Attributes:\n')[2].partition('\n\n')[0]
    parts = re.split(r'^    (\w+): ', section, flags=re.MULTILINE)[1:]
    return {
        name: ' '.join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def declare(node: Node, cls: type[T], *, dynamic: Collection[str] = ()) -> T:
    """Declare a parameter for each field of `cls`, and give the values the user set.

    A field that is not a `setting` is described by the class's docstring.
    They are read at the start of the node and read-only afterwards, save those in `dynamic`.

    Raises:
        IlRosError: If a value has another type or lies outside its range, or if a parameter is
            set under a name that it no longer has.
    """
    for old in renamed_keys(cls):
        _refuse_old(node, cls, old)
    hints, texts = typing.get_type_hints(cls), attribute_texts(cls)
    values = {
        field.name: _declare(
            node, field, hints[field.name], texts.get(field.name), field.name not in dynamic
        )
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
    }
    return cls(**values)


def let_change(
    node: Node,
    names: Collection[str],
    check: Callable[[dict[str, Any]], None],
    apply: Callable[[dict[str, Any]], None],
) -> None:
    """Let parameters change while the node runs.

    Args:
        node: The node, which has declared them or is about to.
        names: Of the parameters; others are not looked at.
        check: Refuses new values, by name, with an IlRosError.
        apply: Goes on with new values, once they are set.
    """

    def chosen(parameters: list[Parameter]) -> dict[str, Any]:
        return {item.name: item.value for item in parameters if item.name in names}

    def may_change(parameters: list[Parameter]) -> SetParametersResult:
        try:
            check(chosen(parameters))
        except IlRosError as problem:
            return SetParametersResult(successful=False, reason=str(problem))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(may_change)
    node.add_post_set_parameters_callback(lambda parameters: apply(chosen(parameters)))


def _refuse_old(node: Node, cls: type, old: str) -> None:
    """Raise if the user set the parameter `old`, which has another name now."""
    anything = ParameterDescriptor(dynamic_typing=True)
    given = node.declare_parameter(old, None, anything).value
    node.undeclare_parameter(old)
    if given is not None:
        refuse_renamed(cls, old, where=f'{node.get_fully_qualified_name()} parameter {old}')


def _declare(
    node: Node, field: dataclasses.Field[Any], hint: Any, text: str | None, read_only: bool
) -> Any:
    where = f'{node.get_fully_qualified_name()} parameter {field.name}'
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    try:
        descriptor = _descriptor(field, hint, text, read_only)
        value = node.declare_parameter(field.name, default, descriptor).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as problem:
        raise IlRosError(str(problem), where=where, allowed=_allowed(field, hint)) from None
    # ROS takes an empty list for a parameter that has no value.
    return tuple(value or ()) if isinstance(field.default, tuple) else value


def _descriptor(
    field: dataclasses.Field[Any], hint: Any, text: str | None, read_only: bool
) -> ParameterDescriptor:
    description = field.metadata.get('help', text or field.name)
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    low, high = field.metadata.get('min'), field.metadata.get('max')
    if low is None and high is None:
        return descriptor
    most = 2**31 if hint is int else 1e9
    limits = {'from_value': hint(low or 0), 'to_value': hint(most if high is None else high)}
    if hint is int:
        descriptor.integer_range = [IntegerRange(**limits)]
    else:
        descriptor.floating_point_range = [FloatingPointRange(**limits)]
    return descriptor


def _allowed(field: dataclasses.Field[Any], hint: Any) -> str:
    bounds = [f'{name} {field.metadata[name]}' for name in ('min', 'max') if name in field.metadata]
    return ', '.join([str(getattr(hint, '__name__', hint)), *bounds])
