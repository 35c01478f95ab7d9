"""When commands leave: how late trajectories are, and which part of a plan a set-point is."""

from __future__ import annotations

from collections import deque

import numpy as np

from il_ros.core.limits import Array
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import Plan

_MEMORY = 10.0  # s
_SPARE = 1.25  # the next command may be later than every one before it
_UNDER_WAY = 0.002  # s that a controller needs to get a command in any case
_GUARD = 0.005  # s
_NOTHING = 1e-3  # s that ticks may be off without any change
_SAME = 1e-7  # rad or m, and per s, between two plans that are one
_Late = deque[tuple[float, float]]


class Punctuality:
    """Keeps the lead of the plans over the present above the lateness of commands.

    A trajectory that comes after the moment at which it leaves the one before makes the controller
    catch up. So plans leave the one before only when the controller surely has them: the longest
    lateness of the last seconds decides, or of those seconds in which it was last measured.

    Args:
        ahead: By how much commands are sent ahead anyway [s].
        most: Longest lead [s]: the arm reacts that much later to what it sees.
        least: Part of the lead that is kept for the way to the controller [s]. Lateness before
            that is added to it.
    """

    def __init__(
        self, ahead: float, most: float = MonitorConfig.command_lead, least: float = 0.0
    ) -> None:
        self._ahead, self.most, self._least = ahead, most, least
        # When, and how late; falling. Apart: until they leave, and until the controller has them.
        self._sources: tuple[_Late, _Late] = deque(), deque()

    def too_late(self, late: float, begin: float) -> bool:
        """Whether a command that is so late [s] is not sent any more.

        Args:
            late: Since it was planned [s].
            begin: When it leaves the one before, since it was planned [s].
        """
        spare = max(begin - self._least, 0.0)
        return late > spare + self._ahead - min(_UNDER_WAY, self._ahead / 2)

    def clear(self) -> None:
        """Forget everything."""
        for late in self._sources:
            late.clear()

    def add(self, time: float, late: float, *, transit: bool = False) -> None:
        """A command was so late [s], from the moment it was planned for, at `time` [s].

        Args:
            time: When this is known.
            late: So much.
            transit: Until the controller had it, and not only until it left.
        """
        known = self._sources[transit]
        while known and known[-1][1] <= late:
            known.pop()
        known.append((time, late))

    def worst(self, now: float) -> float:
        """Longest lateness of late [s]; 0 where nothing is known."""
        return max(self._fresh(now))

    def _fresh(self, now: float) -> tuple[float, float]:
        """Longest lateness of late [s]: until commands leave, and until the controller has them."""
        self._forget(now)
        before, in_all = (
            max((late for time, late in known if time >= now - _MEMORY), default=0.0)
            for known in self._sources
        )
        return before, in_all

    def lead(self, now: float) -> float:
        """How much longer than `ahead` plans have to agree with the one before [s]."""
        self._forget(now)
        before, in_all = (
            max(_SPARE * known[0][1] + _GUARD - self._ahead, 0.0) if known else 0.0
            for known in self._sources
        )
        return min(max(before + self._least, in_all), self.most)

    def problem(self, now: float) -> str:
        """Why commands are too late to drive; empty where they are not."""
        before, in_all = self._fresh(now)
        by = 'command_lead less least_command_lead' if self._least else 'command_lead'
        for late, kept, name in ((before, self._least, by), (in_all, 0.0, 'command_lead')):
            allowed = max(self.most - kept + self._ahead - _GUARD, 0.0) / _SPARE
            if late > allowed:
                return f'commands are {late:.3f} s late, allowed {allowed:.3f} s by {name}'
        return ''

    def _forget(self, now: float) -> None:
        """What is older than the memory, unless nothing newer is known."""
        for late in self._sources:
            if late and late[-1][0] > now + _MEMORY:  # the clock went back
                late.clear()
            while late and late[0][0] < late[-1][0] - _MEMORY:
                late.popleft()


class SetpointPace:
    """Sends a plan no faster than time passes between two set-points.

    A set-point is good for one period from when it is sent, and not from when it was planned: what
    was sent cannot be taken back, so the next plan leaves the one before at the end of that period,
    and what is sent next lies on it as much later as time has passed since. Then two set-points
    that fall together are as near each other, in position and in speed, as the plan is within that
    time.

    A controller of positions waits at the last one for the next. So the plan waits as well: it goes
    on from there, and never leaves anything out. One of velocities goes on with the last one
    for a while, and the plan goes on as well.

    Args:
        period: Control period [s].
        longest: Silence after which nothing counts that was sent before [s].
        waits: Whether the controller waits where it was sent.
    """

    def __init__(self, period: float, longest: float, *, waits: bool) -> None:
        self._period, self._longest, self._waits = period, longest, waits
        self.clear()

    def clear(self) -> None:
        """Nothing that was sent counts any more."""
        self._sent: float | None = None  # when
        self._end = 0.0  # time of the plan up to which it was sent

    def has_sent(self, now: float) -> bool:
        """Whether a set-point left at `now` [s]; it would be the same one again."""
        return self._sent == now

    def prepare(self, now: float) -> tuple[float, float]:
        """Before a plan is made at `now` [s].

        Returns:
            How much later the plan in hand goes on [s], and how long after `now` the next one
            leaves it [s].
        """
        if self._sent is None or not 0.0 <= now - self._sent <= self._longest:
            self.clear()
            return 0.0, 0.0
        due = self._sent + self._period
        wait = max(due, now) - self._end if self._waits else 0.0
        wait = wait if wait > _NOTHING else 0.0
        self._end += wait
        lead = due - now
        return wait, lead if lead > _NOTHING else 0.0

    def begin(self, now: float, begin: float) -> float:
        """When the period of a set-point that leaves at `now` [s] begins, by the plan's time [s].

        Args:
            now: The present [s].
            begin: When its plan leaves the one before [s].
        """
        if self._sent is None:
            return begin if self._waits else max(begin, now)
        passed = max(now - self._sent, 0.0)
        return self._end - self._period + (min(passed, self._period) if self._waits else passed)

    def sent(self, now: float, begin: float) -> None:
        """The set-point of the period from `begin` [s, the plan's time] on left at `now` [s]."""
        self._sent, self._end = now, begin + self._period


class SetpointPath:
    """Goes along the plan in hand, set-point by set-point, and into the next plan without a step.

    It stands between the ticks and a controller as a trajectory controller would: a plan leaves the
    one before a little later than it is made, and is taken only where all that was sent lies on it
    as well. Until then, and where none comes any more, the plan in hand is gone along to its end,
    which is a standstill.

    A set-point is good for one period from when it is sent. A controller of positions waits at the
    last one for the next, so what was sent late makes all that follows later, and nothing is left
    out or hurried. One of velocities goes on with the last one, and so does the path.

    Plans are told by their own time, set-points by a clock that never jumps; `prepare` holds the
    one against the other.

    Args:
        period: Time between two set-points [s].
        longest: Silence, of the sender or of those who make plans, after which nothing but an
            unfinished motion goes on [s].
        waits: Whether the controller waits where it was sent.

    Attributes:
        plan: That is gone along; None: nothing is sent.
    """

    def __init__(self, period: float, longest: float, *, waits: bool) -> None:
        self._period, self._longest, self._waits = period, longest, waits
        self.clear()

    def clear(self) -> None:
        """Send nothing any more."""
        self.plan: Plan | None = None
        self._sent = self._heard = 0.0  # when, by the clock that never jumps
        self._end = 0.0  # time of the plan up to which it was sent
        self._ends = False

    def let_go(self) -> None:
        """Send nothing any more once the plan in hand has come to its end."""
        self._ends = True
        if self.plan is not None and self.plan.at_rest(self._end):
            self.clear()

    def prepare(self, now: float, at: float) -> float:
        """Before a plan is made; gives how much later the plan in hand goes on than it says [s].

        Args:
            now: The present, by the time of the plans [s].
            at: The same by the clock that never jumps [s].
        """
        if self.plan is None:
            return 0.0
        wait = now - self._begin(at)
        if abs(wait) <= _NOTHING:
            return 0.0
        self.plan, self._end = self.plan.put_off(wait), self._end + wait
        return wait

    @property
    def end(self) -> float:
        """Time of the plan up to which it was sent [s]: none can leave it earlier."""
        return self._end

    def take(self, plan: Plan, begin: float, at: float) -> bool:
        """Go along `plan` from now on; False where what was sent does not lie on it.

        Args:
            plan: Of the joints that are sent here.
            begin: Its time from which on it is gone along, if it is the first [s].
            at: The present, by the clock that never jumps [s].
        """
        if self.plan is None:
            self._end, self._sent = begin + self._period, at
        elif not _same(plan.at(self._end), self.plan.at(self._end)):
            return False
        elif at - self._sent > self._longest:  # the sender itself was stopped
            self._end, self._sent = self._begin(at), at - self._period
        self.plan, self._heard, self._ends = plan, at, False
        return True

    def next(self, at: float) -> float | None:
        """When the period of a set-point that leaves at `at` [s] begins, by the plan's time [s].

        None where nothing is to be sent: there is no plan, it has come to its end and was let go,
        or nobody has said anything for too long.
        """
        if self.plan is None:
            return None
        rests = self.plan.at_rest(self._end)
        if self._ends and rests:
            self.clear()
            return None
        if at - self._sent > self._longest or (rests and at - self._heard > self._longest):
            return None
        return self._begin(at)

    def sent(self, begin: float, at: float) -> None:
        """The set-point of the period from `begin` [s, the plan's time] on has left at `at` [s]."""
        self._end, self._sent = begin + self._period, at

    def silence(self, at: float) -> float:
        """How long nothing was sent of a motion that goes on, at `at` [s]; 0 where none does."""
        if self.plan is None or self.plan.at_rest(self._end):
            return 0.0
        return at - self._sent

    def _begin(self, at: float) -> float:
        """Where the controller is on the plan at `at` [s], by the plan's time."""
        passed = min(max(at - self._sent, 0.0), self._longest)
        return self._end - self._period + (min(passed, self._period) if self._waits else passed)


def _same(state: tuple[Array, Array, Array], other: tuple[Array, Array, Array]) -> bool:
    """Whether two states are one, as far as positions and velocities go."""
    pairs = zip(state[:2], other[:2], strict=True)
    return all(bool(np.all(np.abs(one - two) <= _SAME)) for one, two in pairs)
