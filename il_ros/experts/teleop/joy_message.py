"""Whether a sensor_msgs/Joy has what a configuration uses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.buttons import Buttons


def check_joy(
    axes: Sequence[float], buttons: Sequence[int], wanted: Buttons, used_axes: Mapping[str, int]
) -> None:
    """Refuse a message that lacks what is used of it.

    Args:
        axes: The message's axes.
        buttons: The message's buttons.
        wanted: The buttons that are used.
        used_axes: Index of each axis that is used, by its direction.

    Raises:
        IlRosError: With what the configuration needs and what the message has.
    """
    used_buttons = {} if wanted.sparse else wanted.used
    missing = [f'axes.{name} is axis {i}' for name, i in used_axes.items() if i >= len(axes)]
    missing += [
        f'buttons.{name} is button {i}' for name, i in used_buttons.items() if i >= len(buttons)
    ]
    if missing:
        least = [1 + max(used.values(), default=-1) for used in (used_axes, used_buttons)]
        raise IlRosError(
            f'the message has {len(axes)} axes and {len(buttons)} buttons, but '
            f'{", ".join(missing)} (counted from 0)',
            where='joy',
            allowed=f'{least[0]} or more axes, {least[1]} or more buttons',
            fix='take the configuration of this device',
        )
    for name, i in used_axes.items():
        if not math.isfinite(axes[i]):
            raise IlRosError(
                f'axis {i} ({name}) is {axes[i]}', where='joy', allowed='finite numbers'
            )
