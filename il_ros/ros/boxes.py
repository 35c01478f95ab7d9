"""The boxes of one black box: which are its own, and how the old ones go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from il_ros.bags.bag_metadata import METADATA_FILE
from il_ros.bags.episode_info import EPISODE_FILE, read_episode_info
from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import DatasetError

MARKER = 'black_box.json'


class Boxes:
    """The boxes that a node wrote, as long as nobody made them their own.

    A box is known by a file in it that names the node and the box. One that somebody renamed,
    flagged, or put a file into is no longer the node's, and stays.

    Args:
        root: Folder that they are in.
        node: Full name of the node.
    """

    def __init__(self, root: Path, node: str) -> None:
        self._root, self._node = root, node

    def mark(self, box: Path) -> None:
        """Say that the node wrote it.

        Raises:
            IlRosError: If the disk refuses; the box then stays for good.
        """
        write_atomic(box / MARKER, json.dumps(self._claim(box)) + '\n')

    def own(self) -> list[Path]:
        """The node's boxes, the oldest first.

        Raises:
            OSError: If the folder cannot be read.
        """
        folders = sorted(self._root.iterdir()) if self._root.is_dir() else []
        return [path for path in folders if self._is_own(path)]

    def rotate(self, keep: int, newest: Path) -> None:
        """Delete all but the newest ones.

        Args:
            keep: How many stay; at least 1.
            newest: The one that was written last, which stays whatever the clock says.

        Raises:
            OSError: If one cannot be deleted.
        """
        others = [box for box in self.own() if box.name != newest.name]
        for box in others[: max(0, len(others) + 1 - keep)]:
            for path in _files(box):
                path.unlink(missing_ok=True)
            box.rmdir()

    def _claim(self, box: Path) -> dict[str, str]:
        return {'node': self._node, 'box': box.name}

    def _is_own(self, box: Path) -> bool:
        if box.is_symlink() or not (box / MARKER).is_file():
            return False
        try:
            claim = json.loads((box / MARKER).read_text(encoding='utf-8'))
            info = read_episode_info(box)
        except (OSError, ValueError, DatasetError):
            return False  # damage is for somebody to look at
        untouched = set(box.iterdir()) <= set(_files(box))
        return claim == self._claim(box) and untouched and not (info and info.flagged)


def _files(box: Path) -> Iterator[Path]:
    """What is in a box; the marker comes last, so that the next deletion ends a cut one."""
    for name in (f'{box.name}.mcap', METADATA_FILE, EPISODE_FILE, MARKER):
        yield box / name
