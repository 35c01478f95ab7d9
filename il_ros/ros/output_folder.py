"""Where nodes write if nobody says where."""

from __future__ import annotations

import os
from pathlib import Path


def output_folder(name: str) -> str:
    """Path of `name` in the folder `il_ros` of ROS_HOME, wherever the process was started.

    Args:
        name: Of what is written there.
    """
    home = os.environ.get('ROS_HOME') or str(Path.home() / '.ros')
    return os.path.join(home, 'il_ros', name)
