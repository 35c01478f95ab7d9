"""Demonstrations without a graph, for what needs frames but no ROS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from il_ros.core.contract import Contract, load_contract
from il_ros.core.frames import NS, Frame
from il_ros.datasets.dataset import Dataset, EpisodeData, assemble, usable
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.experts import make_expert
from il_ros.sim.world import World

CONTRACT = Path(__file__).parents[1] / 'config/contracts/franka_pick_place.yaml'


def in_process(seeds: Iterable[int], contract: Contract | None = None) -> Dataset:
    """Make a dataset of the expert's pick_place episodes, one for each seed."""
    contract = contract or load_contract(CONTRACT)
    world = World('pick_place', limits=contract.limits)
    return assemble(contract, [_episode(contract, world, seed) for seed in seeds])


def _episode(contract: Contract, world: World, seed: int) -> EpisodeData:
    expert = make_expert('pick_place')
    world.reset(seed)
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    before = _posture(world)
    frames, actions = [], []
    while not world.state().done:
        frames.append(_frame(contract, world))
        target = expert.act(world.privileged(), horizon=1, dt=world.period)[0]
        world.step(before + share * (target - before))
        actions.append(target)
        before = target
    entry = EpisodeEntry(id=f'bench_{seed}', start=0, length=0, seed=seed)
    return usable(contract, entry, frames, np.array(actions))


def _posture(world: World) -> np.ndarray:
    truth = world.privileged()
    return np.concatenate([truth['joint_position'], truth['gripper_position']])


def _frame(contract: Contract, world: World) -> Frame:
    truth = world.privileged()
    keys = list(contract.streams)
    return Frame(
        stamp=NS + round(world.time * NS),
        values={key: truth[key] for key in keys},
        valid=dict.fromkeys(keys, True),
        age=dict.fromkeys(keys, 0.0),
    )
