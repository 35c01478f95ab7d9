"""How quick the simulator is in one process, and how good its experts are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.rows import Row
from il_ros.core.errors import IlRosError
from il_ros.datasets.pool import worker_count
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.suites import nominal_seeds
from il_ros.experts import EXPERTS, make_expert
from il_ros.rollouts.cases import nominal_cases
from il_ros.rollouts.pool import Setup, run_cases
from il_ros.sim.env import TaskEnv
from il_ros.sim.tasks import TASKS
from il_ros.sim.world import World

CONTRACTS = Path(__file__).parents[1] / 'config/contracts'
STEPS, ROUNDS = 100, 9
SEEDS = 200
IMAGES = 200


def run() -> Iterator[Row]:
    """Steps a second of every task, experts on many seeds, images a second."""
    world = World('pick_place')
    yield Row(
        name='sim_steps_per_s',
        value=_played(world),
        unit='control steps/s',
        target=1000,
        better='more',
        how=f'pick_place, 20 Hz control, {world.substeps} physics steps each, limits measured, '
        f'one process, median of {ROUNDS} episodes; the expert is not timed',
    )
    for task in TASKS:
        yield Row(
            name=f'{task}_env_steps_per_s',
            value=_env(task),
            unit='control steps/s',
            target=3000 if task == 'reach' else 1000,
            better='more',
            how=f'Gymnasium, one environment of {task}, small random actions, best of {ROUNDS} '
            f'times {STEPS} steps',
        )
    yield from _experts()
    yield from _images()


def _played(world: World) -> float:
    """Control steps a second of the expert's motion played back."""
    return median(_speed(world, seed) for seed in range(ROUNDS))


def _speed(world: World, seed: int) -> float:
    expert, spent = make_expert('pick_place'), 0.0
    world.reset(seed)
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    truth = world.privileged()
    before = np.concatenate([truth['joint_position'], truth['gripper_position']])
    for _ in range(STEPS):
        target = expert.act(world.privileged(), horizon=1, dt=world.period)[0]
        begin = time.perf_counter()
        world.step(before + share * (target - before))
        world.observe()
        spent += time.perf_counter() - begin
        before = target
    return STEPS / spent


def _env(task: str) -> float:
    env = TaskEnv(task)
    env.reset(seed=0)
    rng, speeds = np.random.default_rng(0), []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(STEPS):
            env.step(rng.uniform(-0.05, 0.05, env.action_space.shape))
        speeds.append(STEPS / (time.perf_counter() - begin))
    return max(speeds)


def _experts() -> Iterator[Row]:
    rates = {}
    for task in EXPERTS:
        setup = Setup(contract=CONTRACTS / f'franka_{task}.yaml', task=task)
        rollouts = run_cases(setup, nominal_cases(SEEDS), processes=worker_count(0, SEEDS))
        rates[task] = Rate.of(rollout.success for rollout in rollouts)
        assert rates[task] is not None
    worst = min(rates, key=lambda task: rates[task].rate)
    yield Row(
        name='expert_success_min',
        value=rates[worst].rate,
        unit='',
        target=0.95,
        better='more',
        how=f'the worst: {worst}; ' + ', '.join(f'{task} {rate}' for task, rate in rates.items())
        + f'; seeds {nominal_seeds(SEEDS)}',
    )  # fmt: skip


def _images() -> Iterator[Row]:
    world = World('pick_place')
    try:
        world.render('front', 128, 128)
    except IlRosError as error:
        print(f'render_128_fps is left out: {error}')
        return
    begin = time.perf_counter()
    for _ in range(IMAGES):
        world.render('front', 128, 128)
    yield Row(
        name='render_128_fps',
        value=IMAGES / (time.perf_counter() - begin),
        unit='images/s',
        target=500,
        better='more',
        how='128 x 128 of the front camera of pick_place, EGL',
    )
    world.close()
