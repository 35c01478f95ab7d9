"""One policy of the study: made, rolled out, and looked at by every score; resumable by files."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.rollout_files import load_rollouts, save_rollouts
from benchmarks.rows import ROOT
from benchmarks.score_comparison import Comparison
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.calibration.fit_scores import DEFAULT_CHANNELS, fit_bank
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds
from il_ros.monitors.calibrated_scores import WINDOW, Calibration, FittedScores
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_bank import Spec
from il_ros.monitors.scores.score import SCORES
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.policies.score_inputs import ScoreInputs
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.rollouts.drivers import PolicyDriver
from il_ros.rollouts.episode_cases import (
    EpisodeCase,
    nominal_cases,
    perturbed_cases,
)
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import limits_monitor, scores_monitor
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_scores import score_rollouts
from il_ros.rollouts.safety_filters import NoFilter, SafetyFilter
from il_ros.sim.perturbations import load_perturbations

VARYING = True  # whether the thresholds of the deployed monitor follow the episode
EMBEDDED = ('mahalanobis', 'clustered_mahalanobis', 'knn', 'rnd')  # on the embedding, too
_ALL: tuple[Spec, ...] = (
    *((kind, kind, 'observation') for kind in SCORES),
    *((f'{kind}_embedding', kind, 'embedding') for kind in EMBEDDED),
    *DEFAULT_CHANNELS,
)
CHANNELS: tuple[Spec, ...] = tuple({spec[0]: spec for spec in _ALL}.values())


@dataclass(frozen=True, kw_only=True)
class StudySizes:
    """How much of everything.

    Attributes:
        task: Name of the task.
        seeds: Of the policies; 0 to 4 chose the default scores.
        alpha: Largest rate of nominal episodes with a false alarm.
        ticks: That the cost of the scores is measured on.
        demonstrations: Episodes of the expert.
        calibration: Successful undisturbed rollouts that thresholds are of.
        nominal: Undisturbed rollouts that are judged.
        perturbed: Disturbed rollouts that are judged.
        training: How the policy is trained.
        complete: Whether every figure is required; few rollouts may hold no failure.
    """

    task: str = 'pick_place'
    seeds: tuple[int, ...] = (5, 6, 7, 8, 9)
    alpha: float = 0.05
    ticks: int = 5000
    demonstrations: int = 120
    calibration: int = 60
    nominal: int = 50
    perturbed: int = 165
    training: BcConfig = field(default_factory=BcConfig)
    complete: bool = True


SMOKE = StudySizes(
    task='reach', seeds=(5,), alpha=0.4, ticks=100, demonstrations=10, calibration=12, nominal=2,
    perturbed=4, training=BcConfig(epochs=150, batch_size=64), complete=False,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What one policy's study found.

    Attributes:
        seed: Of the policy.
        scores: Every score, fitted.
        comparison: Every score that can be told on its rollouts.
        left_out: Why scores are not among them, by name.
        violations_guarded: Limit violations of all kinds with the monitor, by perturbation.
        violations_raw: The same without any safety filter.
        successes: Share of the undisturbed rollouts that succeeded.
    """

    seed: int
    scores: FittedScores
    comparison: Comparison
    left_out: dict[str, str]
    violations_guarded: Mapping[str, int]
    violations_raw: Mapping[str, int]
    successes: float


class Study:
    """One policy and its rollouts in one folder.

    Args:
        seed: Of the policy; it has demonstrations and scenes of its own, too.
        folder: Where everything is kept.
        sizes: How much of everything.
    """

    def __init__(self, seed: int, folder: Path, sizes: StudySizes) -> None:
        self.task, self.seed, self.folder, self.sizes = sizes.task, seed, folder, sizes
        task = sizes.task
        self.contract = load_contract(ROOT / f'config/contracts/franka_{task}.yaml')
        name = 'monitor' if task == 'pick_place' else task
        self._perturbations = load_perturbations(ROOT / f'config/suites/{name}.yaml')
        self._begin = time.perf_counter()

    def run(self) -> Found:
        """All of it; what is in the folder already is not made again."""
        bundle = self.bundle()
        calibration = self._kept('calibration', lambda: self._calibrating(bundle))
        test = self._kept('test', lambda: self._rollouts(bundle, self._limits(bundle), self._test))
        raw = self._kept('raw', lambda: self._rollouts(bundle, NoFilter(), self._perturbed))
        scores = self._scores(bundle)
        self._say(f'{len(scores.channels)} scores fitted')
        comparison, left_out = self._compare(bundle, scores, calibration, test)
        self._say(f'{len(calibration) + len(test)} rollouts scored')
        safety_filter = self._monitor(bundle, scores, comparison)
        guarded = self._rollouts(bundle, safety_filter, self._perturbed)
        self._say('disturbed rollouts with the monitor')
        return Found(
            seed=self.seed,
            scores=scores,
            comparison=comparison,
            left_out=left_out,
            violations_guarded=_violations(guarded),
            violations_raw=_violations(raw),
            successes=sum(r.success for r in test[: self.sizes.nominal]) / self.sizes.nominal,
        )

    def bundle(self) -> Bundle:
        """The policy, trained as `il_ros train bc` does."""
        path, data = self.folder / 'bundle', self.folder / 'dataset'
        if not path.exists():
            count = self.sizes.demonstrations
            seeds = draw_seeds('demonstrations', count, self.seed * count)
            shutil.rmtree(data, ignore_errors=True)
            save_dataset(demonstrate(self.contract, self.task, seeds), data)
            self._say(f'{count} demonstrations')
            train_bundle(data, path, BcConfig(**{**vars(self.sizes.training), 'seed': self.seed}))
            self._say('policy trained')
        return load_bundle(path, self.contract)

    def _scores(self, bundle: Bundle) -> FittedScores:
        """Every score, fitted to what the policy was trained on."""
        data = load_dataset(self.folder / 'dataset', self.contract)
        ids = set(bundle.training.episodes)
        episodes = [i for i, entry in enumerate(data.episodes) if entry.id in ids]
        return fit_bank(bundle.policy, data, episodes, CHANNELS, seed=self.seed)

    def _compare(
        self,
        bundle: Bundle,
        scores: FittedScores,
        calibration: Sequence[Rollout],
        test: Sequence[Rollout],
    ) -> tuple[Comparison, dict[str, str]]:
        bank, score_inputs = scores.bank(WINDOW), ScoreInputs.of_scores(bundle.policy, scores)
        comparison = Comparison(
            names=bank.names,
            calibration=score_rollouts(bank, score_inputs, calibration),
            test=score_rollouts(bank, score_inputs, test),
            alpha=self.sizes.alpha,
            varying=VARYING,
        )
        left_out = {}
        for name in bank.names:
            try:
                comparison.thresholds(name)
            except CalibrationError as problem:
                left_out[name] = str(problem)
        return comparison, left_out

    def _monitor(
        self, bundle: Bundle, scores: FittedScores, comparison: Comparison
    ) -> SafetyFilter:
        """The monitor as it is deployed, with the default scores."""
        names = [name for name, _, _ in DEFAULT_CHANNELS]
        chosen = tuple(channel for channel in scores.channels if channel.name in names)
        scores = replace(scores, channels=chosen)
        bank = scores.bank(WINDOW)
        calibration = Calibration(
            bank=bank,
            thresholds=comparison.thresholds(*bank.names),
            longest=comparison.longest,
            policy_id=bundle.policy_id,
        )
        return scores_monitor(bundle.policy, scores, calibration, MonitorConfig())

    def _limits(self, bundle: Bundle) -> SafetyFilter:
        return limits_monitor(self.contract, 'policy', policy_id=bundle.policy_id)

    @property
    def _test(self) -> list[EpisodeCase]:
        nominal = self.sizes.nominal
        return [*nominal_cases(nominal, self.seed * nominal), *self._perturbed]

    @property
    def _perturbed(self) -> list[EpisodeCase]:
        count = self.sizes.perturbed
        return perturbed_cases(count, self._perturbations, self.seed * count)

    def _calibrating(self, bundle: Bundle) -> list[Rollout]:
        """Undisturbed rollouts until as many as are wanted have succeeded."""
        wanted, found = self.sizes.calibration, list[Rollout]()
        runner = self._runner(bundle, self._limits(bundle))
        seeds = draw_seeds('calibration', 4 * wanted, self.seed * 4 * wanted)
        for seed in seeds:
            found.append(runner.run(seed))
            if sum(rollout.success for rollout in found) == wanted:
                return found
        raise IlRosError(
            f'of {len(found)} rollouts not {wanted} succeeded',
            where=f'{self.task}, policy {self.seed}',
            fix='give the policy more demonstrations',
        )

    def _rollouts(
        self, bundle: Bundle, safety_filter: SafetyFilter, cases: Sequence[EpisodeCase]
    ) -> list[Rollout]:
        runner = self._runner(bundle, safety_filter)
        return [runner.run(c.seed, c.perturbations, name=c.name) for c in cases]

    def _runner(self, bundle: Bundle, safety_filter: SafetyFilter) -> EpisodeRunner:
        driver = PolicyDriver(bundle.policy, bundle.policy_id)
        return EpisodeRunner(self.contract, self.task, driver, safety_filter)

    def _kept(self, name: str, make: Callable[[], list[Rollout]]) -> list[Rollout]:
        path = self.folder / f'{name}.npz'
        if not path.exists():
            save_rollouts(path, make())
            self._say(f'{name} rollouts')
        return load_rollouts(path)

    def _say(self, what: str) -> None:
        seconds = time.perf_counter() - self._begin
        print(f'{self.task}, policy {self.seed}: {what} after {seconds:.0f} s', flush=True)


def _violations(rollouts: Sequence[Rollout]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for rollout in rollouts:
        counts[rollout.perturbation] += rollout.violated
    return dict(counts)
