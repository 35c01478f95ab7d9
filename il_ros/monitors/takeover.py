"""The dead-man: whether somebody holds it, and whether the device that says so is alive."""

from __future__ import annotations

from math import inf

from il_ros.monitors.checks import Fault


class DeadMan:
    """What an operator's device says about its dead-man.

    A dead-man that is held when a mode begins, or when its device comes back from a silence, counts
    only after it has been let go: a switch that is stuck, or taped down, must not take the arm.

    Args:
        max_age: Longest silence of the device [s].
    """

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._held, self._armed = False, False
        self._heard = -inf

    @property
    def held(self) -> bool:
        """Whether somebody asks for the arm by holding it."""
        return self._held and self._armed

    def hear(self, held: bool, read: float) -> None:
        """Take in what the device read at `read` [s]; what is not newer says nothing."""
        if read <= self._heard:
            return
        if read - self._heard > self._max_age:
            self._armed = False
        self._held, self._heard = held, read
        if not held:
            self._armed = True

    def reset(self) -> None:
        """Believe nothing that was said before: it has to be let go first."""
        self._held, self._armed = False, False

    def clock_jumped(self) -> None:
        """Believe nothing, and take whatever time the device tells next."""
        self.reset()
        self._heard = -inf

    def silent(self, now: float) -> Fault | None:
        """Whether nothing has come from the device for too long at `now` [s]."""
        age = now - self._heard
        if age <= self._max_age:
            return None
        text = f'takeover: nothing from its device for {age:.3f} s, limit {self._max_age:.3f} s'
        return Fault('takeover', text)
