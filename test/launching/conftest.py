"""A package with executables in a prefix of its own, and a way to write launch files."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Reports how it was started: arguments (parameter files by their content) and one variable.
REPORT = f"""#!{sys.executable} -S
import json, os, pathlib, sys
texts = [pathlib.Path(a).read_text() if a.endswith('.yaml') or 'launch_params_' in a else a
         for a in sys.argv]
record = json.dumps([texts, os.environ.get('ROBOT')])
(pathlib.Path(os.environ['REPORTS']) / str(os.getpid())).write_text(record)
"""


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An install prefix on AMENT_PREFIX_PATH with the package 'arm' (executables: arm, monitor)."""
    root = tmp_path / 'prefix'
    marker = root / 'share/ament_index/resource_index/packages/arm'
    marker.parent.mkdir(parents=True)
    marker.touch()
    (root / 'share/arm').mkdir()
    (root / 'lib/arm').mkdir(parents=True)
    for name in ('arm', 'monitor'):
        (root / 'lib/arm' / name).write_text(REPORT)
        (root / 'lib/arm' / name).chmod(0o755)
    others = os.environ.get('AMENT_PREFIX_PATH')
    path = os.pathsep.join([str(root), *([others] if others else [])])
    monkeypatch.setenv('AMENT_PREFIX_PATH', path)
    return root


@pytest.fixture
def package(prefix: Path) -> Path:
    """The package il_ros in the same prefix: its own launch files, and nodes that report."""
    (prefix / 'share/ament_index/resource_index/packages/il_ros').touch()
    for folder in ('launch', 'config'):
        (prefix / 'share/il_ros').mkdir(exist_ok=True)
        (prefix / 'share/il_ros' / folder).symlink_to(ROOT / folder)
    (prefix / 'lib/il_ros').mkdir()
    for path in (ROOT / 'il_ros/nodes').glob('*_node.py'):
        executable = prefix / 'lib/il_ros' / path.name.removesuffix('_node.py')
        executable.write_text(REPORT)
        executable.chmod(0o755)
    return prefix


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a launch file from the tags inside <launch>, its first line being line 2."""

    def _write(body: str, name: str = 'test.launch.xml') -> Path:
        path = tmp_path / name
        path.write_text(f'<launch>\n{textwrap.dedent(body).strip()}\n</launch>\n')
        return path

    return _write
