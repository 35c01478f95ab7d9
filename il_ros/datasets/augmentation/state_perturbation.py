"""Perturbation: states off the demonstrated path, with the actions that lead back to it.

A cloned policy drifts off the path and has never seen what to do there. DART (Laskey et al. 2017)
disturbs the expert while it demonstrates. Ke et al. 2021 (Grasping with Chopsticks, section II-B)
do it afterwards: where state and action are both positions, the demonstrated action is itself the
corrective label of a state with a small error. So it is here: the targets are absolute, and they
stay. CCIL (Ke et al. 2024) derives such labels from learned dynamics instead, for actions that
are not positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import Arm, arm_of, require_single
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError, require
from il_ros.core.geometry import quaternion_from_matrix
from il_ros.core.limits import Array
from il_ros.datasets.augmentation.augmentation_step import (
    Floats,
    Samples,
    beyond,
    observed_key,
    parts,
    require_within,
    tool_poses,
    turned,
)
from il_ros.datasets.preprocessing.joint_motion import measured_positions

_POSE = ('pose.position', 'pose.orientation')
_POINTS = ('pose.position', 'point')


@dataclass(frozen=True, kw_only=True)
class StatePerturbation:
    """How far off the path, and how fast back.

    Attributes:
        probability: Fraction of the samples that are perturbed.
        offset: Largest offset of a measured joint position by joint [rad or m], drawn evenly on
            both sides; joints without one stay.
        recovery: Time in which the targets come back to the demonstrated ones [s]: the offset
            fades on a straight line, and with 0 the first target is the demonstrated one. A
            policy that follows the first step of each chunk then comes back with this time
            constant.
        tool: Observations of the tool centre point's pose, which move with the joints; empty
            where the contract has none.
        clear: For a pose or point, distance to the tool centre point [m] within which samples
            stay as they are: what the fingers are around, or hold, would not follow.
        pictures: Whether samples with images are perturbed, though the images keep showing the
            arm where it was.
    """

    probability: float = 0.5
    offset: Mapping[str, float] = field(default_factory=dict)
    recovery: float = 0.2
    tool: tuple[str, ...]
    clear: Mapping[str, float] = field(default_factory=dict)
    pictures: bool = False


class PerturbState:
    """Offsets measured joint positions and the tool's pose, and lets the action lead back.

    Speeds and forces stay as they were. An offset is made smaller, joint by joint, until neither
    the state nor a target lies further beyond the contract's position limits than before, and no
    target asks for more speed than the contract allows (or than the demonstration asked for
    there). A sample whose tool would leave the workspace, or come near a body of `clear`, stays.

    Args:
        contract: Says what the observations are, of which arm, and the limits.
        settings: How far.

    Raises:
        DatasetError: If the settings do not fit the contract.
    """

    def __init__(self, contract: Contract, settings: StatePerturbation) -> None:
        require_within(settings.probability, 0.0, 1.0, 'perturbation.probability')
        self._contract, self._settings = contract, settings
        self._bound = _bounds(contract, settings)
        self._columns = _position_columns(contract)
        self._tool = {key: _pose_parts(contract, key) for key in settings.tool}
        self._clear = {key: _point_part(contract, settings, key) for key in settings.clear}
        recovery, where = settings.recovery, 'perturbation.recovery'
        require(0.0 <= recovery < np.inf, recovery, where, '0 or more [s]', DatasetError)
        self._arm = _arm(contract, needed=bool(self._tool or self._clear))

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples, each with the probability of the settings off the path."""
        self._check(samples)
        chosen = rng.random(len(samples)) < self._settings.probability
        drawn = rng.uniform(-1.0, 1.0, (len(samples), len(self._bound))) * self._bound
        start = measured_positions(self._contract, samples.values)
        path = np.concatenate([start[:, None], samples.chunk], axis=1)
        fade = self._fade(samples.chunk.shape[1])
        offset = self._within_positions(drawn * chosen[:, None], path, fade)
        offset = self._within_speeds(offset, path, fade, samples.mask)
        offset = offset * self._undisturbed(offset, start, samples.values)[:, None]
        values = self._moved(samples.values, start, offset)
        chunk = (samples.chunk + offset[:, None] * fade[1:, None]).astype(np.float32)
        return replace(samples, values={**samples.values, **values}, chunk=chunk)

    def _fade(self, steps: int) -> Array:
        """Fraction of the offset that is left in the state and at each step, shape (H + 1,)."""
        due = np.arange(steps + 1) * self._contract.period
        if self._settings.recovery == 0.0:
            return np.where(due == 0.0, 1.0, 0.0)
        # Rounded, so that a recovery of whole periods ends on the demonstrated target itself.
        return np.asarray(np.maximum(0.0, np.round(1.0 - due / self._settings.recovery, 9)))

    def _within_positions(self, offset: Array, path: Array, fade: Array) -> Array:
        limits, path, fade = self._contract.limits, path[:, fade > 0.0], fade[fade > 0.0, None]
        up = np.maximum(limits.position_max - path, 0.0) / fade
        down = np.minimum(limits.position_min - path, 0.0) / fade
        return np.clip(offset, down.max(axis=1), up.min(axis=1))

    def _within_speeds(
        self, offset: Array, path: Array, fade: Array, mask: NDArray[np.bool_]
    ) -> Array:
        speed = np.abs(np.diff(path, axis=1)) / self._contract.period
        room = np.maximum(self._contract.limits.velocity - speed, 0.0)
        room[~mask] = np.inf
        extra = -np.diff(fade) / self._contract.period  # speed by unit of offset, (H,)
        most = room[:, extra > 0.0] / extra[extra > 0.0][:, None]
        return np.clip(offset, -most.min(axis=1), most.min(axis=1))

    def _undisturbed(
        self, offset: Array, start: Array, values: Mapping[str, Floats]
    ) -> NDArray[np.bool_]:
        """Which samples keep the tool in the workspace and clear of bodies, shape (B,)."""
        if self._arm is None:
            return np.ones(len(offset), dtype=bool)
        limits = self._contract.limits
        (before, after), _ = tool_poses(self._arm, limits.names, np.stack([start, start + offset]))
        box = limits.workspace_min, limits.workspace_max
        fine = (beyond(after, *box) <= beyond(before, *box) + 1e-9).all(axis=1)
        for key, place in self._clear.items():
            body, distance = values[key][:, place], self._settings.clear[key]
            for tool in (before, after):
                # A body that is not seen (NaN) may be anywhere, so this is no `>=` the other way.
                fine &= np.linalg.norm(tool - body, axis=1) >= distance
        return np.asarray(fine)

    def _moved(
        self, values: Mapping[str, Floats], start: Array, offset: Array
    ) -> dict[str, Floats]:
        """Observations that change."""
        moved = {}
        for key, (columns, joints) in self._columns.items():
            moved[key] = values[key].copy()
            moved[key][:, columns] += offset[:, joints].astype(np.float32)
        rows = np.flatnonzero(offset.any(axis=1))
        if self._arm is None or not self._tool or not len(rows):
            return moved
        positions = np.stack([start, start + offset])[:, rows]
        (p, q), (r, s) = tool_poses(self._arm, self._contract.action.names, positions)
        turn = quaternion_from_matrix(s @ np.swapaxes(r, -1, -2))
        for key, (point, orientation) in self._tool.items():
            # The pose is moved, not replaced: what it was off by, as measured, it stays off by.
            moved[key] = values[key].copy()
            moved[key][rows, point] += (q - p).astype(np.float32)
            old = values[key][rows, orientation].astype(np.float64)
            moved[key][rows, orientation] = turned(old, turn)
        return moved

    def _check(self, samples: Samples) -> None:
        length = samples.chunk.shape[1] * self._contract.period
        if self._settings.recovery > length + 1e-9:
            raise DatasetError(
                f'{self._settings.recovery:g} s is longer than a chunk',
                where='perturbation.recovery',
                allowed=f'at most {length:g} s, {samples.chunk.shape[1]} steps',
            )
        if samples.images and not self._settings.pictures:
            raise DatasetError(
                f'the images {", ".join(samples.images)} would show the arm where it was',
                where='perturbation',
                fix='leave it out, or set perturbation.pictures for offsets too small to be seen',
            )


def _bounds(contract: Contract, settings: StatePerturbation) -> Array:
    """Largest offset of each commanded joint, shape (N,)."""
    names = contract.action.names
    for joint, offset in settings.offset.items():
        where = f'perturbation.offset.{joint}'
        if joint not in names:
            raise DatasetError('no commanded joint', where=where, allowed=names)
        require(0.0 <= offset < np.inf, offset, where, '0 or more [rad or m]', DatasetError)
    return np.array([settings.offset.get(name, 0.0) for name in names])


def _position_columns(contract: Contract) -> dict[str, tuple[list[int], list[int]]]:
    """Where observations hold positions of commanded joints, and of which, by key."""
    names, found = contract.action.names, {}
    for key, stream in contract.observations.items():
        place = dict(parts(stream)).get('position')
        if place is not None and (known := [n for n in stream.names if n in names]):
            columns = [place.start + stream.names.index(name) for name in known]
            found[key] = columns, [names.index(name) for name in known]
    return found


def _pose_parts(contract: Contract, key: str) -> tuple[slice, slice]:
    places = dict(parts(observed_key(contract, key, 'perturbation.tool')))
    if not set(_POSE) <= set(places):
        raise DatasetError(
            f'{key} has {", ".join(places)}',
            where='perturbation.tool',
            allowed=f'observations with {" and ".join(_POSE)}',
        )
    return places['pose.position'], places['pose.orientation']


def _point_part(contract: Contract, settings: StatePerturbation, key: str) -> slice:
    places = dict(parts(observed_key(contract, key, 'perturbation.clear')))
    found = [places[name] for name in _POINTS if name in places]
    if not found or not 0.0 <= settings.clear[key] < np.inf:
        raise DatasetError(
            f'got {settings.clear[key]} for {key} with {", ".join(places)}',
            where=f'perturbation.clear.{key}',
            allowed=f'a distance [m], for an observation with {" or ".join(_POINTS)}',
        )
    return found[0]


def _arm(contract: Contract, *, needed: bool) -> Arm | None:
    if contract.arm:
        return require_single(arm_of(contract), where='perturbation')
    if needed:
        raise DatasetError(
            'the contract names no arm, so it is not known how its tool moves',
            where='perturbation.tool',
            fix='name the arm in the contract; or leave `tool` and `clear` empty, where the '
            'contract observes no tool pose',
        )
    return None
