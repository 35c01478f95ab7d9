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
from benchmarks.rows import ROOT, RUNS, Row
from il_ros.algorithms.flat_bc import FlatBcConfig, FlatData, train_flat
from il_ros.algorithms.query_rules import make_rule
from il_ros.algorithms.training_loop import torch_threads
from il_ros.core.atomic_files import write_atomic
from il_ros.evaluation.suites import draw_seeds
from il_ros.interactive.budget import Budget
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig, evaluate
from il_ros.interactive.episode_env import GymEpisodeEnv, StepContext
from il_ros.interactive.learner import FlatLearner
from il_ros.interactive.round_journal import RoundJournal

PEER = ROOT / '.venv-imitation/bin/python'
BC = FlatBcConfig(hidden_dims=(64, 64), batch_size=64, epochs=20, device='cpu')
COACH = DaggerLoopConfig(
    rounds=100, episodes=10, evaluations=1, warm_start=True, train_fraction=0.3, budget=Budget()
)

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WalkerSizes:
    """How much of everything.

    Attributes:
        walkers: Which environments.
        labels: Labels of each run of DAgger after the demonstration, and the share of the expert's
            mean return that they are to be enough for; the last are the most.
        episodes: In which a policy is judged.
        widths: Of the networks whose training is timed, and how many times quicker than the
            peer's it is to be.
        samples: That they are trained on.
        epochs: Passes over them.
        turns: Measurements of each.
        peer_seconds: How long one of the peer's lasts at least [s].
    """

    walkers: tuple[str, ...] = ('Hopper', 'HalfCheetah', 'Walker2d')
    labels: tuple[tuple[int, float], ...] = ((5_000, 0.95), (20_000, 0.99))
    episodes: int = 10
    widths: tuple[tuple[int, float], ...] = ((64, 5.0), (256, 2.5))
    samples: int = 20_000
    epochs: int = 15
    turns: int = 3
    peer_seconds: float = 8.0


FULL = WalkerSizes()
SMOKE = WalkerSizes(
    walkers=('Hopper',), labels=((50, 0.0),), episodes=1, widths=((64, 5.0),), samples=600,
    epochs=1, turns=1, peer_seconds=0.5,
)  # fmt: skip


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


def run(
    sizes: WalkerSizes = FULL, runs: Path = RUNS, *, experts: Path | None = None
) -> Iterator[Row]:
    """Labels and handovers on arms, shares of the expert's return, speed compared with the peer."""
    arms = known(runs)
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
    keep = Keeper(runs / 'bench/interactive')
    for name in sizes.walkers:
        for labels, target in sizes.labels:
            done = dagger(name, experts, labels, sizes.episodes)
            keep(f'{name}_{labels}_0', vars(done))
            yield _share(name, done, target, sizes)
        if peer:
            theirs = ask_peer(keep, '--experts', experts, '--dagger', name, '--labels', labels)
            pairs.append((done, theirs['dagger'][0]))
    if peer:
        yield _dagger_speedup(pairs, sizes)
        yield from (_bc_speedup(hidden, target, sizes, keep) for hidden, target in sizes.widths)


def draw_experts(folder: Path, sizes: WalkerSizes) -> Path:
    """Write experts of random weights: they have nothing to teach, but they can be asked."""
    random = np.random.default_rng(0)
    for name in sizes.walkers:
        env = _environment(name)
        (inputs,), (outputs,) = env.observation_space.shape, env.action_space.shape
        shapes = {
            'mean': (inputs,), 'std': (inputs,), 'w0': (inputs, 8), 'b0': (8,), 'w1': (8, 8),
            'b1': (8,), 'w_out': (8, outputs), 'b_out': (outputs,),
        }  # fmt: skip
        arrays = {key: random.uniform(0.1, 1.0, shape) for key, shape in shapes.items()}
        np.savez(folder / f'{name}-v4.npz', **arrays)
    return folder


def _environment(name: str) -> gymnasium.Env[Array, Array]:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # version 4 is what the experts were trained on
        gymnasium.logger.min_level = gymnasium.logger.ERROR
        return gymnasium.make(f'{name}-v4')


def missing_here(experts: Path | None) -> str:
    """What keeps the walkers from running; nothing if empty."""
    if experts is None or not experts.is_dir():
        found = f'no experts in {experts}' if experts else 'no experts'
        return f'{found}; name their folder with ARGS="--experts FOLDER"'
    if importlib.util.find_spec('imageio') is None:
        return 'no imageio, which the MuJoCo environments of gymnasium import'
    return ''


def dagger(name: str, experts: Path, labels: int, episodes: int, seed: int = 0) -> Run:
    """One demonstration, then ten rounds of a tenth of the labels each."""
    env = _environment(name)
    expert = Expert(experts / f'{name}-v4.npz')
    episode_env = GymEpisodeEnv(env, expert)
    learner = FlatLearner(low=episode_env.low, high=episode_env.high, config=BC)
    config = replace(COACH, labels=labels // 10, budget=Budget(labels=labels), seed=seed)
    begun, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, RoundJournal(Path(folder), {}) as journal:
        loop = DaggerLoop(episode_env, learner, make_rule('dagger'), journal, config)
        actor, result = loop.run()
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    seeds = draw_seeds('nominal', episodes)
    return Run(
        gain=fmean(evaluate(episode_env, actor, seeds)),
        expert=fmean(_returns(episode_env, expert, seeds)),
        seconds=seconds,
        busy=busy,
        labels=result.spent.labels,
    )


def ask_peer(keep: Keeper, *arguments: object) -> Any:
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


@dataclass(frozen=True)
class Keeper:
    """Writes parts of the measurement into a folder, for readers who doubt the rows."""

    folder: Path

    def __call__(self, name: str, part: object) -> None:
        """Write a part."""
        path = self.folder / f'{name.replace("/", "_")}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(part, indent=1) + '\n')


def _returns(episode_env: GymEpisodeEnv, expert: Expert, seeds: Sequence[int]) -> list[float]:
    def alone(context: StepContext) -> Array:
        return expert(context.observation)

    return [episode_env.run(seed, alone).gain for seed in seeds]


def _share(name: str, done: Run, target: float, sizes: WalkerSizes) -> Row:
    thousands = done.labels // 1000
    return Row(
        name=f'dagger_{name.lower()}_{thousands}k_share_of_expert',
        value=done.gain / done.expert,
        unit='of the expert',
        target=target,
        better='more',
        how=f'{name}-v4, 1 demonstration and {done.labels} labels, return {done.gain:.0f} of '
        f'{done.expert:.0f}, {sizes.episodes} episodes each on the same seeds, '
        f'{"x".join(map(str, BC.hidden_dims))} {BC.activation}, {done.seconds:.0f} s',
    )


def _dagger_speedup(pairs: Sequence[tuple[Run, Any]], sizes: WalkerSizes) -> Row:
    ours, theirs = sum(one.seconds for one, _ in pairs), sum(two['seconds'] for _, two in pairs)
    busy = [sum(one.busy for one, _ in pairs), sum(two['busy'] for _, two in pairs)]
    return Row(
        name='dagger_speedup_vs_imitation',
        value=theirs / ours,
        unit='times',
        target=3.0,
        better='more',
        how=f'1 demonstration and {sizes.labels[-1][0]} labels on {", ".join(sizes.walkers)}, '
        f'64x64 tanh, one thread, one after the other: {ours:.0f} s, imitation 1.0.1 with its '
        f'defaults {theirs:.0f} s; of the processor {busy[0]:.0f} and {busy[1]:.0f} s',
    )


def _bc_speedup(hidden: int, target: float, sizes: WalkerSizes, keep: Keeper) -> Row:
    """Ours and theirs in turn, several times, so that a busy machine is busy for both."""
    ours, theirs, bare = [], [], []
    asked = ('--seconds', sizes.peer_seconds, '--throughput', hidden)
    for _ in range(sizes.turns):
        ours.append(throughput(hidden, sizes))
        theirs.append(ask_peer(keep, *asked)['throughput'][str(hidden)])
        bare.append(bare_loop(hidden, sizes))
    name = 'bc_speedup_vs_imitation' + ('' if hidden == 64 else f'_{hidden}')
    return Row(
        name=name,
        value=median(one / other for one, other in zip(ours, theirs, strict=True)),
        unit='times',
        target=target,
        better='more',
        how=f'{hidden}x{hidden} tanh, batch 256, one thread, 17 inputs, 6 outputs: '
        f'{median(ours):.0f} samples/s, imitation 1.0.1 {median(theirs):.0f}; median of '
        f'{sizes.turns} in turn; torch alone, without clipping, averaging or bounds, '
        f'{median(bare):.0f}',
    )


def throughput(hidden: int, sizes: WalkerSizes) -> float:
    """Samples a second of behaviour cloning, from arrays to a policy."""
    x, y = _samples(sizes.samples)
    count, epochs = len(x), sizes.epochs
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


def bare_loop(hidden: int, sizes: WalkerSizes) -> float:
    """Samples a second of the least that torch can do for the same network: the limit."""
    x, y = (torch.from_numpy(each.astype(np.float32)) for each in _samples(sizes.samples))
    widths = (x.shape[1], hidden, hidden)
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.Tanh())]
    network = nn.Sequential(*layers, nn.Linear(hidden, y.shape[1]))
    adam = torch.optim.Adam(network.parameters(), fused=True)

    def work() -> None:
        for _ in range(sizes.epochs):
            order = torch.randperm(len(x))
            for a, b in zip(x[order].split(256), y[order].split(256), strict=True):
                adam.zero_grad()
                nn.functional.mse_loss(network(a), b).backward()
                adam.step()

    with torch_threads(1):
        return sizes.epochs * len(x) / _seconds(work)


def _samples(count: int) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return random.standard_normal((count, 17)), random.uniform(-1, 1, (count, 6))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
