"""One retraining over a graph, from the first round to the decision, in a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from il_ros.action import TeachPolicy
from il_ros.algorithms.bc import BcConfig
from il_ros.algorithms.transitions import POLICY, Transitions, join
from il_ros.core.config import override
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError, require
from il_ros.evaluation.coaching_report import CoachedRound
from il_ros.evaluation.intervals import Rate
from il_ros.interactive.arm_rounds import ArmRounds, DaggerRun
from il_ros.interactive.chunk_learner import TRAINING
from il_ros.interactive.drift_test import DriftConfig, DriftResult
from il_ros.interactive.retraining import TRIALS, RetrainingPlan, learned_from, newest, promoted
from il_ros.interactive.round_journal import RoundJournal
from il_ros.policies.bundle import load_bundle
from il_ros.ros.graph_client import GraphClient
from il_ros.ros.graph_episode_env import DEVICE, graph_episode_env, graph_trials
from il_ros.ros.node_parameters import setting
from il_ros.ros.output_folder import output_folder
from il_ros.sim.randomisation import NOTHING, load_randomisation

_MOVES = ('policy', 'expert', 'fallback')


@dataclass(frozen=True, kw_only=True)
class CoachNodeConfig:
    """Parameters of the coach node."""

    renamed: ClassVar[dict[str, str]] = {'on_shift': 'on_drift'}

    contract: str = setting('', 'Contract file.')
    task: str = setting('', 'Task of the simulator; its expert has the same name.')
    directory: str = setting(
        output_folder('coach'), 'Folder of rounds, bundles, trials and decisions.'
    )
    bundle: str = setting(
        '', 'Bundle in use, until the coach has promoted another; empty where there is none yet.'
    )
    settings: tuple[str, ...] = setting(
        ('',),
        "Of the rounds, as name=value: rule=lazy_dagger, episodes=5, training.epochs=200; 'il_ros "
        "dagger --help' names all.",
    )
    further: int = setting(2, 'Rounds of a retraining.', low=1, high=1000)
    trials: int = setting(TRIALS, 'Episodes of each policy in its trials.', low=1, high=10_000)
    randomisation: str = setting(
        '',
        'YAML file of what differs from episode to episode besides the scene; empty for nothing.',
    )
    window: int = setting(
        DriftConfig.window, 'Last runs that a drift is looked for in.', low=1, high=10_000
    )
    level: float = setting(
        DriftConfig.level, 'Largest p-value at which it is confirmed.', low=1e-12, high=0.5
    )
    on_drift: str = setting(
        'propose',
        "What a confirmed drift leads to: 'watch' reports it, 'propose' recommends a retraining, "
        "'start' begins one when the monitor has been idle for 5 s.",
    )


@dataclass(frozen=True, kw_only=True)
class CoachProgress:
    """How far it is, in one piece: a thread writes it and another one reads it.

    Attributes:
        judging: Whether the rounds are over and the trials run.
        rounds: How many rounds there will be.
        round: The last one of which an episode is known.
        steps: Its episodes.
        success: Of the last policy that was evaluated.
        period: Time of a step [s].
    """

    judging: bool = False
    rounds: int = 0
    round: int = 0
    steps: tuple[Transitions, ...] = ()
    success: Rate | None = None
    period: float = 1.0

    def after(self, steps: Transitions) -> CoachProgress:
        """The same after one more episode."""
        round_ = int(steps.round[0])
        before = self.steps if round_ == self.round else ()
        return replace(self, round=round_, steps=(*before, steps))

    @property
    def numbers(self) -> dict[str, int | float]:
        """Fields of `CoachStatus` about the round."""
        joined = join(self.steps) if self.steps else None
        takeovers = int(joined.takeovers.sum()) if joined else 0
        minutes = len(joined) * self.period / 60.0 if joined else 0.0
        rate = self.success
        nothing = float('nan')
        return {
            'round': self.round,
            'rounds': self.rounds,
            'episodes': len(self.steps),
            'labels': int(joined.asked.sum()) if joined else 0,
            'takeovers': takeovers,
            'takeovers_per_minute': takeovers / minutes if minutes else 0.0,
            'autonomy': float((joined.source == POLICY).mean()) if joined else 0.0,
            'success_rate': rate.rate if rate else nothing,
            'success_rate_low': rate.low if rate else nothing,
            'success_rate_high': rate.high if rate else nothing,
        }


class GraphTeaching:
    """Teaches, evaluates and promotes; an unfinished retraining is resumed.

    Args:
        contract: What the topics mean.
        config: The node's parameters.
        namespace: Of the graph.
        stop: Set to break off; the same goes on when it is run again.

    Attributes:
        told: How far it is.

    Raises:
        IlRosError: If a setting makes no sense.
    """

    def __init__(
        self,
        contract: Contract,
        config: CoachNodeConfig,
        namespace: str,
        stop: threading.Event,
    ) -> None:
        self._contract, self._config, self._namespace = contract, config, namespace
        self._folder = Path(config.directory)
        self._run, self._training = chosen(config.settings)
        self._ranges = (
            load_randomisation(Path(config.randomisation)) if config.randomisation else NOTHING
        )
        self._stop = stop
        self.told = CoachProgress(period=contract.period)
        self._rounds(1, self._folder)  # says now what is wrong with the settings

    @property
    def in_use(self) -> Path | None:
        """Bundle of the policy in use: the one that was promoted last, or else the one given."""
        given = Path(self._config.bundle) if self._config.bundle else None
        return promoted(self._folder) or given

    @property
    def unfinished(self) -> str:
        """Why something was begun and not finished; empty if nothing was."""
        plan = newest(self._folder).plan
        return plan.reason if plan else ''

    def ready(self) -> None:
        """Forget how far it came before; before `run`."""
        self.told = CoachProgress(period=self._contract.period)

    def run(self, rounds: int, drift: DriftResult | None, mode: str) -> TeachPolicy.Result:
        """Teach, evaluate and decide.

        Args:
            rounds: Rounds after the demonstrations, those that are done included; 0 for as many
                as the parameters say.
            drift: What is the reason; None for a request.
            mode: The monitor's mode as it was reported last; empty if none was.

        Raises:
            IlRosError: If the graph is not free, a node does not answer, or it was stopped.
        """
        rules = topic_rules(sys.argv)
        with GraphClient(self._contract, namespace=self._namespace, alone=rules) as client:
            client.cancelled = self._stop.is_set
            client.require_wanted()
            require_free(client, mode)
            try:
                done = self._taught(client, rounds, drift)
            except IlRosError as problem:
                done = TeachPolicy.Result(message=str(problem))
            self._load_in_use(client, done)
        return done

    def _taught(
        self, client: GraphClient, rounds: int, drift: DriftResult | None
    ) -> TeachPolicy.Result:
        """Teach, and compare the new policy with the one in use, if there is one."""
        old = self.in_use
        with self._rounds(1, self._folder).journal('graph') as journal:
            if old is None:
                bundle = self._teach(client, journal, rounds or self._run.rounds, self._folder)
                return TeachPolicy.Result(
                    message='taught; there was no policy in use to hold it against',
                    bundle=str(bundle),
                    success=True,
                )
            retraining = newest(self._folder)
            plan = retraining.begin(self._plan(old, rounds, drift))
            bundle = self._teach(client, journal, plan.rounds, retraining.folder)
            self.told = replace(self.told, judging=True)
            trials = graph_trials(
                client, self._config.task, retraining.folder / 'rollouts', self._ranges
            )
            decision = retraining.judge(bundle, trials, learned_from(journal))
        return TeachPolicy.Result(
            message=decision.reason, bundle=str(bundle), promoted=decision.promoted, success=True
        )

    def _load_in_use(self, client: GraphClient, done: TeachPolicy.Result) -> None:
        """Load the policy in use, whatever was tried; what goes wrong is added to the result."""
        in_use = self.in_use
        if in_use is None:
            return
        policy_id = load_bundle(in_use).policy_id
        try:
            loaded = client.load(in_use)
            problem = '' if loaded == policy_id else f'the policy node has loaded {loaded}'
        except IlRosError as error:
            problem = str(error)
        if problem:
            done.success = False
            done.message += f'; but the policy in use, {in_use}, is not loaded: {problem}'

    def _plan(self, old: Path, rounds: int, drift: DriftResult | None) -> RetrainingPlan:
        # Rounds after the demonstrations that are over.
        done = max(0, len(list(self._folder.glob('round_*/result.json'))) - 1)
        enough = not rounds or rounds >= done
        require(enough, rounds, 'rounds', f'{done}, which are done, or more')
        return RetrainingPlan(
            old=str(old.resolve()),
            old_id=load_bundle(old, self._contract).policy_id,
            rounds=rounds or done + self._config.further,
            trials=self._config.trials,
            reason=str(drift) if drift else 'requested',
            drift=drift,
        )

    def _teach(self, client: GraphClient, journal: RoundJournal, count: int, folder: Path) -> Path:
        """Run the missing rounds; gives the bundle in `folder`."""
        rounds = self._rounds(count, folder)
        self.told = replace(self.told, rounds=count)
        with graph_episode_env(
            client,
            self._contract,
            horizon=self._training.policy.horizon,
            noise=self._run.noise,
            randomisation=self._ranges,
        ) as place:
            found = rounds.teach(
                place, journal, live=place, on_round=self._on_round, on_episode=self._on_episode
            )
        goal = f'coach/teach il_ros/action/TeachPolicy "{{rounds: {count}}}"'
        rounds.report(found, f'ros2 action send_goal {goal}')
        return rounds.bundle

    def _rounds(self, count: int, folder: Path) -> ArmRounds:
        made = ArmRounds(
            self._contract,
            self._config.task,
            self._folder,
            replace(self._run, rounds=count),
            self._training,
            randomisation=self._ranges,
            cancelled=self._stop.is_set,
        )
        made.bundle = folder / 'bundle'
        return made

    def _on_round(self, one: CoachedRound) -> None:
        self.told = replace(self.told, round=one.round, success=one.success or self.told.success)

    def _on_episode(self, steps: Transitions) -> None:
        self.told = self.told.after(steps)


def chosen(settings: Sequence[str]) -> tuple[DaggerRun, BcConfig]:
    """Rounds and training of settings as name=value.

    Raises:
        IlRosError: If one is none.
    """
    given, prefix = [text for text in settings if text], 'training.'
    training = [text.removeprefix(prefix) for text in given if text.startswith(prefix)]
    others = [text for text in given if not text.startswith(prefix)]
    return override(DaggerRun(), others), override(TRAINING, training)


def require_free(client: GraphClient, mode: str) -> None:
    """Check that the arm is not driven and no alarm stands, except what a dead coach has left.

    Args:
        client: Talks to the graph.
        mode: What the monitor has said last; empty where nothing was heard of it.

    Raises:
        IlRosError: If somebody drives, or the monitor does not agree to being idle.
    """
    if client.parameter('monitor', 'takeover_from') == DEVICE:
        return
    if mode in _MOVES:
        raise IlRosError(
            f'the monitor is in mode {mode}',
            where='monitor',
            allowed='idle or hold',
            fix='bring the arm to rest first',
        )
    # Refused while the arm moves, and where an alarm stands, which is not the coach's to resume.
    client.set_mode('idle')


def topic_rules(argv: Sequence[str]) -> list[str]:
    """Remappings among a node's arguments, but for those of its name and namespace."""
    rules = [
        text
        for flag, text in pairwise(argv)
        if flag in ('-r', '--remap') and not text.split(':=')[0].startswith('__')
    ]
    return ['--ros-args', *(word for rule in rules for word in ('-r', rule))] if rules else []
