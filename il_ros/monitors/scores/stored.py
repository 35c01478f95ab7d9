"""What a score learned, as it comes back from a file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array


def take(arrays: Mapping[str, Array], where: str, **shapes: str) -> list[Array]:
    """The arrays of these names, as double precision, in the order of `shapes`.

    Args:
        arrays: What was saved.
        where: Whose they are, for the error.
        shapes: By name, a letter for each dimension, as in ``whitenings='KDD'``; one letter is
            one number throughout, never zero.

    Raises:
        IlRosError: If one is missing, not finite, or the shapes do not belong together.
    """
    if missing := sorted(set(shapes) - set(arrays)):
        raise IlRosError(f'{", ".join(missing)} missing', where=where, allowed=sorted(shapes))
    found = {name: np.asarray(arrays[name], dtype=np.float64) for name in shapes}
    if not _agree(found, shapes):
        raise IlRosError(
            f'{" and ".join(f"{n} {a.shape}" for n, a in found.items())} do not belong together',
            where=where,
            allowed=' and '.join(_text(letters) for letters in shapes.values()),
        )
    if broken := [name for name, array in found.items() if not np.isfinite(array).all()]:
        raise IlRosError(f'{", ".join(broken)} not finite', where=where, allowed='finite numbers')
    return list(found.values())


def _agree(found: Mapping[str, Array], shapes: Mapping[str, str]) -> bool:
    sizes: dict[str, int] = {}
    for name, letters in shapes.items():
        if found[name].ndim != len(letters):
            return False
        for letter, size in zip(letters, found[name].shape, strict=True):
            if size == 0 or sizes.setdefault(letter, size) != size:
                return False
    return True


def _text(letters: str) -> str:
    return f'({", ".join(letters)}{"," if len(letters) == 1 else ""})'
