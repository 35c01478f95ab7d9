"""Where ROS packages and their executables lie, by the ament resource index."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from il_ros.launching.launch_document import LaunchError

_INDEX = Path('share/ament_index/resource_index/packages')


def prefix(package: str, environment: Mapping[str, str], where: str) -> Path:
    """Return the install prefix of `package`: the first of ``AMENT_PREFIX_PATH`` that has it.

    The Python environment's own comes last: packages of PyPI wheels live there.

    Raises:
        LaunchError: If no prefix has it; it lists the packages there are.
    """
    listed = environment.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    places = [Path(entry) for entry in (*listed, sys.prefix) if entry]
    for place in places:
        if (place / _INDEX / package).is_file():
            return place
    raise LaunchError(
        f'unknown package {package!r}',
        where=where,
        allowed=_listing(*(place / _INDEX for place in places)),
        fix='build it, and source its install/setup.bash (that sets AMENT_PREFIX_PATH)',
    )


def share(package: str, environment: Mapping[str, str], where: str) -> Path:
    """Return ``<prefix>/share/<package>``.

    Raises:
        LaunchError: If no prefix has the package.
    """
    return prefix(package, environment, where) / 'share' / package


def executable(package: str, name: str, environment: Mapping[str, str], where: str) -> Path:
    """Return ``<prefix>/lib/<package>/<name>``.

    Raises:
        LaunchError: If there is no such package, or no such executable in it; it lists those
            there are.
    """
    folder = prefix(package, environment, where) / 'lib' / package
    path = folder / name
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise LaunchError(
            f'package {package!r} has no executable {name!r} in {folder}',
            where=where,
            allowed=_listing(folder),
        )
    return path


def _listing(*folders: Path) -> str:
    names = {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()}
    return ', '.join(sorted(names)) or 'there is none'
