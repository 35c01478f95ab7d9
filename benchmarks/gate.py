"""Whether the gate holds on a live graph: late, crowded, wrong and hostile.

Run by itself, ``python -m benchmarks.gate --only live --minutes 30``, it measures one part. What
needs a graph is kept in `runs/gate`, episode by episode, and goes on where it was broken off.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from benchmarks import hostile_files, late_commands, late_live, second_publisher, tick_rate
from benchmarks.demonstrations import CONTRACT
from benchmarks.fault_rig import Rig
from benchmarks.live_graph import (
    BUSY,
    EVERY,
    LIVE,
    LONGEST,
    Lines,
    difference,
    idle_cpu,
    in_lock_step,
    in_real_time,
    live_run,
    summary,
)
from benchmarks.rows import RUNS, Row
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.cli.main import guarded
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_threshold
from il_ros.rollouts.demonstrations import dataset_of_rollouts, demonstrate
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases

TASK = 'pick_place'
FASTEST = 1.05
"""Share of a speed limit that counts as within it: the referee's tolerance."""


@dataclass(frozen=True, kw_only=True)
class GateSizes:
    """How much of everything.

    Attributes:
        late: Episodes with late commands, of each kind.
        late_live: The same in real time.
        ticks: Drivers whose tick rate is measured.
        requests: For HOLD and POLICY beside each kind of second publisher.
        second: Which kinds.
        files: Malformed bundles and bombs.
        seeds: Episodes that run in real time and in lock-step.
        minutes: Of the live run.
        longest: That an episode in real time may take [s].
        idle: How long the idle nodes are watched [s].
        nodes: Which ones are.
        live: Nodes of the episodes in real time.
        demonstrations: That the policy is taught with.
        rollouts: That the monitor is calibrated on; none: hard checks alone.
        training: How the policy is trained.
    """

    late: int = late_commands.EPISODES
    late_live: int = late_live.EPISODES
    ticks: tick_rate.TickRateSizes = tick_rate.FULL
    requests: int = 20
    second: second_publisher.SecondPublisherSizes = second_publisher.FULL
    files: hostile_files.HostileSizes = hostile_files.FULL
    seeds: int = 200
    minutes: float = 30.0
    longest: float = LONGEST
    idle: float = 20.0
    nodes: tuple[str, ...] = EVERY
    live: tuple[str, ...] = LIVE
    demonstrations: int = 120
    rollouts: int = 100
    training: BcConfig = field(default_factory=lambda: BcConfig(device='cpu'))


_FEWEST = ('simulator', 'policy', 'monitor')
FULL = GateSizes()
SMOKE = GateSizes(
    late=1, late_live=1, ticks=tick_rate.SMOKE, requests=1, second=second_publisher.SMOKE,
    files=hostile_files.SMOKE, seeds=1, minutes=0.02, longest=1.5, idle=1.0, nodes=_FEWEST,
    live=_FEWEST, demonstrations=2, rollouts=0, training=BcConfig(epochs=4, device='cpu'),
)  # fmt: skip


class Graphs:
    """The graph that runs, one at a time; as a context manager.

    Args:
        sizes: How much of everything.
        folder: Where the bundle and what nodes say are kept.
    """

    def __init__(self, sizes: GateSizes, folder: Path) -> None:
        self.folder, self._sizes = folder, sizes
        self._nodes: tuple[str, ...] = ()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def rig(self, nodes: tuple[str, ...]) -> Rig:
        """One of these nodes, in real time; started where there is none yet."""
        if nodes != self._nodes:
            self.end()
            rig = Rig(
                self.bundle(),
                self.folder / 'log',
                nodes=nodes,
                relayed=(),
                calibrated=bool(self._sizes.rollouts),
            )
            self._rig, self._nodes = self._stack.enter_context(rig), nodes
        return self._rig

    def end(self) -> None:
        """End it, if there is one."""
        self._nodes = ()
        self._stack.close()

    def bundle(self) -> Path:
        """The policy's bundle, made once."""
        return _bundle(self._sizes, self.folder)


Part = Callable[[GateSizes, Graphs], Iterator[Row]]


def run(sizes: GateSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """Every figure of the gate."""
    with Graphs(sizes, runs / 'gate') as graphs:
        for part in PARTS.values():
            yield from part(sizes, graphs)


def late(sizes: GateSizes, _: Graphs) -> Iterator[Row]:
    """Commands that come late, on a virtual clock."""
    found = late_commands.run(sizes.late)
    yield _row(
        'late_command_worst_speed_share', found['worst_speed_share'], 'of the limit', FASTEST,
        f'{sizes.late} episodes each of commands late by 0 to {late_commands.LATEST} s before they '
        'are sent, and in transit with limits that the controller manager enforces, or with a lead '
        'of the monitor that is as long; '
        f'{"all" if found["at_rest"] else "NOT all"} at rest at the end; in transit with '
        f'neither {found["transit_speed_share"]:.3g}',
    )  # fmt: skip


def late_real_time(sizes: GateSizes, graphs: Graphs) -> Iterator[Row]:
    """Commands that come late, on graphs in real time."""
    graphs.end()
    for kind in late_live.PROMISED:
        found = late_live.summary(late_live.run(kind, sizes.late_live, graphs.folder))
        yield _row(
            f'late_real_time_{kind}_fast_steps', found['velocity'], 'physics steps', 0.0,
            f'above {FASTEST} times a speed limit; {sizes.late_live} episodes in real time, a '
            f'source of quick motions drove for {found["driven"]:.0f} s; {found["unrested"]:.0f} '
            f'did not come to rest; fastest message {found["speed"]:.2f} of the limit; steps '
            f'outside position {found["position"]:.0f}, workspace {found["workspace"]:.0f}, '
            f'periods outside acceleration {found["acceleration"]:.0f}',
        )  # fmt: skip


def ticks(sizes: GateSizes, _: Graphs) -> Iterator[Row]:
    """Drivers of other rates than the contract's."""
    found = tick_rate.run(sizes.ticks)
    yield _row(
        'tick_rate_error_percent_max', found['tick_rate_error_percent_max'], '%', 0.5,
        f'{len(sizes.ticks.drivers)} drivers of {min(sizes.ticks.drivers):g} to '
        f'{max(sizes.ticks.drivers):g} Hz, samples late by up to '
        f'{1e3 * max(sizes.ticks.jitters):g} ms, under a contract of 20 Hz; '
        f'{found["tick_rate_refused"]:.0f} refused',
    )  # fmt: skip


def second(sizes: GateSizes, graphs: Graphs) -> Iterator[Row]:
    """A second publisher of the arm's joints."""
    graphs.end()
    found = second_publisher.run(sizes.requests, sizes.second, graphs.folder)
    yield _row(
        'second_publisher_worst_speed_share', found['worst_speed_share'], 'of the limit', FASTEST,
        f'{len(found["trials"])} requests and drives on a graph in real time, beside samples that '
        'contradict, are doubled, permuted, frozen, jump or are stamped otherwise; where they had '
        f'to be refused or stopped, {found["refused"]:.3f} were; {len(found["failed"])} failed',
    )  # fmt: skip


def files(sizes: GateSizes, graphs: Graphs) -> Iterator[Row]:
    """Files that are made to break what reads them."""
    graphs.end()
    yield from hostile_files.run(sizes.files, graphs.folder / 'hostile_files')


def idle(sizes: GateSizes, graphs: Graphs) -> Iterator[Row]:
    """Nodes that have nothing to do."""
    cores = idle_cpu(graphs.rig(sizes.nodes), sizes.idle)
    del cores['simulator']  # it goes on in real time
    worst = max(cores, key=lambda name: cores[name])
    shares = ', '.join(f'{name} {share:.3f}' for name, share in cores.items())
    yield _row(
        'idle_cpu_share_max', cores[worst], 'of a core', 0.15,
        f'{worst}; over {sizes.idle:g} s at 20 Hz, nobody drives, policy and monitor with a '
        f'bundle: {shares}',
    )  # fmt: skip


def paired(sizes: GateSizes, graphs: Graphs) -> Iterator[Row]:
    """The same scenes in real time and in lock-step."""
    seeds, folder = draw_seeds('nominal', sizes.seeds), graphs.folder
    here, there = Lines(folder / 'real_time.jsonl'), Lines(folder / 'lock_step.jsonl')
    graphs.end()
    log, calibrated = folder / 'lock_step_log', bool(sizes.rollouts)
    in_lock_step(graphs.bundle(), log, there, seeds, calibrated=calibrated)
    if {one['seed'] for one in here.all} < set(seeds):
        in_real_time(graphs.rig(sizes.live), here, seeds, sizes.longest)
    found = difference(here.all, there.all)
    yield _row(
        'real_time_minus_lockstep_points', found['points'], 'percentage points', 2.0,
        f'{found["pairs"]:.0f} unseen scenes of {TASK}, each in real time and in lock-step on a '
        f'graph: success {found["success_real_time"]:.3f} and {found["success_lock_step"]:.3f}, '
        f'stopped {found["alarm_real_time"]:.3f} and {found["alarm_lock_step"]:.3f}; '
        f'{found["success_differ"]:.0f} pairs differ in success, {found["alarm_differ"]:.0f} in a '
        'stop',
    )  # fmt: skip


def live(sizes: GateSizes, graphs: Graphs) -> Iterator[Row]:
    """Episode after episode in real time, with other load."""
    lines = Lines(graphs.folder / 'live_run.jsonl')
    if summary(lines.all)['minutes'] < sizes.minutes:
        seeds = draw_seeds('nominal', 10_000)
        live_run(graphs.rig(sizes.live), lines, seeds, sizes.minutes, sizes.longest)
    found = summary(lines.all)
    how = (
        f'{found["minutes"]:.1f} minutes of {TASK} in real time at 20 Hz, {found["episodes"]:.0f} '
        f'episodes of the policy, {BUSY} busy loops beside it: {found["successes"]:.0f} '
        f'successes, {found["alarms"]:.0f} stops; frames answered {found["answered"]:.0f}, late '
        f'{found["late"]:.0f}, skipped by a policy at work {found["skipped"]:.0f}'
    )
    yield _row('live_run_violations', found['violations'], 'physics steps', 0.0, how)
    yield _row('live_run_unexplained_frames', found['unexplained'], 'frames', 0.0, how)
    yield _row(
        'live_run_memory_growth_mb', found['growth'], 'MB', 20.0,
        f'of the node that grew most, from the second to the last third; {how}',
    )  # fmt: skip


PARTS: dict[str, Part] = {
    'late': late,
    'late_real_time': late_real_time,
    'ticks': ticks,
    'second': second,
    'files': files,
    'paired': paired,
    'live': live,
    'idle': idle,
}
"""By the name that `--only` takes."""


def _bundle(sizes: GateSizes, folder: Path) -> Path:
    """The policy's bundle, made once; taught and calibrated as in the demo, in this process."""
    path, dataset = folder / 'bundle', folder / 'dataset'
    if path.exists():
        return path
    contract, making = load_contract(CONTRACT), folder / 'making'
    save_dataset(demonstrate(contract, TASK, draw_seeds('demonstrations', sizes.demonstrations)),
                 dataset, overwrite=True)  # fmt: skip
    train_bundle(dataset, making, sizes.training, overwrite=True)
    if sizes.rollouts:
        setup = EpisodeSetup(contract=CONTRACT, task=TASK, bundle=making, safety_filter='limits')
        cases = [EpisodeCase(seed=seed) for seed in draw_seeds('calibration', sizes.rollouts)]
        good = [rollout for rollout in run_cases(setup, cases) if rollout.success]
        bundle, rollouts = load_bundle(making), dataset_of_rollouts(contract, TASK, good)
        if bundle.scores is None:
            raise IlRosError('no scores', where=str(making))
        threshold = calibrate(
            bundle.scores,
            bundle.policy,
            rollouts,
            range(len(rollouts.episodes)),
            source='rollouts',
            policy_id=bundle.policy_id,
            config=CalibrationConfig(),
        )
        save_threshold(making, bundle, threshold)
    return making.rename(path)


def _row(name: str, value: float, unit: str, target: float, how: str) -> Row:
    return Row(name=name, value=value, unit=unit, target=target, better='less', how=how)


def main() -> None:
    """Run by hand."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.gate', description=__doc__)
    parser.add_argument('--only', nargs='*', choices=PARTS, default=list(PARTS))
    parser.add_argument('--minutes', type=float, default=FULL.minutes, help='of the live run')
    parser.add_argument('--seeds', type=int, default=FULL.seeds, help='of the paired episodes')
    parser.add_argument(
        '--late', type=int, default=FULL.late_live, help='late episodes of a kind in real time'
    )
    options = parser.parse_args()
    sizes = replace(FULL, minutes=options.minutes, seeds=options.seeds, late_live=options.late)
    with Graphs(sizes, RUNS / 'gate') as graphs:
        for name in options.only:
            for row in PARTS[name](sizes, graphs):
                print(json.dumps({'name': row.name, 'value': row.value, 'how': row.how}))


if __name__ == '__main__':
    raise SystemExit(guarded(main))
