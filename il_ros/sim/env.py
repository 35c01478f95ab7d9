"""The built-in tasks as Gymnasium environments, for training that needs many interactions.

Physics and sensors are those of the simulator node: the same seed and set-points give the same
episode. Importing this module registers every task: `gymnasium.make('il_ros/pick_place-v0')`.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array, Limits
from il_ros.sim.randomisation import NOTHING, Randomisation
from il_ros.sim.scene_cameras import CameraConfig, Choice
from il_ros.sim.tasks import TASKS
from il_ros.sim.world import TaskState, World

Reward = Literal['progress', 'sparse']

SEEDS = 2**31  # scenes that `reset` without a seed chooses from


class TaskSettings(TypedDict, total=False):
    """Settings that `TaskEnv` and `VectorTaskEnv` share; see `TaskEnv` for each and its default."""

    reward: Reward
    limits: Limits | None
    rate: float
    arm: str | None
    randomisation: Randomisation


class TaskEnv(gymnasium.Env[dict[str, Any], Array]):
    """One task, one control period a step.

    Observations are those of `World.observe`, in SI units and the base frame. An action is the
    velocity of each joint's set-point during the period as a fraction of its speed limit, shape
    (N,) in [-1, 1]; set-points stay within the position and speed limits. No monitor enforces the
    other limits: violations are counted in `info['violations']`. An episode terminates at success
    and is truncated at the time limit of the task.

    The reward `progress` is the progress made in the step, plus 1 at success, so the return of an
    episode is at most 2; `sparse` is 1 at success and 0 before.

    Args:
        task: Name of the task.
        reward: Kind of reward.
        limits: Limits of the joints and of the workspace, as in a contract; by default the arm's
            own limits and the task's workspace.
        rate: Control rate [Hz].
        arm: Name of the arm; the task's default if None.
        randomisation: Domain randomisation of each episode; none by default.
        render_mode: `rgb_array` for images of the front camera, or None.
        width: Width of these images [pixels].
        height: Height of these images [pixels].
        renderer: Renderer of these images, see `il_ros.sim.scene_cameras.CameraConfig`.

    Attributes:
        world: The simulated robot and its task.
        reward: Kind of reward.
        randomisation: Domain randomisation of each episode.

    Raises:
        UnknownNameError: If the task, the arm or the renderer is unknown.
        IlRosError: If the reward or the render mode is unknown, or the limits name other joints.
    """

    metadata = {'render_modes': ['rgb_array'], 'render_fps': 20}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        *,
        reward: Reward = 'progress',
        limits: Limits | None = None,
        rate: float = 20.0,
        arm: str | None = None,
        randomisation: Randomisation = NOTHING,
        render_mode: str | None = None,
        width: int = 256,
        height: int = 256,
        renderer: Choice = CameraConfig.renderer,
    ) -> None:
        one_of('reward', reward, get_args(Reward))
        one_of('render_mode', render_mode, (None, *self.metadata['render_modes']))
        self.world = World(task, limits=limits, rate=rate, arm=arm, renderer=renderer)
        self.randomisation = randomisation
        self.render_mode, self.reward, self._size = render_mode, reward, (width, height)
        self.metadata = {**self.metadata, 'render_fps': round(rate)}
        self._actions = JointVelocityActions(self.world)
        self.action_space = self._actions.space
        self.observation_space = spaces.Dict(
            {
                key: spaces.Box(-np.inf, np.inf, value.shape, np.float64)
                for key, value in self.world.privileged().items()
            }
        )
        self._state: TaskState
        self._begin()  # the world stands as after `reset(0)`

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Start the episode of `seed`; without one, that of a seed drawn by the generator.

        Raises:
            IlRosError: If options are given, or if the task lacks what the randomisation changes.
        """
        super().reset(seed=seed)
        if options:
            raise IlRosError(f'options {sorted(options)}', where='reset', allowed='none')
        scene = seed if seed is not None else int(self.np_random.integers(SEEDS))
        self.world.reset(scene, self.randomisation.draw(scene))
        self._begin()
        return self._observation(), self._info()

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Move the set-points for one period.

        Raises:
            IlRosError: If the action has another shape or is not finite.
        """
        self.world.step(self._actions.moved(action))
        before, self._state = self._state, self.world.state()
        reward = float(self._state.success)
        if self.reward == 'progress':
            reward += self._state.progress - before.progress
        terminated = self._state.success
        truncated = self._state.done and not terminated
        return self._observation(), reward, terminated, truncated, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """Image of the front camera, shape (height, width, 3), in render mode `rgb_array`."""
        if self.render_mode is None:
            return None
        return self.world.render('front', *self._size)

    def close(self) -> None:
        """Release the renderer."""
        self.world.close()

    def _begin(self) -> None:
        self._actions.target = self.world.posture()
        self._state = self.world.state()

    def _observation(self) -> dict[str, Array]:
        # No value is None: that takes a perturbation.
        return {key: value for key, value in self.world.observe().items() if value is not None}

    def _info(self) -> dict[str, Any]:
        state = self._state
        return {
            'is_success': state.success,
            'progress': state.progress,
            'violations': sum(state.violations.values()),
            'scene_seed': state.seed,
        }


class JointVelocityActions:
    """Velocities of the set-points of the joints, as fractions of their speed limits.

    Args:
        world: Whose joints move.

    Attributes:
        space: Of the actions, shape (N,) in [-1, 1].
        target: Set-points at the end of the last period, shape (..., N) [rad, m].
    """

    def __init__(self, world: World) -> None:
        bounds, steps = world.limits, world.substeps
        self.space = spaces.Box(-1.0, 1.0, (len(bounds.names),), np.float64)
        self.target: Array = np.zeros(self.space.shape)
        self._lower, self._upper = bounds.position_min, bounds.position_max
        self._stride = bounds.velocity * world.period
        self._fractions = np.arange(1, steps + 1)[:, None] / steps

    def moved(self, action: Array) -> Array:
        """The set-points of a period, shape (..., substeps, N).

        Raises:
            IlRosError: If the action has another shape than `target`, or is not finite.
        """
        action, last = np.asarray(action, np.float64), self.target
        if action.shape != last.shape or not np.isfinite(action).all():
            raise IlRosError(
                f'shape {action.shape}, or not finite',
                where='action',
                allowed=f'finite, shape {last.shape}',
            )
        target = last + np.minimum(np.maximum(action, -1.0), 1.0) * self._stride
        self.target = np.minimum(np.maximum(target, self._lower), self._upper)
        way = (self.target - last)[..., None, :]
        return np.asarray(last[..., None, :] + self._fractions * way)


def environment_id(task: str) -> str:
    """Gymnasium id of a task."""
    return f'il_ros/{task}-v0'


def one_of(what: str, value: object, allowed: tuple[object, ...]) -> None:
    """Check a setting.

    Raises:
        IlRosError: If it is not one of `allowed`.
    """
    if value not in allowed:
        raise IlRosError(f'{what} {value!r}', where='environment', allowed=map(str, allowed))


for _task in TASKS:
    gymnasium.register(
        environment_id(_task),
        entry_point='il_ros.sim.env:TaskEnv',
        vector_entry_point='il_ros.sim.vector_env:VectorTaskEnv',
        kwargs={'task': _task},
    )
