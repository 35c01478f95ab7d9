"""The monitor as a safety filter in this process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.monitors.calibrated_scores import Calibration, FittedScores
from il_ros.monitors.mode import Mode, ModeRefused
from il_ros.monitors.monitor import Monitor, Verdict
from il_ros.monitors.monitor_assembly import make_monitor, monitor_input
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput, Source
from il_ros.monitors.plan import Plan
from il_ros.monitors.planned_motion import trajectory_of
from il_ros.monitors.scores.score import ScoreInput
from il_ros.monitors.tool_consistency import ToolConsistency
from il_ros.policies.policy import Policy
from il_ros.policies.score_inputs import ScoreInputs
from il_ros.sim.controller import TrajectoryController

ScoreInputOf = Callable[[Frame], ScoreInput]

_MODES: dict[Source, Mode] = {'policy': Mode.POLICY, 'expert': Mode.EXPERT}


class InProcessMonitor:
    """The monitor in this process; a simulated trajectory controller executes its plans.

    An expert takes the arm from the policy, and gives it back, by an enable switch, as on a graph.

    Args:
        contract: Contract of the arm.
        source: Source whose mode an episode begins in.
        make: Makes the monitor of an episode.
        policy_id: Identity of the policy; empty for an expert.
        score_input: Makes the input of the scores from a frame; None without scores.
        samples: The policy's further answers to the last frame; see `Policy.samples`.
        patience: Time to wait for a frame before ticking without one [s], as the node does.

    Attributes:
        driver: Source of the chunks from the next tick on.
    """

    def __init__(
        self,
        contract: Contract,
        source: Source,
        make: Callable[[], Monitor],
        *,
        policy_id: str = '',
        score_input: ScoreInputOf | None = None,
        samples: Callable[[], Array | None] = lambda: None,
        patience: float = MonitorConfig.frame_age,
    ) -> None:
        self._contract, self._source, self._make = contract, source, make
        self.driver = source
        self._policy_id, self._score_input, self._samples = policy_id, score_input, samples
        self._patience = patience
        self.verdict: Verdict | None = None
        self.stopped = ''

    @property
    def moving(self) -> bool:
        """See `SafetyFilter.moving`."""
        return self.verdict is not None and self.verdict.mode is Mode.FALLBACK

    @property
    def monitor(self) -> Monitor:
        """The monitor of this episode."""
        return self._monitor

    def reset(self, posture: Array) -> None:
        """See `SafetyFilter.reset`."""
        self._monitor = self._make()
        self._controller = TrajectoryController(
            self._contract.action.names, posture, period=self._contract.period
        )
        self._tool = ToolConsistency(self._contract)
        self._last_frame = -np.inf
        self._driven, self.driver = False, self._source
        self.verdict, self.stopped = None, ''

    def tick(
        self, frame: Frame | None, chunk: Array | None, now: float, invalid: tuple[str, ...]
    ) -> Array | None:
        """See `SafetyFilter.tick`."""
        if chunk is not None:
            self._monitor.offer(self._chunk(chunk, now), self.driver)
        if frame is None and now - self._last_frame <= self._patience:
            return None
        tick_input = self._input(frame, now, invalid)
        if self._driven:
            self._hand_over(now)
        verdict = self._monitor.tick(tick_input, now)
        if not self._driven and self._enter(now):
            self._hand_over(now)
            verdict = self._monitor.tick(tick_input, now)
        if verdict.plan is not None:
            self._follow(verdict.plan, now)
        if self._driven and not self.stopped and verdict.mode is not _MODES[self.driver]:
            self.stopped = verdict.reason
        self.verdict = verdict
        return verdict.target_end

    def setpoints(self, times: Array) -> Array:
        """See `SafetyFilter.setpoints`."""
        return self._controller.positions(times)

    def _follow(self, plan: Plan, now: float) -> None:
        contract = self._contract
        start = now + contract.command_delay
        trajectory = trajectory_of(plan, now, contract.period, start=start)
        self._controller.follow(contract.action.names, trajectory, now)

    def _enter(self, now: float) -> bool:
        """Request the mode of an episode; after a refusal the next tick requests it again."""
        try:
            self._monitor.discard_before(now)
            self._monitor.request(_MODES[self._source])
        except ModeRefused:
            return False
        # A switch counts once it was seen to be let go.
        self._monitor.enable_switch(False, now - self._contract.period)
        self._driven = True
        return True

    def _hand_over(self, now: float) -> None:
        """Report the enable switch: held while the expert drives in an episode of the policy."""
        self._monitor.enable_switch(self.driver != self._source, now)

    def _chunk(self, positions: Array, now: float) -> Chunk:
        return Chunk(
            stamp=now,
            step_dt=self._contract.period,
            names=self._contract.action.names,
            positions=positions,
            contract_hash=self._contract.hash,
            policy_id=self._policy_id,
            source=self.driver,
            samples=self._samples(),
        )

    def _input(self, frame: Frame | None, now: float, invalid: tuple[str, ...]) -> MonitorInput:
        if frame is None:
            text = f'no observation for {now - self._last_frame:.3f} s'
            return MonitorInput(stamp=now, position=None, invalid=(text,))
        self._last_frame = frame.stamp / NS
        self._tool.look(frame)
        return monitor_input(
            self._contract,
            frame,
            self._last_frame,
            invalid=(*invalid, *self._tool.problems()),
            score_input=self._score_input(frame) if self._score_input else None,
        )


def limits_monitor(contract: Contract, source: Source, *, policy_id: str = '') -> InProcessMonitor:
    """The monitor with its hard checks only: neither a score nor a long episode causes a stop.

    Args:
        contract: Contract of the arm.
        source: Source of the chunks.
        policy_id: Identity of the policy; empty for an expert.
    """
    config = MonitorConfig(
        novelty=False, allow_uncalibrated=True, overdue=0.0, takeover_return=True
    )
    return InProcessMonitor(
        contract, source, lambda: make_monitor(contract, None, config), policy_id=policy_id
    )


def scores_monitor(
    policy: Policy,
    scores: FittedScores,
    calibration: Calibration,
    config: MonitorConfig | None = None,
) -> InProcessMonitor:
    """The monitor as deployed with a policy: hard checks, calibrated scores and episode length.

    Args:
        policy: The policy.
        scores: Fitted scores of the policy.
        calibration: Score bank and thresholds.
        config: Settings; the defaults if None.
    """
    contract, settings = policy.contract, config or MonitorConfig()
    return InProcessMonitor(
        contract,
        'policy',
        lambda: make_monitor(contract, calibration, settings),
        policy_id=calibration.policy_id,
        score_input=ScoreInputs.of_scores(policy, scores).of_frame,
        samples=policy.samples,
        patience=settings.frame_age,
    )
