"""How fast an arm gets when commands reach its controller late: the monitor on a virtual clock.

A joint_trajectory_controller, simulated, follows what the monitor sends while a source asks for
quick motions back and forth. Commands are late before they are sent, because the monitor is starved
of processor time, or in transit, after they are sent. Judged are the controller's set-points, at
each update.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.demonstrations import CONTRACT
from il_ros.core.contract import Contract, load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.core.robots.franka import FRANKA
from il_ros.core.trajectory import Trajectory
from il_ros.monitors.followed_plans import ControllerState, FollowedPlans
from il_ros.monitors.mode import Mode, ModeRefused
from il_ros.monitors.monitor import Monitor
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput
from il_ros.monitors.plan import Plan
from il_ros.monitors.punctuality import Punctuality
from il_ros.monitors.spliced_trajectories import SplicedTrajectories
from il_ros.sim.command_limiter import CommandLimiter
from il_ros.sim.controller import TrajectoryController

EPISODES, SMOKE = 1000, 3
LATEST = 0.3  # s
UPDATE = 0.002  # s, period of the controller
_DRIVEN, _AFTER = 3.0, 1.5  # s that the source drives, and that the arm has to come to rest
_STANDING = 1e-3  # rad/s or m/s
_REACH = np.array([0.4, 0.25, 0.3, 0.25, 0.6, 0.5, 0.8, 0.0])  # rad, of the source's goals
_GOAL = 0.8  # s between two goals
_STEPS = 8  # of a chunk


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """Where commands lose time, each by a random time up to `LATEST`.

    Attributes:
        sending: Whether before they are sent; the monitor misses ticks meanwhile.
        transit: Whether after they are sent.
        in_order: Whether none overtakes another on its way.
        lead: The monitor's `least_command_lead` [s].
    """

    sending: bool = False
    transit: bool = False
    in_order: bool = True
    lead: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Robot:
    """How the robot's controllers are set up.

    Attributes:
        replacement: `allow_trajectory_replacement` of the joint_trajectory_controller.
        limits: `enforce_command_limits` of the controller_manager.
        reports: Whether the monitor gets its `controller_state`.
    """

    replacement: bool = False
    limits: bool = False
    reports: bool = True


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the set-points of an episode did.

    Attributes:
        speed: Largest share of a speed limit.
        acceleration: Largest share of an acceleration limit.
        at_rest: Whether they rest at the end.
        way: Longest way of a joint [rad or m].
        drives: Whether the source drives until it falls silent.
        off: Farthest of a joint from the plan in hand [rad or m].
        pace: Mean share of its speed limit of the joint that is fastest at the moment, meanwhile.
    """

    speed: float
    acceleration: float
    at_rest: bool
    way: float
    drives: bool
    off: float
    pace: float


CASES = (
    ('sending', Lateness(sending=True), Robot()),
    ('sending_blended', Lateness(sending=True), Robot(replacement=True)),
    ('transit_limited', Lateness(transit=True), Robot(limits=True)),
    ('transit_blended_limited', Lateness(transit=True), Robot(replacement=True, limits=True)),
    ('transit_led', Lateness(transit=True, lead=LATEST), Robot()),
    ('transit_led_unheard', Lateness(transit=True, lead=LATEST), Robot(reports=False)),
    ('transit_blended_led', Lateness(transit=True, lead=LATEST), Robot(replacement=True)),
    ('both_led', Lateness(sending=True, transit=True, lead=LATEST), Robot()),
    ('transit', Lateness(transit=True), Robot()),
    ('transit_unheard', Lateness(transit=True), Robot(reports=False)),
    ('transit_blended', Lateness(transit=True), Robot(replacement=True)),
)
PROMISED = tuple(name for name, late, robot in CASES if late.sending or late.lead or robot.limits)


class Swings:
    """A source that asks for quick motions back and forth: goals at random, for a while each.

    Args:
        contract: Says how fast the joints may be.
        home: About which they swing, (N,) [rad or m].
        rng: Draws the goals.
    """

    def __init__(self, contract: Contract, home: Array, rng: np.random.Generator) -> None:
        self._limits, self._dt, self._rng = contract.limits, contract.period, rng
        self._home = self._goal = home

    def steps(self, stamp: float, position: Array) -> Array:
        """Straight to a goal, near the speed limits, and slowly enough to stop there.

        Args:
            stamp: Of the frame [s].
            position: Of the joints in it, (N,) [rad or m].

        Returns:
            Positions, (H, N).
        """
        if round(stamp / self._dt) % round(_GOAL / self._dt) == 0:
            self._goal = self._home + self._rng.uniform(-1, 1, len(self._home)) * _REACH
        limits, steps = self._limits, [position]
        for _ in range(_STEPS):
            left = self._goal - steps[-1]
            speed = np.minimum(limits.velocity, np.sqrt(limits.acceleration * np.abs(left)))
            steps.append(steps[-1] + np.clip(left, -speed * self._dt, speed * self._dt))
        return np.array(steps[1:])


class Episode:
    """One episode; nothing but `rng` is random."""

    def __init__(
        self, contract: Contract, lateness: Lateness, robot: Robot, rng: np.random.Generator
    ) -> None:
        self._contract, self._lateness, self._rng = contract, lateness, rng
        names, self._dt = contract.action.names, contract.period
        # Late every time or now and then, by little or by much.
        self._most = LATEST if rng.random() < 0.5 else rng.uniform(0.0, LATEST)
        self._often = 1.0 if rng.random() < 0.5 else rng.uniform(0.02, 0.5)
        self._home = FRANKA.home.copy()
        self._controller = TrajectoryController(
            names, self._home, period=self._dt, replacement=robot.replacement
        )
        limiter = CommandLimiter(contract.limits.velocity, UPDATE, self._home)
        self._limiter = limiter if robot.limits else None
        config = MonitorConfig(allow_uncalibrated=True, novelty=False, overdue=0.0)
        self._monitor: Monitor = make_monitor(contract, None, config)
        delay = contract.command_delay
        self._punctuality = Punctuality(delay, config.command_lead, lateness.lead)
        tolerance = 0.15 * contract.limits.velocity * self._dt
        self._followed = FollowedPlans(self._punctuality, tolerance, delay)
        self._reports = robot.reports
        self._state: ControllerState | None = None
        self._swings = Swings(contract, self._home, rng)
        self._way: deque[tuple[float, Trajectory]] = deque()  # when it arrives, the trajectory
        self._rows: list[Array] = [self._home]
        self._drives = False
        self._at_once = not robot.replacement
        self._spliced = SplicedTrajectories(self._dt, tolerance)
        self._plan: Plan | None = None
        self._off = 0.0

    def run(self) -> Outcome:
        """Drive, let the source fall silent, and see the arm come to rest."""
        updates = round((_DRIVEN + _AFTER) / UPDATE)
        every, busy_until = round(self._dt / UPDATE), 0.0
        frame: MonitorInput | None = None
        for update in range(updates):
            now = update * UPDATE
            if update % every == 0:
                frame = self._frame(now)
            if frame is not None and now >= busy_until:
                busy_until = self._tick(frame, now)
                frame = None
            self._deliver(now)
            self._follow(now)
            self._report(now + UPDATE)
        return self._outcome()

    def _frame(self, now: float) -> MonitorInput:
        position = self._rows[-1]
        before = self._rows[-2] if len(self._rows) > 1 else position
        late = self._punctuality.problem(now)
        return MonitorInput(
            stamp=now,
            position=position,
            velocity=(position - before) / UPDATE,
            invalid=(late,) if late else (),
        )

    def _tick(self, frame: MonitorInput, present: float) -> float:
        """Tick once from `present` [s] on; gives when the monitor can tick again."""
        late = self._late() if self._lateness.sending else 0.0
        read = present + self._rng.uniform() * late  # when the monitor looks at the clock
        monitor = self._monitor
        if frame.stamp < _DRIVEN:
            monitor.offer(self._chunk(frame), 'policy')
            self._drives = monitor.mode is Mode.POLICY
        if self._state is not None:
            plan = self._followed.late(self._state)
            if plan is not None:
                monitor.recover(plan)
                self._spliced.sent(None)
        monitor.lead = self._punctuality.lead(read)
        verdict = monitor.tick(frame, read)
        if verdict.mode in (Mode.IDLE, Mode.HOLD) and frame.stamp < _DRIVEN:
            with suppress(ModeRefused):
                monitor.request(Mode.POLICY)
        sent, start = present + late, verdict.begin + self._contract.command_delay
        if verdict.plan is not None:
            self._punctuality.add(sent, sent - read)
        if verdict.plan is not None and monitor.lead and self._followed.has(verdict.plan, read):
            return sent
        if self._punctuality.too_late(sent - read, verdict.begin - read):
            monitor.withdraw(verdict)
        elif verdict.plan is not None:
            lead = verdict.begin - read if self._at_once else 0.0
            self._followed.sent(verdict.plan, read, verdict.begin, lead=lead)
            trajectory = self._spliced.make(verdict.plan, verdict.begin, lead)
            self._spliced.sent(trajectory)
            self._send(replace(trajectory, start=start - lead), sent)
            self._plan = verdict.plan
        return sent

    def _late(self) -> float:
        return self._rng.uniform(0.0, self._most) if self._rng.random() < self._often else 0.0

    def _send(self, trajectory: Trajectory, sent: float) -> None:
        arrival = sent + (self._late() if self._lateness.transit else 0.0)
        if self._lateness.in_order and self._way:
            arrival = max(arrival, self._way[-1][0])
        self._way.append((arrival, trajectory))

    def _deliver(self, now: float) -> None:
        for item in sorted((x for x in self._way if x[0] <= now), key=lambda x: x[0]):
            self._way.remove(item)
            with suppress(IlRosError):  # the controller refuses what ends in the past
                self._controller.follow(self._contract.action.names, item[1], now)

    def _follow(self, now: float) -> None:
        rows = self._controller.positions(np.array([now + UPDATE]))
        self._rows.append((self._limiter.apply(rows) if self._limiter else rows)[0])
        if self._plan is not None:
            planned = self._plan.at(now + UPDATE - self._contract.command_delay)[0]
            self._off = max(self._off, float(np.abs(self._rows[-1] - planned).max()))

    def _report(self, now: float) -> None:
        """The controller's state reaches the monitor at once."""
        if self._reports:
            position, start = self._controller.reference(now)[0], self._controller.start
            self._followed.hear(now, start)
            self._state = ControllerState(stamp=now, start=start, position=position)

    def _chunk(self, frame: MonitorInput) -> Chunk:
        return Chunk(
            stamp=frame.stamp,
            step_dt=self._dt,
            names=self._contract.action.names,
            positions=self._swings.steps(frame.stamp, frame.position),
            contract_hash=self._contract.hash,
            policy_id='',
            source='policy',
        )

    def _outcome(self) -> Outcome:
        rows, limits = np.array(self._rows), self._contract.limits
        speed = np.diff(rows, axis=0) / UPDATE
        acceleration = np.diff(speed, axis=0) / UPDATE
        return Outcome(
            speed=float((np.abs(speed) / limits.velocity).max()),
            acceleration=float((np.abs(acceleration) / limits.acceleration).max()),
            at_rest=bool(np.all(np.abs(speed[-50:]) < _STANDING)),
            way=float(np.abs(rows - rows[0]).max()),
            drives=self._drives,
            off=self._off,
            pace=float((np.abs(speed) / limits.velocity)[: round(_DRIVEN / UPDATE)].max(1).mean()),
        )


def outcomes(episodes: int, seed: int, lateness: Lateness, robot: Robot) -> list[Outcome]:
    """Of so many episodes."""
    contract = load_contract(CONTRACT)
    return [
        Episode(contract, lateness, robot, np.random.default_rng([seed, i])).run()
        for i in range(episodes)
    ]


def run(episodes: int = EPISODES, seed: int = 0) -> dict[str, float]:
    """Worst shares of the speed limits, of so many episodes each; and whether all came to rest.

    `jump_periods` is the longest step of the set-points in one update, in periods at the speed
    limit.

    `worst_speed_share` is what is promised: late before sending with any controller, and late in
    transit with one that enforces limits, or with a lead as long as commands are late.
    """
    figures, at_rest, period = {}, True, load_contract(CONTRACT).period
    for name, lateness, robot in CASES:
        found = outcomes(episodes, seed, lateness, robot)
        figures[f'{name}_speed_share'] = max(outcome.speed for outcome in found)
        figures[f'{name}_acceleration_share'] = max(outcome.acceleration for outcome in found)
        figures[f'{name}_jump_periods'] = figures[f'{name}_speed_share'] * UPDATE / period
        figures[f'{name}_off_plan'] = max(outcome.off for outcome in found)
        figures[f'{name}_way_median'] = float(np.median([outcome.way for outcome in found]))
        figures[f'{name}_drives_share'] = float(np.mean([outcome.drives for outcome in found]))
        figures[f'{name}_pace'] = float(np.mean([outcome.pace for outcome in found]))
        at_rest &= all(outcome.at_rest for outcome in found)
    promised = max(figures[f'{name}_speed_share'] for name in PROMISED)
    return {'worst_speed_share': promised, 'at_rest': float(at_rest), **figures}


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--episodes', type=int, default=EPISODES)
    parser.add_argument('--seed', type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(run(given.episodes, given.seed), indent=2))
