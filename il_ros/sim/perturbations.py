"""What can be made to go wrong in an episode, by name, so that a suite can be written down."""

from __future__ import annotations

import math
from dataclasses import dataclass

from il_ros.core.errors import IlRosError, UnknownNameError

BODIES = ('hand', 'object')


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a perturbation of one kind means by its value and its target.

    Attributes:
        value: The value in words, with its unit.
        sizes: How many numbers the value may have; empty when any number of them may be given.
        target: What the target names: an `observation` key, a `body` (hand or object, where
            the empty target means the first that fits) or nothing.
        episode: Whether it holds for the whole episode, whatever its start and duration.
    """

    value: str
    sizes: tuple[int, ...]
    target: str = ''
    episode: bool = False


KINDS = {
    'push': Kind(value='force on the body in the base frame [N]', sizes=(3,), target='body'),
    'object_moved': Kind(value='displacement in the base frame [m]', sizes=(2, 3)),
    'object_outside': Kind(
        value='distance beyond the training box [m]', sizes=(0, 1), episode=True
    ),
    'sensor_bias': Kind(value='what is added to the reading', sizes=(), target='observation'),
    'sensor_dropout': Kind(value='none', sizes=(0,), target='observation'),
    'sensor_freeze': Kind(value='none', sizes=(0,), target='observation'),
    'action_delay': Kind(value='delay of the command [s]', sizes=(1,)),
    'action_scale': Kind(value="factor on each period's commanded motion", sizes=(1,)),
    'command_noise': Kind(value='standard deviation of the joint offset [rad]', sizes=(1,)),
    'friction_scale': Kind(value="factor on the object's friction", sizes=(1,), episode=True),
    'mass_scale': Kind(value="factor on the body's mass", sizes=(1,), target='body', episode=True),
}


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """One thing that goes wrong, for a while.

    Attributes:
        kind: A name in KINDS.
        start: When it begins [s since the reset].
        duration: For how long [s]; `object_moved` happens once, at its start.
        value: Its size; KINDS says what it means.
        target: The observation key or body that it concerns; KINDS says which.

    Raises:
        UnknownNameError: If the kind or the body is unknown.
        IlRosError: If the value or the times do not fit the kind.
    """

    kind: str
    start: float = 0.0
    duration: float = math.inf
    value: tuple[float, ...] = ()
    target: str = ''

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError(
                f'unknown perturbation {self.kind!r}', allowed=sorted(KINDS), fix='use one of these'
            )
        kind, where = KINDS[self.kind], f'perturbation {self.kind}'
        if (kind.sizes and len(self.value) not in kind.sizes) or not all(
            math.isfinite(number) for number in self.value
        ):
            raise IlRosError(
                f'value {tuple(self.value)}',
                where=where,
                allowed=f'{" or ".join(map(str, kind.sizes)) or "some"} finite numbers: '
                f'{kind.value}',
            )
        if not (self.start >= 0.0 and self.duration > 0.0):
            raise IlRosError(
                f'start {self.start} s, duration {self.duration} s',
                where=where,
                allowed='start >= 0, duration > 0',
            )
        if kind.target == 'body' and self.target not in ('', *BODIES):
            raise UnknownNameError(f'unknown body {self.target!r}', where=where, allowed=BODIES)

    def active(self, time: float) -> bool:
        """Whether it acts at `time` [s since the reset]."""
        return KINDS[self.kind].episode or self.start <= time < self.start + self.duration
