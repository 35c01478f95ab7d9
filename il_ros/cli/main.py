"""The ``il_ros`` command: one file a verb."""

from __future__ import annotations

import os
import signal
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from types import FrameType
from typing import Any, cast

from il_ros.core.config import renamed_keys
from il_ros.core.errors import IlRosError
from il_ros.core.registry import load

# Verb to 'module:function' and a line of help; a verb of two words is a group and its member.
VERBS = {
    'demo': ('il_ros.cli.demo_command:demo', 'run the whole loop on a simulated arm'),
    'launch': ('il_ros.cli.launch_command:run', 'start a launch file, with ROS launch or without'),
    'record': ('il_ros.cli.record_command:record', 'record episodes of a simulated task'),
    'bags check': ('il_ros.cli.bags_command:check', 'find damaged and unfinished episodes'),
    'bags recover': (
        'il_ros.cli.bags_command:recover',
        'recover what a crash or a power cut left',
    ),
    'bags info': ('il_ros.cli.bags_command:info', 'show what an episode contains'),
    'bags mark': ('il_ros.cli.bags_command:mark', "change an episode's outcome, notes or flag"),
    'dataset build': ('il_ros.cli.dataset_command:build', 'build a dataset from episode bags'),
    'dataset append': ('il_ros.cli.dataset_command:append', 'add episode bags to a dataset'),
    'dataset merge': ('il_ros.cli.dataset_command:merge', 'merge datasets into one'),
    'dataset split': ('il_ros.cli.dataset_command:split', 'split a dataset by episodes'),
    'dataset filter': (
        'il_ros.cli.dataset_command:filter_',
        'keep the episodes that match a query',
    ),
    'dataset info': ('il_ros.cli.dataset_command:info', 'show what a dataset contains'),
    'dataset report': (
        'il_ros.cli.dataset_report_command:report',
        'write a report on a dataset',
    ),
    'dataset export': (
        'il_ros.cli.interop_command:export_',
        'export a dataset to LeRobot or robomimic',
    ),
    'dataset import': (
        'il_ros.cli.interop_command:import_',
        'import a dataset from LeRobot or robomimic',
    ),
    'metaworld record': (
        'il_ros.cli.metaworld_command:record',
        "build a dataset from MetaWorld's experts",
    ),
    'metaworld evaluate': (
        'il_ros.cli.metaworld_command:evaluate',
        'evaluate a policy on a task of MetaWorld',
    ),
    'view': ('il_ros.cli.view_command:view', 'write an episode as a Rerun recording'),
    'train bc': ('il_ros.cli.train_command:bc', 'train a policy by behaviour cloning'),
    'dagger': ('il_ros.cli.dagger_command:dagger', 'train in rounds with an expert that corrects'),
    'monitor calibrate': (
        'il_ros.cli.monitor_command:calibrate',
        'set the thresholds of scores',
    ),
    'monitor replay': (
        'il_ros.cli.monitor_command:replay',
        'show when the monitor would have stopped an episode',
    ),
    'monitor evaluate': (
        'il_ros.cli.monitor_evaluate_command:evaluate',
        'compare scores on disturbed episodes',
    ),
    'evaluate': ('il_ros.cli.evaluate_command:evaluate', 'evaluate a policy and write a report'),
    'compare': ('il_ros.cli.compare_command:compare', 'compare two evaluated policies'),
    'migrate': ('il_ros.cli.migrate_command:migrate', 'convert what older versions wrote'),
    'adversarial search': (
        'il_ros.cli.adversarial_command:search',
        'find small disturbances that make a policy fail',
    ),
    'adversarial replay': (
        'il_ros.cli.adversarial_command:replay',
        'run the failures of a search again',
    ),
}


OLD_OPTIONS = {'films': 'videos'}
"""Old to new names of options; those of settings are listed by the dataclasses (`renamed`)."""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code, as `guarded` does."""
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: _dispatch(given))


def guarded(work: Callable[[], int | None]) -> int:
    """Run the work of a command; returns its exit code: 0, 2 after an error, 130 if interrupted.

    An error is printed as one line. SIGTERM ends the work as SIGINT does, so that resources are
    released.
    """
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        return work() or 0
    except IlRosError as problem:
        print(f'error: {problem}', file=sys.stderr)
        return 2
    except (KeyboardInterrupt, RuntimeError) as problem:
        # Within a call to rclpy's C++ an interruption becomes a RuntimeError.
        if isinstance(problem, RuntimeError) and not interrupted:
            raise
        print('interrupted', file=sys.stderr)
        return 130
    except OSError as problem:
        print(f'error: {_system(problem)}', file=sys.stderr)
        return 2
    except UnicodeError as problem:
        print(f'error: a text or a name is not UTF-8: {problem}', file=sys.stderr)
        return 2


def _dispatch(given: list[str]) -> int:
    verb, rest = _verb(given)
    if verb is None:
        print(_help())
        return 0
    return _run(verb, rest)


def _system(problem: OSError) -> str:
    """The error of the system, on one line."""
    text = problem.strerror or str(problem) or type(problem).__name__
    return f'{problem.filename}: {text}' if problem.filename else text


def _verb(given: list[str]) -> tuple[str | None, list[str]]:
    if not given or given[0] in ('-h', '--help'):
        return None, []
    for words in (2, 1):
        name = ' '.join(given[:words])
        if name in VERBS:
            return name, given[words:]
    members = [name for name in VERBS if name.startswith(f'{given[0]} ')]
    if members:
        what = f'unknown verb {" ".join(given[:2])!r}' if given[1:] else f'{given[0]} what?'
        raise IlRosError(what, allowed=members, fix='see il_ros --help')
    raise IlRosError(f'unknown verb {given[0]!r}', allowed=VERBS, fix='see il_ros --help')


def _run(verb: str, rest: list[str]) -> int:
    import tyro

    try:
        call: Callable[..., Any] = load(VERBS[verb][0])
    except ModuleNotFoundError as problem:
        if problem.name and problem.name.startswith('il_ros'):
            raise
        raise IlRosError(
            f'il_ros {verb} needs {problem.name}',
            fix='run make setup, or source the ROS workspace that has it',
        ) from None
    _refuse_old_options(call, rest)
    # Generated ROS libraries and torch print nothing useful in colour to a log file.
    os.environ.setdefault('TYRO_USE_COLOR', '1' if sys.stdout.isatty() else '0')
    return int(tyro.cli(call, prog=f'il_ros {verb}', args=rest) or 0)


def _refuse_old_options(call: Callable[..., Any], given: list[str]) -> None:
    """Answer an option that has a new name with that name.

    Raises:
        IlRosError: With the new name.
    """
    settings = [hint for hint in typing.get_type_hints(call).values() if is_dataclass(hint)]
    new_names = OLD_OPTIONS | {
        old.replace('_', '-'): new.replace('_', '-')
        for cls in settings
        for old, new in _renamed_settings(cast(type, cls))
    }
    for option in (each.partition('=')[0] for each in given if each.startswith('--')):
        parts = option.removeprefix('--').replace('_', '-').split('.')
        renamed = '--' + '.'.join(new_names.get(part, part) for part in parts)
        if renamed != '--' + '.'.join(parts):
            raise IlRosError(f'{option} is now {renamed}', fix=f'write {renamed} instead')


def _renamed_settings(cls: type) -> Iterator[tuple[str, str]]:
    """Old and new names of all fields of a dataclass and of those nested in it."""
    yield from renamed_keys(cls).items()
    for hint in typing.get_type_hints(cls).values():
        if is_dataclass(hint):
            yield from _renamed_settings(cast(type, hint))


def _help() -> str:
    lines = ['usage: il_ros VERB [options]   (il_ros VERB --help for its options)', '']
    return '\n'.join(lines + [f'  {verb:18} {text}' for verb, (_, text) in VERBS.items()])


if __name__ == '__main__':
    raise SystemExit(main())
