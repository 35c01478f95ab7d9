"""``il_ros monitor evaluate``: measures how well calibrated scores detect failures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table

from il_ros.cli.evaluation_run import versions
from il_ros.cli.monitor_command import load_calibrated
from il_ros.cli.printing import Console
from il_ros.core.atomic_files import writable_folder, write_atomic
from il_ros.core.contract import load_contract
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.score_quality import Estimate, ScoreResult, table
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.policies.bundle import Bundle
from il_ros.rollouts.episode_cases import nominal_cases, perturbed_cases
from il_ros.rollouts.rollout import Rollout
from il_ros.rollouts.rollout_pool import EpisodeSetup, count_outcomes, run_cases
from il_ros.rollouts.rollout_scores import by_perturbation, result_of, score_rollouts, whole_monitor
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.tasks import make_task

TOGETHER = 'together'
MONITOR = 'whole monitor'


def evaluate(
    bundle: Path,
    contract: Path,
    perturbations: Path,
    out: Path,
    *,
    task: str = 'pick_place',
    episodes: int = 50,
    processes: int = 2,
) -> int:
    """Compare scores on nominal and disturbed episodes that only the hard checks can stop.

    Needs no ROS. Writes monitor.md, monitor.json and monitor.csv.

    Args:
        bundle: Calibrated bundle of a policy.
        contract: Contract file.
        perturbations: YAML file of named perturbations.
        out: Folder of the tables.
        task: Task of the simulator.
        episodes: Number of nominal episodes, and of disturbed ones.
        processes: Number of episodes simulated in parallel.
    """
    loaded, console = load_calibrated(bundle, load_contract(contract)), Console()
    cases = [
        *nominal_cases(episodes),
        *perturbed_cases(episodes, load_perturbations(perturbations)),
    ]
    setup = EpisodeSetup(contract=contract, task=task, bundle=bundle, safety_filter='limits')
    writable_folder(out)
    rollouts = list(
        track(
            run_cases(setup, cases, processes=processes),
            'policy, only watched',
            total=len(cases),
            console=console,
        )
    )
    results, kinds = judge(loaded, rollouts, limit=make_task(task).time_limit)
    _write(out, loaded, rollouts, results, kinds)
    _say(console, rollouts, results)
    return 0


def judge(
    bundle: Bundle, rollouts: Sequence[Rollout], *, limit: float
) -> tuple[dict[str, ScoreResult], dict[str, Mapping[str, Any]]]:
    """What each calibrated score, all together, and the whole monitor make of these rollouts.

    Args:
        bundle: A calibrated bundle.
        rollouts: Of its policy.
        limit: Time limit of the task [s].

    Returns:
        Results by name, and what the whole monitor noticed of each perturbation. Episodes that a
        hard check stopped are left to the whole monitor: they are none of the scores' doing.
    """
    calibration, score_inputs, config = bundle.calibration, bundle.score_inputs, MonitorConfig()
    assert calibration is not None
    assert score_inputs is not None
    bank, thresholds = calibration.bank, calibration.thresholds
    scored = score_rollouts(bank, score_inputs, rollouts)
    columns = range(len(bank.names))
    ratios = [one.ratios(thresholds, columns) for one in scored]
    free = [(one, ratio) for one, ratio in zip(scored, ratios, strict=True) if not one.gated]
    results = {
        name: result_of([one.trace(ratio[:, [k]]) for one, ratio in free], config)
        for k, name in enumerate(bank.names)
    }
    results[TOGETHER] = result_of([one.trace(ratio) for one, ratio in free], config)

    whole = [
        whole_monitor(one, ratio, longest=calibration.longest, limit=limit, config=config)
        for one, ratio in zip(scored, ratios, strict=True)
    ]
    results[MONITOR] = result_of(whole, config)
    return results, by_perturbation(scored, whole, config)


def _write(
    out: Path,
    bundle: Bundle,
    rollouts: Sequence[Rollout],
    results: Mapping[str, ScoreResult],
    kinds: Mapping[str, Mapping[str, Any]],
) -> None:
    assert bundle.threshold is not None
    rows = {name: result.row() for name, result in results.items()}
    facts = {
        'policy_id': bundle.policy_id,
        'bundle_identity': bundle.identity,
        'alpha': bundle.threshold.alpha,
        'episodes': count_outcomes(rollouts),
        'scores': rows,
        'perturbations': kinds,
        'versions': versions(),
    }
    write_atomic(out / 'monitor.json', json.dumps(facts, indent=1, allow_nan=False) + '\n')
    write_atomic(out / 'monitor.md', table(results))
    text = io.StringIO()
    names = ['score', *next(iter(rows.values()))]
    writer = csv.DictWriter(text, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows({'score': name, **row} for name, row in rows.items())
    write_atomic(out / 'monitor.csv', text.getvalue())


def _say(console: Console, rollouts: Sequence[Rollout], results: Mapping[str, ScoreResult]) -> None:
    counts = ', '.join(f'{count} {what}' for what, count in count_outcomes(rollouts).items())
    console.print(f'{len(rollouts)} episodes: {counts}')
    rows = Table('score', 'AUROC', 'detected', 'false alarms', 'balanced accuracy', 'time share')
    for name, result in results.items():
        good = result.true_negatives
        rows.add_row(
            name,
            _figure(result.auroc),
            _share(result.true_positives),
            _share(good and Rate(good.trials - good.successes, good.trials)),
            _figure(result.balanced_accuracy),
            _figure(result.detection_share),
        )
    console.print(rows)


def _figure(figure: Estimate | None) -> str:
    return '-' if figure is None else f'{figure.value:.3f}'


def _share(rate: Rate | None) -> str:
    return '-' if rate is None else f'{rate.successes}/{rate.trials}'
