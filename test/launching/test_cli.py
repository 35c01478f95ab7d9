from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tyro

from il_ros.cli import launch_command
from il_ros.launching.child_process import ProcessError
from il_ros.launching.launch_document import LaunchError

from .conftest import Write


@pytest.fixture
def without_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_command, 'has_ros_launch', lambda: False)


FILE = """
    <arg name="code" default="0" description="how it ends"/>
    <executable cmd="sh -c 'echo hello; exit $1' sh $(var code)" name="job"/>
"""


@pytest.mark.usefixtures('without_ros')
def test_a_file_is_run_to_its_end(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    assert launch_command.run(str(write(FILE)), []) == 0
    assert capfd.readouterr().out == '[job] hello\n'


@pytest.mark.usefixtures('without_ros')
def test_a_failure_is_named(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    tags = f'{FILE}\n<executable cmd="sleep 100"/>'
    assert launch_command.run(str(write(tags)), ['code:=3']) == 3
    assert capfd.readouterr().err == 'job ended with exit code 3; the others were ended\n'


@pytest.mark.usefixtures('without_ros')
def test_a_command_that_is_not_there_is_named(write: Write) -> None:
    with pytest.raises(ProcessError) as error:
        launch_command.run(str(write('<executable cmd="/no/such/thing" name="job"/>')), [])
    text = "job: '/no/such/thing' cannot be started: No such file or directory"
    assert str(error.value) == text


def test_arguments_are_shown(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch_command.run(str(write(FILE)), [], show_args=True) == 0
    assert capsys.readouterr().out == "code (default '0'): how it ends\n"
    assert launch_command.run(str(write('')), [], show_args=True) == 0
    assert capsys.readouterr().out == 'it has no arguments\n'


def test_command_lines_are_shown(
    prefix: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = '<node pkg="arm" exec="arm" args="\'a b\'"><param name="p" value="1"/></node>'
    assert launch_command.run(str(write(tags)), [], print_only=True) == 0
    out = capsys.readouterr().out
    pattern = (
        r'# arm\n#   (\S+):\n#     /\*\*:\n#       ros__parameters:\n#         p: 1\n'
        rf"{prefix}/lib/arm/arm 'a b' --ros-args --params-file \1\n"
    )
    assert re.fullmatch(pattern, out)
    assert not Path(re.findall(r'#   (\S+):', out)[0]).parent.exists()


def test_a_name_is_one_of_the_packages_files(prefix: Path) -> None:
    (prefix / 'share/ament_index/resource_index/packages/il_ros').touch()
    folder = prefix / 'share/il_ros/launch'
    folder.mkdir(parents=True)
    for name in ('demo', 'deploy'):
        (folder / f'{name}.launch.xml').write_text('<launch/>')
    assert launch_command.find('demo') == folder / 'demo.launch.xml'
    with pytest.raises(LaunchError) as error:
        launch_command.find('demon')
    text = f"no launch file of the name 'demon' in {folder}; allowed: demo, deploy"
    assert str(error.value) == text


@pytest.mark.parametrize('file', ['a/b', 'b.launch.xml', '/b'])
def test_a_path_is_taken_as_it_stands(file: str) -> None:
    assert launch_command.find(file) == Path(file)


def test_arguments_are_pairs() -> None:
    pairs = ['a:=1', 'b:=x:=y', 'a:=2']
    assert launch_command.parse_arguments(pairs) == {'a': '2', 'b': 'x:=y'}


@pytest.mark.parametrize('text', ['a', 'a=1', ':=1', 'a:='])
def test_malformed_arguments_are_refused(text: str) -> None:
    with pytest.raises(LaunchError) as error:
        launch_command.parse_arguments([text])
    assert str(error.value) == f'launch argument {text!r}; allowed: name:=value'


def test_a_folder_named_launch_is_not_ros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'launch').mkdir()
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    for name in ('launch_xml', 'launch_ros'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert not launch_command.has_ros_launch()


def test_the_command_line(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(FILE))
    assert tyro.cli(launch_command.run, args=[path, 'code:=3', '--print']) == 0
    assert capsys.readouterr().out.endswith('sh 3\n')


@pytest.mark.usefixtures('without_ros')
def test_an_interrupt_ends_a_launch_and_its_parameter_files(write: Write, tmp_path: Path) -> None:
    path = write('<executable cmd="sh -c \'echo ready; sleep 100\'" name="job"/>')
    code = (
        'from il_ros.cli import launch_command as launch; launch.has_ros_launch = lambda: False;'
        f'raise SystemExit(launch.run({str(path)!r}, []))'
    )
    (tmp_path / 'tmp').mkdir()
    with subprocess.Popen(
        [sys.executable, '-c', code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={'TMPDIR': str(tmp_path / 'tmp'), 'PATH': '/usr/bin:/bin'},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == '[job] ready\n'
        process.send_signal(2)
        assert process.wait(20) == 130
    assert list((tmp_path / 'tmp').iterdir()) == []
