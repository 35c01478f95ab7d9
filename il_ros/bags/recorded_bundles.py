"""Which bundles were in use while a bag was recorded, as the monitor said."""

from __future__ import annotations

from pathlib import Path

from il_ros.bags.bag_reader import EpisodeReader
from il_ros.core import topics
from il_ros.core.errors import IlRosError


def recorded_bundles(path: Path) -> tuple[str, ...]:
    """Identities of the bundles (hex), in the order of their use; none where none is known.

    Bags of before there were identities say none, and so does one that is damaged.

    Args:
        path: Folder of a bag.
    """
    try:
        with EpisodeReader(path) as reader:
            if reader.topics.get(reader.absolute(topics.MONITOR_STATUS)) is None:
                return ()
            said = [
                getattr(reader.deserialize(message), 'bundle_identity', '')
                for message in reader.messages([topics.MONITOR_STATUS])
            ]
    except IlRosError:
        return ()
    return tuple(dict.fromkeys(identity for identity in said if identity))
