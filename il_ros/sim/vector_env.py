"""Several environments of one task, stepped at once by threads of one process.

The physics of a control period is one call that does not need the interpreter's lock, so that
threads share the cores for most of a step. Episodes are those of `TaskEnv`, whatever the threads.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray

from il_ros.sim.env import TaskEnv

Array = NDArray[np.float64]
Step = tuple[dict[str, Any], float, bool, bool, dict[str, Any]]


class TaskVectorEnv(SyncVectorEnv):
    """Several environments of one task; Gymnasium's rules for vectors and resets hold.

    Args:
        num_envs: How many.
        threads: How many step at once; by default one for each core.
        **options: Of each `TaskEnv`, its task first of all.
    """

    def __init__(self, num_envs: int, *, threads: int | None = None, **options: Any) -> None:
        count = threads or min(num_envs, len(os.sched_getaffinity(0)))
        self._pool = ThreadPoolExecutor(count, 'il_ros_env')
        super().__init__(num_envs * [partial(_made, self._pool, options)])

    def step(
        self, actions: Array
    ) -> tuple[dict[str, Any], Array, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every environment; see `TaskEnv.step`."""
        for env, action in zip(self.envs, iterate(self.action_space, actions), strict=True):
            assert isinstance(env, _Ahead)
            env.begin(action)
        return super().step(actions)

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads, and close every environment."""
        self._pool.shutdown()
        super().close_extras(**kwargs)


class _Ahead(gymnasium.Wrapper[dict[str, Any], Array, dict[str, Any], Array]):
    """An environment whose next step is computed elsewhere before it is asked for."""

    def __init__(self, env: TaskEnv, pool: Executor) -> None:
        super().__init__(env)
        self._pool, self._step = pool, Future[Step]()

    def begin(self, action: Array) -> None:
        """Let the pool compute the step."""
        self._step = self._pool.submit(self.env.step, action.copy())  # type: ignore[arg-type]

    def step(self, action: Array) -> Step:
        """The step that `begin` was given."""
        return self._step.result()

    def reset(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Reset, once a step that nobody asks for any more has ended."""
        if not self._step.cancel():
            self._step.exception()
        return self.env.reset(**options)


def _made(pool: Executor, options: dict[str, Any]) -> _Ahead:
    return _Ahead(TaskEnv(**options), pool)
