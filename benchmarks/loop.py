"""The whole loop on a real graph: latency at 100 Hz, and lock-step against real time."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.demonstrations import CONTRACT, in_process
from benchmarks.rows import Row
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.session import graph
from il_ros.core.contract import load_contract, parse_contract
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds
from il_ros.launching import packages
from il_ros.launching.processes import Supervisor
from il_ros.policies.mlp import MlpConfig

RATE = 100.0  # Hz
WARM_UP = 2.0  # s
MEASURED = 15.0  # s
EPISODES = 10


def run() -> Iterator[Row]:
    """Both figures, each with processes of its own."""
    with tempfile.TemporaryDirectory(prefix='il_ros_bench_') as folder:
        yield from _latency(Path(folder))
        yield _lockstep(Path(folder))


def _latency(folder: Path) -> Iterator[Row]:
    text = load_contract(CONTRACT).text.replace('rate: 20.0', f'rate: {RATE}')
    path = folder / 'contract.yaml'
    path.write_text(text, encoding='utf-8')
    contract = parse_contract(text)
    # What the policy knows does not matter to the clock, only how large it is. This one is taught
    # to stay where it is, so that an arm that does not move follows it.
    dataset = in_process(range(6), parse_contract(text))
    still = {key: np.repeat(value[:1], len(value), axis=0) for key, value in dataset.values.items()}
    stay = np.concatenate([still[key] for key in contract.action.position], axis=1)
    dataset = replace(dataset, values=still, action=stay)
    save_dataset(dataset, folder / 'dataset')
    # A chunk of 0.32 s outlasts the pauses of a shared machine.
    config = replace(BcConfig(), policy=MlpConfig(horizon=32), epochs=40, device='cpu')
    train_bundle(folder / 'dataset', folder / 'bundle', config)
    samples = _measure(path, contract, folder / 'bundle')
    how = (
        f'pick_place contract at {RATE:.0f} Hz, 7 topics, 256x256 MLP, 32 steps, policy driving, '
        'policy and monitor in processes of their own, '
        f'Fast DDS, {len(samples)} ticks: from before the sensors are '
        'published to the JointTrajectory received'
    )
    for share, target in ((50, 2.5), (99, 6.0)):
        yield Row(
            name=f'command_latency_p{share}_ms',
            value=float(np.percentile(samples, share)) * 1e3,
            unit='ms',
            target=target,
            better='less',
            how=how,
        )


def _measure(path: Path, contract: object, bundle: Path) -> list[float]:
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randint(1, 101))
    parameters = ['--ros-args', '-p', f'contract:={path}', '-p', f'bundle:={bundle}']
    with ExitStack() as stack:
        supervisor = stack.enter_context(Supervisor(sink=lambda name, line: None))
        for node in ('policy', 'monitor'):
            # The arm stands still whatever it is told, so it lags behind by design.
            loose = ['-p', 'allow_uncalibrated:=true', '-p', 'tracking_error:=3.0']
            extra = loose if node == 'monitor' else []
            executable = packages.executable('il_ros', node, os.environ, 'bench')
            supervisor.start(node, [str(executable), *parameters, *extra])
        from benchmarks.pulse import Pulse

        return Pulse(contract).run(RATE, WARM_UP, MEASURED)


def _lockstep(folder: Path) -> Row:
    contract = load_contract(CONTRACT)
    os.environ.pop('ROS_DOMAIN_ID', None)
    with graph(
        contract,
        start=True,
        log=folder / 'log',
        contract=str(CONTRACT),
        directory=str(folder / 'episodes'),
    ) as client:
        seeds = draw_seeds('demonstrations', EPISODES + 1)
        client.episode(seeds[0], 'expert', record=True)
        begin = time.perf_counter()
        simulated = sum(
            client.episode(seed, 'expert', record=True).state.elapsed for seed in seeds[1:]
        )
        factor = simulated / (time.perf_counter() - begin)
    return Row(
        name='lockstep_realtime_factor',
        value=factor,
        unit='simulated s/s',
        target=5.0,
        better='more',
        how=f'{EPISODES} recorded pick_place demonstrations at 20 Hz over ROS (simulator, expert, '
        'monitor, recorder, policy node idle), resets, recording and standstills included',
    )
