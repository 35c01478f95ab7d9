"""Many environments of one task as one Gymnasium vector environment, computed as arrays.

`gymnasium.make_vec('il_ros/reach-v0', num_envs=64)` makes one, after `import il_ros.sim.env`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.sim.env import SEEDS, JointVelocityActions, TaskEnv, TaskSettings, one_of
from il_ros.sim.vector_world import VectorWorld

Flags = NDArray[np.bool_]


class VectorTaskEnv(VectorEnv[dict[str, Array], Array, NDArray[Any]]):
    """A `gymnasium.vector.SyncVectorEnv` of `TaskEnv`, number for number, but computed as arrays.

    The next episode starts in the step in which one ends: the observation is the first one of the
    new episode, and `info['final_obs']` and `info['final_info']` are the last ones of the old. Row
    i is seeded with the given seed plus i; the row's own generator draws the later seeds.

    Args:
        num_envs: Number of environments.
        task: Name of the task.
        render_mode: None; there are no images.
        threads: Threads that compute the physics; 0 for one per core.
        settings: As of `TaskEnv`.

    Raises:
        UnknownNameError: If the task or the arm is unknown.
        IlRosError: If the reward or the render mode is unknown, there is no environment, or the
            limits name other joints.
    """

    metadata = {'render_modes': [], 'autoreset_mode': AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str,
        render_mode: str | None = None,
        threads: int = 0,
        **settings: Unpack[TaskSettings],
    ) -> None:
        one_of('render_mode', render_mode, (None,))
        if num_envs < 1:
            raise IlRosError(f'num_envs {num_envs}', where='environment', allowed='at least 1')
        self._single = single = TaskEnv(task, **settings)
        self.num_envs, self._actions = num_envs, JointVelocityActions(single.world)
        self.single_action_space = single.action_space
        self.single_observation_space = single.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._worlds = VectorWorld(single.world, num_envs, threads)
        self._actions.target = single.world.posture(self._worlds.scene)
        self._progress = self._worlds.progress()
        self._random = [seeding.np_random()[0] for _ in range(num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Start an episode in every row, or in those of `options['reset_mask']`.

        Args:
            seed: Seed of the first row, from which the other rows count on; or one seed per row;
                or None for seeds drawn by the generators of the rows.
            options: Nothing, or a `reset_mask` of booleans, shape (num_envs,).

        Raises:
            IlRosError: If there are other options, or seeds or a mask of another size, or if the
                task lacks what the randomisation changes.
        """
        rows = self._rows(options or {})
        seeds = self._seeds(seed)
        for row in rows:
            self._begin(int(row), seeds[row])
        return self._observation(), self._info(np.isin(np.arange(self.num_envs), rows))

    def step(self, actions: Array) -> tuple[dict[str, Array], Array, Flags, Flags, dict[str, Any]]:
        """Move the set-points of every row for one period; start anew where an episode ended.

        Raises:
            IlRosError: If the actions have another shape or are not finite.
        """
        worlds, before = self._worlds, self._progress
        worlds.step(self._actions.moved(actions))
        self._progress = worlds.progress()
        terminated, done = worlds.success.copy(), worlds.done
        rewards = terminated.astype(np.float64)
        if self._single.reward == 'progress':
            rewards += self._progress - before
        info = self._next(np.flatnonzero(done))
        return self._observation(), rewards, terminated, done & ~terminated, info

    def _next(self, rows: NDArray[np.intp]) -> dict[str, Any]:
        """Start the next episode in `rows`; returns the info of the step."""
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
        self._worlds.reset(row, scene, self._single.randomisation.draw(scene))
        self._actions.target[row] = self._single.world.posture(self._worlds.scene)[row]
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
        """The info of `TaskEnv` in `rows`, zero in the others, and masks of those rows."""
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
