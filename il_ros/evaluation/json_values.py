"""Writers of numbers that JSON lacks (NaN, infinity), and strict readers of JSON values.

NaN is null; the infinities are the strings 'Infinity' and '-Infinity'. Readers raise ValueError
with the allowed values; the caller adds file, line and key.
"""

from __future__ import annotations

from math import isfinite, isnan, nan
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_INFINITIES = {'Infinity': np.inf, '-Infinity': -np.inf}


def number_to_json(value: float) -> float | str | None:
    """Return a float as itself, NaN as None, an infinity as its name."""
    if isfinite(value):
        return float(value)
    return None if isnan(value) else ('Infinity' if value > 0 else '-Infinity')


def array_to_json(values: Array) -> list[Any]:
    """Return an array of one or two dimensions as (nested) lists of `number_to_json`."""
    if values.ndim == 1:
        return [number_to_json(value) for value in values.tolist()]
    return [array_to_json(row) for row in values]


def read_number(value: object) -> float:
    """Read the output of `number_to_json`; the number may be NaN or infinite."""
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


def read_integer(value: object) -> int:
    """Read an integer; true and false are refused."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError('integer')


def read_boolean(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise ValueError('true or false')


def read_text(value: object) -> str:
    """Read a string."""
    if isinstance(value, str):
        return value
    raise ValueError('string')


def read_list(value: object) -> list[Any]:
    """Read a list of anything."""
    if isinstance(value, list):
        return value
    raise ValueError('list')


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
