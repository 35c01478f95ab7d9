"""Faults thrown at a running graph: does the arm come to rest, and within its limits?

Run by itself, ``python -m benchmarks.faults --times 20``, it writes every injection as JSON and a
table as Markdown. Injections are kept one by one and not repeated: it goes on where it was broken
off. Delete the folder of its log to begin anew.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.demonstrations import in_process
from benchmarks.fault_kinds import FAULTS, Fault
from benchmarks.fault_referee import Referee, Sighting
from benchmarks.fault_rig import Rig
from benchmarks.live_graph import Lines
from benchmarks.rows import RUNS, Row, machine
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.main import guarded
from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import IlRosError
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds

CHECK = 1.0  # s after its limit that the arm has to go on resting
MOMENTS = (0.3, 1.5)  # when a fault happens, since the driver got the arm [s]
_PATIENCE = 3.0  # s within which the arm has to be under way
_ATTEMPTS = 5  # the arm may stand just then, or not begin for what the fault before left
_OTHER_SCENE = 1000
_SLOW = 3.0  # how much slower than the wall simulated time may go while it is watched


@dataclass(frozen=True, kw_only=True)
class FaultSizes:
    """How much of everything.

    Attributes:
        times: Injections of each fault.
        names: Which faults; empty for all.
        demonstrations: That the policy is trained on.
        training: How it is trained.
        bundle: A policy that there is already, in its place.
    """

    times: int = 20
    names: tuple[str, ...] = ()
    demonstrations: int = 50
    training: BcConfig = field(default_factory=lambda: BcConfig(epochs=40, device='cpu'))
    bundle: Path | None = None


FULL = FaultSizes()
SMOKE = FaultSizes(
    times=1, names=('expert killed',), demonstrations=2, training=BcConfig(epochs=4, device='cpu')
)


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One fault, thrown once.

    Attributes:
        fault: Its name.
        seed: Of the scene.
        moment: When it happened, since the driver got the arm [s of the wall].
        speed: Largest joint speed at that moment [rad/s, m/s].
        rest: When the arm stood for good, since the fault [s]; infinite if it did not.
        limit: In how many seconds it had to stand.
        violations: Limits that were left after the fault, and how often.
        reason: What the monitor said.
        passed: Whether all was as it should be.
        problem: What was not; empty when it passed.
    """

    fault: str
    seed: int
    moment: float
    speed: float
    rest: float
    limit: float
    violations: dict[str, int]
    reason: str
    passed: bool
    problem: str


def run(sizes: FaultSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """The share of faults that the graph takes as it should; see `inject`."""
    log = runs / 'bench/faults_log'
    shutil.rmtree(log, ignore_errors=True)  # what is there may be of other code
    yield from rows(inject(sizes, log))


def inject(sizes: FaultSizes, log: Path) -> list[Injection]:
    """Throw every fault, or those of these names, some times at random moments.

    Args:
        sizes: How much of everything.
        log: What nodes say is kept there, and every injection; one that is there is not repeated.
    """
    chosen = [fault for fault in FAULTS if not sizes.names or fault.name in sizes.names]
    results: list[Injection] = []
    with tempfile.TemporaryDirectory(prefix='il_ros_faults_') as scratch:
        bundle = sizes.bundle
        for fault in chosen:
            folder, seeds = log / fault.name.replace(' ', '_'), draw_seeds('ood', sizes.times)
            kept = Lines(folder / 'injections.jsonl')
            done = {line['seed'] for line in kept.all}
            if left := [seed for seed in seeds if seed not in done]:
                bundle = bundle or _bundle(Path(scratch), sizes)
                _throw(fault, left, bundle, folder, kept)
            results += [Injection(**line) for line in kept.all if line['seed'] in seeds]
    return results


def _throw(fault: Fault, seeds: Sequence[int], bundle: Path, folder: Path, kept: Lines) -> None:
    # A graph of its own for each kind: what one leaves behind is no excuse for another.
    with Rig(bundle, folder, settings=fault.settings, relayed=fault.relayed) as rig:
        _warm_up(rig, fault)
        for seed in seeds:
            result = _injection(rig, fault, seed)
            kept.add(asdict(result))
            _say(result)


def rows(results: Sequence[Injection]) -> Iterator[Row]:
    """The share of injections after which all was as it should be."""
    kinds = len({result.fault for result in results})
    yield Row(
        name='fault_injections_stopped',
        value=sum(result.passed for result in results) / max(len(results), 1),
        unit='share',
        target=1.0,
        better='more',
        how=f'{kinds} faults, {len(results)} injections at random moments of pick_place at 20 Hz '
        'in real time, every node a process of its own: the arm stands in the time of its fault, '
        'stays within position, velocity, acceleration and workspace limits, and the monitor '
        'gives the reason',
    )


def table(results: Sequence[Injection]) -> str:
    """A Markdown table, one line for each fault."""
    lines = [
        '| fault | injected | passed | speed, median | at rest | after, median | worst | allowed '
        '| limits left | said |',
        '|---|---|---|---|---|---|---|---|---|---|',
    ]
    for name in dict.fromkeys(result.fault for result in results):
        lines.append(_line(name, [result for result in results if result.fault == name]))
    return '\n'.join(lines) + '\n'


def _line(name: str, group: Sequence[Injection]) -> str:
    times = [result.rest for result in group]
    left: dict[str, int] = {}
    for result in group:
        for kind, count in result.violations.items():
            left[kind] = max(left.get(kind, 0), count)
    said = next((result.reason for result in group if result.reason), 'nothing')
    worst = ', '.join(f'{kind} {count}' for kind, count in left.items()) or 'none'
    said = re.sub(r'\b([0-9a-f]{8})[0-9a-f]{56}\b', r'\1...', said)  # hashes
    return (
        f'| {name} | {len(group)} | {sum(result.passed for result in group)} '
        f'| {median(result.speed for result in group):.2f} rad/s '
        f'| {sum(map(math.isfinite, times))} | {_seconds(median(times))} '
        f'| {_seconds(max(times))} | {group[0].limit:.1f} s | {worst} | {said} |'
    )


def _seconds(value: float) -> str:
    return f'{value:.2f} s' if math.isfinite(value) else 'never'


def _bundle(folder: Path, sizes: FaultSizes) -> Path:
    seeds = draw_seeds('demonstrations', sizes.demonstrations)
    save_dataset(in_process(seeds), folder / 'dataset')
    train_bundle(folder / 'dataset', folder / 'bundle', sizes.training)
    return folder / 'bundle'


def _warm_up(rig: Rig, fault: Fault) -> None:
    """Drive once: the first answers of nodes that have just started come late."""
    with suppress(IlRosError):
        rig.drive(fault.driver, draw_seeds('ood', 1)[0])
    rig.spin(MOMENTS[1])


def _injection(rig: Rig, fault: Fault, seed: int) -> Injection:
    rng = np.random.default_rng([seed, FAULTS.index(fault)])
    moment = float(rng.uniform(*MOMENTS))
    try:
        problem = _get_going(rig, fault, seed, moment)
    except IlRosError as refusal:
        problem = str(refusal)
        rig.restart()
    speed = rig.referee.speed
    rig.referee.begin()
    if not problem:
        fault.inject(rig, rng)
        rig.wait(lambda: _enough(fault, rig.referee), _SLOW * (fault.limit + CHECK))
    seen = rig.referee.judge()
    problem = problem or _problem(fault, seen)
    return Injection(
        fault=fault.name,
        seed=seed,
        moment=moment,
        speed=speed,
        rest=seen.rest,
        limit=fault.limit,
        violations=seen.violations,
        reason=seen.reason,
        passed=not problem,
        problem=problem,
    )


def _enough(fault: Fault, referee: Referee) -> bool:
    """Whether the arm was watched for long enough, also after a stop that came late."""
    late = referee.stopped if fault.rides and math.isfinite(referee.stopped) else 0.0
    return referee.elapsed >= late + fault.limit + CHECK


def _get_going(rig: Rig, fault: Fault, seed: int, moment: float) -> str:
    """Bring the arm under way; gives why that did not work, or nothing."""
    for attempt in range(_ATTEMPTS):
        rig.drive(fault.driver, seed + attempt * _OTHER_SCENE)
        rig.spin(moment)
        if not fault.prepare(rig):
            return 'could not be injected'
        if rig.wait(lambda: rig.referee.speed > fault.moving, _PATIENCE):
            return ''
    return f'the arm did not move: {rig.referee.status.reason}'


def _problem(fault: Fault, seen: Sighting) -> str:
    """What is wrong with how the graph took a fault; empty when nothing is."""
    if left := [kind for kind in seen.violations if kind not in fault.unpromised]:
        return f'limits left: {", ".join(left)}'
    if seen.watched < fault.limit + CHECK:
        return f'simulated time came no further than {seen.watched:.2f} s'
    if fault.rides and seen.driving:
        return ''
    since = seen.stopped if fault.rides else 0.0
    if seen.rest > since + fault.limit:
        return f'it rested after {_seconds(seen.rest)}, allowed {since + fault.limit:.1f} s'
    return '' if fault.mute else _unsaid(seen)


def _unsaid(seen: Sighting) -> str:
    if seen.driving:
        return 'it rested, but the monitor still lets it be driven'
    return '' if seen.reason else 'the monitor gave no reason'


def _say(result: Injection) -> None:
    verdict = 'passed' if result.passed else f'FAILED: {result.problem}'
    rest = _seconds(result.rest)
    print(f'{result.fault} {result.seed}: {rest}, {verdict}; {result.reason}', flush=True)


def main() -> None:
    """Run by hand."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.faults', description=__doc__)
    parser.add_argument('--times', type=int, default=FULL.times, help='injections of each fault')
    parser.add_argument('--only', nargs='*', default=[], help='names of the faults to throw')
    parser.add_argument('--out', type=Path, default=Path('runs/bench/faults.json'))
    parser.add_argument('--bundle', type=Path, help='a policy, in place of one that is trained')
    options = parser.parse_args()
    unknown = set(options.only) - {fault.name for fault in FAULTS}
    if unknown:
        raise IlRosError(
            f'unknown faults {sorted(unknown)}', allowed=[fault.name for fault in FAULTS]
        )
    sizes = FaultSizes(times=options.times, names=tuple(options.only), bundle=options.bundle)
    results = inject(sizes, options.out.parent / 'faults_log')
    options.out.parent.mkdir(parents=True, exist_ok=True)
    found = {'machine': machine(), 'injections': [asdict(result) for result in results]}
    write_atomic(options.out, json.dumps(found, indent=2) + '\n')
    text = table(results)
    write_atomic(options.out.with_suffix('.md'), text)
    print(text)


if __name__ == '__main__':
    raise SystemExit(guarded(main))
