"""How many threads torch computes with."""

from __future__ import annotations

import torch


def one_thread() -> None:
    """Let torch compute with one thread from now on, for one of several processes.

    Where their threads together are more than the cores, they wait for one another.
    """
    torch.set_num_threads(1)
