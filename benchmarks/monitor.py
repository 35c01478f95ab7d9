"""Which scores notice failures, how early, at what cost; and what the monitor prevents."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.monitor_study import ALPHA, ROOT, Found, Sizes, Study
from benchmarks.monitor_tables import DEFAULT, TOGETHER, Costs, Results, singles, write
from benchmarks.rows import Row
from il_ros.monitors.calibrated_scores import WINDOW, Calibration
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.score_watch import ScoreWatch
from il_ros.policies.score_inputs import ScoreInputs
from il_ros.policies.threads import one_thread
from il_ros.rollouts.rollout import load_rollouts
from il_ros.rollouts.rollout_scores import score_inputs_of

FOLDER = ROOT / 'runs/monitor_study'
SEEDS = range(5, 10)  # 0 to 4 chose the default scores
PROCESSES = 2
TICKS = 5000  # that the cost is measured on


def run() -> Iterator[Row]:
    """The study of pick_place on five policies, and the faults that were injected."""
    from benchmarks import faults

    yield from study('pick_place')
    yield from faults.rows(faults.run())


def study(task: str, seeds: Sequence[int] = SEEDS, sizes: Sizes | None = None) -> Iterator[Row]:
    """Every score on the rollouts of every policy; tables go to the folder of the study.

    What the folder holds of an earlier run is used again: remove it after a change of contract,
    simulator or hard checks.
    """
    begin, folder, sizes = time.perf_counter(), FOLDER / task, sizes or Sizes()
    jobs = [(task, seed, folder / f'policy_{seed}', sizes) for seed in seeds]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(PROCESSES, context, one_thread) as pool:
        found = list(pool.map(_one, jobs))
    costs = _costs(Study(*jobs[0]), found[0])
    results = write(folder, task, found, costs)
    print(f'{task}: {time.perf_counter() - begin:.0f} s; tables in {folder}', flush=True)
    yield from _rows(found, results, costs, sizes)


def _one(job: tuple[str, int, Path, Sizes]) -> Found:
    return Study(*job).run()


def _costs(study: Study, found: Found) -> Costs:
    """Median and 99th percentile of a tick's cost [us]: each score, and the default ones together.

    That is the watch's whole part of a tick but for the making of its input: scores, averages,
    thresholds, trigger and warning, on the frames of real rollouts in order.
    """
    bundle, costs = study.bundle(), {}
    fitted, rollouts = study.scores(bundle), load_rollouts(study.folder / 'test.npz')
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
            if len(taken) > TICKS:
                break
        p50, p99 = np.percentile(taken, [50, 99]) * 1e6
        costs[' + '.join(names)] = (float(p50), float(p99))
    return costs


def _rows(found: Sequence[Found], results: Results, costs: Costs, sizes: Sizes) -> Iterator[Row]:
    together = results[TOGETHER]
    accuracies = {
        name: result.balanced_accuracy.value
        for name, result in results.items()
        if name != TOGETHER and result.balanced_accuracy
    }
    best = max(accuracies, key=lambda name: accuracies[name])
    accuracy, nominal = together.balanced_accuracy, together.nominal_false_alarms
    share = together.detection_share
    assert accuracy is not None
    assert nominal is not None
    assert share is not None
    how = (
        f'{TOGETHER}; {len(found)} policies of {sizes.demonstrations} demonstrations, thresholds '
        f'of {sizes.calibration} rollouts each at alpha {ALPHA}, {len(together.traces)} rollouts '
        'of pick_place, disturbed and not, that no hard check stopped'
    )
    for (name, target), cost in zip((('p50', 150), ('p99', 500)), costs[TOGETHER], strict=True):
        yield _row(f'monitor_tick_{name}_us', cost, 'us', target, f'{TOGETHER}, {TICKS} ticks')
    yield _row(
        'monitor_balanced_accuracy', accuracy.value, '', accuracies[best],
        f'{accuracy}; target: the best single score; {how}', more=True,
    )  # fmt: skip
    yield _row(
        'best_single_score_balanced_accuracy', accuracies[best], '', 0.5,
        f'{best}; target: chance', more=True,
    )  # fmt: skip
    yield _row('monitor_nominal_false_alarms', nominal.rate, '', ALPHA + 0.02, f'{nominal}; {how}')
    yield _row(
        'monitor_detection_time_share', share.value, '', 0.5,
        f'{share}, median over the failures detected; {how}',
    )  # fmt: skip
    suite = f'{len(found)} x {sizes.perturbed} disturbed episodes of pick_place'
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
    for row in study('pick_place'):
        print(f'{row.name}: {row.value:.4g} ({row.how})')
