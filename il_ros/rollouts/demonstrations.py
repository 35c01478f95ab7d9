"""Demonstrations and rollouts as datasets, with no graph and no bags."""

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
"""Disturbance of the joints while an expert demonstrates [rad], as in the demo: demonstrations
then show how to get back (DART, Laskey et al. 2017)."""


def demonstrate(
    contract: Contract,
    task: str,
    seeds: Iterable[int],
    *,
    noise: float = NOISE,
    guard: SafetyFilter | None = None,
) -> Dataset:
    """The expert's episodes of a task as a dataset in memory, one for each seed.

    Args:
        contract: What the topics mean.
        task: Name of the task.
        seeds: Of the scenes.
        noise: Standard deviation of the joints' disturbance [rad].
        guard: What stands between expert and arm; nothing by default.
    """
    stage = EpisodeRunner(contract, task, ExpertDriver(task, contract), guard or NoFilter())
    disturbed = [Perturbation(kind='command_noise', value=(noise,))] if noise else []
    rollouts = [stage.run(seed, disturbed) for seed in seeds]
    return dataset_of_rollouts(contract, task, rollouts)


def dataset_of_rollouts(contract: Contract, task: str, rollouts: Iterable[Rollout]) -> Dataset:
    """Rollouts whose frames hold every stream of the contract, as a dataset in memory."""
    return assemble(contract, [episode_data(contract, task, rollout) for rollout in rollouts])
