"""A made-up hand under MetaWorld's contract, that goes straight to a goal: no simulator needed."""

from pathlib import Path

import numpy as np

from il_ros.core.contract import load_contract
from il_ros.core.frames import NS, Frame
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.memory_dataset import EpisodeFrames, assemble

METAWORLD = Path(__file__).parents[2] / 'config/contracts/metaworld.yaml'
CONTRACT = load_contract(METAWORLD)


def frame(step, hand, goal):
    values = {
        'hand_position': hand,
        'gripper_opening': np.array([0.05]),
        'object_pose': np.array([0.0, 0.6, 0.02, 0.0, 0.0, 0.0, 1.0]),
        'goal_position': goal,
    }
    return Frame(
        stamp=NS + step * 12_500_000,
        values=values,
        valid=dict.fromkeys(values, True),
        age=dict.fromkeys(values, 0.0),
    )


def episode(seed, length=40):
    random = np.random.default_rng(seed)
    hand, goal = np.array([0.0, 0.6, 0.2]), random.uniform([-0.2, 0.5, 0.1], [0.2, 0.8, 0.3])
    frames, actions = [], []
    for step in range(length):
        frames.append(frame(step, hand, goal))
        actions.append(np.append(np.clip(10 * (goal - hand), -1, 1), 1.0))
        hand = hand + 0.01 * actions[-1][:3]
    entry = EpisodeEntry(id=f'e{seed}', start=0, length=0, task='reach', seed=seed)
    return EpisodeFrames(entry=entry, frames=frames, actions=np.array(actions))


def dataset(seeds):
    return assemble(CONTRACT, [episode(seed) for seed in seeds])
