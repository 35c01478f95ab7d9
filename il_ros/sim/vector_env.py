"""Many environments of one task as one Gymnasium vector environment, computed as arrays.

`gymnasium.make_vec('il_ros/reach-v0', num_envs=64)` makes one, after `import il_ros.sim.env`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Limits
from il_ros.sim.env import SEEDS, Reward, observation_space, one_of
from il_ros.sim.joint_velocity_actions import JointVelocityActions
from il_ros.sim.randomisation import NOTHING, Randomisation
from il_ros.sim.vector_world import VectorWorld
from il_ros.sim.world import World

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class VectorTaskEnv(VectorEnv[dict[str, Array], Array, NDArray[Any]]):
    """What a `gymnasium.vector.SyncVectorEnv` of so many `TaskEnv` gives, number for number.

    An episode that is over is followed by the next one in the same step: the observation is the
    new episode's first one, `info['final_obs']` and `info['final_info']` are what the old one
    ended with. Row i is seeded with the seed given plus i; episodes after it are of seeds that the
    row's own generator draws.

    Args:
        num_envs: How many environments.
        task: Name of the task.
        reward: What a step is worth, as of `TaskEnv`.
        limits: What the joints may do and what counts as a violation, as of a contract; by default
            the arm's own limits and the task's workspace.
        rate: Control rate [Hz].
        arm: Name of the arm; the task's by default.
        randomisation: What differs from episode to episode beside the scene; nothing by default.
        render_mode: None; there are no images.
        threads: How many threads compute the physics; 0 for as many as there are cores.

    Raises:
        UnknownNameError: If the task or the arm is unknown.
        IlRosError: If the reward or the render mode is, there is no environment, or the limits
            name other joints.
    """

    metadata = {'render_modes': [], 'autoreset_mode': AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str,
        reward: Reward = 'progress',
        limits: Limits | None = None,
        rate: float = 20.0,
        arm: str | None = None,
        randomisation: Randomisation = NOTHING,
        render_mode: str | None = None,
        threads: int = 0,
    ) -> None:
        one_of('reward', reward, get_args(Reward))
        one_of('render_mode', render_mode, (None,))
        if num_envs < 1:
            raise IlRosError(f'num_envs {num_envs}', where='environment', allowed='at least 1')
        world = World(task, limits=limits, rate=rate, arm=arm)
        self.num_envs, self._reward, self._randomisation = num_envs, reward, randomisation
        self._actions = JointVelocityActions(world)
        self.single_action_space = self._actions.space
        self.single_observation_space = observation_space(world)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._worlds = VectorWorld(world, num_envs, threads)
        self._actions.target = self._actions.begin(self._worlds.scene)
        self._progress = self._worlds.progress()
        self._random = [seeding.np_random()[0] for _ in range(num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin an episode in every row, or in those of `options['reset_mask']`.

        Args:
            seed: Of the first row, the others' count on from it; or one for each row; without one
                the episode is of the next seed of the row's generator.
            options: Nothing, or a `reset_mask`, shape (num_envs,), of booleans.

        Raises:
            IlRosError: If there are other options, seeds or a mask of another size, or the task
                lacks what is to be randomised.
        """
        rows = self._rows(options or {})
        seeds = self._seeds(seed)
        for row in rows:
            self._begin(int(row), seeds[row])
        return self._observation(), self._info(np.isin(np.arange(self.num_envs), rows))

    def step(self, actions: Array) -> tuple[dict[str, Array], Array, Flags, Flags, dict[str, Any]]:
        """Move the set-points of every row for one period; begin anew where an episode is over.

        Raises:
            IlRosError: If the actions have another shape or are not finite.
        """
        worlds, before = self._worlds, self._progress
        worlds.step(self._actions.moved(actions))
        self._progress = worlds.progress()
        terminated, done = worlds.success.copy(), worlds.done
        rewards = terminated.astype(np.float64)
        if self._reward == 'progress':
            rewards += self._progress - before
        info = self._next(np.flatnonzero(done))
        return self._observation(), rewards, terminated, done & ~terminated, info

    def _next(self, rows: NDArray[np.intp]) -> dict[str, Any]:
        """Begin the next episode in `rows`; gives the info of the step."""
        info: dict[str, Any] = {}
        if rows.size:
            final = self._values()
            for row in rows:
                seen = {key: value[row].copy() for key, value in self._worlds.seen.items()}
                last = {key: value[row].item() for key, value in final.items()}
                info = self._add_info(info, {'final_obs': seen, 'final_info': last}, int(row))
                self._begin(int(row), None)
        return info | self._info(np.ones(self.num_envs, np.bool_))

    def _begin(self, row: int, seed: int | None) -> None:
        if seed is not None:
            self._random[row] = seeding.np_random(seed)[0]
        scene = seed if seed is not None else int(self._random[row].integers(SEEDS))
        self._worlds.reset(row, scene, self._randomisation.draw(scene))
        self._actions.target[row] = self._actions.begin(self._worlds.scene)[row]
        self._progress = self._worlds.progress()

    def _observation(self) -> dict[str, Array]:
        return {key: value.copy() for key, value in self._worlds.seen.items()}

    def _values(self) -> dict[str, NDArray[Any]]:
        worlds = self._worlds
        return {
            'is_success': worlds.success.copy(),
            'progress': self._progress.copy(),
            'violations': np.sum([*worlds.violations.values()], 0),
            'scene_seed': worlds.seeds.copy(),
        }

    def _info(self, rows: Flags) -> dict[str, Any]:
        """What `TaskEnv` gives, and which rows have it, zero in the others."""
        info: dict[str, Any] = {}
        for key, value in self._values().items():
            info |= {key: np.where(rows, value, value.dtype.type(0)), f'_{key}': rows.copy()}
        return info

    def _rows(self, options: dict[str, Any]) -> NDArray[np.intp]:
        mask = np.asarray(options.get('reset_mask', np.ones(self.num_envs, np.bool_)))
        if {*options} - {'reset_mask'} or mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise IlRosError(
                f'options {sorted(options)}',
                where='reset',
                allowed=f'reset_mask: {self.num_envs} booleans',
            )
        return np.flatnonzero(mask)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        seeds = [seed + row for row in range(self.num_envs)] if isinstance(seed, int) else seed
        if len(seeds) != self.num_envs:
            raise IlRosError(f'{len(seeds)} seeds', where='reset', allowed=f'{self.num_envs}')
        return seeds
