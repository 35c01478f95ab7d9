"""How late commands reach the controller, and how far ahead they have to be sent therefore."""

from __future__ import annotations

from collections import deque

MOST = 0.5
"""Lead up to which the arm is driven [s]: it reacts that much later to what it sees."""

_MEMORY = 10.0  # s
_SPARE = 1.25  # the next command may be later than every one before it
_UNDER_WAY = 0.002  # s that a controller needs to get a command in any case
_GUARD = 0.005  # s


class Punctuality:
    """Keeps the lead of the plans over the present above the lateness of commands.

    A trajectory that comes after the moment at which it leaves the one before makes the controller
    catch up. So plans leave the one before only when the controller surely has them: the longest
    lateness of the last seconds decides.

    Args:
        ahead: By how much commands are sent ahead anyway [s].
    """

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead
        self._late: deque[tuple[float, float]] = deque()  # when, and how late; falling

    def too_late(self, late: float, begin: float) -> bool:
        """Whether a command that is so late [s] is not sent any more.

        Args:
            late: Since it was planned [s].
            begin: When it leaves the one before, since it was planned [s].
        """
        return late > begin + self._ahead - min(_UNDER_WAY, self._ahead / 2)

    def clear(self) -> None:
        """Forget everything."""
        self._late.clear()

    def add(self, time: float, late: float) -> None:
        """A command was so late [s], from the moment it was planned for, at `time` [s]."""
        while self._late and self._late[-1][1] <= late:
            self._late.pop()
        self._late.append((time, late))

    def worst(self, now: float) -> float:
        """Longest lateness of late [s]; 0 where nothing is known."""
        late = self._late
        if late and late[-1][0] > now + _MEMORY:  # the clock went back
            late.clear()
        while late and late[0][0] < now - _MEMORY:
            late.popleft()
        return late[0][1] if late else 0.0

    def lead(self, now: float) -> float:
        """How much longer than `ahead` plans have to agree with the one before [s]."""
        needed = _SPARE * self.worst(now) + _GUARD - self._ahead
        return min(max(needed, 0.0), MOST)
