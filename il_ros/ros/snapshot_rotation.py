"""The snapshots of one flight recorder: which are its own, and how the old ones go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from il_ros.bags.bag_metadata import METADATA_FILE
from il_ros.bags.episode_info import EPISODE_FILE, read_episode_info
from il_ros.core.atomic_files import write_atomic
from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError
from il_ros.core.regular_files import read_text

MARKER = 'flight_recorder.json'


class SnapshotRotation:
    """The snapshots that a node wrote and that nobody has claimed since.

    A snapshot is known by a file in it that names the node and the snapshot. One that was
    renamed or flagged, or that holds another file, is no longer the node's, and stays.

    Args:
        root: Folder that they are in.
        node: Full name of the node.
    """

    def __init__(self, root: Path, node: str) -> None:
        self._root, self._node = root, node

    def mark(self, snapshot: Path) -> None:
        """Say that the node wrote it.

        Raises:
            IlRosError: If the disk refuses; the snapshot then stays for good.
        """
        write_atomic(snapshot / MARKER, json.dumps(self._claim(snapshot)) + '\n')

    def own(self) -> list[Path]:
        """The node's snapshots, the oldest first.

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
        others = [snapshot for snapshot in self.own() if snapshot.name != newest.name]
        for snapshot in others[: max(0, len(others) + 1 - keep)]:
            for path in _files(snapshot):
                path.unlink(missing_ok=True)
            snapshot.rmdir()

    def _claim(self, snapshot: Path) -> dict[str, str]:
        return {'node': self._node, 'snapshot': snapshot.name}

    def _is_own(self, snapshot: Path) -> bool:
        if snapshot.is_symlink() or not (snapshot / MARKER).is_file():
            return False
        try:
            claim = load_json(read_text(snapshot / MARKER))
            info = read_episode_info(snapshot)
        except (OSError, ValueError, DatasetError):
            return False  # damage is for somebody to look at
        untouched = set(snapshot.iterdir()) <= set(_files(snapshot))
        return claim == self._claim(snapshot) and untouched and not (info and info.flagged)


def _files(snapshot: Path) -> Iterator[Path]:
    """What is in a snapshot; the marker comes last, so that the next deletion ends a cut one."""
    for name in (f'{snapshot.name}.mcap', METADATA_FILE, EPISODE_FILE, MARKER):
        yield snapshot / name
