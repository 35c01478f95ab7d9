"""Message definitions from the installed packages, as a bag carries them."""

from __future__ import annotations

import os

from il_ros.core.errors import IlRosError
from il_ros.launching import packages


def definition_of(type_name: str) -> str:
    """The text of the .msg file behind `package/msg/Name`.

    Raises:
        IlRosError: If the package is not installed or lacks the file.
    """
    package, _, short = type_name.partition('/msg/')
    path = packages.share(package, os.environ, type_name) / 'msg' / f'{short}.msg'
    try:
        return path.read_text(encoding='utf-8')
    except OSError as problem:
        raise IlRosError(f'no message definition: {problem}', where=type_name) from None
