"""Many worlds of one task as arrays, stepped together on all cores."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array
from il_ros.sim import command_path, sensing
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.plant import STATE
from il_ros.sim.success_tracker import SuccessTracker
from il_ros.sim.violations import Violations
from il_ros.sim.world import World

WHOLE = int(mujoco.mjtState.mjSTATE_INTEGRATION)  # all that the next physics step depends on
REFUSED = ('push', 'object_moved', 'sensor_dropout')  # kinds that are no matter of numbers in rows


class VectorWorld:
    """Rows of worlds, each one number for number what a `World` is with the same set-points.

    A reset is that of one `World`, whose model and state the row then takes over; a step is the
    same code as there, for arrays with one dimension more, and one call for the physics of all
    rows. Delays, disturbed commands and sensors are computed row by row in those that have them.

    All rows begin as after `reset(row, 0)`. Stepping on after an episode is done is allowed.

    Args:
        world: What all rows are like; it belongs to them from then on.
        count: How many rows.
        threads: How many threads step them; 0 for as many as there are cores.

    Attributes:
        scene: The true scenes, as of `World.privileged`, shape (count, ...) each.
        seen: What the sensors say, as of `World.observe`, shape (count, ...) each.
        seeds: Of the last resets, shape (count,).
        violations: Counts by kind, as of `TaskState`, shape (count,) each.
    """

    def __init__(self, world: World, count: int, threads: int = 0) -> None:
        self._world, self._plant, self._count = world, world.plant, count
        world.reset(0)
        self._batch = Batch(self._plant.model, count, threads)
        self._models = [copy.copy(self._plant.model)] * count
        self._stale = True  # whether the batch has not seen these models yet
        self._record: dict[str | int, Array] = {}
        self._batch.state[:] = self._state()
        self._plant.scene(self._batch)  # a batch computes what has been asked for before
        self.scene = {key: np.tile(value, (count, 1)) for key, value in world.privileged().items()}
        self.seen = _copied(self.scene)
        self._last = np.tile(world.start, (count, 1))
        self._judge = Violations(world.limits, self._last.copy(), world.period, world.clearance)
        self.violations = self._judge.counts
        self._outcome = SuccessTracker(world.task, _copied(self.scene), world.period)
        self.seeds, self._ticks = np.zeros((2, count), np.int64)
        self._paths: dict[int, command_path.CommandPath] = {}
        self._sensings: dict[int, sensing.Sensing] = {}

    @property
    def time(self) -> Array:
        """Time since each row's reset, shape (count,) [s]."""
        return np.asarray(self._ticks * self._world.period, np.float64)

    @property
    def success(self) -> NDArray[np.bool_]:
        """Whether the goal has been reached and held, shape (count,)."""
        return self._outcome.success

    @property
    def done(self) -> NDArray[np.bool_]:
        """Whether the episode is over: success, or the time limit, shape (count,)."""
        return self.success | (self.time >= self._world.task.time_limit - 1e-9)

    def progress(self) -> Array:
        """How much of the way is done, 0 to 1, shape (count,)."""
        return self._outcome.progress(self.scene)

    def reset(self, row: int, seed: int, perturbations: Sequence[Perturbation] = ()) -> None:
        """Start the episode that `seed` and `perturbations` describe in one row.

        Raises:
            UnknownNameError: If a perturbation names no observation or camera of this task.
            IlRosError: If a perturbation cannot be had in rows, or the task has no object for it.
        """
        for p in perturbations:
            if p.kind in REFUSED:
                raise IlRosError(
                    'not possible in many worlds at once',
                    where=f'perturbation {p.kind}',
                    fix='use one world for each episode',
                )
        world = self._world
        world.reset(seed, perturbations)
        self._models[row], self._stale = copy.copy(self._plant.model), True
        self._batch.state[row] = self._state()
        kinds = {p.kind for p in perturbations}
        _keep(self._paths, row, world.path, bool(kinds & {*command_path.KINDS}))
        _keep(self._sensings, row, world.sensing, bool(kinds & {*sensing.KINDS}))
        first = world.privileged()
        _put(self.scene, row, first)
        _put(self.seen, row, world.observe())
        self._outcome.restart(row, first)
        self._judge.restart(row, world.start)
        self._last[row], self.seeds[row], self._ticks[row] = world.start, seed, 0

    def step(self, targets: Array) -> None:
        """Advance all rows one control period.

        Args:
            targets: Joint set-points, shape (count, substeps, N) [rad, m], one for each physics
                step.

        Raises:
            IlRosError: If the set-points have another shape or are not finite.
        """
        world = self._world
        targets = command_path.checked(
            targets, (self._count, world.substeps, len(world.names)), 'set-points', 'simulator'
        )
        if self._stale:
            self._batch.set_models(self._models)
            self._stale = False
        self._judge.command(targets[:, -1])
        sent, self._last = self._plant.commands(self._applied(targets), self._last)
        self._record = self._batch.rollout(
            world.substeps, sent, record=(STATE, 'sensordata'), out=self._record
        )
        self._batch.forward()  # what is observed belongs to the end
        self._judge.motion(*self._plant.log(self._record[STATE], self._record['sensordata']))
        self._ticks += 1
        goal = self.scene['goal_position'].copy()
        self.scene = {**self._plant.scene(self._batch), 'goal_position': goal}
        self.seen = self._observed()
        self._outcome.update(self.scene)

    def _applied(self, targets: Array) -> Array:
        if not self._paths:
            return targets
        targets, time = targets.copy(), self.time
        for row, path in self._paths.items():
            targets[row] = path.apply(targets[row], float(time[row]))
        return targets

    def _observed(self) -> dict[str, Array]:
        seen, time = _copied(self.scene), self.time
        for row, sense in self._sensings.items():
            scene = {key: value[row] for key, value in self.scene.items()}
            _put(seen, row, sense.observe(scene, float(time[row])))
        return seen

    def _state(self) -> Array:
        """The state that the reset left, as a row of the batch."""
        row = np.empty(self._batch.nstate)
        mujoco.mj_getState(self._plant.model, self._plant.data, row, WHOLE)
        return row


def _keep(kept: dict[int, Any], row: int, what: object, needed: bool) -> None:
    kept.pop(row, None)
    if needed:
        kept[row] = what


def _copied(arrays: dict[str, Array]) -> dict[str, Array]:
    return {key: value.copy() for key, value in arrays.items()}


def _put(arrays: dict[str, Array], row: int, values: Mapping[str, Array | None]) -> None:
    for key, value in values.items():
        arrays[key][row] = value
