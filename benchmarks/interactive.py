"""DAgger on MuJoCo's walkers, beside `imitation` (1.0.1) on the same machine.

The experts are tanh networks in files of arrays; without their folder there is nothing to imitate.
`imitation` lives in an environment of its own, which `make peers` makes; without it there is
nothing to compare with. What is left out says so.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.dagger_arms import known
from benchmarks.dagger_arms_tables import rows
from benchmarks.rows import Row
from il_ros.algorithms.flat_bc import FlatBcConfig, FlatData, train_flat
from il_ros.algorithms.query_rules import make_rule
from il_ros.algorithms.torch_tools import torch_threads
from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.suites import nominal_seeds
from il_ros.interactive.budget import Budget
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig, evaluate
from il_ros.interactive.episode_env import GymEpisodeEnv, StepContext
from il_ros.interactive.learner import FlatLearner
from il_ros.interactive.round_journal import RoundJournal

ROOT = Path(__file__).parents[1]
PEER = ROOT / '.venv-imitation/bin/python'
FOLDER = ROOT / 'runs/bench/interactive'
WALKERS = ('Hopper', 'HalfCheetah', 'Walker2d')
TARGETS = {5_000: 0.95, 20_000: 0.99}  # share of the expert's mean return, by labels
EPISODES = 10
BC = FlatBcConfig(hidden_dims=(64, 64), batch_size=64, epochs=20, device='cpu')
COACH = DaggerLoopConfig(
    rounds=100, episodes=10, evaluations=1, warm_start=True, train_fraction=0.3, budget=Budget()
)

Array = NDArray[np.float64]


class Expert:
    """A tanh network on normalised observations, its answer clipped to [-1, 1]."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self._arrays = {name: file[name] for name in file.files if name != 'activation'}

    def __call__(self, observation: Array) -> Array:
        d = self._arrays
        x = (observation - d['mean']) / (d['std'] + 1e-6)
        x = np.tanh(x @ d['w0'] + d['b0'])
        x = np.tanh(x @ d['w1'] + d['b1'])
        return np.clip(x @ d['w_out'] + d['b_out'], -1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of DAgger.

    Attributes:
        gain: Mean return of the learner.
        expert: Mean return of the expert.
        seconds: How long it took [s].
        busy: Time that the processor spent on it [s], which a busy machine changes less.
        labels: Labels after the demonstration.
    """

    gain: float
    expert: float
    seconds: float
    busy: float
    labels: int


def run(experts: Path | None = None) -> Iterator[Row]:
    """Labels and handovers on arms, shares of the expert's return, speed beside the peer."""
    arms = known()
    if not arms:
        print('interactive: arms left out: run "python -m benchmarks.dagger_arms" first, for hours')
    yield from rows(arms)
    missing = missing_here(experts)
    if experts is None or missing:
        print(f'interactive: left out: {missing}')
        return
    peer = PEER.exists()
    if not peer:
        print('interactive: speed beside imitation left out: run "make peers" first')
    pairs: list[tuple[Run, Any]] = []
    for name in WALKERS:
        for labels, target in TARGETS.items():
            done = dagger(name, experts, labels)
            yield _share(name, done, target)
        if peer:
            theirs = ask_peer('--experts', experts, '--dagger', name, '--labels', labels)
            pairs.append((done, theirs['dagger'][0]))
    if peer:
        yield _dagger_speedup(pairs)
        yield from (_bc_speedup(hidden, target) for hidden, target in ((64, 5.0), (256, 2.5)))


def missing_here(experts: Path | None) -> str:
    """What keeps the walkers from running; nothing if empty."""
    if experts is None or not experts.is_dir():
        found = f'no experts in {experts}' if experts else 'no experts'
        return f'{found}; name their folder with ARGS="--experts FOLDER"'
    if importlib.util.find_spec('imageio') is None:
        return 'no imageio, which the MuJoCo environments of gymnasium import'
    return ''


def dagger(name: str, experts: Path, labels: int, seed: int = 0) -> Run:
    """One demonstration, then ten rounds of a tenth of the labels each."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # version 4 is what the experts were trained on
        gymnasium.logger.min_level = gymnasium.logger.ERROR
        env = gymnasium.make(f'{name}-v4')
    expert = Expert(experts / f'{name}-v4.npz')
    field = GymEpisodeEnv(env, expert)
    learner = FlatLearner(low=field.low, high=field.high, config=BC)
    config = replace(COACH, labels=labels // 10, budget=Budget(labels=labels), seed=seed)
    begun, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, RoundJournal(Path(folder), {}) as journal:
        coach = DaggerLoop(field, learner, make_rule('dagger'), journal, config)
        actor, result = coach.run()
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    seeds = nominal_seeds(EPISODES)
    done = Run(
        gain=fmean(evaluate(field, actor, seeds)),
        expert=fmean(_returns(field, expert, seeds)),
        seconds=seconds,
        busy=busy,
        labels=result.spent.labels,
    )
    keep(f'{name}_{labels}_{seed}', vars(done))
    return done


def ask_peer(*arguments: object) -> Any:
    """What the peer measured, in a process and an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'peer.json'
        script = ROOT / 'benchmarks/peer_imitation.py'
        subprocess.run(
            [str(each) for each in (PEER, script, out, *arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        found = json.loads(out.read_text(encoding='utf-8'))
    keep('peer_' + '_'.join(str(each).strip('-') for each in arguments[-4:]), found)
    return found


def keep(name: str, found: object) -> None:
    """Write a part of the measurement beside the rows, for whoever doubts them."""
    path = FOLDER / f'{name.replace("/", "_")}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(found, indent=1) + '\n')


def _returns(field: GymEpisodeEnv, expert: Expert, seeds: Sequence[int]) -> list[float]:
    def alone(sight: StepContext) -> Array:
        return expert(sight.observation)

    return [field.run(seed, alone).gain for seed in seeds]


def _share(name: str, done: Run, target: float) -> Row:
    thousands = done.labels // 1000
    return Row(
        name=f'dagger_{name.lower()}_{thousands}k_share_of_expert',
        value=done.gain / done.expert,
        unit='of the expert',
        target=target,
        better='more',
        how=f'{name}-v4, 1 demonstration and {done.labels} labels, return {done.gain:.0f} of '
        f'{done.expert:.0f}, {EPISODES} episodes each on the same seeds, '
        f'{"x".join(map(str, BC.hidden_dims))} {BC.activation}, {done.seconds:.0f} s',
    )


def _dagger_speedup(pairs: Sequence[tuple[Run, Any]]) -> Row:
    ours, theirs = sum(one.seconds for one, _ in pairs), sum(two['seconds'] for _, two in pairs)
    busy = [sum(one.busy for one, _ in pairs), sum(two['busy'] for _, two in pairs)]
    return Row(
        name='dagger_speedup_vs_imitation',
        value=theirs / ours,
        unit='times',
        target=3.0,
        better='more',
        how=f'1 demonstration and {max(TARGETS)} labels on {", ".join(WALKERS)}, 64x64 tanh, one '
        f'thread, one after the other: {ours:.0f} s, imitation 1.0.1 with its defaults '
        f'{theirs:.0f} s; of the processor {busy[0]:.0f} and {busy[1]:.0f} s',
    )


def _bc_speedup(hidden: int, target: float) -> Row:
    """Ours and theirs in turn, three times, so that a busy machine is busy for both."""
    ours, theirs, bare = [], [], []
    for _ in range(3):
        ours.append(throughput(hidden))
        theirs.append(ask_peer('--throughput', hidden)['throughput'][str(hidden)])
        bare.append(bare_loop(hidden))
    name = 'bc_speedup_vs_imitation' + ('' if hidden == 64 else f'_{hidden}')
    return Row(
        name=name,
        value=median(one / other for one, other in zip(ours, theirs, strict=True)),
        unit='times',
        target=target,
        better='more',
        how=f'{hidden}x{hidden} tanh, batch 256, one thread, 17 inputs, 6 outputs: '
        f'{median(ours):.0f} samples/s, imitation 1.0.1 {median(theirs):.0f}; median of 3 in turn; '
        f'torch alone, without clipping, averaging or bounds, {median(bare):.0f}',
    )


def throughput(hidden: int, epochs: int = 15) -> float:
    """Samples a second of behaviour cloning, from arrays to a policy."""
    x, y = _samples()
    count = len(x)
    data = FlatData(
        x=x,
        y=y,
        weight=np.ones(count),
        low=np.full(6, -1.0),
        high=np.full(6, 1.0),
    )
    config = replace(
        BC, hidden_dims=(hidden, hidden), batch_size=256, epochs=epochs, patience=epochs
    )
    return epochs * count / _seconds(lambda: train_flat(data, config))


def bare_loop(hidden: int, epochs: int = 15) -> float:
    """Samples a second of the least that torch can do for the same network: the limit."""
    x, y = (torch.from_numpy(each.astype(np.float32)) for each in _samples())
    widths = (x.shape[1], hidden, hidden)
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.Tanh())]
    network = nn.Sequential(*layers, nn.Linear(hidden, y.shape[1]))
    adam = torch.optim.Adam(network.parameters(), fused=True)

    def work() -> None:
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for a, b in zip(x[order].split(256), y[order].split(256), strict=True):
                adam.zero_grad()
                nn.functional.mse_loss(network(a), b).backward()
                adam.step()

    with torch_threads(1):
        return epochs * len(x) / _seconds(work)


def _samples() -> tuple[Array, Array]:
    random, count = np.random.default_rng(0), 20_000
    return random.standard_normal((count, 17)), random.uniform(-1, 1, (count, 6))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
