"""``il_ros launch``: start an XML launch file, with ROS's launch system or without."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import tyro

from il_ros.core.errors import printable
from il_ros.launching import packages
from il_ros.launching.child_process import Expect, ProcessError
from il_ros.launching.launch_arguments import declared
from il_ros.launching.launch_document import LaunchError
from il_ros.launching.launch_xml import ProcessSpec, evaluate
from il_ros.launching.process_supervisor import ProcessSupervisor

_SUFFIX = '.launch.xml'
_LONGEST = 1 << 20  # characters of what is printed at once


def run(
    file: tyro.conf.Positional[str],
    arguments: tyro.conf.Positional[list[str]],
    *,
    show_args: bool = False,
    print_only: Annotated[bool, tyro.conf.arg(name='print')] = False,
) -> int:
    """Start a launch file and run it until it ends or Ctrl-C.

    If ROS's own launch system is installed, this is `ros2 launch`. Otherwise a small runner starts
    the file: it supports the tags that the launch files of this package use, shows all output, and
    stops everything as soon as one process fails.

    Args:
        file: A launch file, or the name of one in this package (demo for demo.launch.xml).
        arguments: Launch arguments, each as name:=value.
        show_args: List the arguments of the file and exit.
        print_only: Print the command lines and exit.

    Returns:
        The exit code: 0, or that of the process that failed.

    Raises:
        LaunchError: If the file or an argument is invalid.
        ProcessError: If a process cannot be started.
    """
    path = find(file)
    if show_args:
        listed = '\n'.join(map(str, declared(path, os.environ)))
        print(printable(listed or 'it has no arguments', _LONGEST))
        return 0
    given = parse_arguments(arguments)
    if not print_only and has_ros_launch():
        return _run_ros(path, given)
    with TemporaryDirectory(prefix='il_ros_launch_') as scratch:
        specs = evaluate(path, given, scratch=Path(scratch))
        return _print(specs) if print_only else _supervise(specs)


def find(file: str) -> Path:
    """Path of a launch file: `file` itself, or the one of that name in this package.

    Raises:
        LaunchError: If there is none; it lists those of this package.
    """
    if '/' in file or file.endswith('.xml') or Path(file).is_file():
        return Path(file)
    folder = packages.share('il_ros', os.environ, file) / 'launch'
    path = folder / f'{file}{_SUFFIX}'
    if not path.is_file():
        names = sorted(each.name.removesuffix(_SUFFIX) for each in folder.glob(f'*{_SUFFIX}'))
        raise LaunchError(f'no launch file of the name {file!r} in {folder}', allowed=names)
    return path


def parse_arguments(arguments: list[str]) -> dict[str, str]:
    """Split ``name:=value`` pairs; the last value of a name counts, as in ROS.

    Raises:
        LaunchError: If an argument does not have that form.
    """
    pairs = {}
    for argument in arguments:
        name, _, value = argument.partition(':=')
        if not name or not value:
            raise LaunchError(f'launch argument {argument!r}', allowed='name:=value')
        pairs[name] = value
    return pairs


def has_ros_launch() -> bool:
    """Whether ROS's launch system, its XML front end and launch_ros are installed."""
    # Not 'launch' itself: a folder of that name in the working directory would import as one.
    return all(find_spec(name) is not None for name in ('launch_xml', 'launch_ros'))


def _run_ros(path: Path, given: dict[str, str]) -> int:
    from launch.actions import IncludeLaunchDescription, SetLaunchConfiguration
    from launch.launch_description_sources import AnyLaunchDescriptionSource

    from launch import LaunchDescription, LaunchService

    service = LaunchService(argv=[f'{name}:={value}' for name, value in given.items()])
    source = AnyLaunchDescriptionSource(str(path))
    service.include_launch_description(
        LaunchDescription(
            [
                # Its own 5 s and 5 s would let a Ctrl-C take longer than a user waits.
                SetLaunchConfiguration('sigterm_timeout', '1.5'),
                SetLaunchConfiguration('sigkill_timeout', '1.0'),
                IncludeLaunchDescription(source, launch_arguments=given.items()),
            ]
        )
    )
    return int(service.run())


def _print(specs: list[ProcessSpec]) -> int:
    for spec in specs:
        print(printable(f'# {spec.name}', _LONGEST))
        for path, text in spec.files.items():
            print(printable(f'#   {path}:', _LONGEST))
            lines = (f'#     {line}' for line in text.splitlines())
            print(printable('\n'.join(lines), _LONGEST))
        print(printable(shlex.join(spec.argv), _LONGEST))
    return 0


def _supervise(specs: list[ProcessSpec]) -> int:
    # All that is imported stays: to look through it for garbage in the end takes as long as all
    # else of a shutdown.
    gc.freeze()
    with ProcessSupervisor() as supervisor:
        try:
            for spec in specs:
                start_node(supervisor, spec, expect='success')
        except ProcessError:
            if supervisor.failed is None:  # else an early one failed before the last was started
                raise
        code = supervisor.wait()
        failed = supervisor.failed
        if failed is not None:
            print(printable(f'{failed.describe_end()}; the others were ended'), file=sys.stderr)
    assert code is not None  # it waited without a time limit
    return code


def start_node(
    supervisor: ProcessSupervisor, spec: ProcessSpec, *, expect: Expect = 'running'
) -> None:
    """Write the files that a process needs, and start it."""
    for path, content in spec.files.items():
        path.write_text(content, encoding='utf-8')
    supervisor.start(spec.name, spec.argv, env=spec.env, expect=expect)
