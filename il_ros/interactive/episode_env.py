"""Where episodes happen: a port, and Gymnasium environments with a simulated operator behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import gymnasium
import numpy as np

from il_ros.algorithms.query_rules import DriverName
from il_ros.algorithms.transitions import Ending
from il_ros.core.config import require_ranges
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What is known before one step.

    Attributes:
        observation: What the learner sees, shape (D,). Nothing of the expert's is in it.
        ask: Asks the expert, shape (A,); None where the answer comes later. Need not be called.
        scores: The monitor's scores by name, as ratios: 1 is the calibrated threshold.
        human: Whether a person holds the enable switch and wants to drive.
    """

    observation: Array
    ask: Callable[[], Array | None]
    scores: Mapping[str, float] = field(default_factory=dict)
    human: bool = False


@dataclass(frozen=True, kw_only=True)
class EpisodeOutcome:
    """How an episode ended.

    Attributes:
        ending: See `transitions.ENDINGS`; never `running`.
        gain: What evaluation counts, more is better: the return, or 1 for a success.
        bag: Folder of the episode's bag; empty where none was recorded.
        reason: Why it ended, where there is more to say.
    """

    ending: Ending
    gain: float
    bag: str = ''
    reason: str = ''


class ActionSource(Protocol):
    """Gives the action of every step: a policy, an expert, or both in turns.

    Attributes:
        driver: Who drives the step that was asked about last.
    """

    @property
    def driver(self) -> DriverName:
        """See the attributes."""

    def __call__(self, context: StepContext) -> Array | None:
        """An action for what is seen, shape (A,); None to end the episode here."""


class EpisodeEnv(Protocol):
    """A place for episodes: a Gymnasium environment, a simulated arm, a robot.

    Attributes:
        period: Time of one step [s].
        low: Least action, shape (A,).
        high: Greatest action, shape (A,).
    """

    period: float
    low: Array
    high: Array

    def run(self, seed: int, source: ActionSource) -> EpisodeOutcome:
        """One episode.

        Args:
            seed: Of the scene; the same seed and source give the same episode.
            source: Acts in every step.
        """


@dataclass(frozen=True, kw_only=True)
class SimulatedOperatorConfig:
    """How the operator watches; differences are root mean squares, in the action's own unit.

    Attributes:
        worried: Mean difference from the operator's own action above which the operator takes over.
        reaction: Steps that the mean is taken over: nobody sees a single wrong step.
        least: Steps that the operator drives at least.
    """

    worried: float = 0.3
    reaction: int = 5
    least: int = 20

    def __post_init__(self) -> None:
        ranges = {'worried': '0 to inf', 'reaction': '1 or more', 'least': '1 or more'}
        require_ranges(self, 'operator', ranges)


class SimulatedOperator:
    """Compares the executed action with the operator's own. While watching it gives no labels.

    Args:
        expert: The operator's own action, shape (A,), for an observation, shape (D,).
        config: When the operator takes over, and for how long.
    """

    def __init__(self, expert: Callable[[Array], Array], config: SimulatedOperatorConfig) -> None:
        self._expert, self._config = expert, config
        self.reset()

    def reset(self) -> None:
        """A new episode: the learner begins."""
        self._differences: list[float] = []
        self._driving = 0

    @property
    def drives(self) -> bool:
        """Whether the operator holds the switch and wants to drive the next step."""
        return self._driving > 0

    def see(self, observation: Array, executed: Array) -> None:
        """One step has been done: what was seen before it, and what was executed."""
        if self._driving:
            self._driving -= 1
            self._differences.clear()
            return
        wanted = self._expert(observation)
        self._differences.append(float(np.sqrt(np.mean((wanted - executed) ** 2))))
        recent = self._differences[-self._config.reaction :]
        if len(recent) == self._config.reaction and np.mean(recent) > self._config.worried:
            self._driving = self._config.least


class GymEpisodeEnv:
    """Episodes of a Gymnasium environment with flat observations and a box of actions.

    Args:
        env: The environment, with its time limit.
        expert: What the expert does, shape (A,), for an observation, shape (D,).
        person: Simulated operator with the enable switch; none if None.
        limit: What it means that an episode lasts until the time limit: `cut` says nothing,
            `success` is for tasks in which there is no goal but not to fail.
        period: Time of one step [s]; the environment's `dt` if None, and 1 s where it has none.

    Raises:
        IlRosError: If its spaces are others.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        expert: Callable[[Array], Array],
        *,
        person: SimulatedOperator | None = None,
        limit: Ending = 'cut',
        period: float | None = None,
    ) -> None:
        sees, does = env.observation_space, env.action_space
        box = gymnasium.spaces.Box
        if not (isinstance(sees, box) and isinstance(does, box) and len(sees.shape) == 1):
            raise IlRosError(
                f'{sees} and {does}',
                where='environment',
                allowed='one row of observations, and a box of actions',
                fix='wrap it in gymnasium.wrappers.FlattenObservation',
            )
        self.low, self.high = does.low.astype(np.float64), does.high.astype(np.float64)
        self.period = float(getattr(env.unwrapped, 'dt', 1.0)) if period is None else period
        self._env, self._expert, self._type = env, expert, does.dtype
        self._person, self._limit = person, limit

    def run(self, seed: int, source: ActionSource) -> EpisodeOutcome:
        """See `EpisodeEnv.run`; one has failed when it terminates without `is_success`."""
        observation, info = self._env.reset(seed=seed)
        if self._person is not None:
            self._person.reset()
        gain, over, cut = 0.0, False, False
        while not (over or cut):
            action = source(self._context(observation))
            if action is None:
                return EpisodeOutcome(ending='cut', gain=gain)
            if self._person is not None:
                self._person.see(observation, action)
            observation, reward, over, cut, info = self._env.step(action.astype(self._type))
            gain += float(reward)
        return EpisodeOutcome(ending=self._ending(over, bool(info.get('is_success'))), gain=gain)

    def _ending(self, over: bool, success: bool) -> Ending:
        if success:
            return 'success'
        return 'failure' if over else self._limit

    def _context(self, observation: Array) -> StepContext:
        return StepContext(
            observation=observation,
            ask=lambda: self._expert(observation),
            human=self._person is not None and self._person.drives,
        )
