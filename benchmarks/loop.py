"""The whole loop on a real graph: latency at 100 Hz, and lock-step against real time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.demonstrations import CONTRACT
from benchmarks.rows import RUNS, Row
from benchmarks.swaying_arm import Values, sway
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.running_graph import graph, isolate
from il_ros.core.contract import Contract, load_contract, parse_contract
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds
from il_ros.launching import packages
from il_ros.launching.process_supervisor import ProcessSupervisor
from il_ros.policies.mlp import MlpConfig
from il_ros.ros.message_conversion import to_seconds


@dataclass(frozen=True, kw_only=True)
class LoopSizes:
    """How much of everything.

    Attributes:
        rate: Of the contract [Hz].
        demonstrations: Episodes that the policy is taught with.
        epochs: Passes over them.
        warm_up: How long the nodes run before anything is measured [s].
        measured: For how long latencies are [s].
        answered: Share of the observations that must have a command before the next one.
        horizon: Steps of a chunk; those that are left outlast a pause of the machine.
        episodes: Recorded in lock-step.
        tries: Measurements before the machine is taken to be too busy for one.
    """

    rate: float = 100.0
    demonstrations: int = 6
    epochs: int = 40
    warm_up: float = 2.0
    measured: float = 15.0
    answered: float = 0.9
    horizon: int = 32
    episodes: int = 10
    tries: int = 5


FULL = LoopSizes()
SMOKE = LoopSizes(
    rate=20.0,
    demonstrations=1,
    epochs=150,
    warm_up=0.5,
    measured=1.0,
    answered=0.1,
    episodes=1,
)


def run(sizes: LoopSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """Every figure, each with processes of its own."""
    with tempfile.TemporaryDirectory(prefix='il_ros_bench_') as folder:
        yield from _latency(Path(folder), sizes)
        yield _lockstep(Path(folder), sizes)


def _latency(folder: Path, sizes: LoopSizes) -> Iterator[Row]:
    text = load_contract(CONTRACT).text.replace('rate: 20.0', f'rate: {sizes.rate}')
    path = folder / 'contract.yaml'
    path.write_text(text, encoding='utf-8')
    contract = parse_contract(text)
    # What the policy knows does not matter to the clock, only how large it is. The arm moves all
    # the time, and as it is commanded to, because the monitor takes one that stands for broken.
    dataset, values = sway(contract, range(sizes.demonstrations))
    save_dataset(dataset, folder / 'dataset')
    # The scene that is played is among those that are learned from.
    config = BcConfig(
        policy=MlpConfig(horizon=sizes.horizon),
        epochs=sizes.epochs,
        val_fraction=0.0,
        device='cpu',
    )
    train_bundle(folder / 'dataset', folder / 'bundle', config)
    isolate()
    from benchmarks.bare_chain import measure  # only here is rclpy needed

    bare = [measure(sizes.rate, sizes.warm_up, sizes.measured / 2)]
    samples = _measure(path, contract, folder / 'bundle', values, sizes)
    bare.append(measure(sizes.rate, sizes.warm_up, sizes.measured / 2))
    topics = len(contract.by_topic(contract.observations))
    how = (
        f'pick_place contract at {sizes.rate:.0f} Hz, {topics} topics, 256x256 MLP, '
        f'{sizes.horizon} steps, policy driving, policy and monitor in processes of their own, '
        f'Fast DDS, {len(samples)} ticks: from before the sensors are '
        'published to the JointTrajectory received'
    )
    alone = np.concatenate(bare)
    for share, target, ratio in ((50, 2.5, 1.8), (99, 6.0, 2.3)):
        latency, least = np.percentile(samples, share), np.percentile(alone, share)
        yield Row(
            name=f'command_latency_p{share}_ms',
            value=float(latency) * 1e3,
            unit='ms',
            target=target,
            better='less',
            how=how,
        )
        yield Row(
            name=f'command_latency_over_bare_chain_p{share}',
            value=float(latency / least),
            unit='ratio',
            target=ratio,
            better='less',
            how=f'the same over {least * 1e3:.2f} ms of three nodes that do nothing but joints, '
            f'256x256 MLP, command, before and after it, {len(alone)} ticks',
        )


def _measure(
    path: Path, contract: Contract, bundle: Path, values: Sequence[Values], sizes: LoopSizes
) -> list[float]:
    """Latencies [s] of the first measurement that the machine does not interrupt."""
    from benchmarks.pulse import BusyMachineError

    for _ in range(sizes.tries - 1):
        try:
            return _measure_once(path, contract, bundle, values, sizes)
        except BusyMachineError as error:
            print(f'measured again: {error}', flush=True)
            isolate()  # nothing that ended a moment ago is seen there
    return _measure_once(path, contract, bundle, values, sizes)


def _measure_once(
    path: Path, contract: Contract, bundle: Path, values: Sequence[Values], sizes: LoopSizes
) -> list[float]:
    parameters = ['--ros-args', '-p', f'contract:={path}', '-p', f'bundle:={bundle}']
    with ExitStack() as stack:
        supervisor = stack.enter_context(ProcessSupervisor(sink=lambda name, line: None))
        for node in ('policy', 'monitor'):
            # The arm plays what it did before, so it need not be where it is commanded to be.
            loose = ['-p', 'allow_uncalibrated:=true', '-p', 'tracking_error:=3.0']
            extra = loose if node == 'monitor' else []
            executable = packages.executable('il_ros', node, os.environ, 'bench')
            supervisor.start(node, [str(executable), *parameters, *extra])
        from benchmarks.pulse import Pulse

        return Pulse(contract, values).run(
            sizes.rate, sizes.warm_up, sizes.measured, sizes.answered
        )


def _lockstep(folder: Path, sizes: LoopSizes) -> Row:
    os.environ.pop('ROS_DOMAIN_ID', None)
    with graph(CONTRACT, start=True, log=folder / 'log', directory=folder / 'episodes') as client:
        seeds = draw_seeds('demonstrations', sizes.episodes + 1)
        client.episode(seeds[0], 'expert', record=True)
        begin = time.perf_counter()
        simulated = sum(
            to_seconds(client.episode(seed, 'expert', record=True).state.elapsed)
            for seed in seeds[1:]
        )
        factor = simulated / (time.perf_counter() - begin)
    return Row(
        name='lockstep_realtime_factor',
        value=factor,
        unit='simulated s/s',
        target=5.0,
        better='more',
        how=f'{sizes.episodes} recorded pick_place demonstrations at 20 Hz over ROS (simulator, '
        'expert, monitor, recorder, policy node idle), resets, recording and standstills included',
    )
