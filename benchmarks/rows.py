"""Rows of figures: what was measured, against what target, on which machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from il_ros.cli.evaluation_run import versions
from il_ros.core.atomic_files import write_atomic

ROOT = Path(__file__).parents[1]
RUNS = ROOT / 'runs'
"""Where benchmarks keep what they make, each in a folder of its own."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure; `how` says what a reader needs to judge it."""

    name: str
    value: float
    unit: str
    target: float
    better: Literal['less', 'more']
    how: str

    @property
    def met(self) -> bool:
        """Whether the value is at least as good as the target."""
        return self.value <= self.target if self.better == 'less' else self.value >= self.target


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = platform.processor()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding='utf-8').splitlines()
        model = next((x.split(':', 1)[1].strip() for x in lines if 'model name' in x), model)
    return {'processor': model, 'cores': os.cpu_count(), 'system': platform.platform()}


def save(rows: Iterable[Row], path: Path) -> list[dict[str, object]]:
    """Put `rows` into the file in place of those of the same names; gives all that it holds."""
    stamp = datetime.now(UTC).isoformat(timespec='seconds')
    kept = json.loads(path.read_text(encoding='utf-8'))['rows'] if path.exists() else []
    new = [
        {**asdict(row), 'met': row.met, 'measured': stamp, 'versions': versions()} for row in rows
    ]
    names = {row['name'] for row in new}
    everything = [row for row in kept if row['name'] not in names] + new
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps({'machine': machine(), 'rows': everything}, indent=2) + '\n')
    return everything


def show(rows: Iterable[dict[str, object]]) -> None:
    """Print a table."""
    table = Table('name', 'value', 'unit', 'target', 'met')
    for row in rows:
        sign = '<=' if row['better'] == 'less' else '>='
        table.add_row(
            str(row['name']),
            f'{row["value"]:.4g}',
            str(row['unit']),
            f'{sign} {row["target"]:g}',
            'yes' if row['met'] else 'NO',
        )
    Console().print(table)
