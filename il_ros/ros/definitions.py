"""Message definitions from the installed packages, as a bag carries them."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from il_ros.core.errors import IlRosError


def definition_of(type_name: str) -> str:
    """The text of the .msg file behind `package/msg/Name`.

    Raises:
        IlRosError: If the package is not on AMENT_PREFIX_PATH or lacks the file.
    """
    package, _, short = type_name.partition('/msg/')
    try:
        path = Path(get_package_share_directory(package)) / 'msg' / f'{short}.msg'
        return path.read_text(encoding='utf-8')
    except (PackageNotFoundError, OSError) as problem:
        raise IlRosError(
            f'no message definition for {type_name}: {problem}',
            fix=f'source the workspace that has {package}',
        ) from None
