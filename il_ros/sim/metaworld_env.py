"""MetaWorld's tasks as Gymnasium environments with our keys (Yu et al. 2020, CoRL: Meta-World).

MetaWorld is optional and has a virtual environment of its own (docs/how-to/metaworld.md). It is not
imported before the first environment is made.
"""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.limits import Array
from il_ros.sim.mujoco_versions import require_metaworld

WIDEST = 0.1
"""Distance of the fingers that MetaWorld calls an opening of 1 [m]."""

SCALAR_FIRST = frozenset({
    'assembly-v3', 'basketball-v3', 'bin-picking-v3', 'box-close-v3', 'button-press-topdown-v3',
    'button-press-topdown-wall-v3', 'button-press-v3', 'button-press-wall-v3', 'coffee-button-v3',
    'dial-turn-v3', 'disassemble-v3', 'door-lock-v3', 'door-unlock-v3', 'drawer-open-v3',
    'faucet-close-v3', 'faucet-open-v3', 'hammer-v3', 'hand-insert-v3', 'peg-unplug-side-v3',
    'pick-out-of-hole-v3', 'sweep-v3',
})  # fmt: skip
"""Tasks whose quaternions have w in front, as MuJoCo's; of the others it is the last number."""


class MetaWorldEnv(gymnasium.Env[dict[str, Any], Array]):
    """One of MetaWorld's tasks; a step is one of its steps of 12.5 ms.

    Observations, in MetaWorld's world frame:

    - `hand_position` (3,) [m].
    - `gripper_opening` (1,): from finger to finger [m].
    - `object_pose` (7,): position [m] and quaternion (x, y, z, w), w >= 0. An object whose
      orientation MetaWorld does not report (drawers, handles, windows) has that of the world.
    - `second_object_pose` (7,): likewise, in the tasks that have a second one.
    - `goal_position` (3,) [m].

    MetaWorld's own observation has these of the step before, too; its experts see them. An action
    is how far the hand's set-point moves along x, y and z, 1 for 1 cm, and how hard the gripper
    closes, shape (4,) in [-1, 1].

    A seed is a scene: where objects and goal are. An episode terminates at success and is truncated
    at MetaWorld's 500 steps. The reward is MetaWorld's own. `info` has the keys of
    `il_ros.sim.env.TaskEnv`; `progress` is the fraction of the object's way to its goal that
    is covered, and 0 until success in the five tasks that do not report a distance.

    Args:
        task: MetaWorld's name of the task, e.g. `reach-v3`.

    Attributes:
        period: Time of a step [s].
        sizes: How many numbers each observation has, by key.

    Raises:
        UnknownNameError: If MetaWorld has no such task.
        IlRosError: If it is not installed here.
    """

    def __init__(self, task: str) -> None:
        if task not in task_names():
            raise UnknownNameError(f'unknown MetaWorld task {task!r}', allowed=task_names())
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE as ENVIRONMENTS
        from metaworld.policies import ENV_POLICY_MAP

        self._task, self._expert = task, ENV_POLICY_MAP[task]()
        self._env = ENVIRONMENTS[f'{task}-goal-observable'](seed=0)
        # Otherwise every reset gives the scene of the first seed.
        self._env._freeze_rand_vec, self._env.seeded_rand_vec = False, True
        self.period = float(self._env.dt)
        self._objects = len(self._env._get_pos_objects()) // 3
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float64)
        first, _ = self.reset(seed=0)
        self.sizes = {key: part.size for key, part in first.items()}
        self.observation_space = spaces.Dict(
            {
                key: spaces.Box(-np.inf, np.inf, part.shape, np.float64)
                for key, part in first.items()
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Start the episode of `seed`; without one, that of a seed drawn by the generator.

        Raises:
            IlRosError: If options are given.
        """
        super().reset(seed=seed)
        if options:
            raise IlRosError(f'options {sorted(options)}', where='reset', allowed='none')
        self._seed = seed if seed is not None else int(self.np_random.integers(2**31))
        self._env.seed(self._seed)
        self._raw, _ = self._env.reset()
        self._way: float | None = None
        self._success, self._left = False, 0.0
        return self._observation(), self._info()

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Move the set-point of the hand and simulate one period.

        Raises:
            IlRosError: If the action has another shape or is not finite.
        """
        action = np.asarray(action, np.float64)
        if action.shape != self.action_space.shape or not np.isfinite(action).all():
            raise IlRosError(
                f'shape {action.shape}, or not finite', where='action', allowed='finite, shape (4,)'
            )
        self._raw, reward, _, truncated, info = self._env.step(np.clip(action, -1.0, 1.0))
        self._success, self._left = bool(info['success']), float(info['obj_to_target'])
        if self._way is None:
            self._way = self._left
        ended = truncated and not self._success
        return self._observation(), float(reward), self._success, ended, self._info()

    def expert_action(self) -> Array:
        """Action of the task's expert, shape (4,) in [-1, 1]."""
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that it asks for more than 1, which is cut off here
            action = self._expert.get_action(self._raw)
        return np.clip(np.asarray(action, np.float64), -1.0, 1.0)

    def close(self) -> None:
        """Close MetaWorld's environment."""
        self._env.close()

    def _observation(self) -> dict[str, Array]:
        return named_parts(self._raw, self._objects, scalar_first=self._task in SCALAR_FIRST)

    def _info(self) -> dict[str, Any]:
        covered = 1.0 - self._left / self._way if self._way else 0.0
        return {
            'is_success': self._success,
            'progress': 1.0 if self._success else float(np.clip(covered, 0.0, 1.0)),
            'violations': 0,
            'scene_seed': self._seed,
        }


def task_names() -> tuple[str, ...]:
    """MetaWorld's names of its tasks.

    Raises:
        IlRosError: If it is not installed here.
    """
    require_metaworld()
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    return tuple(ALL_V3_ENVIRONMENTS)


def named_parts(raw: Array, objects: int, *, scalar_first: bool) -> dict[str, Array]:
    """MetaWorld's observation, shape (39,), by the keys of `MetaWorldEnv`.

    Args:
        raw: Hand, opening and up to two poses, now and a step before, 18 numbers each; the goal.
        objects: How many of the poses are of something, 1 or 2.
        scalar_first: Whether w is the first number of a quaternion.
    """
    poses = [_pose(raw[4 + 7 * i : 11 + 7 * i], scalar_first) for i in range(objects)]
    keys = ('object_pose', 'second_object_pose')
    return {
        'hand_position': np.array(raw[:3]),
        'gripper_opening': raw[3:4] * WIDEST,
        **dict(zip(keys, poses, strict=False)),
        'goal_position': np.array(raw[36:]),
    }


def _pose(numbers: Array, scalar_first: bool) -> Array:
    quaternion = np.roll(numbers[3:], -1) if scalar_first else numbers[3:]
    if not quaternion.any():
        quaternion = np.array([0.0, 0.0, 0.0, 1.0])
    return np.concatenate([numbers[:3], -quaternion if quaternion[3] < 0 else quaternion])


gymnasium.register('il_ros/metaworld-v0', entry_point='il_ros.sim.metaworld_env:MetaWorldEnv')
