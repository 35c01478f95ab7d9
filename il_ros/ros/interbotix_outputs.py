"""Output adapters for Interbotix' driver of X-Series arms (interbotix_xs_sdk), in position mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.monitors.plan import Plan
from il_ros.ros.message_conversion import doubles
from il_ros.ros.message_types import message_type
from il_ros.ros.output_adapters import Controller

ARM = 'arm'
"""The group of an arm's own servos, by the driver's motor configurations."""

GROUP, SINGLE = (f'interbotix_xs_msgs/msg/Joint{kind}Command' for kind in ('Group', 'Single'))


class _ServoOutput:
    """What both commands have in common: positions at the next tick [rad], without a stamp.

    Raises:
        IlRosError: If interbotix_xs_msgs is not installed.
    """

    waits = True
    _type: str

    def __init__(self, contract: Contract) -> None:
        self.message_type = message_type(self._type)
        self._names, self._dt = contract.action.names, contract.period


class JointGroupOutput(_ServoOutput):
    """One position for each servo of the group `arm`, in the driver's order."""

    _type = GROUP

    def message(self, plan: Plan, begin: float, stamp: int) -> Any:
        """Position of each joint at the next tick."""
        return self.message_type(name=ARM, cmd=doubles(plan.at(begin + self._dt)[0]))

    def apply(self, message: Any, controller: Controller, now: float) -> int:
        """Move to it."""
        if message.name != ARM or len(message.cmd) != len(self._names):
            raise IlRosError(
                f'{len(message.cmd)} numbers for {message.name!r}',
                where='joint_group',
                allowed=f'{len(self._names)} for {ARM!r}',
            )
        controller.command(np.asarray(message.cmd, dtype=np.float64), now)
        return 0


class JointSingleOutput(_ServoOutput):
    """The position of one servo, as a gripper's."""

    _type = SINGLE

    def message(self, plan: Plan, begin: float, stamp: int) -> Any:
        """Its position at the next tick."""
        position = plan.at(begin + self._dt)[0]
        return self.message_type(name=self._names[0], cmd=float(position[0]))

    def apply(self, message: Any, controller: Controller, now: float) -> int:
        """Move to it."""
        if message.name != self._names[0]:
            raise IlRosError(
                f'got {message.name!r}', where='joint_single', allowed=repr(self._names[0])
            )
        controller.command(np.array([message.cmd], dtype=np.float64), now)
        return 0
