"""Episodes of MetaWorld's tasks: demonstrations by its experts, and evaluations.

No arm is commanded, so no monitor stands between driver and task, and nothing is disturbed.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.core.frames import NS, Frame
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.manifest import LeftOut
from il_ros.datasets.memory_dataset import arrays_of
from il_ros.evaluation.episode_result import EpisodeResult, why_it_ended
from il_ros.evaluation.suites import SUITES
from il_ros.policies.policy import Policy
from il_ros.rollouts.episode_cases import PlannedEpisode
from il_ros.rollouts.rollout import Rollout, episode_data
from il_ros.sim.metaworld_env import MetaWorldEnv

Array = NDArray[np.float64]


class MetaWorldRunner:
    """One of MetaWorld's tasks with its driver, for one episode after the other.

    Args:
        contract: What the policy sees, of what `MetaWorldEnv` gives.
        task: MetaWorld's name of the task.
        policy: Who drives; the task's expert where there is none.

    Attributes:
        latencies: Time that the driver took for each answer of the last episode, by the wall
            clock [s].

    Raises:
        ContractError: If the contract is not one of MetaWorld, or asks for more than the task has.
        UnknownNameError: If there is no such task.
        IlRosError: If MetaWorld is not installed here.
    """

    def __init__(self, contract: Contract, task: str, policy: Policy | None = None) -> None:
        self.contract, self.policy, self.env = contract, policy, MetaWorldEnv(task)
        self.latencies: list[float] = []
        check_contract(contract, self.env.sizes, self.env.period, task)

    def run(self, seed: int, *, noise: float = 0.0) -> Rollout:
        """One episode, to success or MetaWorld's time limit.

        Args:
            seed: Of the scene.
            noise: Standard deviation of what is added to each action; the rollout's actions are
                those without it (DART, Laskey et al. 2017).
        """
        seen, info = self.env.reset(seed=seed)
        if self.policy is not None:
            self.policy.reset()
        random = np.random.default_rng(seed)
        frames: list[Frame] = []
        chunks: list[Array] = []
        self.latencies = []
        ended = False
        while not ended:
            frames.append(self._frame(seen, len(frames)))
            chunks.append(self._answer(frames[-1]))
            action = chunks[-1][0] + noise * random.standard_normal(chunks[-1].shape[1])
            seen, _, done, cut, info = self.env.step(action)
            ended = done or cut
        return Rollout(
            seed=seed,
            frames=tuple(frames),
            chunks=tuple(chunks),
            actions=np.array([chunk[0] for chunk in chunks]),
            success=info['is_success'],
            progress=info['progress'],
            duration=len(frames) * self.env.period,
            elapsed=len(frames) * self.env.period,
        )

    def _frame(self, seen: dict[str, Array], tick: int) -> Frame:
        keys = self.contract.streams
        return Frame(
            stamp=NS + round(tick * self.env.period * NS),
            values={key: seen[key] for key in keys},
            valid=dict.fromkeys(keys, True),
            age=dict.fromkeys(keys, 0.0),
        )

    def _answer(self, frame: Frame) -> Array:
        begin = time.perf_counter()
        chunk = self.env.expert_action()[None] if self.policy is None else self.policy.act(frame)
        self.latencies.append(time.perf_counter() - begin)
        return chunk


def check_contract(
    contract: Contract, offered: Mapping[str, int], period: float, task: str
) -> None:
    """Refuse a contract that says other than how a task of MetaWorld is.

    Args:
        contract: The contract.
        offered: How many numbers each observation of the task has, by key.
        period: Time of its steps [s].
        task: MetaWorld's name of it.

    Raises:
        ContractError: With what is wrong.
    """

    def fail(problem: str, where: str, allowed: object) -> NoReturn:
        raise ContractError(
            f'{problem}, for {task}',
            where=f'{contract.name}.{where}',
            allowed=str(allowed),
            fix='use config/contracts/metaworld.yaml or one that extends it',
        )

    action = contract.action
    if action.space != 'normalised' or len(action.names) != 4:
        fail(f'{len(action.names)} numbers, {action.space}', 'action', '4, normalised')
    if abs(contract.period - period) > 1e-9:
        fail(f'got {contract.rate:g}', 'rate', f'{1 / period:g}')
    if missing := [key for key in contract.inputs if key not in offered]:
        fail(f'no {", ".join(missing)}', 'observations', ', '.join(offered))
    for key, stream in contract.streams.items():
        if stream.size != offered[key]:
            fail(f'{stream.size} numbers', f'observations.{key}', offered[key])


def record_experts(
    contract: Contract,
    task: str,
    out: Path,
    seeds: Iterable[int],
    *,
    noise: float = 0.0,
    overwrite: bool = False,
) -> Dataset:
    """The expert's successful episodes as a dataset's folder; it names those that are left out.

    Args:
        contract: What is in the dataset.
        task: MetaWorld's name of the task.
        out: Folder of the dataset.
        seeds: Of the scenes, one an episode.
        noise: See `MetaWorldRunner.run`.
        overwrite: Whether a dataset that is there already is replaced.

    Raises:
        DatasetError: If `out` exists and may not be replaced, or no episode succeeded.
        IlRosError: As `MetaWorldRunner`.
    """
    stage, left_out, planned = MetaWorldRunner(contract, task), [], list(seeds)
    with DatasetWriter(out, contract, overwrite=overwrite) as writer:
        for seed in planned:
            rollout = stage.run(seed, noise=noise)
            episode = episode_data(contract, task, rollout)
            if rollout.success:
                writer.add(arrays_of(contract, episode))
            else:
                reason = 'the expert did not succeed within the time limit'
                left_out.append(LeftOut(bag='', id=episode.entry.id, reason=reason))
        if len(left_out) == len(planned):
            raise DatasetError(
                f'the expert of {task} succeeded in none of {len(planned)} episodes',
                where=str(out),
                fix='take more episodes, other seeds or less noise',
            )
        return writer.finish(left_out=left_out)


class MetaWorldEvaluator:
    """Runs the episodes of an evaluation: the policy's, and the expert's on the same scenes.

    Args:
        policy: The policy.
        task: MetaWorld's name of the task.

    Raises:
        IlRosError: As `MetaWorldRunner`.
    """

    def __init__(self, policy: Policy, task: str) -> None:
        self._task = task
        self._stages = {
            'policy': MetaWorldRunner(policy.contract, task, policy),
            'expert': MetaWorldRunner(policy.contract, task),
        }

    def run(self, plan: Sequence[PlannedEpisode]) -> Generator[EpisodeResult, None, None]:
        """Run what is planned of the suites `nominal` and `expert`, in its order."""
        for one in plan:
            stage = self._stages[SUITES[one.suite].controller]
            yield run_case(stage, suite=one.suite, task=self._task, seed=one.case.seed)


def run_case(stage: MetaWorldRunner, *, suite: str, task: str, seed: int) -> EpisodeResult:
    """Run one scene; gives what the report needs of it."""
    rollout = stage.run(seed)
    return EpisodeResult(
        suite=suite,
        task=task,
        seed=seed,
        success=rollout.success,
        duration=rollout.elapsed,
        progress=rollout.progress,
        reason=why_it_ended('', rollout.success),
        times=rollout.times,
        scores=np.full(len(rollout.frames), np.nan),
        latencies=np.array(stage.latencies),
    )
