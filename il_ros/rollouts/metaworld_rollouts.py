"""Episodes of MetaWorld's tasks: demonstrations by its experts, and evaluations of policies.

No arm is commanded, so there are no perturbations and no monitor but its temporal ensembling.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.manifest import LeftOut
from il_ros.datasets.memory_dataset import usable_arrays
from il_ros.evaluation.episode_result import EpisodeResult, why_it_ended
from il_ros.evaluation.suites import SUITES
from il_ros.monitors.chunk_follower import ChunkFollower
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk
from il_ros.policies.policy import Policy
from il_ros.rollouts.episode_cases import PlannedEpisode
from il_ros.rollouts.rollout import Rollout, episode_data
from il_ros.sim.metaworld_env import MetaWorldEnv


class MetaWorldRunner:
    """Runs episodes of one MetaWorld task with a policy or the task's expert.

    Args:
        contract: Observations of `MetaWorldEnv` that the policy sees.
        task: MetaWorld's name of the task.
        policy: The policy; None for the task's expert.

    Attributes:
        latencies: Wall-clock time of each answer in the last episode [s].

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
        """Run one episode to success or MetaWorld's time limit.

        Args:
            seed: Seed of the scene.
            noise: Standard deviation of the noise added to each action; the rollout holds the
                actions without noise (DART, Laskey et al. 2017).
        """
        observation, info = self.env.reset(seed=seed)
        if self.policy is not None:
            self.policy.reset()
        random = np.random.default_rng(seed)
        frames: list[Frame] = []
        chunks: list[Array] = []
        actions: list[Array] = []
        follower = ChunkFollower(MonitorConfig.chunk_blend)
        self.latencies = []
        ended = False
        while not ended:
            frames.append(self._frame(observation, len(frames)))
            chunks.append(self._answer(frames[-1]))
            actions.append(self._followed(follower, frames[-1], chunks[-1]))
            action = actions[-1] + noise * random.standard_normal(len(actions[-1]))
            observation, _, terminated, truncated, info = self.env.step(action)
            ended = terminated or truncated
        return Rollout(
            seed=seed,
            frames=tuple(frames),
            chunks=tuple(chunks),
            actions=np.array(actions),
            success=info['is_success'],
            progress=info['progress'],
            duration=len(frames) * self.env.period,
            elapsed=len(frames) * self.env.period,
        )

    def _frame(self, observation: dict[str, Array], tick: int) -> Frame:
        keys = self.contract.streams
        return Frame(
            stamp=NS + round(tick * self.env.period * NS),
            values={key: observation[key] for key in keys},
            valid=dict.fromkeys(keys, True),
            age=dict.fromkeys(keys, 0.0),
        )

    def _followed(self, follower: ChunkFollower, frame: Frame, positions: Array) -> Array:
        """The action of this step, (N,), from the newest chunk and those that it overlaps."""
        chunk = Chunk(
            stamp=frame.stamp / NS,
            step_dt=self.env.period,
            names=self.contract.action.names,
            positions=positions,
            contract_hash=self.contract.hash,
            policy_id='',
            source='expert' if self.policy is None else 'policy',
        )
        follower.offer(chunk)
        return follower.target(chunk.stamp + chunk.step_dt)[0]

    def _answer(self, frame: Frame) -> Array:
        begin = time.perf_counter()
        chunk = self.env.expert_action()[None] if self.policy is None else self.policy.act(frame)
        self.latencies.append(time.perf_counter() - begin)
        return chunk


def check_contract(
    contract: Contract, offered: Mapping[str, int], period: float, task: str
) -> None:
    """Refuse a contract that does not fit a task of MetaWorld.

    Args:
        contract: The contract.
        offered: Size of each observation of the task, by key.
        period: Duration of a step [s].
        task: MetaWorld's name of the task.

    Raises:
        ContractError: If the contract does not fit; the text names the mismatch.
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
    """Write the expert's successful episodes as a dataset; its manifest lists the omitted ones.

    Args:
        contract: Contract of the dataset.
        task: MetaWorld's name of the task.
        out: Folder of the dataset.
        seeds: Seeds of the scenes, one per episode.
        noise: See `MetaWorldRunner.run`.
        overwrite: Whether to replace an existing dataset.

    Raises:
        DatasetError: If `out` exists and may not be replaced, or no episode succeeded.
        IlRosError: As `MetaWorldRunner`.
    """
    runner, left_out, planned = MetaWorldRunner(contract, task), [], list(seeds)
    with DatasetWriter(out, contract, overwrite=overwrite) as writer:
        for seed in planned:
            rollout = runner.run(seed, noise=noise)
            episode = episode_data(task, rollout)
            if rollout.success:
                writer.add(usable_arrays(contract, episode))
            else:
                reason = 'the expert did not succeed within the time limit'
                left_out.append(LeftOut(bag='', id=episode.entry.id, reason=reason))
        if len(left_out) == len(planned):
            raise DatasetError(
                f'the expert of {task} succeeded in none of {len(planned)} episodes',
                where=str(out),
                fix='use more episodes, other seeds or less noise',
            )
        return writer.finish(left_out=left_out)


class MetaWorldEvaluator:
    """Runs a policy and the task's expert on the same scenes.

    Args:
        policy: The policy.
        task: MetaWorld's name of the task.

    Raises:
        IlRosError: As `MetaWorldRunner`.
    """

    def __init__(self, policy: Policy, task: str) -> None:
        self._task = task
        self._runners = {
            'policy': MetaWorldRunner(policy.contract, task, policy),
            'expert': MetaWorldRunner(policy.contract, task),
        }

    def run(self, plan: Sequence[PlannedEpisode]) -> Generator[EpisodeResult, None, None]:
        """Run the planned episodes of the suites `nominal` and `expert` in order."""
        for one in plan:
            runner = self._runners[SUITES[one.suite].controller]
            rollout = runner.run(one.case.seed)
            yield EpisodeResult(
                suite=one.suite,
                task=self._task,
                seed=one.case.seed,
                success=rollout.success,
                duration=rollout.elapsed,
                progress=rollout.progress,
                reason=why_it_ended('', rollout.success),
                times=rollout.times,
                scores=np.full(len(rollout.frames), np.nan),
                latencies=np.array(runner.latencies),
            )
