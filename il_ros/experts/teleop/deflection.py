"""When the deflection of a device counts: after it was at rest, and while it changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FROZEN = 1.0  # s; default of `frozen_time` in the configurations
_PARTS = 64  # axes and as many buttons of a message whose digits are compared


class DeflectionWatch:
    """Says which axes of a device count, and whether the device has stopped to measure.

    An axis counts after it was once in its dead zone. Until a stick is moved for the first time,
    drivers report the value that they started with, which for some gamepads is full deflection.

    A deflected device that repeats itself to the last digit for longer than `frozen_time` is
    frozen. A hand trembles, and a sensor has noise; but a driver whose gamepad is out of range, or
    whose battery is empty, goes on to repeat its last message. Afterwards the axes have to be
    centred again.

    Args:
        size: Number of axes, A.
        frozen_time: How long a deflected device may repeat itself [s].

    Attributes:
        frozen: Whether the last message was one too many.
    """

    def __init__(self, size: int, frozen_time: float) -> None:
        self._frozen_time = frozen_time
        self._centred = np.zeros(size, dtype=np.bool_)
        self._digits, self._changed = b'', -math.inf
        self.frozen = False

    def reset(self) -> None:
        """Count no axis before it has been centred: the device may be another one now."""
        self._centred[:] = False
        self._digits, self._changed = b'', -math.inf

    def update(self, deflected: NDArray[np.bool_], digits: bytes, now: float) -> NDArray[np.bool_]:
        """Take in a message that was read at `now` [s]; returns which axes count, shape (A,).

        Args:
            deflected: Which axes are outside their dead zones, shape (A,).
            digits: All that the device reports, see `digits_of`.
            now: When it was read [s]; a time before the last one begins anew.
        """
        self._centred |= ~deflected
        if digits != self._digits or not self._changed <= now:
            self._digits, self._changed = digits, now
        repeats = now - self._changed > self._frozen_time
        self.frozen = bool(repeats and (deflected & self._centred).any())
        if self.frozen:
            self._centred &= ~deflected
        return self._centred.copy()


def digits_of(axes: Sequence[float], buttons: Sequence[int]) -> bytes:
    """The values of a message for comparison, of at most 64 axes and 64 buttons."""
    numbers = np.array([*axes[:_PARTS], *buttons[:_PARTS]], dtype=np.float64)
    return bytes([len(axes[:_PARTS])]) + (numbers + 0.0).tobytes()  # -0.0 is 0.0


def check_frozen_time(seconds: float) -> None:
    """Check a configured `frozen_time`.

    Raises:
        ValueError: If it is not within 0.2 to 5 s.
    """
    if not 0.2 <= seconds <= 5.0:
        raise ValueError(f'frozen_time is {seconds}; allowed: 0.2 to 5 s')


def frozen_text(seconds: float) -> str:
    """Why a frozen device does not count."""
    return (
        f'the device is deflected, but none of its digits has changed for {seconds} s '
        '(frozen_time): out of range? Centre it'
    )
