"""Room on the disk that bags are written to, and what a crash left there."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from il_ros.bags.part_folder import command, is_locked
from il_ros.core.atomic_folders import free_space
from il_ros.core.errors import IlRosError


class DiskSpace:
    """Room on the disk of a folder, and how much of it has to stay.

    Args:
        root: The folder; it need not be there yet.
        least: What has to stay free [bytes].
    """

    def __init__(self, root: Path, least: int) -> None:
        self._root, self._least = root, least

    @property
    def free(self) -> int:
        """Room on the disk [bytes]; 0 while the disk does not answer."""
        try:
            return free_space(self._root)
        except OSError:
            return 0

    def require(self) -> str:
        """Make the folder; gives a warning if room is short, empty if not.

        Raises:
            IlRosError: If there is too little.
            OSError: If the folder cannot be made, or the disk does not answer.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        free = free_space(self._root)
        if free < self._least:
            raise IlRosError(
                f'{mib(free)} of room left', where=str(self._root),
                allowed=f'{mib(self._least)} or more (parameter min_free)',
                fix='make room on the disk',
            )  # fmt: skip
        return self.short()

    def gone(self) -> str:
        """That too little is left, or the disk does not answer; empty if there is enough."""
        try:
            free = free_space(self._root)
        except OSError as problem:
            return str(problem)
        return f'the disk is nearly full: {mib(free)} left' if free < self._least else ''

    def short(self) -> str:
        """That less than twice what has to stay is left, in words; empty if there is more."""
        free, least = self.free, self._least
        if free >= 2 * least:
            return ''
        return f'{mib(free)} of room left in {self._root}; the episode ends at {mib(least)}'

    def orphans(self) -> list[Path]:
        """Hidden folders of unfinished episodes that no process is recording to."""
        parts = [part for part in sorted(self._root.glob('.*.part')) if part.is_dir()]
        return [part for part in parts if not is_locked(part)]

    def warn_of_crash(self, node: Node) -> None:
        """Log that there are orphans, if there are any."""
        if orphans := self.orphans():
            text = f'{len(orphans)} unfinished episodes of an earlier crash in {self._root}'
            check = command('il_ros', 'bags', 'check', self._root)
            node.get_logger().warning(f'{text}: see "{check}"')


def mib(size: int) -> str:
    """A size [bytes] in words."""
    return f'{size / (1 << 20):.0f} MiB'
