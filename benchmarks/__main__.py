"""``make bench``: every figure that the project claims, or those of one group.

``make bench-smoke`` runs all of it in a size that says nothing, to see that it still runs: every
group, and the benchmarks that are run by themselves. It keeps no figure.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import ROOT, Row, save, show
from il_ros.cli.main import guarded
from il_ros.core.errors import IlRosError

GROUPS = ('loop', 'sim', 'bc', 'data', 'gate', 'monitor', 'interactive', 'robot')
ALONE = ('tasks', 'dagger_arms', 'metaworld', 'fuzz_readers')
"""Benchmarks that are run by themselves, as `python -m benchmarks.tasks`, for they take hours."""

METAWORLD = ROOT / '.venv-metaworld/bin/python'
HUNG = 600.0  # s after which a smoke run of one benchmark is taken to hang


def measure(group: str, experts: Path | None) -> Iterator[Row]:
    """The figures of a group."""
    given = {'experts': experts} if group == 'interactive' else {}
    rows: Iterator[Row] = _module(group).run(**given)
    return rows


def smoke(names: Sequence[str], experts: Path | None) -> list[str]:
    """Run these benchmarks in their smallest size; gives the names of those that fail."""
    failed = []
    with tempfile.TemporaryDirectory(prefix='il_ros_smoke_') as folder:
        for name in names:
            print(f'{name} ...', flush=True)
            begun = time.perf_counter()
            faulthandler.dump_traceback_later(HUNG, exit=True, file=sys.__stderr__)
            try:
                rows = _smoke(name, Path(folder), experts)
            except (Exception, SystemExit):
                traceback.print_exc()
                failed.append(name)
            else:
                figures = f'{len(rows)} figures, ' if rows else ''
                print(f'{name}: {figures}{time.perf_counter() - begun:.1f} s', flush=True)
            faulthandler.cancel_dump_traceback_later()
    return failed


def _smoke(name: str, folder: Path, experts: Path | None) -> list[Row]:
    if name == 'metaworld':
        _smoke_metaworld(folder)
        return []
    module, given = _module(name), {}
    if name == 'interactive':
        given['experts'] = experts or module.draw_experts(folder, module.SMOKE)
    rows: list[Row] = list(module.run(module.SMOKE, folder, **given))
    if name in GROUPS and not rows:
        raise IlRosError('no figure', where=name)
    return rows


def _smoke_metaworld(folder: Path) -> None:
    """MetaWorld has an environment of its own."""
    command = [METAWORLD, '-m', 'benchmarks.metaworld', '--smoke', folder]
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT)


def _module(name: str) -> Any:
    return importlib.import_module(f'benchmarks.{name}')


def main() -> int:
    """Run the groups asked for, keep the rows of the others."""
    parser = argparse.ArgumentParser(prog='make bench', description=__doc__)
    parser.add_argument('--group', choices=[*GROUPS, *ALONE], help='one group alone')
    parser.add_argument('--out', type=Path, default=Path('runs/bench/bench.json'))
    parser.add_argument('--experts', type=Path, help='of interactive: the folder of its experts')
    parser.add_argument('--smoke', action='store_true', help='see that it runs; keep no figure')
    options = parser.parse_args()
    if options.group in ALONE and not options.smoke:
        parser.error(f'{options.group} is run by itself: python -m benchmarks.{options.group}')
    one = [options.group] if options.group else []
    if options.smoke:
        names = one or [*ALONE, *GROUPS]
        left_out = [name for name in names if name == 'metaworld' and not METAWORLD.exists()]
        failed = smoke([name for name in names if name not in left_out], options.experts)
        print(f'failed: {", ".join(failed)}' if failed else 'every benchmark that was run, runs')
        if left_out:
            print('metaworld was left out: run "make metaworld" first')
        return 1 if failed else 0
    rows: list[dict[str, object]] = []
    for group in one or GROUPS:
        print(f'{group} ...', flush=True)
        rows = save(measure(group, options.experts), options.out)
    show(rows)
    return 0


if __name__ == '__main__':
    raise SystemExit(guarded(main))
