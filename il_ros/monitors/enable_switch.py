"""Enable switches (ISO 10218): whether one is held, and whether its device is silent."""

from __future__ import annotations

from math import inf

from il_ros.monitors.checks import Fault

_MOST = 64  # devices at a time
_LONGEST_NAME = 256  # characters; a node's full name has fewer


class EnableSwitch:
    """What an operator's device says about its enable switch.

    A switch that is held when a mode begins, or when its device comes back from a silence, counts
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
        """Whether an operator asks for the arm by holding it."""
        return self._held and self._armed

    def hear(self, held: bool, read: float) -> None:
        """Take in what the device read at `read` [s]; what is older says nothing.

        Of two readings with one stamp, letting go counts: time may stand still.
        """
        if read < self._heard or (read == self._heard and held):
            return
        if read - self._heard > self._max_age:
            self._armed = False
        self._held, self._heard = held, read
        if not held:
            self._armed = True

    def reset(self, *, clock_jumped: bool = False) -> None:
        """Count no earlier reading: the switch has to be let go first.

        After a jump of the clock any time that the device reports next is newer.
        """
        self._held, self._armed = False, False
        if clock_jumped:
            self._heard = -inf

    def silent(self, now: float) -> Fault | None:
        """Whether nothing has come from the device for too long at `now` [s]."""
        age = now - self._heard
        if age <= self._max_age:
            return None
        text = f'takeover: nothing from its device for {age:.3f} s, limit {self._max_age:.3f} s'
        return Fault('takeover', text)


class EnableSwitches:
    """The switches of all devices: an operator who holds one asks for the arm; one device gets it.

    Each device has a name: that of an operator, or of a program that hands the arm to an expert.
    While the switch of the device that got the arm is held, no other switch counts. Names come from
    outside, so there are at most 64 of up to 256 characters: a new device takes the place of silent
    ones, and is not heard while there are none. No device that is heard loses its place.

    Args:
        max_age: Longest silence of a device [s].

    Attributes:
        lost: Whether the device that got the arm has been lost since then; it was not let go.
    """

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._switches: dict[str, EnableSwitch] = {}
        self._owner: EnableSwitch | None = None
        self.lost = False

    @property
    def kept(self) -> bool:
        """Whether the switch of the device that got the arm is still held."""
        return self._owner is not None and self._owner.held

    def any_held(self, now: float) -> bool:
        """Whether a switch is held at `now` [s] on a device that is not silent."""
        return self._asking(now) is not None

    def hear(self, device: str, held: bool, read: float, *, lost: bool = False) -> None:
        """Take in what a device read at `read` [s], or that it was `lost` and not let go."""
        switch = self._switches.get(device)
        if switch is None:
            if len(device) > _LONGEST_NAME or not self._has_room(read):
                return
            switch = self._switches[device] = EnableSwitch(self._max_age)
        switch.hear(held, read)
        if lost:
            switch.reset()
            self.lost |= switch is self._owner

    def take(self, now: float) -> None:
        """The arm goes to the first device that is not silent and whose switch is held, if any."""
        self._owner, self.lost = self._asking(now), False

    def reset(self, *, clock_jumped: bool = False) -> None:
        """See `EnableSwitch.reset`."""
        self._owner, self.lost = None, False
        for switch in self._switches.values():
            switch.reset(clock_jumped=clock_jumped)

    def silent(self, now: float) -> Fault | None:
        """Whether the device that got the arm is silent at `now` [s]."""
        return self._owner.silent(now) if self._owner is not None else None

    def _has_room(self, now: float) -> bool:
        """Whether one more device has a place at `now` [s]; silent ones lose theirs for it."""
        if len(self._switches) >= _MOST:
            self._switches = {
                name: switch
                for name, switch in self._switches.items()
                if switch is self._owner or switch.silent(now) is None
            }
        return len(self._switches) < _MOST

    def _asking(self, now: float) -> EnableSwitch | None:
        asking = (one for one in self._switches.values() if one.held and one.silent(now) is None)
        return next(asking, None)
