"""Writer of values that JSON lacks (NaN, infinity, arrays), and strict readers of JSON values.

NaN is null; the infinities are the strings 'Infinity' and '-Infinity'. Readers raise ValueError
with the allowed values; the caller adds file, line and key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isfinite, isnan, nan
from sys import float_info
from typing import Any, TypeVar

import numpy as np

from il_ros.core.limits import Array

T = TypeVar('T')

_INFINITIES = {'Infinity': inf, '-Infinity': -inf}


def to_json(value: Any) -> Any:
    """Convert a value, and all values in it, to plain JSON; arrays and tuples become lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, float):
        if isfinite(value):
            return value
        return None if isnan(value) else ('Infinity' if value > 0 else '-Infinity')
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    return value


def read_number(value: object) -> float:
    """Read the output of `to_json`; the number may be NaN or infinite."""
    if value is None:
        return nan
    if isinstance(value, str) and value in _INFINITIES:
        return _INFINITIES[value]
    return read_finite(value, allowed="number, null (NaN), 'Infinity' or '-Infinity'")


def read_finite(value: object, allowed: str = 'finite number') -> float:
    """Read a finite number; true and false are refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(allowed)
    if not abs(value) <= float_info.max:
        raise ValueError(allowed)
    return float(value)


def _reader(kind: type[T], allowed: str) -> Callable[[object], T]:
    """Reader of values of exactly this type: true is no integer."""

    def read(value: object) -> T:
        if type(value) is not kind:
            raise ValueError(allowed)
        return value

    return read


read_integer = _reader(int, 'integer')
read_boolean = _reader(bool, 'true or false')
read_text = _reader(str, 'string')
read_list = _reader(list, 'list')


def read_vector(value: object) -> Array:
    """Read a list of numbers as an array, shape (T,)."""
    return np.array([read_number(item) for item in read_list(value)], dtype=np.float64)


def read_columns(value: object) -> Array:
    """Read a list of equally long columns as an array, shape (T, N); an empty list is (0, 0)."""
    columns = [read_vector(column) for column in read_list(value)]
    if len({len(column) for column in columns}) > 1:
        raise ValueError('lists of the same length')
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def read_counts(value: object) -> dict[str, int]:
    """Read an object of integers."""
    if isinstance(value, dict):
        return {name: read_integer(count) for name, count in value.items()}
    raise ValueError('object of integers')
