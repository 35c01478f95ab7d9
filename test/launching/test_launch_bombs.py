"""Launch files that are made to take all memory or all time are refused while they are small."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from il_ros.launching.launch_arguments import declared
from il_ros.launching.launch_document import LIMIT, LaunchError
from il_ros.launching.launch_xml import evaluate

from .conftest import Write

DOUBLED = '<let name="a0" value="0123456789"/>' + ''.join(
    f'<let name="a{i}" value="$(var a{i - 1})$(var a{i - 1})"/>' for i in range(1, 40)
)
LONG = '<let name="a" value="' + 'x' * 1000 + '"/>'
MANY_LONG = f'{LONG}<let name="b" value="{"$(var a)" * 2000}"/>'
NESTED_CALLS = f'<let name="a" value="{"$(env a " * 1000 + ")" * 1000}"/>'
GROUPS = '<group>' * 3000 + '</group>' * 3000
MANY = '<let name="a" value="b"/>' * 5001
PROCESSES = '<executable cmd="true"/>' * 201
BOMBS = {
    DOUBLED: 'launch.xml:2: an attribute of more than 16384 characters',
    MANY_LONG: 'launch.xml:2: an attribute of more than 16384 characters',
    '<let name="a" value="' + 'x' * 20_000 + '"/>': 'launch.xml:2: an attribute of more than 16384',
    NESTED_CALLS: 'launch.xml:2: more than 20 $( in one another',
    GROUPS: 'launch.xml:2: tags lie more than 50 deep in one another',
    MANY: 'launch.xml:2: more than 5000 tags',
    PROCESSES: 'launch.xml: more than 200 processes',
    '<!-- -->' * LIMIT: f'at most {LIMIT} are read',
}


@pytest.mark.parametrize(('content', 'text'), BOMBS.items(), ids=range(len(BOMBS)))
def test_a_bomb_in_one_file_is_refused(write: Write, content: str, text: str) -> None:
    path = write(content)
    begin = time.process_time()
    with pytest.raises(LaunchError) as error:
        evaluate(path, {}, scratch=Path('/scratch'))
    assert text in str(error.value)
    assert len(str(error.value)) < 300
    assert time.process_time() - begin < 2.0


def test_files_that_include_one_another_twice_end(write: Write, tmp_path: Path) -> None:
    write('<arg name="x" default="1"/>', name='f0.launch.xml')
    for i in range(1, 30):
        inner = f'<include file="$(dirname)/f{i - 1}.launch.xml"/>'
        path = write(inner * 2, name=f'f{i}.launch.xml')
    begin = time.process_time()
    for use in (lambda: evaluate(path, {}, scratch=tmp_path), lambda: declared(path, {})):
        with pytest.raises(LaunchError, match=r'\d+ files in 1001 includes; allowed: 100 files'):
            use()
    assert time.process_time() - begin < 4.0


@pytest.mark.timeout(10)
def test_what_is_no_file_is_not_waited_for(write: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(LaunchError, match='pipe: cannot be read: a FIFO, not a regular file'):
        evaluate(tmp_path / 'pipe', {}, scratch=tmp_path)
    for name in ('$(dirname)/pipe', 'x' * 1500):
        with pytest.raises(LaunchError, match='does not exist'):
            evaluate(write(f'<include file="{name}"/>'), {}, scratch=tmp_path)
