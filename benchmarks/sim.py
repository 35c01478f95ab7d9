"""How quick the simulator is in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from benchmarks.rows import Row
from il_ros.experts import make_expert
from il_ros.sim.world import World

STEPS = 100


def run() -> Iterator[Row]:
    """Control steps a second of pick_place, the expert's motion played back."""
    world = World('pick_place')
    speeds = [_speed(world, seed) for seed in range(15)]
    yield Row(
        name='sim_steps_per_s',
        value=median(speeds),
        unit='control steps/s',
        target=1000,
        better='more',
        how=f'pick_place, 20 Hz control, {world.substeps} physics steps each, limits measured, '
        'one process, median of 15 episodes; the expert is not timed',
    )


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
