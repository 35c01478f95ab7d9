"""A new policy in the place of the one in use: tried against it, and promoted only if it is better.

    plan.json       why it is trained, what it is to replace, how many rounds there will be
    old/, new/      the trials, on the same scenes for both: journals of an evaluation each
    decision.json   what was found, and whether the new policy takes the place

Each is written when it is known, so that a retraining goes on where it stopped. Nothing but a
better result promotes: where the exact McNemar test of the paired trials leaves open which policy
is the better one, the old one stays. A policy that is no better is so promoted with a probability
of at most half the test's level (0.025); one that leaves limits more often, or cannot be
calibrated, is not promoted at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from il_ros.calibration.calibrate import calibrate_bundle
from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import parse, read_json
from il_ros.core.errors import BundleError, IlRosError
from il_ros.datasets.dataset import Dataset
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.evaluation_journal import EvaluationJournal
from il_ros.evaluation.paired_evaluations import compare_evaluations, read_evaluation
from il_ros.evaluation.suites import draw_seeds
from il_ros.interactive.drift_test import DriftResult
from il_ros.interactive.round_journal import RoundJournal as Rounds
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.episode_cases import EpisodeCase, PlannedEpisode
from il_ros.rollouts.evaluator import Evaluator, remaining_episodes
from il_ros.sim.randomisation import NOTHING, Randomisation

SUITE = 'ood_unwatched'
"""How trials are run: under the hard checks alone, so that a high score ends no trial."""

TRIALS = 66
"""Episodes of each policy; enough to calibrate on what succeeds (docs/explanation/monitor.md)."""

PLAN, DECISION = 'plan.json', 'decision.json'


T = TypeVar('T')


@dataclass(frozen=True, kw_only=True)
class RetrainingPlan:
    """Why and how a policy is retrained.

    Attributes:
        old: Bundle of the policy in use.
        old_id: Its identity.
        rounds: Rounds after the demonstrations that the new one is to have been taught in.
        trials: Episodes of each policy; settled before any is seen.
        reason: Who wanted it: a confirmed drift, in words, or an operator.
        drift: The drift; None where an operator wanted it.
    """

    renamed: ClassVar[dict[str, str]] = {'shift': 'drift'}

    old: str
    old_id: str
    rounds: int
    trials: int
    reason: str
    drift: DriftResult | None = None


@dataclass(frozen=True, kw_only=True)
class PromotionDecision:
    """What became of it.

    Attributes:
        promoted: Whether the new policy takes the place of the old one.
        reason: Why, or why not.
        new: Bundle of the new policy.
        new_id: Its identity.
        trials: How both did on the same scenes, the old one as A; see
            `paired_evaluations.compare_suite`.
        violations: Limit violations of the old and of the new one in all trials.
        learned_from: Rounds, episodes, labels and bags.
    """

    promoted: bool
    reason: str
    new: str
    new_id: str
    trials: Mapping[str, Any]
    violations: tuple[int, int]
    learned_from: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Where two policies are held against one another.

    Attributes:
        runner: Runs episodes of the policy of a bundle.
        rollouts: Makes a dataset of trials that succeeded, to calibrate on.
        task: Name of the task.
        run: `graph` or `in process`.
        randomisation: What differs from episode to episode besides the scene.
    """

    runner: Callable[[Path], Evaluator]
    rollouts: Callable[[Path, Sequence[EpisodeResult]], Dataset]
    task: str
    run: str
    randomisation: Randomisation = NOTHING

    def plan(self, count: int) -> list[PlannedEpisode]:
        """So many episodes, on seeds that are kept for trials and calibration."""
        name = '' if self.randomisation == NOTHING else 'randomised'
        cases = (
            EpisodeCase(seed=seed, name=name, perturbations=tuple(self.randomisation.draw(seed)))
            for seed in draw_seeds('calibration', count)
        )
        return [PlannedEpisode(suite=SUITE, case=case) for case in cases]


class Retraining:
    """One retraining in a folder of its own.

    Args:
        folder: Where it is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def plan(self) -> RetrainingPlan | None:
        """Why and how; None before `begin`."""
        return _read(self.folder / PLAN, RetrainingPlan)

    @property
    def decision(self) -> PromotionDecision | None:
        """What became of it; None before the end."""
        return _read(self.folder / DECISION, PromotionDecision)

    def begin(self, plan: RetrainingPlan) -> RetrainingPlan:
        """Write down why and how, unless that has been done; gives what is there.

        Raises:
            IlRosError: If it was begun against another policy.
        """
        found = self.plan
        if found is None:
            write_atomic(self.folder / PLAN, _dump(plan))
        elif found.old_id != plan.old_id:
            raise IlRosError(
                f'begun against the policy {found.old_id}, not {plan.old_id}',
                where=str(self.folder / PLAN),
                fix='finish it with that policy in use, or remove the folder',
            )
        return found or plan

    def judge(
        self, new: Path, trials: Trials, learned_from: Mapping[str, Any]
    ) -> PromotionDecision:
        """Try both policies, decide, and write the decision down.

        Args:
            new: Bundle of the new policy; it is calibrated if it is to be promoted.
            trials: Where.
            learned_from: Rounds, episodes, labels and bags, for the record.

        Raises:
            IlRosError: If there is no plan, or an episode cannot be run.
        """
        plan = self.plan
        if plan is None:
            raise IlRosError('not begun', where=str(self.folder / PLAN))
        if load_bundle(plan.old).policy_id != plan.old_id:
            raise IlRosError(
                f'{plan.old} is no longer the policy {plan.old_id}',
                where=str(self.folder / PLAN),
                fix='put that bundle back, or remove this folder',
            )
        tried = [
            self._try(name, bundle, trials, plan.trials)
            for name, bundle in (('old', Path(plan.old)), ('new', new))
        ]
        compared = compare_evaluations(
            *(read_evaluation(self.folder / name) for name in ('old', 'new')), suites=[SUITE]
        )['suites'][SUITE]
        old, now = (sum(one.violated for one in results) for results in tried)
        promoted, reason = _verdict(compared, (old, now))
        if promoted:
            try:
                good = [one for one in tried[1] if one.success]
                calibrate_bundle(new, trials.rollouts(new, good), where=str(self.folder / 'new'))
            except (BundleError, CalibrationError) as problem:
                promoted, reason = False, f'better, but it cannot be watched: {problem}'
        decision = PromotionDecision(
            promoted=promoted,
            reason=reason,
            new=str(new.absolute()),
            new_id=load_bundle(new).policy_id,
            trials=compared,
            violations=(old, now),
            learned_from=learned_from,
        )
        write_atomic(self.folder / DECISION, _dump(decision))
        return decision

    def _try(self, name: str, bundle: Path, trials: Trials, count: int) -> list[EpisodeResult]:
        loaded = load_bundle(bundle)
        identity = {
            'policy': loaded.policy_id,
            'contract': loaded.contract.hash[:16],
            'task': trials.task,
            'run': trials.run,
            'perturbations.randomised': trials.randomisation.hash,
        }
        with EvaluationJournal(self.folder / name, identity) as journal:
            left = remaining_episodes(trials.plan(count), journal, trials.task)
            if left:
                with closing(trials.runner(bundle).run(left)) as episodes:
                    for episode in episodes:
                        journal.add(episode)
            return journal.episodes


def _verdict(compared: Mapping[str, Any], violations: tuple[int, int]) -> tuple[bool, str]:
    """Whether the new policy is promoted, and why."""
    told = (
        f'{100 * compared["rate_a"]:.0f} % before, {100 * compared["rate_b"]:.0f} % now, in '
        f'{compared["pairs"]} paired trials (p = {compared["p_value"]:.2g})'
    )
    if compared['verdict'] == 'worse':
        return False, f'worse: {told}'
    if compared['verdict'] == 'open':
        return False, f'not shown to be better: {told}'
    old, new = violations
    if new > old:
        return False, f'better, but it leaves limits more often ({new} times, before {old}): {told}'
    return True, f'better: {told}'


def learned_from(rounds: Rounds) -> dict[str, Any]:
    """What a policy was taught by, for the record: rounds, episodes, labels, bags."""
    episodes = [steps for number in range(rounds.finished) for steps in rounds.episodes(number)]
    return {
        'rounds': rounds.finished,
        'episodes': len(episodes),
        'labels': sum(int(steps.asked.sum()) for steps in episodes),
        'bags': [str(bag) for bag in rounds.bags()],
    }


def retrainings(folder: Path) -> list[Retraining]:
    """All in a folder, in order; the last may not be decided yet."""
    number = '[0-9]' * 3
    return [Retraining(path.parent) for path in sorted(folder.glob(f'retraining_{number}/{PLAN}'))]


def promoted(folder: Path) -> Path | None:
    """Bundle of the policy that was promoted last, of the retrainings in a folder."""
    decisions = [one.decision for one in retrainings(folder)]
    bundles = [Path(one.new) for one in decisions if one is not None and one.promoted]
    return bundles[-1] if bundles else None


def newest(folder: Path) -> Retraining:
    """The one that is to go on, or else a new one."""
    known = retrainings(folder)
    if known and known[-1].decision is None:
        return known[-1]
    number = int(known[-1].folder.name[-3:]) + 1 if known else 0
    return Retraining(folder / f'retraining_{number:03d}')


def _dump(record: RetrainingPlan | PromotionDecision) -> str:
    return json.dumps(asdict(record), indent=1, allow_nan=False) + '\n'


def _read(path: Path, kind: type[T]) -> T | None:
    return parse(kind, read_json(path), where=path.name) if path.exists() else None
