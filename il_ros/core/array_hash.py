"""One hash over several arrays: the identity of a policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def hash_arrays(arrays: Iterable[tuple[str, NDArray[np.generic]]], *texts: str) -> str:
    """SHA-256 over names, types, shapes and contents of arrays, and over `texts` (hex)."""
    digest = hashlib.sha256()
    for name, array in arrays:
        digest.update(f'{name} {array.dtype.str} {array.shape}\n'.encode())
        digest.update(np.ascontiguousarray(array).data)
    for text in texts:
        digest.update(text.encode())
    return digest.hexdigest()
