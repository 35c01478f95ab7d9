"""The target of the arm at the end of a tick: from a source's chunks, or from the fallback."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from numpy import bool_, clip, where, zeros
from numpy.typing import NDArray

from il_ros.core.contract import Fallback
from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array, Limits
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.chunk_follower import ChunkIntake, Target
from il_ros.monitors.handover import DriverHandover, FallbackMotion, Trail, fallback_motion
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Source
from il_ros.monitors.plan import Plan

_SETTLE = 0.2  # s that the arm has to come to rest behind the fallback's end


class Driving:
    """The chunks of both sources, the handover between drivers, and the fallback's motion.

    Args:
        limits: What the arm may do.
        intakes: The chunks of each source.
        dt: Control period [s].
        fallback: The contract's.
        moves: Which joints the fallback moves, (N,); a gripper keeps what it holds.
        delay: How far the arm lags the plan [s]; chunks are in the arm's time.

    Attributes:
        trail: Where the arm was commanded to be by the source that drives.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        intakes: Mapping[Source, ChunkIntake],
        dt: float,
        config: MonitorConfig,
        fallback: Fallback,
        moves: NDArray[bool_],
        delay: float = 0.0,
    ) -> None:
        self._limits, self._dt, self._config = limits, dt, config
        self._fallback, self._moves, self._delay = fallback, moves, delay
        self._intakes = intakes
        self._handover = DriverHandover(config.handover, limits.velocity, limits.acceleration, dt)
        self.trail = Trail(fallback.seconds)
        self._way: FallbackMotion | None = None
        self._way_begin = 0.0
        self._slow_since = inf
        # Of each chunk since the last tick, the newest last: its target less that of all that
        # overlap, and less that of the chunk before.
        self._arrived: list[tuple[Array, Array]] = []

    @property
    def waiting(self) -> bool:
        """Whether the policy goes on slowly for a while after a trigger."""
        return self._slow_since < inf

    def begin(self, source: Source, not_before: float, *, clutch: bool = False) -> None:
        """A source is about to drive; nothing stamped before `not_before` [s] counts."""
        self._intakes[source].begin(not_before)
        self._handover.begin(clutch=clutch)
        self.trail.clear()
        self._slow_since = inf

    def forget(self) -> None:
        """Follow nothing, as after a jump of the clock, which makes old stamps meaningless."""
        for intake in self._intakes.values():
            intake.forget()
        self.trail.clear()

    def delayed_trigger(self, trigger: str, now: float, *, calm: bool) -> str:
        """The trigger that counts; where the fallback is `slow`, only after its time has passed.

        Args:
            trigger: Why the policy should stop; empty without a reason.
            now: The present [s].
            calm: Whether the scores have been below the warning level for the dwell time.
        """
        if self._fallback.kind != 'slow':
            return trigger
        if calm and not trigger:
            self._slow_since = inf
        elif trigger:
            self._slow_since = min(self._slow_since, now)
        waited = now - self._slow_since
        late = bool(trigger) and waited >= self._fallback.seconds
        return f'{trigger}; slowly for {waited:.1f} s' if late else ''

    def fall_back(self, position: Array, now: float) -> Mode:
        """Prepare the contract's fallback from `position` (N,) on; gives the mode it takes."""
        if self._fallback.kind == 'expert':
            expert = self._intakes['expert']
            chunk = expert.follower.chunk
            fresh = chunk is not None and now - chunk.stamp <= self._config.chunk_age
            return Mode.EXPERT if fresh and expert.bad is None else Mode.ALARM
        self._way = fallback_motion(
            self._fallback, trail=self.trail, start=position, limits=self._limits, move=self._moves
        )
        self._way_begin = now
        if self._way is None:
            return Mode.ALARM
        self._handover.begin()
        return Mode.FALLBACK

    def arrived(self, now: float) -> bool:
        """Whether the fallback's motion has ended."""
        return self._way is None or now - self._way_begin > self._way.duration + _SETTLE

    def pull(
        self, source: Source | None, now: float, frame_stamp: float, start: float
    ) -> Target | Fault | None:
        """The target a tick after `start`, as the source or the fallback gives it.

        Args:
            source: Who drives; None for the fallback.
            now: The present [s].
            start: When the motion towards the target begins [s].
            frame_stamp: Stamp of the newest frame [s].

        Returns:
            Position and velocity (N,); a fault; or None: come to rest.
        """
        still = zeros(len(self._limits.names))
        self._arrived = [(still, still)]
        if source is not None:
            lead, intake = start - now + self._dt + self._delay, self._intakes[source]
            target = intake.pull(now, lead, frame_stamp)
            if isinstance(target, tuple):
                arrivals = intake.follower.arrivals(now + lead)
                self._arrived = [(position - target[0], change) for position, change in arrivals]
            return target
        return self._way.at(start + self._dt - self._way_begin) if self._way else None

    def shape(
        self, target: Target, start: float, now: float, plan: Plan, *, slowly: bool
    ) -> Target | Fault:
        """The target without a jump from the previous driver's, and slower while the monitor warns.

        Slower means a fraction of each step, within the same fraction of the speed limits; the
        newest chunk alone counts, since older ones are of an arm that kept its speed. A target out
        of reach is a fault, and so is one of any chunk since the last tick that is as far from what
        the chunk before it wants, which their mean would hide; except for a gripper, which opens
        from one step to the next, and for an arm that lags because it goes slowly. One that is
        driven ahead of the present lags by as much: its source saw it before that.
        """
        end = start + self._dt
        # By the short way: a source knows an angle, but not how many turns the joint has made.
        there = plan.at(end)[0]
        wanted = nearest_turn(target[0], there, self._limits.endless)
        position, velocity = self._handover.apply(wanted, target[1], end, there)
        here, fraction = plan.at(start)[0], self._fallback.speed
        if not slowly:
            return self._jumps(position - here, start - now) or (position, velocity)
        newest = position + self._arrived[-1][0] - here
        most = fraction * self._limits.velocity
        step = clip(fraction * newest, -most * self._dt, most * self._dt)
        return here + step, clip(fraction * velocity, -most, most)

    def _jumps(self, distance: Array, lead: float) -> Fault | None:
        """Whether the target, `distance` (N,) away, is out of reach, or one of a chunk is."""
        fault = self._jump(distance, lead)
        for beside, change in self._arrived:
            # The chunk before may have ended: its last step, long ago, says nothing by itself.
            way = distance + beside
            fault = fault or self._jump(where(abs(change) < abs(way), change, way), lead)
        return fault

    def _jump(self, distance: Array, lead: float) -> Fault | None:
        extra_time = self._config.jump
        if not extra_time:
            return None
        reach = self._dt + lead + extra_time
        return checks.jump(where(self._moves, distance, 0.0), self._limits, reach)
