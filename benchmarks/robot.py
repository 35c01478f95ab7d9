"""Robots of others: what it takes to drive one. ``make bench GROUP=robot``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import contract_edits, urdf_arms
from benchmarks.rows import RUNS, Row

DRIVERS = tuple(contract_edits.RIGHT)
SMOKE = DRIVERS[:1]


def run(drivers: Sequence[str] = DRIVERS, runs: Path = RUNS) -> Iterator[Row]:
    """Every figure of the group."""
    yield from contract_edits.rows(drivers)
    sizes = urdf_arms.SMOKE if drivers == SMOKE else urdf_arms.UrdfSizes()
    yield from urdf_arms.rows(sizes, runs)
