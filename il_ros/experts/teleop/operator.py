"""Whether an operator has the arm, and what the arm is to do: the dead-man's side of teleoperation.

Whatever is uncertain lets go: a device that falls silent or cannot be understood, a clock that
jumps, a leader arm that is elsewhere. Then the dead-man has to be let go before it counts again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from il_ros.core.frames import NS
from il_ros.core.limits import Array
from il_ros.experts.teleop.device_reading import DeviceReading, Press


class Pilot(Protocol):
    """Turns readings into set-points."""

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which joints move the arm, shape (N,); the others are grippers'."""

    def begin(self, start: Array, reading: DeviceReading) -> str:
        """Take the arm up at `start` (N,); gives why not, in words, or nothing."""

    def chunk(self, measured: Array, reading: DeviceReading, steps: int) -> Array:
        """Set-points (H, N); `steps` periods after the last call, 0 right after `begin`."""


class Operator:
    """Hears a device and answers frames.

    Args:
        pilot: Who turns readings into set-points.
        timeout: Longest silence of the device [s].
        period: Time between two frames [s].
        horizon: Steps of a chunk.
    """

    def __init__(self, pilot: Pilot, *, timeout: float, period: float, horizon: int) -> None:
        self._pilot, self._timeout, self._horizon = pilot, timeout, horizon
        self._period = round(period * NS)
        self._reading: DeviceReading | None = None
        self._armed = False  # the device has been seen with its dead-man let go
        self._moving = self._still = False
        self._stamp = 0  # of the frame answered last [ns]
        self._rest: Array | None = None  # where the arm is kept while it is held still
        self._pressed: tuple[Press, ...] = ()
        self.refusal = ''  # why the dead-man that is held does not count
        self.lost = False  # it was lost while it had the arm, which others are still to be told

    @property
    def asking(self) -> bool:
        """Whether the arm is asked for: what the dead-man says to others."""
        return self._moving or self._still

    @property
    def read(self) -> float | None:
        """When the device was read last [s]; none while it is silent."""
        return self._reading.read if self._reading else None

    def hear(self, reading: DeviceReading, now: float) -> None:
        """Take in what the device says, at `now` [s]; a part of it may be older than that."""
        before = self._reading
        if before is not None and not 0.0 <= reading.read - before.read <= self._timeout:
            self.lose()
        if not 0.0 <= now - reading.read <= self._timeout:
            self.lose()
            return
        self._reading = reading
        if not reading.held:
            self._still |= self._moving  # where the last chunk led, if it is to be kept at all
            self._moving, self.refusal = False, ''
        self._still &= reading.keep
        self._pressed = self._pressed + reading.pressed if reading.held else ()
        self._armed |= not (reading.held or reading.keep)

    def lose(self) -> None:
        """Nothing is known of the device any more: let go."""
        self.lost |= self.asking
        self._reading, self._armed = None, False
        self._moving = self._still = False
        self._pressed, self.refusal = (), ''

    def look(self, now: float) -> None:
        """Let go if the device has been silent for too long at `now` [s]."""
        if self._reading is not None and not 0.0 <= now - self._reading.read <= self._timeout:
            self.lose()

    def act(
        self, stamp: int, measured: Array, now: float, *, commanded: Array | None = None
    ) -> Array | None:
        """Answer a frame: set-points (H, N), or none while nobody asks for the arm.

        Args:
            stamp: The frame's [ns].
            measured: Where the arm is, shape (N,).
            now: The present [s].
            commanded: Where the joints were commanded to be last, shape (N,), if that is known.
                A gripper is taken up there: it presses on what it holds by being ahead.
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
            self._take_up(start, reading)
        if self._moving:
            self._still = False
            pressed, self._pressed = self._pressed, ()
            rows = self._pilot.chunk(measured, replace(reading, pressed=pressed), steps)
            self._rest = rows[0]
            return rows
        return self._keep(start) if reading.keep else None

    def _take_up(self, start: Array, reading: DeviceReading) -> None:
        here = self._rest if self._still and self._rest is not None else start
        self.refusal = self._pilot.begin(here, reading)
        self._moving = not self.refusal

    def _keep(self, start: Array) -> Array:
        if not self._still:
            self._rest, self._still = start, True
        assert self._rest is not None
        return np.tile(self._rest, (self._horizon, 1))
