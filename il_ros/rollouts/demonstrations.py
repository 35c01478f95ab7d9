"""Demonstrations and rollouts as datasets, without a ROS graph and without bags."""

from __future__ import annotations

from collections.abc import Iterable

from il_ros.core.contract import Contract
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.memory_dataset import assemble
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.rollout import Rollout, episode_data
from il_ros.rollouts.safety_filters import NoFilter, SafetyFilter
from il_ros.sim.perturbations import Perturbation

NOISE = 0.002
"""Disturbance of the joints while an expert demonstrates [rad], as in the demo. With it the
demonstrations also show how to recover (DART, Laskey et al. 2017)."""


def demonstrate(
    contract: Contract,
    task: str,
    seeds: Iterable[int],
    *,
    noise: float = NOISE,
    safety_filter: SafetyFilter | None = None,
) -> Dataset:
    """Run the expert of a task once for each seed and return a dataset in memory.

    Args:
        contract: What the topics mean.
        task: Name of the task.
        seeds: Seeds of the scenes.
        noise: Standard deviation of the joints' disturbance [rad].
        safety_filter: Filter between expert and arm; none by default.
    """
    runner = EpisodeRunner(
        contract, task, ExpertDriver(task, contract), safety_filter or NoFilter()
    )
    disturbed = [Perturbation(kind='command_noise', value=(noise,))] if noise else []
    rollouts = [runner.run(seed, disturbed) for seed in seeds]
    return dataset_of_rollouts(contract, task, rollouts)


def dataset_of_rollouts(contract: Contract, task: str, rollouts: Iterable[Rollout]) -> Dataset:
    """Make a dataset in memory from rollouts whose frames hold every stream of the contract."""
    return assemble(contract, [episode_data(task, rollout) for rollout in rollouts])
