"""Dead-men: whether somebody holds one, and whether the device that says so is alive."""

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


class DeadMen:
    """The dead-men of all devices: whoever holds one asks for the arm.

    Devices are told apart by name, so that one that is let go takes nothing from another that is
    held: an operator's, say, and that of a program which hands the arm to an expert.

    Args:
        max_age: Longest silence of a device [s].
    """

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._men: dict[str, DeadMan] = {}

    @property
    def held(self) -> bool:
        """Whether somebody asks for the arm."""
        return any(man.held for man in self._men.values())

    def hear(self, device: str, held: bool, read: float) -> None:
        """Take in what a device read at `read` [s]."""
        self._men.setdefault(device, DeadMan(self._max_age)).hear(held, read)

    def reset(self) -> None:
        """See `DeadMan.reset`."""
        for man in self._men.values():
            man.reset()

    def clock_jumped(self) -> None:
        """See `DeadMan.clock_jumped`."""
        for man in self._men.values():
            man.clock_jumped()

    def silent(self, now: float) -> Fault | None:
        """Whether every device that counts is silent: those that are held, or all if none is."""
        men = self._men.values()
        counting = [man for man in men if man.held] or men
        silences = [man.silent(now) for man in counting]
        return None if None in silences or not silences else silences[0]
