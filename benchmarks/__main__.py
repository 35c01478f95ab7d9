"""``make bench``: every figure that the project claims, or those of one group."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks.rows import save, show
from il_ros.cli.main import guarded

GROUPS = ('loop', 'sim', 'bc', 'data', 'monitor', 'interactive')


def main() -> None:
    """Run the groups asked for, keep the rows of the others."""
    parser = argparse.ArgumentParser(prog='make bench', description=__doc__)
    parser.add_argument('--group', choices=GROUPS, help='one group alone')
    parser.add_argument('--out', type=Path, default=Path('runs/bench/bench.json'))
    parser.add_argument('--experts', type=Path, help='of interactive: the folder of its experts')
    options = parser.parse_args()
    given = {'interactive': {'experts': options.experts}} if options.experts else {}
    rows: list[dict[str, object]] = []
    for group in [options.group] if options.group else GROUPS:
        print(f'{group} ...', flush=True)
        rows = save(import_module(f'benchmarks.{group}').run(**given.get(group, {})), options.out)
    show(rows)


if __name__ == '__main__':
    raise SystemExit(guarded(main))
