"""What was odd about the messages of a bag: refused ones, and some that contradict others."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.datasets.limit_checks import distance


class MessageChecks:
    """Counts what happened to the messages of each key.

    A position contradicts the one before it if the joint cannot have moved so far since, nor in a
    period more: then there are two publishers.

    Args:
        contract: What the keys mean.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._all: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._jumps: Counter[str] = Counter()
        self._worst: dict[str, tuple[float, str]] = {}
        self._last: dict[str, tuple[int, Array]] = {}
        self._limits = _velocity_limits(contract)

    def took(self, key: str, value: Array, stamp: int) -> None:
        """A message gave the key a value, at its stamp [ns]."""
        self._all[key] += 1
        if key not in self._limits:
            return
        limit, endless = self._limits[key]
        before, earlier = self._last.get(key, (stamp, value))
        self._last[key] = stamp, value
        far = distance(value - earlier, endless)
        over = far > limit * (abs(stamp - before) / NS + self._contract.period)
        if over.any():
            self._jumps[key] += 1
            joint = int(np.where(over, far, 0.0).argmax())
            name = self._contract.observations[key].names[joint]
            self._worst[key] = max(self._worst.get(key, (0.0, '')), (float(far[joint]), name))

    def refused(self, key: str, why: str, *, read: bool = True) -> None:
        """A message was not taken; `read` if it gave a value all the same."""
        self._all[key] += not read
        self._refused[key] += 1
        self._why[key] = why

    def findings(self) -> dict[str, str]:
        """What is odd, in words, by kind and key."""
        found = {}
        for key, count in self._refused.items():
            found[f'rejected.{key}'] = (
                f'{count} of {self._all[key]} messages of {self._named(key)} were not taken: '
                f'{self._why[key]}'
            )
        for key, count in self._jumps.items():
            far, joint = self._worst[key]
            found[f'contradicting.{key}'] = (
                f'{count} of {self._all[key]} messages of {self._named(key)} contradict the one '
                f'before: {joint} cannot move {far:.3g} meanwhile; is there a second publisher?'
            )
        return found

    def _named(self, key: str) -> str:
        return f'{key} ({self._contract.inputs[key].topic})'


def _velocity_limits(contract: Contract) -> dict[str, tuple[Array, NDArray[np.bool_]]]:
    """Of the keys that measure the commanded joints: velocity limits, and which turn endlessly."""
    limits, at = {}, 0
    for key in contract.action.position if contract.action.space == 'joints' else ():
        stream = contract.observations[key]
        part = slice(at, at + stream.size)
        if len(stream.names) == stream.size:
            limits[key] = contract.limits.velocity[part], contract.endless[part]
        at = part.stop
    return limits
