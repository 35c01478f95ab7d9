"""The monitor: the last filter between whoever drives and the robot, without ROS.

It composes the checks, the novelty watch, the mode machine and the motion. What it does is a
request for a protective stop; it is not a safety-rated function.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Limits
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.config import MonitorConfig
from il_ros.monitors.intake import ChunkIntake, Target
from il_ros.monitors.messages import Chunk, MonitorInput, Source
from il_ros.monitors.mode import Mode, ModeMachine, ModeRefused, Situation
from il_ros.monitors.motion import Forward, Motion
from il_ros.monitors.novelty import NoveltyScore
from il_ros.monitors.plan import Plan
from il_ros.monitors.verdict import Verdict
from il_ros.monitors.watch import Novelty, NoveltyWatch

__all__ = [
    'Chunk', 'Fault', 'Mode', 'ModeRefused', 'Monitor', 'MonitorConfig', 'MonitorInput', 'Plan',
    'Source', 'Verdict',
]  # fmt: skip

_DRIVERS: dict[Mode, Source] = {Mode.POLICY: 'policy', Mode.EXPERT: 'expert'}


class Monitor:
    """Validates, scores, arbitrates, limits: one `tick` per control period.

    Hard faults stop whatever the scores say; then novelty; ALARM latches until it is resumed.
    Anything unexpected inside a tick is a stop as well.

    Args:
        limits: What the arm may do; its names are the commanded joints in order.
        contract_hash: Hash of the contract that chunks have to be made for.
        dt: Control period [s].
        forward: Tool centre point (3,) [m, base frame] of joint positions (N,); None when the
            arm has no kinematic model, and then the workspace is not checked.
        score: Novelty score of the policy; None when it is not calibrated.
        threshold: Its threshold for the score averaged over `config.score_window` ticks.
        policy_id: The policy that score and threshold belong to; without them '' allows any.
        config: Settings.
        longest: Ticks of the longest calibration episode, None when not known.

    Raises:
        IlRosError: If score and threshold do not come together and with a policy_id, or dt is
            not positive.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        contract_hash: str,
        dt: float,
        forward: Forward | None,
        score: NoveltyScore | None,
        threshold: float | None,
        policy_id: str,
        config: MonitorConfig,
        longest: int | None = None,
    ) -> None:
        _check_arguments(dt, score, threshold, policy_id)
        self._limits, self._dt, self._forward, self._config = limits, dt, forward, config
        self._machine = ModeMachine()
        planned, self._contact = _shares(limits, config)
        self._motion = Motion(planned, dt=dt, forward=forward, margin=config.workspace_margin)
        self._watch = NoveltyWatch(score, threshold, config, longest)
        self._intakes = {
            source: ChunkIntake(
                source,
                names=limits.names,
                contract_hash=contract_hash,
                policy_id=policy_id,
                config=config,
            )
            for source in _DRIVERS.values()
        }
        self._not_before = -inf
        # Of the last tick; requests are judged by them.
        self._frame: MonitorInput | None = None
        self._fault: Fault | None = None
        self._now: float | None = None

    @property
    def mode(self) -> Mode:
        """The mode that the next tick starts in."""
        return self._machine.mode

    def request(self, mode: Mode, *, resume: bool = False, not_before: float = -inf) -> None:
        """Ask for a mode; the next tick acts on it.

        Args:
            mode: The mode wanted; nothing changes if it is the present one.
            resume: Whether this is the operator's word that an ALARM may end.
            not_before: Frames and chunks stamped before this time [s] are not used in the mode.

        Raises:
            ModeRefused: With the reason, judged by the last tick; the mode stays as it is.
        """
        before = self.mode
        if mode is before:
            return
        if mode in _DRIVERS and before is not Mode.ALARM:
            self._require_trust(_DRIVERS[mode], f'mode {before} to {mode}')
        self._machine.request(mode, self._situation(), resume=resume)
        self._not_before = not_before
        self._watch.reset()
        if mode in _DRIVERS:
            self._intakes[_DRIVERS[mode]].begin(not_before)

    def offer(self, chunk: Chunk, source: Source) -> None:
        """Take in a chunk; a newer one replaces it, an older one is dropped.

        A bad chunk of the driving source is a fault at the next tick. One of a source that does
        not drive harms nothing: that source may not drive until it has sent a good one.
        """
        self._intakes[source].offer(chunk, forgive=_DRIVERS.get(self.mode) != source)

    def tick(self, frame: MonitorInput, now: float) -> Verdict:
        """One control tick at time `now` [s] with the newest frame; never raises."""
        try:
            return self._tick(frame, now)
        except Exception as error:  # fail closed: whatever it is, the arm has to stop
            return self.emergency(now, f'{type(error).__name__}: {error}')

    def emergency(self, now: float, text: str = 'asked for by the caller') -> Verdict:
        """Stop because of something that no check foresaw; never raises.

        Args:
            now: The present [s].
            text: What happened.
        """
        now = self._usable(now)
        self._fault = Fault('internal', f'emergency stop: {text}')
        self._machine.tick(fault=self._fault.text)
        try:
            self._motion.brake(now)
        except Exception as error:  # the plan in hand ends in a standstill by itself
            self._fault = Fault('internal', f'{self._fault.text}; braking: {error}')
        return self._verdict(now, self._fault, Novelty())

    def _tick(self, frame: MonitorInput, now: float) -> Verdict:
        fault = self._clock_fault(now)
        now = self._now = self._usable(now)
        fault = fault or self._frame_fault(frame, now)
        wanted = None if fault else self._wanted(frame, now)
        if isinstance(wanted, Fault):
            fault, wanted = wanted, None
        novelty = Novelty() if fault else self._watch.look(frame.features)
        self._machine.tick(
            fault=fault.text if fault else '', trigger=self._watch.stop_text(novelty)
        )
        if fault is None:
            fault = self._move(frame, wanted, now)
            self._machine.tick(fault=fault.text if fault else '')
        if not self._machine.publishes:
            self._motion.release()
        elif wanted is None or not self.mode.driving:
            self._motion.brake(now)
            self._give_way(frame, now)
        self._frame, self._fault = frame, fault
        return self._verdict(now, fault, novelty)

    def _usable(self, now: float) -> float:
        """`now`, or the last good time where the clock gives no number."""
        if isinstance(now, int | float) and isfinite(now):
            return now
        return 0.0 if self._now is None else self._now

    def _clock_fault(self, now: float) -> Fault | None:
        fault = checks.clock_step(self._now, now, self._config.clock_step)
        if self._now is not None and now < self._now:
            self._motion.clock_went_back(self._now, now)
            for intake in self._intakes.values():
                intake.forget()
        return fault

    def _frame_fault(self, frame: MonitorInput, now: float) -> Fault | None:
        """First hard fault of the measured state; the order is that of trust in what is read."""
        config, limits = self._config, self._limits
        fault = checks.stamp(
            'frame', frame.stamp, now, max_age=config.frame_age, future=config.future
        )
        fault = fault or checks.frame_content(frame, len(limits.names))
        if fault or frame.position is None:
            return fault
        if self.mode is Mode.POLICY and self._watch.required and frame.features is None:
            return Fault('frame', 'novelty features: missing, the policy cannot be watched')
        fault = checks.wrench(frame.force, frame.torque, self._contact)
        fault = fault or checks.joint_limits(frame.position, limits, config.joint_tolerance)
        if fault is None and self._forward is not None:
            fault = checks.workspace(self._forward(frame.position), limits)
        if fault is None and self._motion.plan is not None:
            commanded, _, _ = self._motion.plan.at(frame.stamp)
            fault = checks.tracking(frame.position, commanded, limits.names, config.tracking_error)
        return fault

    def _wanted(self, frame: MonitorInput, now: float) -> Target | Fault | None:
        source = _DRIVERS.get(self.mode)
        return self._intakes[source].pull(now, self._dt, frame.stamp) if source else None

    def _move(self, frame: MonitorInput, wanted: Target | None, now: float) -> Fault | None:
        if self.mode in (Mode.IDLE, Mode.ALARM):
            return None
        if self._motion.plan is None and frame.stamp >= self._not_before:
            if frame.position is None or not self._measured_still(frame):
                return Fault('frame', 'the arm moves, or its velocity is not known: cannot begin')
            self._motion.begin(frame.position, now)
        return self._motion.drive(*wanted, now) if wanted else None

    def _give_way(self, frame: MonitorInput, now: float) -> None:
        """Command nothing any more in ALARM, once something has moved the arm from its rest.

        Else the old place would go on being commanded (after hand guiding, brakes, or a stop by
        the robot itself), and the arm would jump there when its drives come back.
        """
        plan = self._motion.plan
        if self.mode is not Mode.ALARM or plan is None or frame.position is None:
            return
        away = np.abs(frame.position - plan.end)
        if plan.at_rest(now) and not np.all(away <= self._config.tracking_error):
            self._motion.release()

    def _measured_still(self, frame: MonitorInput) -> bool:
        if frame.velocity is None:
            return False
        return bool(np.all(np.abs(frame.velocity) <= self._config.standstill))

    def _situation(self) -> Situation:
        frame = self._frame
        if frame is None or self._now is None:
            return Situation(invalid='no frame has been seen', fault='', standstill=False)
        # Where the velocity cannot be known, a plan that has ended counts as standing.
        blind = frame.velocity is None and self._motion.plan is not None
        return Situation(
            invalid='',
            fault=self._fault.text if self._fault else '',
            standstill=self._motion.at_rest(self._now) and (blind or self._measured_still(frame)),
        )

    def _require_trust(self, source: Source, where: str) -> None:
        if source == 'policy' and not (self._watch.calibrated or self._config.allow_uncalibrated):
            raise ModeRefused(
                'the policy has no calibrated novelty score',
                where=where,
                fix='calibrate it, or set allow_uncalibrated',
            )
        bad = self._intakes[source].bad
        if bad:
            raise ModeRefused(bad.text, where=where, fix=f'let the {source} send a good chunk')

    def _verdict(self, now: float, fault: Fault | None, novelty: Novelty) -> Verdict:
        plan = self._motion.plan
        return Verdict(
            mode=self.mode,
            plan=plan,
            fault=fault,
            score=novelty.score,
            threshold=self._watch.threshold,
            exceeded=novelty.exceeded,
            triggered=novelty.triggered,
            source=_DRIVERS.get(self.mode, ''),
            reason=self._machine.reason,
            target_end=None if plan is None else plan.at(now + self._dt)[0],
        )


def _shares(limits: Limits, config: MonitorConfig) -> tuple[Limits, Limits]:
    """What plans may use of the limits, and what contact may use of them before the arm stops."""
    motion, contact = config.motion_share, config.wrench_share
    planned = replace(
        limits,
        velocity=motion * limits.velocity,
        acceleration=motion * limits.acceleration,
        jerk=motion * limits.jerk,
    )
    return planned, replace(limits, force=contact * limits.force, torque=contact * limits.torque)


def _check_arguments(
    dt: float, score: NoveltyScore | None, threshold: float | None, policy_id: str
) -> None:
    if not (isfinite(dt) and dt > 0):
        raise IlRosError(f'control period is {dt} s', where='monitor', allowed='above 0 s')
    if (score is None) != (threshold is None):
        raise IlRosError('score and threshold belong together', where='monitor')
    if score is not None and not (policy_id and isfinite(nan if threshold is None else threshold)):
        raise IlRosError(
            f'policy {policy_id!r} with threshold {threshold}',
            where='monitor calibration',
            allowed='a policy id and a finite threshold',
        )
