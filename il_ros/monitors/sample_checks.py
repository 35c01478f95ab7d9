"""Limits of what is measured, looked at in every message and not only at ticks.

A sensor sends more often than the monitor ticks: a contact of a millisecond, measured once at
1 kHz, is over before the next tick comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial

from il_ros.core.contract import Contract
from il_ros.core.geometry import finite
from il_ros.core.limits import Array, JointLimits, Limits
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.monitor_config import MonitorConfig


class SampleChecks:
    """Compares each sample with the limits that a tick compares the frame with.

    Args:
        contract: Which observations are the wrench and the joints, and their limits.
        config: How far a measurement may exceed them.
    """

    def __init__(self, contract: Contract, config: MonitorConfig) -> None:
        limits, streams, action = contract.limits, contract.observations, contract.action
        self._checks: dict[str, Callable[[Array], Fault | None]] = {}
        kinds = (
            (action.position, checks.joint_limits, config.joint_tolerance),
            (action.velocity, checks.speed, config.speed_tolerance),
        )
        for keys, check, tolerance in kinds:
            for key in keys:
                own = _of_joints(limits, streams[key].names)
                self._checks[key] = partial(_joints, check, own, tolerance)
        if contract.wrench is not None:
            share = config.wrench_share
            contact = replace(limits, force=share * limits.force, torque=share * limits.torque)
            self._checks[contract.wrench.key] = partial(_wrench, limits=contact)

    def judge(self, key: str, value: Array) -> Fault | None:
        """Whether a sample is within its limits.

        Args:
            key: The contract's key; others than wrench and joints are not looked at.
            value: The decoded value, shape (size,). Joints that are not finite make no fault here:
                a frame with them is not valid.
        """
        check = self._checks.get(key)
        fault = check(value) if check is not None else None
        return fault and replace(fault, text=f'{fault.text} (in one sample)')


def _joints(
    check: Callable[[Array, Limits, float], Fault | None],
    limits: Limits,
    tolerance: float,
    value: Array,
) -> Fault | None:
    return check(value, limits, tolerance) if finite(value) else None


def _wrench(value: Array, limits: Limits) -> Fault | None:
    if not finite(value):  # no contact, which the arm would give way to
        return Fault('frame', 'wrench: not finite')
    return checks.wrench(value[:3], value[3:], limits)


def _of_joints(limits: Limits, names: Sequence[str]) -> Limits:
    """The limits of some joints alone, in the order of `names`."""
    at = [limits.names.index(name) for name in names]
    bounds = {field.name: getattr(limits, field.name)[at] for field in fields(JointLimits)}
    return replace(limits, names=tuple(names), **bounds)
