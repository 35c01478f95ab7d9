"""Which MuJoCo is installed, and who can use it: an environment holds one, and MetaWorld's is old.

The built-in simulator needs MuJoCo 4; MetaWorld pins a 3, and on 4 it fails when it sets its welds
anew. Neither is started on the other's.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

from il_ros.core.errors import IlRosError

OLDEST = 4
"""First major version of MuJoCo that the built-in simulator runs on."""


def require_simulator() -> None:
    """See that the built-in simulator can run here.

    Raises:
        IlRosError: If MuJoCo is too old.
    """
    found = version('mujoco')
    if int(found.split('.')[0]) < OLDEST:
        raise IlRosError(
            f'MuJoCo {found}',
            where='simulator',
            allowed=f'{OLDEST} or newer',
            fix="use the environment of make setup; MetaWorld's is for its tasks and for training",
        )


def require_metaworld() -> str:
    """Check that MetaWorld can run; returns its version and MuJoCo's as text.

    Raises:
        IlRosError: If it is not installed, or needs another MuJoCo than the one installed.
    """
    fix = 'run make metaworld, and then .venv-metaworld/bin/il_ros'
    try:
        found, mujoco = version('metaworld'), version('mujoco')
    except PackageNotFoundError as missing:
        raise IlRosError(
            f'{missing.name} is not installed here', where='metaworld', fix=fix
        ) from None
    pinned = pinned_mujoco(requires('metaworld') or [])
    if mujoco != pinned:
        raise IlRosError(
            f'MuJoCo {mujoco}', where=f'metaworld {found}', allowed=str(pinned), fix=fix
        )
    return f'metaworld {found}, mujoco {mujoco}'


def pinned_mujoco(requirements: list[str]) -> str | None:
    """The version in `mujoco==VERSION` among a package's requirements; none if there is none."""
    matches = (re.match(r'mujoco\s*==\s*([\w.]+)', line) for line in requirements)
    return next((match[1] for match in matches if match), None)
