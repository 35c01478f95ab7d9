"""Which scores notice failures, how early, at what cost; and what the monitor prevents."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks import faults, monitor_study
from benchmarks.monitor_study import Found, Study, StudySizes
from benchmarks.monitor_tables import DEFAULT, TOGETHER, Costs, Results, singles, write
from benchmarks.rollout_files import load_rollouts
from benchmarks.rows import RUNS, Row
from il_ros.core.errors import IlRosError
from il_ros.monitors.calibrated_scores import WINDOW, Calibration
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_watch import ScoreWatch
from il_ros.policies.score_inputs import ScoreInputs
from il_ros.policies.threads import one_thread
from il_ros.rollouts.rollout_scores import score_inputs_of

PROCESSES = 2


@dataclass(frozen=True, kw_only=True)
class MonitorSizes:
    """How much of everything: of the study of the scores, and of the faults."""

    study: StudySizes = field(default_factory=StudySizes)
    faults: faults.FaultSizes = faults.FULL


FULL = MonitorSizes()
SMOKE = MonitorSizes(study=monitor_study.SMOKE, faults=faults.SMOKE)


def run(sizes: MonitorSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """The study of the scores on several policies, and the faults that were injected."""
    yield from study(sizes.study, runs)
    yield from faults.run(sizes.faults, runs)


def study(sizes: StudySizes, runs: Path = RUNS) -> Iterator[Row]:
    """Every score on the rollouts of every policy; tables go to the folder of the study.

    What the folder holds of an earlier run is used again: remove it after a change of contract,
    simulator or hard checks.
    """
    begin, folder = time.perf_counter(), runs / 'monitor_study' / sizes.task
    jobs = [(seed, folder / f'policy_{seed}', sizes) for seed in sizes.seeds]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(PROCESSES, len(jobs)), context, one_thread) as pool:
        found = list(pool.map(_one, jobs))
    costs = _costs(Study(*jobs[0]), found[0])
    results = write(folder, sizes, found, costs)
    print(f'{sizes.task}: {time.perf_counter() - begin:.0f} s; tables in {folder}', flush=True)
    yield from _rows(found, results, costs, sizes)


def _one(job: tuple[int, Path, StudySizes]) -> Found:
    return Study(*job).run()


def _costs(study: Study, found: Found) -> Costs:
    """Median and 99th percentile of a tick's cost [us]: each score, and the default ones together.

    That is the watch's whole part of a tick but for the making of its input: scores, averages,
    thresholds, trigger and warning, on the frames of real rollouts in order.
    """
    bundle, costs = study.bundle(), {}
    fitted, rollouts = found.scores, load_rollouts(study.folder / 'test.npz')
    for names in [*((name,) for name in singles([found])), DEFAULT]:
        scores = replace(fitted, channels=tuple(c for c in fitted.channels if c.name in names))
        bank = scores.bank(WINDOW)
        calibration = Calibration(
            bank=bank,
            thresholds=found.comparison.thresholds(*bank.names),
            longest=found.comparison.longest,
            policy_id=bundle.policy_id,
        )
        score_inputs = ScoreInputs.of_scores(bundle.policy, scores)
        taken: list[float] = []
        for rollout in rollouts:
            watch = ScoreWatch(calibration, MonitorConfig())  # an episode begins anew
            for score_input in score_inputs_of(score_inputs, rollout):
                start = time.perf_counter()
                watch.read(score_input, driving=True)
                taken.append(time.perf_counter() - start)
            if len(taken) > study.sizes.ticks:
                break
        p50, p99 = np.percentile(taken, [50, 99]) * 1e6
        costs[' + '.join(names)] = (float(p50), float(p99))
    return costs


def _rows(
    found: Sequence[Found], results: Results, costs: Costs, sizes: StudySizes
) -> Iterator[Row]:
    together = results[TOGETHER]
    accuracies = {
        name: result.balanced_accuracy.value
        for name, result in results.items()
        if name != TOGETHER and result.balanced_accuracy
    }
    how = (
        f'{TOGETHER}; {len(found)} policies of {sizes.demonstrations} demonstrations, thresholds '
        f'of {sizes.calibration} rollouts each at alpha {sizes.alpha}, {len(together.traces)} '
        f'rollouts of {sizes.task}, disturbed and not, that no hard check stopped'
    )
    for (name, target), cost in zip((('p50', 150), ('p99', 500)), costs[TOGETHER], strict=True):
        yield _row(
            f'monitor_tick_{name}_us', cost, 'us', target, f'{TOGETHER}, {sizes.ticks} ticks'
        )
    # With few rollouts there may be none that failed, and none that failed and was noticed.
    figures = together.balanced_accuracy, together.nominal_false_alarms, together.detection_share
    if sizes.complete and None in figures:
        raise IlRosError('a figure could not be measured', where=sizes.task, fix='more rollouts')
    if accuracy := together.balanced_accuracy:
        best = max(accuracies, key=lambda name: accuracies[name])
        yield _row(
            'monitor_balanced_accuracy', accuracy.value, '', accuracies[best],
            f'{accuracy}; target: the best single score; {how}', more=True,
        )  # fmt: skip
        yield _row(
            'best_single_score_balanced_accuracy', accuracies[best], '', 0.5,
            f'{best}; target: chance', more=True,
        )  # fmt: skip
    if nominal := together.nominal_false_alarms:
        most = sizes.alpha + 0.02
        yield _row('monitor_nominal_false_alarms', nominal.rate, '', most, f'{nominal}; {how}')
    if share := together.detection_share:
        yield _row(
            'monitor_detection_time_share', share.value, '', 0.5,
            f'{share}, median over the failures detected; {how}',
        )  # fmt: skip
    suite = f'{len(found)} x {sizes.perturbed} disturbed episodes of {sizes.task}'
    guarded = sum(sum(one.violations_guarded.values()) for one in found)
    raw = sum(sum(one.violations_raw.values()) for one in found)
    yield _row('violations_with_monitor', guarded, '', 0, suite)
    yield _row(
        'violations_without_monitor', raw, '', 1,
        f'{suite}; target: there is something to prevent', more=True,
    )  # fmt: skip


def _row(name: str, value: float, unit: str, target: float, how: str, *, more: bool = False) -> Row:
    return Row(
        name=name, value=value, unit=unit, target=target, better='more' if more else 'less', how=how
    )


if __name__ == '__main__':
    for row in study(StudySizes()):
        print(f'{row.name}: {row.value:.4g} ({row.how})')
