"""``il_ros evaluate``: how good a policy is, on the running graph, with intervals."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

import il_ros
from il_ros.cli.session import graph
from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.evaluation.episodes import EpisodeResult, write_episodes
from il_ros.evaluation.metrics import summarise
from il_ros.evaluation.report import write_report
from il_ros.evaluation.suites import SUITES, Suite, nominal_seeds, ood_cases
from il_ros.sim.perturbations import Perturbation

if TYPE_CHECKING:
    from il_ros.ros.graph import Episode, Graph

Perturbations = Mapping[str, tuple[Perturbation, ...]]
Case = tuple[int, str]
FLOOR = 20


def evaluate(
    bundle: Path,
    contract: Path,
    perturbations: Path,
    out: Path,
    *,
    episodes: int = 50,
    floor: int = FLOOR,
    suites: tuple[str, ...] = tuple(SUITES),
    heuristic: str = 'straight',
    task: str = 'pick_place',
    start: bool = False,
    namespace: str = '/',
) -> int:
    """Drive seeded episodes through a graph in lock-step and write report.json and report.html.

    Args:
        bundle: Bundle of the policy.
        contract: Contract file.
        perturbations: YAML file of the named perturbations of the ood suites.
        out: Folder of the report.
        episodes: How many a suite.
        suites: Which of nominal, expert, heuristic, ood_unwatched, ood.
        floor: How many of the heuristic's, which fails slowly.
        heuristic: Which simple rule is the floor: hold or straight.
        task: Name of the simulator's task.
        start: Start a graph in lock-step here, instead of using the one that runs.
        namespace: Namespace of the running graph.
    """
    console = Console()
    cases = load_perturbations(perturbations)
    with graph(
        load_contract(contract),
        start=start,
        namespace=namespace,
        contract=str(contract.resolve()),
        task=task,
    ) as client:
        evaluation = Evaluation(client, task, cases, heuristic, console)
        results = evaluation.run(bundle, suites, episodes, floor)
    command = (
        f'il_ros evaluate --bundle {bundle} --contract {contract} --perturbations {perturbations} '
        f'--out {out} --episodes {episodes} --task {task} --start'
    )
    summary = write(results, out, command=command)
    console.print(f'{summary["headline"]}\nreport: {out / "report.html"}')
    return 0


def load_perturbations(path: Path) -> dict[str, tuple[Perturbation, ...]]:
    """Read the named perturbations of a suite.

    Raises:
        IlRosError: With the dotted path of what is wrong.
    """
    data = read_yaml(path)
    if not isinstance(data, Mapping) or not all(isinstance(item, list) for item in data.values()):
        raise IlRosError('not a mapping of names to lists', where=path.name)
    return {
        str(name): tuple(
            parse(Perturbation, item, where=f'{path.name}.{name}[{i}]')
            for i, item in enumerate(items)
        )
        for name, items in data.items()
    }


class Evaluation:
    """Runs suites on one graph, one episode after the other."""

    def __init__(
        self,
        client: Graph,
        task: str,
        perturbations: Perturbations,
        heuristic: str,
        console: Console,
    ) -> None:
        self._client, self._task = client, task
        self._perturbations, self._heuristic = perturbations, heuristic
        self._console = console

    def run(
        self, bundle: Path, names: Sequence[str], episodes: int, floor: int = FLOOR
    ) -> list[EpisodeResult]:
        """Run the suites of these names with the policy of `bundle`."""
        unknown = [name for name in names if name not in SUITES]
        if unknown:
            raise IlRosError(f'unknown suite {", ".join(unknown)}', allowed=SUITES)
        self._client.load(bundle)
        results: list[EpisodeResult] = []
        for name in names:
            count = min(floor, episodes) if name == 'heuristic' else episodes
            results += self._suite(name, SUITES[name], count)
        return results

    def _suite(self, name: str, suite: Suite, episodes: int) -> list[EpisodeResult]:
        client, policy = self._client, suite.controller == 'policy'
        if not policy:
            expert = self._heuristic if suite.controller == 'heuristic' else self._task
            client.set_parameters('expert', expert=expert)
        mode = 'policy' if policy else 'expert'
        cases = self._cases(suite, episodes)
        with client.watching(novelty=suite.watched):
            return [
                self._result(
                    name,
                    client.episode(seed, mode, self._perturbations.get(disturbed, ())),
                    disturbed,
                )
                for seed, disturbed in track(
                    cases, f'evaluating: {suite.title}', console=self._console
                )
            ]

    def _cases(self, suite: Suite, episodes: int) -> Sequence[Case]:
        if suite.seeds == 'ood':
            return ood_cases(episodes, tuple(self._perturbations))
        return [(seed, '') for seed in nominal_seeds(episodes)]

    def _result(self, suite: str, episode: Episode, disturbed: str) -> EpisodeResult:
        state, trace = episode.state, episode.trace
        times = sorted({*trace.joints, *trace.scores})
        size = len(next(iter(trace.joints.values()), ()))
        nothing = np.full(size, np.nan)
        return EpisodeResult(
            suite=suite,
            task=self._task,
            seed=episode.seed,
            success=state.success,
            duration=state.elapsed,
            progress=state.progress,
            violations=episode.violations,
            fallback=trace.alarm is not None,
            fallback_time=trace.alarm,
            reason=trace.reason or ('goal reached' if state.success else 'time limit of the task'),
            perturbations=(disturbed,) if disturbed else (),
            times=np.array(times),
            scores=np.array([trace.scores.get(time, np.nan) for time in times]),
            threshold=1.0 if trace.scores else None,
            joints=np.array([trace.joints.get(time, nothing) for time in times]).reshape(-1, size),
            bag=episode.bag,
        )


def write(results: list[EpisodeResult], out: Path, *, command: str) -> dict[str, object]:
    """Summarise and write the report; gives the summary."""
    summary = summarise(
        results,
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec='seconds'),
    )
    write_episodes(out / 'episodes.jsonl', results)
    write_report(out, summary, results, command=command)
    return summary


def versions() -> dict[str, str]:
    """Versions of what an evaluation depends on."""
    found = {'il_ros': il_ros.__version__, 'python': platform.python_version()}
    for name in ('rclpy', 'mujoco', 'torch', 'numpy', 'ruckig'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
