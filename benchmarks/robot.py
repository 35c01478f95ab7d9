"""Robots of others: what it takes to drive one. ``make bench GROUP=robot``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import contract_edits, setpoint_jitter, urdf_arms
from benchmarks.rows import RUNS, Row

DRIVERS = tuple(contract_edits.RIGHT)
SMOKE = DRIVERS[:1]


def run(drivers: Sequence[str] = DRIVERS, runs: Path = RUNS) -> Iterator[Row]:
    """Every figure of the group."""
    yield from contract_edits.rows(drivers)
    small = drivers == SMOKE
    yield from urdf_arms.rows(urdf_arms.SMOKE if small else urdf_arms.UrdfSizes(), runs)
    sizes = setpoint_jitter.SMOKE if small else setpoint_jitter.JitterSizes()
    yield from setpoint_jitter.rows(sizes, runs)
