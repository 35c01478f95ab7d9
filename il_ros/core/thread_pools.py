"""The pools of threads that BLAS and OpenMP start when numpy is imported."""

from __future__ import annotations

import os

_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')


def bound_thread_pools() -> None:
    """Let BLAS and OpenMP use one thread, unless the user's environment says otherwise.

    OpenBLAS's idle threads wait for work in a loop: an idle monitor took 83 % of a core. Nothing
    here multiplies matrices that gain from more threads; torch is told by `threads` of a training.
    It has to be called before numpy is imported.
    """
    for name in _VARIABLES:
        os.environ.setdefault(name, '1')
