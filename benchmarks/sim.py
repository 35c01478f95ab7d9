"""How quick the simulator is, alone, as environments, in an evaluation; how good its experts are.

`python -m benchmarks.sim reach_vector_env_steps_per_s` measures that row alone; `make bench
GROUP=sim` measures all.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median

import gymnasium
import numpy as np

from benchmarks.demonstrations import CONTRACT
from benchmarks.rows import RUNS, Row, save, show
from benchmarks.tasks import cloned
from il_ros.algorithms.bc import BcConfig
from il_ros.cli.main import guarded
from il_ros.core.errors import IlRosError
from il_ros.datasets.process_pool import worker_count
from il_ros.evaluation.intervals import Rate
from il_ros.evaluation.suites import draw_seeds
from il_ros.experts import EXPERTS, make_expert
from il_ros.rollouts.episode_cases import nominal_cases, plan_suites
from il_ros.rollouts.in_process_evaluator import InProcessEvaluator
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases
from il_ros.sim.env import TaskEnv, environment_id
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.scene_cameras import Choice
from il_ros.sim.tasks import TASKS, default_arm
from il_ros.sim.world import World

OUT = RUNS / 'bench/bench.json'
CONTRACTS = CONTRACT.parent
SUITE, UNWATCHED = CONTRACTS.parent / 'suites/pick_place.yaml', 'ood_unwatched'


@dataclass(frozen=True, kw_only=True)
class SimSizes:
    """How much of everything.

    Attributes:
        steps: Control steps of a measurement.
        rounds: Measurements of one environment, or of images.
        vector_rounds: Measurements of a vector environment.
        environments: In a vector environment.
        images: Of a measurement.
        seeds: Episodes of each expert.
        demonstrations: That the policy of the evaluation is cloned from.
        episodes: Of the evaluation.
        training: How its policy is trained.
    """

    steps: int = 100
    rounds: int = 9
    vector_rounds: int = 3
    environments: int = 64
    images: int = 100
    seeds: int = 200
    demonstrations: int = 50
    episodes: int = 40
    training: BcConfig = field(default_factory=BcConfig)


FULL = SimSizes()
SMOKE = SimSizes(
    steps=5, rounds=1, vector_rounds=1, environments=3, images=3, seeds=1, demonstrations=2,
    episodes=2, training=BcConfig(epochs=4),
)  # fmt: skip


def run(sizes: SimSizes = FULL, runs: Path = RUNS, names: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of these names, by default all; one that cannot be had here is left out."""
    for name in names or ROWS:
        print(f'{name} ...', flush=True)
        try:
            yield ROWS[name](name, sizes, runs)
        except NoImagesError as error:
            print(f'{name} is left out: {error}', flush=True)


class NoImagesError(Exception):
    """There are no images on this machine."""


def _world(name: str, sizes: SimSizes, runs: Path) -> Row:
    world = World('pick_place')
    return Row(
        name=name,
        value=median(_played(world, seed, sizes.steps) for seed in range(sizes.rounds)),
        unit='control steps/s',
        target=1000,
        better='more',
        how=f'pick_place, 20 Hz control, {world.substeps} physics steps each, limits measured, '
        f'one process, median of {sizes.rounds} episodes; the expert is not timed; {_load()}',
    )


def _played(world: World, seed: int, steps: int) -> float:
    """Control steps a second of the expert's motion played back."""
    expert, spent = make_expert('pick_place'), 0.0
    world.reset(seed)
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    truth = world.privileged()
    before = np.concatenate([truth['joint_position'], truth['gripper_position']])
    for _ in range(steps):
        target = expert.act(world.privileged(), horizon=1, dt=world.period)[0]
        begin = time.perf_counter()
        world.step(before + share * (target - before))
        world.observe()
        spent += time.perf_counter() - begin
        before = target
    return steps / spent


def _env(name: str, sizes: SimSizes, runs: Path, *, task: str) -> Row:
    speed, cost = _speed(TaskEnv(task), sizes.rounds, sizes.steps)
    return Row(
        name=name,
        value=speed,
        unit='control steps/s',
        target=1000,
        better='more',
        how=f'Gymnasium, one environment of {task}, small random actions, best of {sizes.rounds} '
        f'times {sizes.steps} steps, {cost:.2f} ms of processor time each; {_load()}',
    )


def _vector_env(name: str, sizes: SimSizes, runs: Path, *, task: str) -> Row:
    many = sizes.environments
    env = gymnasium.make_vec(environment_id(task), many, vectorization_mode='vector_entry_point')
    speed, cost = _speed(env, sizes.vector_rounds, sizes.steps)
    return Row(
        name=name,
        value=speed * many,
        unit='control steps/s',
        target=3000 if task == 'reach' else 1000,
        better='more',
        how=f'Gymnasium, a vector environment of {many} {task}, small random actions, one process, '
        f'{os.cpu_count()} threads, resets included, best of {sizes.vector_rounds} times '
        f'{sizes.steps} steps, {cost / many:.2f} ms of processor time for each environment; '
        f'{_load()}',
    )


def _speed(
    env: gymnasium.Env | gymnasium.vector.VectorEnv, rounds: int, steps: int
) -> tuple[float, float]:
    """Calls of `step` a second, and processor time of each [ms], the best of some rounds."""
    env.reset(seed=0)
    rng, speeds, costs = np.random.default_rng(0), [], []
    for _ in range(rounds):
        begin, spent = time.perf_counter(), time.process_time()
        for _ in range(steps):
            env.step(rng.uniform(-0.05, 0.05, env.action_space.shape))
        speeds.append(steps / (time.perf_counter() - begin))
        costs.append(1e3 * (time.process_time() - spent) / steps)
    env.close()
    return max(speeds), min(costs)


def _evaluation(name: str, sizes: SimSizes, runs: Path) -> Row:
    """`il_ros evaluate --in-process --suites ood_unwatched`, without its report."""
    episodes, count = sizes.episodes, sizes.demonstrations
    processes, disturbed = worker_count(0, episodes), load_perturbations(SUITE)
    bundle = cloned('pick_place', 'franka', count, sizes.training, runs)
    evaluator = InProcessEvaluator(CONTRACT, 'pick_place', bundle, 'straight', processes=processes)
    begin, used = time.perf_counter(), _processor_time()
    results = list(evaluator.run(plan_suites([UNWATCHED], episodes, disturbed, floor=0)))
    spent, used = time.perf_counter() - begin, _processor_time() - used
    lasted, succeeded = mean(r.duration for r in results), sum(r.success for r in results)
    return Row(
        name=name,
        value=60.0 * episodes / spent,
        unit='episodes/min',
        target=100,
        better='more',
        how=f'{SUITE.name}, in which every policy that is not watched fails, in {processes} '
        f'processes, their start included, without ROS; a policy cloned from {count} '
        f'demonstrations under the hard checks, which succeeded in {succeeded} of {episodes}; '
        f'{lasted:.1f} simulated s and {used / episodes:.2f} s of processor time an episode; '
        f'{_load()}',
    )


def _processor_time() -> float:
    """Of this process and of those that it has seen end [s]."""
    return sum(os.times()[:4])


def _experts(name: str, sizes: SimSizes, runs: Path) -> Row:
    seeds, rates = sizes.seeds, {}
    for task in EXPERTS:
        contract = CONTRACTS / f'{default_arm(task)}_{task}.yaml'
        setup = EpisodeSetup(contract=contract, task=task)
        rollouts = run_cases(setup, nominal_cases(seeds), processes=worker_count(0, seeds))
        rates[task] = Rate(sum(rollout.success for rollout in rollouts), seeds)
    worst = min(rates, key=lambda task: rates[task].rate)
    return Row(
        name=name,
        value=rates[worst].rate,
        unit='',
        target=0.95,
        better='more',
        how=f'the worst: {worst}; ' + ', '.join(f'{task} {rate}' for task, rate in rates.items())
        + f'; seeds {draw_seeds("nominal", seeds)}',
    )  # fmt: skip


def _images(name: str, sizes: SimSizes, runs: Path, *, renderer: Choice, target: float) -> Row:
    world = World('pick_place', renderer=renderer)
    try:
        speed = max(_images_a_second(world, sizes.images) for _ in range(sizes.rounds))
    except IlRosError as error:
        raise NoImagesError(str(error)) from error
    world.close()
    return Row(
        name=name,
        value=speed,
        unit='images/s',
        target=target,
        better='more',
        how=f'128 x 128 of the front camera of pick_place, renderer {renderer}, best of '
        f'{sizes.rounds} times {sizes.images} images; {_load()}',
    )


def _images_a_second(world: World, images: int) -> float:
    world.render('front', 128, 128)
    begin = time.perf_counter()
    for _ in range(images):
        world.render('front', 128, 128)
    return images / (time.perf_counter() - begin)


def _load() -> str:
    """How busy the machine is, this measurement included."""
    return f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores'


ROWS: dict[str, Callable[[str, SimSizes, Path], Row]] = {
    'sim_steps_per_s': _world,
    **{f'{task}_env_steps_per_s': partial(_env, task=task) for task in TASKS},
    **{f'{task}_vector_env_steps_per_s': partial(_vector_env, task=task) for task in TASKS},
    'evaluation_episodes_per_min': _evaluation,
    'expert_success_min': _experts,
    'render_128_fps': partial(_images, renderer='opengl', target=500),
    # for five cameras at the control rate
    'render_128_rays_fps': partial(_images, renderer='rays', target=100),
}


def main() -> None:
    """Measure the rows asked for and show all that the file holds."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.sim', description=__doc__)
    parser.add_argument('rows', nargs='*', choices=[*ROWS, []], help='by default all')
    parser.add_argument('--out', type=Path, default=OUT)
    options = parser.parse_args()
    show(save(run(names=options.rows), options.out))


if __name__ == '__main__':
    raise SystemExit(guarded(main))
