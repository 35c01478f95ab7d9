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

from il_ros.core.config import moved_keys, renamed_keys
from il_ros.core.errors import IlRosError, printable
from il_ros.core.registry import load

_LONGEST = 1 << 20  # characters of an error
_VERBS = {
    'demo': ('demo:demo', 'run the whole loop on a simulated arm'),
    'launch': ('launch:run', 'start a launch file, with ROS launch or without'),
    'record': ('record:record', 'record episodes of a simulated task'),
    'bags check': ('bags:check', 'find damaged and unfinished episodes'),
    'bags recover': ('bags:recover', 'recover what a crash or a power cut left'),
    'bags info': ('bags:info', 'show what an episode contains'),
    'bags mark': ('bags:mark', "change an episode's outcome, notes or flag"),
    'contract check': ('contract:check', 'hold a contract against the robot that runs'),
    'contract init': ('contract:init', 'write a contract for the robot that runs'),
    'dataset build': ('dataset:build', 'build a dataset from episode bags'),
    'dataset append': ('dataset:append', 'add episode bags to a dataset'),
    'dataset merge': ('dataset:merge', 'merge datasets into one'),
    'dataset split': ('dataset:split', 'split a dataset by episodes'),
    'dataset filter': ('dataset:filter_', 'keep the episodes that match a query'),
    'dataset info': ('dataset:info', 'show what a dataset contains'),
    'dataset report': ('dataset_report:report', 'write a report on a dataset'),
    'dataset export': ('interop:export_', 'export a dataset to LeRobot or robomimic'),
    'dataset import': ('interop:import_', 'import a dataset from LeRobot or robomimic'),
    'metaworld record': ('metaworld:record', "build a dataset from MetaWorld's experts"),
    'metaworld evaluate': ('metaworld:evaluate', 'evaluate a policy on a task of MetaWorld'),
    'view': ('view:view', 'write an episode as a Rerun recording'),
    'train bc': ('train:bc', 'train a policy by behaviour cloning'),
    'bundle info': ('bundle:info', 'show what a bundle is, and its identity'),
    'bundle keygen': ('bundle:keygen', 'make a pair of keys to sign bundles with'),
    'bundle sign': ('bundle:sign', 'sign a bundle'),
    'bundle verify': ('bundle:verify', 'check a bundle and its signature'),
    'dagger': ('dagger:dagger', 'train in rounds with an expert that corrects'),
    'monitor calibrate': ('monitor:calibrate', 'set the thresholds of scores'),
    'monitor replay': ('monitor:replay', 'show when the monitor would have stopped an episode'),
    'monitor evaluate': ('monitor_evaluate:evaluate', 'compare scores on disturbed episodes'),
    'evaluate': ('evaluate:evaluate', 'evaluate a policy and write a report'),
    'compare': ('compare:compare', 'compare two evaluated policies'),
    'migrate': ('migrate:migrate', 'convert what older versions wrote'),
    'adversarial search': ('adversarial:search', 'find small disturbances that make a policy fail'),
    'adversarial replay': ('adversarial:replay', 'run the failures of a search again'),
}
VERBS = {
    verb: ('il_ros.cli.' + place.replace(':', '_command:'), text)
    for verb, (place, text) in _VERBS.items()
}
"""Verb to 'module:function' and a line of help; a verb of two words is a group and its member."""

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
    except (KeyboardInterrupt, RuntimeError) as problem:
        # Within a call to rclpy's C++ an interruption becomes a RuntimeError.
        if isinstance(problem, RuntimeError) and not interrupted:
            raise
        print('interrupted', file=sys.stderr)
        return 130
    except (IlRosError, OSError, UnicodeError) as problem:
        print(printable(f'error: {_one_line(problem)}', _LONGEST), file=sys.stderr)
        return 2


def _one_line(problem: Exception) -> str:
    if isinstance(problem, UnicodeError):
        return f'a text or a name is not UTF-8: {problem}'
    if isinstance(problem, OSError):
        text = problem.strerror or str(problem) or type(problem).__name__
        return f'{problem.filename}: {text}' if problem.filename else text
    return str(problem)


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ('-h', '--help'):
        print('usage: il_ros VERB [options]   (il_ros VERB --help for its options)\n')
        print(
            printable(
                '\n'.join(f'  {verb:18} {text}' for verb, (_, text) in VERBS.items()), _LONGEST
            )
        )
        return 0
    for words in (2, 1):
        verb = ' '.join(given[:words])
        if verb in VERBS:
            return _run(verb, given[words:])
    members = [name for name in VERBS if name.startswith(f'{given[0]} ')]
    if members and not given[1:]:
        problem = f'{given[0]} what?'
    else:
        problem = f'unknown verb {" ".join(given[: 2 if members else 1])!r}'
    raise IlRosError(problem, allowed=members or VERBS, fix='see il_ros --help')


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
    """Answer an option that has a new name, or another place, with that.

    Raises:
        IlRosError: With the new name or place.
    """
    settings = list(_settings(call))
    new_names = OLD_OPTIONS | {
        old.replace('_', '-'): new.replace('_', '-')
        for cls in settings
        for old, new in renamed_keys(cls).items()
    }
    places = {old: place for cls in settings for old, place in moved_keys(cls).items()}
    for option in (each.partition('=')[0] for each in given if each.startswith('--')):
        parts = option.removeprefix('--').replace('_', '-').split('.')
        place = places.get(parts[-1].replace('-', '_'))
        if place is not None:
            raise IlRosError(f'{option} is now {place}', fix='remove it here')
        renamed = '--' + '.'.join(new_names.get(part, part) for part in parts)
        if renamed != '--' + '.'.join(parts):
            raise IlRosError(f'{option} is now {renamed}', fix=f'write {renamed} instead')


def _settings(owner: Any) -> Iterator[type]:
    """The dataclasses of settings that a function or a dataclass takes, with those in them."""
    for hint in typing.get_type_hints(owner).values():
        if is_dataclass(hint):
            yield cast(type, hint)
            yield from _settings(hint)


if __name__ == '__main__':
    raise SystemExit(main())
