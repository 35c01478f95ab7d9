"""The monitor: the last filter between the source that drives and the robot, without ROS.

It composes the checks, the scores, the mode machine and the motion. What it does is a request for
a protective stop; it is not a safety-rated function.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite, nan

import numpy as np

from il_ros.core.action_spaces import ActionSpace
from il_ros.core.arm_geometry import Geometry
from il_ros.core.contract import Fallback
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array, Limits
from il_ros.monitors import checks
from il_ros.monitors.calibrated_scores import Calibration
from il_ros.monitors.checks import Fault
from il_ros.monitors.chunk_follower import ChunkIntake, JointConversion, Target
from il_ros.monitors.driving import Driving
from il_ros.monitors.enable_switch import EnableSwitches
from il_ros.monitors.measurement_checks import MeasurementChecks
from il_ros.monitors.mode import Mode, ModeMachine, ModeRefused
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput, Source
from il_ros.monitors.plan import Plan, plannable
from il_ros.monitors.planned_motion import Motion, Rest
from il_ros.monitors.score_watch import ScoreReading, ScoreWatch
from il_ros.monitors.scores.score import ScoreInput

_DRIVERS: dict[Mode, Source] = {Mode.POLICY: 'policy', Mode.EXPERT: 'expert'}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one tick came to.

    Attributes:
        mode: The mode after the tick.
        plan: What the arm has to do from now on; None: publish nothing.
        begin: When the plan leaves what was sent before [s]; until then both are the same.
        fault: The hard fault that is there at this tick.
        scores: What the calibrated scores say.
        watched: Whether the policy drove when they were asked, so that they evaluate it.
        warning: Why the policy drives slowly and an operator should look; empty when it does not.
        takeover: Whether the expert drives because an operator holds the enable switch.
        resumed: Whether the policy drives again after a takeover, and has to forget what it saw.
        reason: Why the monitor is in this mode; in ALARM the first cause.
        target_end: Where the arm is to be at the end of the tick, shape (N,) [rad or m]; None
            without a plan.
    """

    mode: Mode
    plan: Plan | None
    begin: float
    fault: Fault | None
    scores: ScoreReading
    watched: bool
    warning: str
    takeover: bool
    resumed: bool
    reason: str
    target_end: Array | None


class Monitor:
    """Validates, scores, arbitrates, limits: one `tick` per control period.

    Hard faults stop whatever the scores say; then the scores; ALARM latches until it is resumed.
    Anything unexpected inside a tick is a stop as well.

    Args:
        limits: What the arm may do; its names are the commanded joints in order.
        contract_hash: Hash of the contract that chunks have to be made for.
        dt: Control period [s].
        geometry: Where tool and links are at joint positions (N,); None when the arm has no
            kinematic model, and then workspace and keep-out zones are not checked.
        calibration: Scores and thresholds of the policy; None when it is not calibrated, and then
            any policy's chunks are taken.
        fallback: What to do when the scores stop the policy.
        setpoints: Whether a command is good for one period only, so that a stop has to be sent.
        delay: How far the arm lags the plan [s].
        grippers: Joints of grippers that are moved by goals, besides those that `geometry` knows.
        spaces: Spaces besides joints that chunks may be in.
        base_frame: Frame that tool poses have to be in.

    Attributes:
        error: The exception that the last tick ended with, if one was raised in it.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        contract_hash: str,
        dt: float,
        geometry: Geometry | None,
        calibration: Calibration | None,
        config: MonitorConfig,
        fallback: Fallback | None = None,
        setpoints: bool = False,
        delay: float = 0.0,
        grippers: Collection[str] = (),
        spaces: Sequence[ActionSpace] = (),
        base_frame: str = '',
    ) -> None:
        if not (isfinite(dt) and dt > 0):
            raise IlRosError(f'control period is {dt} s', where='monitor', allowed='above 0 s')
        self._dt, self._config, self._setpoints, self._delay = dt, config, setpoints, delay
        self._machine, self._limits = ModeMachine(), limits
        planned = plannable(limits, config.motion_share, dt, splines=not setpoints)
        moves = geometry.moves if geometry else None
        moves = np.full(len(limits.names), True) if moves is None else moves
        goals = np.isin(limits.names, list(grippers))
        self._moves = moves = moves & ~goals
        self._motion = Motion(
            planned,
            dt=dt,
            geometry=geometry,
            margin=config.workspace_margin,
            joint_margin=np.where(moves, config.joint_margin, 0.0),
            full_speed_lead=config.full_speed_lead,
        )
        self._watch = ScoreWatch(calibration, config)
        self._measured = MeasurementChecks(
            limits, config, dt=dt, geometry=geometry, goals=goals, delay=delay
        )
        content = partial(
            checks.chunk_content,
            names=planned.names,
            contract_hash=contract_hash,
            policy_id=calibration.policy_id if calibration else '',
        )
        self._to_joints = JointConversion(
            spaces, planned.names, base_frame=base_frame, span=config.chunk_age, dt=dt
        )
        sources: tuple[Source, ...] = ('policy', 'expert')
        self._intakes = {
            source: ChunkIntake(
                source, partial(content, source=source), config, limits.endless, self._to_joints
            )
            for source in sources
        }
        self._driving = Driving(
            planned,
            intakes=self._intakes,
            dt=dt,
            config=config,
            fallback=fallback or Fallback(),
            moves=moves,
            delay=delay,
        )
        self._rest = Rest(
            self._motion, tracking_error=config.tracking_error, moves=moves, delay=delay
        )
        self._switches = EnableSwitches(config.takeover_age)
        self._void, self._reset = -inf, nan
        self._noticed: Fault | None = None
        self._midway = False  # a source has driven since IDLE
        self.error: Exception | None = None
        # Of the last tick; they decide on requests.
        self._frame: MonitorInput | None = None
        self._fault: Fault | None = None
        self._judged: tuple[MonitorInput, Plan | None, Fault | None] | None = None
        self._now: float | None = None
        self._astray = False  # the arm does not follow what was sent last
        self._due = 0.0  # when the verdict's target is due

    @property
    def mode(self) -> Mode:
        """The mode that the next tick starts in."""
        return self._machine.mode

    @property
    def trusts_policy(self) -> bool:
        """Whether the policy has the arm, or gets it back when the operator lets go."""
        return self.mode is Mode.POLICY or self._machine.takeover

    def discard_before(self, stamp: float, *, reset: bool = False) -> None:
        """Use nothing stamped before this time [s] in a mode that is entered from now on.

        Args:
            stamp: The time [s].
            reset: Whether a simulated world was reset to this time: its first frame needs no
                further ones to confirm the posture, and in lock-step none would follow.
        """
        self._void, self._reset = stamp, stamp if reset else nan

    def request(self, mode: Mode, *, resume: bool = False) -> None:
        """Ask for a mode; the next tick acts on it.

        Args:
            mode: The mode wanted; nothing changes if it is the present one.
            resume: Whether this is the operator's word that an ALARM may end.

        Raises:
            ModeRefused: With the reason, by the last tick; the mode stays as it is.
        """
        before = self.mode
        if mode is before:
            return
        if mode in _DRIVERS and before is not Mode.ALARM:
            self._require_trust(_DRIVERS[mode], f'mode {before} to {mode}')
        self._machine.request(mode, *self._situation(), resume=resume)
        self._rest.begin()
        if before is Mode.IDLE:
            self._midway = False
        self._switches.reset()
        self._watch.begin(midway=self._midway)
        self._measured.reset()
        if mode in _DRIVERS:
            self._driving.begin(_DRIVERS[mode], self._void)

    def offer(self, chunk: Chunk, source: Source) -> None:
        """Take in a chunk; a newer one replaces it, an older one is dropped.

        A bad chunk of the driving source is a fault at the next tick. One of a source that does
        not drive harms nothing: that source may not drive until it has sent a good one.
        """
        forgive = _DRIVERS.get(self.mode) != source
        self._intakes[source].offer(chunk, now=self._now, forgive=forgive)

    def stop_for(self, fault: Fault) -> None:
        """Stop at the next tick for what was noticed since the last one, though it may be over."""
        self._noticed = self._noticed or fault

    @property
    def next_mode(self) -> Mode:
        """The mode of the next tick, as far as enable switches decide it."""
        switches, now = self._switches, self._now
        held = switches.kept or (now is not None and switches.any_held(now) and not self._lost)
        return self._machine.next_mode(held, to_policy=self._to_policy)

    def enable_switch(
        self, held: bool, now: float, device: str = '', *, lost: bool = False
    ) -> None:
        """Take in what an operator's device says about its enable switch, at time `now` [s].

        Args:
            held: Whether it is held.
            now: When it was read [s].
            device: Its name.
            lost: Whether the device was lost: the arm is held, whichever source drove before.
        """
        self._switches.hear(device, held, now, lost=lost)

    @property
    def lead(self) -> float:
        """How long after a tick the arm leaves what was planned before it [s]; 0 or more."""
        return self._motion.lead

    @lead.setter
    def lead(self, seconds: float) -> None:
        self._motion.lead = seconds

    def wait(self, seconds: float) -> None:
        """What is planned is carried out so much later [s]: its controller waits meanwhile."""
        self._motion.wait(seconds)

    def recover(self, plan: Plan) -> None:
        """The arm follows `plan` and not what was sent after it: the next tick brakes from there.

        It brakes until then anyway: every plan ends in a standstill.
        """
        if self._motion.plan is not None:
            self._motion.recover(plan)
            self._astray = True

    def withdraw(self, verdict: Verdict) -> Verdict:
        """The verdict of the last tick, whose plan was not sent: the arm goes on as it did before.

        That motion ends in a standstill by itself; the next tick goes on from it.
        """
        self._motion.withdraw()
        plan, due = self._motion.plan, self._due
        end = None if plan is None else plan.at(due)[0]
        return replace(verdict, plan=plan, target_end=end)

    def look_at(self, frame: MonitorInput) -> bool:
        """Judge a frame before its tick, which waits for a chunk and then has less to do.

        Returns:
            Whether nothing is wrong with it; else the tick need not wait.
        """
        self._judged, plan = None, self._motion.plan
        if self._measured.content(frame) is None:
            self._to_joints.see(frame.stamp, frame.position)
            self._judged = frame, plan, self._measured.judge(frame, plan)
        return self._judged is not None and self._judged[2] is None

    def tick(self, frame: MonitorInput, now: float) -> Verdict:
        """One control tick at time `now` [s] with the newest frame; never raises."""
        self._motion.mark()
        self.error = None
        try:
            return self._tick(frame, now)
        except Exception as error:  # fail closed: whatever it is, the arm has to stop
            self.error = error
            return self._stop(now, f'{type(error).__name__}: {error}')

    def emergency(self, now: float, text: str = 'asked for by the caller') -> Verdict:
        """Stop at time `now` [s] for what `text` says and no check foresaw; never raises."""
        self._motion.mark()
        return self._stop(now, text)

    def _stop(self, now: float, text: str) -> Verdict:
        now = self._usable(now)
        self._fault = Fault('internal', f'emergency stop: {text}')
        self._machine.tick(fault=self._fault.text)
        self._switches.reset()
        self._rest.begin(may_yield=False)
        if not self._machine.publishes:
            self._motion.release()
        try:
            self._motion.brake(now)
        except Exception as error:  # the current plan ends in a standstill by itself
            self._fault = Fault('internal', f'{self._fault.text}; braking: {error}')
        return self._verdict(now, now, self._fault, ScoreReading())

    def _tick(self, frame: MonitorInput, now: float) -> Verdict:
        fault = self._clock_fault(now)
        now = self._now = self._usable(now)
        fault = fault or self._frame_fault(frame, now)
        if fault is None:
            self._to_joints.see(frame.stamp, frame.position)
            for intake in self._intakes.values():
                intake.settle()
        before = self._machine.takeover
        fault = fault or self._heed_switches(now)
        wanted = None if fault else self._wanted(frame, now)
        if isinstance(wanted, Fault):
            fault, wanted = wanted, None
        watched = self.mode is Mode.POLICY
        reading = ScoreReading() if fault else self._watch.read(self._score_input(frame), watched)
        if self._react(fault, reading, now):
            wanted = self._wanted(frame, now)
        fault = fault or self._move(frame, wanted, reading, now)
        self._machine.tick(fault=fault.text if fault else '')
        if not self._machine.publishes:
            self._motion.release()
        elif self.mode is Mode.ALARM:
            self._switches.reset()
            self._rest.tick(frame, fault, now)
        self._midway |= self.mode.driving
        self._frame, self._fault = frame, fault
        resumed = before and self.mode is Mode.POLICY
        # What is due a period after the frame is what training pairs with it.
        stamp = now if fault or frame.position is None else frame.stamp
        return self._verdict(now, stamp, fault, reading, watched=watched, resumed=resumed)

    def _usable(self, now: float) -> float:
        """`now`, or the last good time where the clock gives no number."""
        if isinstance(now, int | float) and isfinite(now):
            return now
        return 0.0 if self._now is None else self._now

    def _clock_fault(self, now: float) -> Fault | None:
        fault = checks.clock_step(self._now, now, self._config.clock_step)
        if fault:
            if self._setpoints and self._now is not None:
                self._motion.clock_jumped(self._now, self._usable(now))
            else:
                # Stamps mean nothing any more to a controller that follows the plan by another
                # clock. What was sent last ends in a standstill; nothing could do so more surely.
                self._motion.release()
            self._driving.forget()
            self._to_joints.forget()
            self._switches.reset(clock_jumped=True)
        return fault

    def _frame_fault(self, frame: MonitorInput, now: float) -> Fault | None:
        noticed, self._noticed = self._noticed, None
        judged, self._judged = self._judged, None
        same = judged is not None and judged[0] is frame  # then it is complete
        if fault := noticed or self._measured.trust(frame, now, known=same):
            return fault
        if self.mode is Mode.POLICY and self._watch.required and frame.features is None:
            return Fault('frame', 'features: missing, the policy cannot be watched')
        # What is wrong with a frame stays so, whatever has become of the plan meanwhile.
        if judged and same and (judged[2] or judged[1] is self._motion.plan):
            return judged[2]
        return self._measured.judge(frame, self._motion.plan)

    def _heed_switches(self, now: float) -> Fault | None:
        """Give the arm to the operator who holds a switch; take it back when it is let go."""
        machine, switches = self._machine, self._switches
        if machine.takeover and switches.kept:
            return switches.silent(now)
        if switches.any_held(now) and not self._lost and (machine.takeover or machine.take_over()):
            switches.take(now)  # another device is another driver, with a handover of its own
            self._driving.begin('expert', self._void, clutch=self._config.takeover_clutch)
        elif machine.takeover:
            machine.let_go(to_policy=self._to_policy)
            self._watch.begin(midway=True)
            self._driving.begin('policy', now)
        return None

    @property
    def _lost(self) -> bool:
        """Whether the driving operator's device was lost: the arm is held first."""
        return self._machine.takeover and self._switches.lost

    @property
    def _to_policy(self) -> bool:
        return self._config.takeover_return and not self._switches.lost

    def _score_input(self, frame: MonitorInput) -> ScoreInput:
        chunk = self._intakes['policy'].follower.chunk
        score_input = frame.score_input or ScoreInput(time=frame.stamp, position=frame.position)
        if chunk is None:
            return score_input
        return replace(
            score_input,
            chunk=chunk.positions,
            chunk_time=chunk.stamp,
            step_dt=chunk.step_dt,
            samples=chunk.samples,
        )

    def _wanted(self, frame: MonitorInput, now: float) -> Target | Fault | None:
        if not (self.mode.driving or self.mode is Mode.FALLBACK):
            return None
        start = self._motion.start(now)
        return self._driving.pull(_DRIVERS.get(self.mode), now, frame.stamp, start)

    def _react(self, fault: Fault | None, reading: ScoreReading, now: float) -> bool:
        """Stop for a fault, fall back for a trigger; says whether another one drives now."""
        before, plan = self.mode, self._motion.plan
        trigger = '' if fault else self._watch.stop_text(reading)
        trigger = self._driving.delayed_trigger(trigger, now, calm=not reading.warned)
        leave = Mode.ALARM
        if trigger and before is Mode.POLICY and plan is not None:
            start = self._motion.start(now)
            leave = self._driving.fall_back(plan.at(start + self._dt)[0], start)
        self._machine.tick(fault=fault.text if fault else '', trigger=trigger, leave=leave)
        if before is Mode.POLICY and self.mode is Mode.EXPERT:
            self._driving.begin('expert', self._void)
        return self.mode is not before and self.mode in (Mode.EXPERT, Mode.FALLBACK)

    def _move(
        self, frame: MonitorInput, wanted: Target | Fault | None, reading: ScoreReading, now: float
    ) -> Fault | None:
        mode, motion = self.mode, self._motion
        astray, self._astray = self._astray, False
        if mode in (Mode.IDLE, Mode.ALARM):
            return None
        if motion.plan is None and frame.stamp >= self._void:
            if frame.position is None or not self._measured.still(frame):
                return Fault('frame', 'the arm moves, or its velocity is not known: cannot begin')
            if unconfirmed := self._unconfirmed(frame):
                return Fault('frame', unconfirmed)
            # A controller goes on from where it wants the joints, not from where they are.
            there = frame.position if frame.reference is None else frame.reference
            motion.begin(np.where(np.isfinite(there), there, frame.position), now)
        if mode is Mode.FALLBACK and self._driving.arrived(now):
            self._machine.arrived()
        elif isinstance(wanted, Fault):
            return wanted
        elif wanted is not None and motion.plan is not None and not astray:
            slowly = bool(self._warning(reading))
            target = self._driving.shape(wanted, motion.start(now), now, motion.plan, slowly=slowly)
            return target if isinstance(target, Fault) else motion.drive(*target, now)
        motion.brake(now)
        return None

    def _warning(self, reading: ScoreReading) -> str:
        """Why the policy goes slowly; empty when it does not, or another one drives."""
        if self.mode is not Mode.POLICY:
            return ''
        given_time = self._watch.stop_text(reading) or 'should have stopped a moment ago'
        return self._watch.warn_text(reading) or (given_time if self._driving.waiting else '')

    def _situation(self) -> tuple[str, bool]:
        """Why motion must not begin, empty when it may, and whether the arm stands."""
        frame = self._frame
        if frame is None or self._now is None:
            return 'no frame has been seen', False
        # Where the velocity cannot be known, a plan that has ended counts as standing.
        blind = frame.velocity is None and self._motion.plan is not None
        still = blind or self._measured.still(frame)
        fault = self._fault or self._noticed
        unsafe = fault.text if fault else self._unconfirmed(frame)
        return unsafe, self._motion.at_rest(self._now) and still

    def _unconfirmed(self, frame: MonitorInput) -> str:
        """Why no motion may begin at the posture of a frame; empty where one may or goes on."""
        if self._motion.plan is not None:
            return ''
        if frame.unconfirmed and frame.stamp != self._reset:
            return frame.unconfirmed
        position, reference = frame.position, frame.reference
        if position is None or reference is None:
            return ''
        names, most = self._motion.names, self._config.tracking_error
        fault = checks.reference(position, reference, names, most, self._moves)
        fault = fault or checks.reference_limits(reference, self._limits, self._dt)
        return fault.text if fault else ''

    def _require_trust(self, source: Source, where: str) -> None:
        if source == 'policy' and not (self._watch.calibrated or self._config.allow_uncalibrated):
            raise ModeRefused(
                'the policy has no calibrated scores',
                where=where,
                fix='calibrate it, or set allow_uncalibrated',
            )
        bad = self._intakes[source].bad
        if bad:
            raise ModeRefused(bad.text, where=where, fix=f'let the {source} send a good chunk')

    def _verdict(
        self,
        now: float,
        stamp: float,
        fault: Fault | None,
        reading: ScoreReading,
        *,
        watched: bool = False,
        resumed: bool = False,
    ) -> Verdict:
        plan = self._motion.plan
        self._due = due = stamp + self._dt - self._delay
        end = None if plan is None else plan.at(due)[0]
        if end is not None and self.mode.driving:
            self._driving.trail.add(due, end)
        return Verdict(
            mode=self.mode,
            plan=plan,
            begin=self._motion.start(now),
            fault=fault,
            scores=reading,
            watched=watched,
            warning=self._warning(reading),
            takeover=self._machine.takeover,
            resumed=resumed,
            reason=self._machine.reason,
            target_end=end,
        )
