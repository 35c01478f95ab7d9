"""Episodes of a simulated arm in this process, behind a monitor (`episode_env.EpisodeEnv`).

A control period is as on the graph: the frame is built, the action source answers it with a chunk,
the monitor's hard checks and limits say what is commanded, and the arm moves. Where the expert is
to drive, it takes the arm from the learner at the monitor, as on the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.evaluation.suites import SEEDS
from il_ros.experts import expert_of
from il_ros.interactive.arm_transitions import observed
from il_ros.interactive.episode_env import ActionSource, EpisodeOutcome, StepContext
from il_ros.monitors.monitor_input import Source
from il_ros.policies.mlp import MlpConfig
from il_ros.rollouts.demonstrations import NOISE
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import InProcessMonitor, limits_monitor
from il_ros.rollouts.rollout import Rollout
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import NOTHING, Randomisation

LEARNED = ('demonstrations', 'corrections')
"""Parts of `SEEDS` whose episodes are learned from; all others only try or evaluate a policy."""


class FrameScorer(Protocol):
    """Scores how anomalous a frame is for the policy of the round."""

    def begin(self) -> None:
        """An episode begins."""

    def ratios(self, frame: Frame) -> Mapping[str, float]:
        """Scores by name: 1 is the calibrated threshold."""


class ArmEpisodeEnv:
    """One simulated arm and its task, with the task's scripted expert to be asked.

    The expert sees what the simulator knows; the learner sees the contract's observations alone.
    Joints are disturbed in every episode that may be learned from, so that the expert shows how to
    get back (DART, Laskey et al. 2017), and never in one that evaluates (`SEEDS`).

    Args:
        contract: What the topics mean, and which arm it is.
        task: Name of the simulator's task; its expert has the same name.
        horizon: Steps of a chunk, H.
        noise: Standard deviation of the joints' disturbance [rad].
        randomisation: What differs from episode to episode besides the scene, in all of them.

    Attributes:
        period: Time of one step [s].
        low: Least chunk, shape (H * N,) [rad or m].
        high: Greatest chunk, shape (H * N,) [rad or m].
        scorer: What gives the steps of training episodes their scores; None for none.

    Raises:
        UnknownNameError: If there is no such task or expert, or the contract names no known arm.
    """

    def __init__(
        self,
        contract: Contract,
        task: str,
        *,
        horizon: int = MlpConfig.horizon,
        noise: float = NOISE,
        randomisation: Randomisation = NOTHING,
    ) -> None:
        contract.require_joints()
        self.period = contract.period
        self.low = np.tile(contract.action_range[0], horizon)
        self.high = np.tile(contract.action_range[1], horizon)
        self.scorer: FrameScorer | None = None
        self._disturbed = [Perturbation(kind='command_noise', value=(noise,))] if noise else []
        self._contract, self._horizon, self._randomisation = contract, horizon, randomisation
        self._expert = expert_of(task, contract)
        self._driver = _SourceDriver(contract, horizon, self._ask)
        self._monitor = limits_monitor(contract, 'policy')
        self._runner = EpisodeRunner(contract, task, self._driver, self._monitor)

    def run(self, seed: int, source: ActionSource) -> EpisodeOutcome:
        """See `EpisodeEnv.run`; the gain is 1 for a success and 0 for everything else."""
        rollout = self.rollout(seed, source)
        if rollout.success:
            return EpisodeOutcome(ending='success', gain=1.0)
        return EpisodeOutcome(ending='failure' if rollout.alarm is not None else 'cut', gain=0.0)

    def rollout(self, seed: int, source: ActionSource) -> Rollout:
        """One episode with all that was seen and commanded in it; see `run`."""
        learned = any(seed in SEEDS[part] for part in LEARNED)
        self._driver.begin(source, self.scorer if learned else None, self._monitor)
        disturbed = [*self._randomisation.draw(seed), *(self._disturbed if learned else [])]
        return self._runner.run(seed, disturbed, over=lambda: self._driver.over)

    def _ask(self) -> Array:
        truth = self._runner.truth()
        return self._expert.act(truth, horizon=self._horizon, dt=self.period).reshape(-1)


class _SourceDriver:
    """An action source as the driver of a rollout (`rollouts.drivers.Driver`).

    Args:
        contract: What is seen.
        horizon: Steps of a chunk, H.
        ask: Asks the expert about this instant, shape (H * N,).
    """

    source: Source = 'policy'
    policy_id = ''

    def __init__(self, contract: Contract, horizon: int, ask: Callable[[], Array]) -> None:
        self.keys = tuple(contract.observations)
        self._required = [key for key in self.keys if contract.observations[key].required]
        self._contract, self._horizon, self._ask = contract, horizon, ask
        self._ended = False

    def begin(
        self, action_source: ActionSource, scorer: FrameScorer | None, monitor: InProcessMonitor
    ) -> None:
        """Say who acts in the next episode, who scores it, and what may stop it."""
        self._action_source, self._scorer, self._monitor = action_source, scorer, monitor

    @property
    def over(self) -> bool:
        """Whether the action source has ended the episode, or the monitor has stopped the arm."""
        return self._ended or bool(self._monitor.stopped)

    def reset(self) -> None:
        """See `Driver.reset`."""
        self._ended = False
        if self._scorer is not None:
            self._scorer.begin()

    def act(self, frame: Frame) -> Array | None:
        """See `Driver.act`."""
        if not frame.all_valid(self._required):
            return None
        scores = {} if self._scorer is None else self._scorer.ratios(frame)
        context = StepContext(
            observation=observed(self._contract, frame), ask=self._ask, scores=scores
        )
        flat = self._action_source(context)
        self._monitor.driver = self._action_source.driver
        if flat is None:
            self._ended = True
            return None
        return flat.reshape(self._horizon, -1)
