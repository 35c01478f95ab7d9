"""Whether an operator has the arm, and how the arm moves: the enable switch of teleoperation.

Every doubt releases the arm: a device that falls silent, repeats itself or sends nonsense, a clock
that jumps, a leader arm that is elsewhere. The enable switch then has to be released before it
counts again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.experts.teleop.device_reading import DeviceReading, Press


class Pilot(Protocol):
    """Turns the readings of a device into set-points."""

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which joints move the arm, shape (N,); the others are grippers'."""

    def begin(self, start: Array, reading: DeviceReading) -> str:
        """Start at the joints `start` (N,); returns why that is refused, or an empty string."""

    def chunk(self, measured: Array, reading: DeviceReading, steps: int) -> Array:
        """Set-points (H, N), `steps` periods after the last call; 0 right after `begin`."""


class Operator:
    """Follows a device and answers each frame with set-points while the operator has the arm.

    Args:
        pilot: Turns readings into set-points.
        timeout: Longest silence of the device [s].
        period: Time between two frames [s].
        horizon: Steps of a chunk.
        forget: Called when the device is lost, so that it believes nothing that was read before.

    Attributes:
        refusal: Why an enable switch that is held does not count; empty if it does.
        lost: Whether the device was lost while it had the arm, and nobody was told yet.
    """

    def __init__(
        self,
        pilot: Pilot,
        *,
        timeout: float,
        period: float,
        horizon: int,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._pilot, self._timeout, self._horizon = pilot, timeout, horizon
        self._forget = forget
        self._period = round(period * NS)
        self._reading: DeviceReading | None = None
        self._armed = False  # the enable switch has been seen released
        self._moving = self._still = False
        self._stamp = 0  # of the frame answered last [ns]
        self._rest: Array | None = None  # where the arm is kept
        self._pressed: tuple[Press, ...] = ()
        self.refusal = ''
        self.lost = False

    @property
    def asking(self) -> bool:
        """Whether the operator requests the arm; this is what is published."""
        return self._moving or self._still

    @property
    def read(self) -> float | None:
        """When the device was last read [s]; None while it is silent."""
        return self._reading.read if self._reading else None

    def hear(self, reading: DeviceReading, now: float) -> None:
        """Take in a reading at `now` [s]; the reading itself may be older."""
        before = self._reading
        if before is not None and not 0.0 <= reading.read - before.read <= self._timeout:
            self.lose()
        if not 0.0 <= now - reading.read <= self._timeout:
            self.lose()
            return
        if reading.doubt:
            self.lose()
            self.refusal = reading.doubt
            return
        self._reading = reading
        if not reading.held:
            self._still |= self._moving  # where the last chunk led, if it is to be kept at all
            self._moving, self.refusal = False, ''
        self._still &= reading.keep
        self._pressed = self._pressed + reading.pressed if reading.held else ()
        self._armed |= not (reading.held or reading.keep)

    def lose(self) -> None:
        """Release the arm, for nothing is known of the device any more."""
        self.lost |= self.asking
        self._reading, self._armed = None, False
        self._moving = self._still = False
        self._pressed, self.refusal = (), ''
        self._forget()

    def look(self, now: float) -> None:
        """Release the arm if the device has been silent for too long at `now` [s]."""
        if self._reading is not None and not 0.0 <= now - self._reading.read <= self._timeout:
            self.lose()

    def act(
        self, stamp: int, measured: Array, now: float, *, commanded: Array | None = None
    ) -> Array | None:
        """Answer a frame with set-points (H, N), or None while the arm is not requested.

        Args:
            stamp: Stamp of the frame [ns].
            measured: Measured joint positions, shape (N,).
            now: Current time [s].
            commanded: Last commanded joint positions, shape (N,), if known. Grippers start from
                there, because a gripper holds an object by being commanded beyond it.
        """
        self.look(now)
        if stamp <= self._stamp and self.asking:
            self.lose()
        steps = round((stamp - self._stamp) / self._period)
        self._stamp = stamp
        reading = self._reading
        if reading is None or not self._armed:
            return None
        start = measured
        if commanded is not None:
            start = np.where(self._pilot.moves, measured, commanded)
        if reading.held and not self._moving and not self.refusal:
            steps = 0
            here = self._rest if self._still and self._rest is not None else start
            self.refusal = self._pilot.begin(here, reading)
            self._moving = not self.refusal
        if self._moving:
            self._still = False
            pressed, self._pressed = self._pressed, ()
            rows = self._pilot.chunk(measured, replace(reading, pressed=pressed), steps)
            self._rest = rows[0]
            return rows
        return self._keep(start) if reading.keep else None

    def _keep(self, start: Array) -> Array:
        if not self._still:
            self._rest, self._still = start, True
        assert self._rest is not None
        return np.tile(self._rest, (self._horizon, 1))
