"""The same joints in another order: a contract's, an arm's own, a message's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array

if TYPE_CHECKING:
    from il_ros.core.contract import Contract

Layout = Mapping[str, Sequence[tuple[str, str]]]
"""What each number of an array is, by its key: position, velocity or effort, and of which joint."""


class NamedLimb(Protocol):
    """An arm as far as its observations are concerned."""

    @property
    def prefix(self) -> str:
        """What the keys of its observations begin with."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its joints, then its gripper's."""

    @property
    def gripper(self) -> str:
        """Its gripper's joint; empty where it has none."""


def indices_of(names: Sequence[str], among: Sequence[str]) -> NDArray[np.intp]:
    """Where each of `names` is in `among`, which has all of them."""
    return np.array([among.index(name) for name in names], dtype=np.intp)


def stream_layout(contract: Contract) -> Layout:
    """What a contract's streams of joints hold."""
    return {
        key: [(field, joint) for field in stream.fields for joint in stream.names]
        for key, stream in contract.streams.items()
        if stream.names
    }


def arm_layout(limbs: Iterable[NamedLimb]) -> Layout:
    """What experts expect, and the simulator tells, of the joints of one or two arms."""
    layout = {}
    for limb in limbs:
        for part in ('position', 'velocity'):
            own = [(part, joint) for joint in limb.names]
            arm = len(own) - bool(limb.gripper)
            layout[f'{limb.prefix}joint_{part}'] = own[:arm]
            if limb.gripper:
                layout[f'{limb.prefix}gripper_{part}'] = own[arm:]
        layout[f'{limb.prefix}joint_effort'] = [('effort', joint) for joint in limb.names]
    return layout


class JointRegrouping:
    """Lays arrays of joints out in another way.

    What is laid out alike passes as it is, and so does what neither layout names. A key that both
    name is left out where the source lacks one of its joints.

    Args:
        source: How the given arrays are laid out.
        target: How those that are wanted are.
    """

    def __init__(self, source: Layout, target: Layout) -> None:
        places = {
            number: (key, column)
            for key, numbers in source.items()
            for column, number in enumerate(numbers)
        }
        self._parts = {
            key: [places.get(number) for number in numbers]
            for key, numbers in target.items()
            if list(numbers) != list(source.get(key, ()))
        }
        self._source = set(source)

    def __call__(self, values: Mapping[str, Array | None]) -> dict[str, Array | None]:
        """The arrays by their keys, each with a last axis of joints; None stays None."""
        result = dict(values)
        for key, parts in self._parts.items():
            found = [part for part in parts if part is not None and part[0] in values]
            if len(found) == len(parts):
                result[key] = _gathered(values, found)
            elif key in self._source:
                result.pop(key, None)
        return result


def _gathered(values: Mapping[str, Array | None], parts: Sequence[tuple[str, int]]) -> Array | None:
    columns = []
    for key, column in parts:
        array = values[key]
        if array is None:
            return None
        columns.append(array[..., column])
    return np.stack(columns, axis=-1)
