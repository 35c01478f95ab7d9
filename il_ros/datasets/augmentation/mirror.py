"""Mirroring: a demonstration on the left is one on the right, for a robot that is symmetric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import Arm, arm_of, require_single
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.limits import Array
from il_ros.datasets.augmentation.augmentation_step import (
    Floats,
    Samples,
    beyond,
    require_within,
    tool_poses,
)
from il_ros.datasets.augmentation.symmetry import Mirror, action_map, observation_map
from il_ros.datasets.preprocessing.joint_motion import measured_positions

_TOLERANCE = 1e-4  # largest error of the mirrored tool's pose, elements of position [m], rotation
_ROUNDING = 1e-6  # what float32 may add to a joint position [rad or m]


class MirrorSamples:
    """Mirrors observations, actions and images of a sample together.

    A sample whose mirror image would leave the contract's position limits, or its workspace, by
    more than the sample itself does stays as it is: limits need not be symmetric (those of the
    Franka's last joint are not, for its hand is mounted at 45 degrees).

    Args:
        contract: Says what the observations are, and of which arm.
        settings: The symmetry.

    Raises:
        DatasetError: If the symmetry does not fit the contract, is no involution, or does not
            take the tool of the contract's arm to its mirror image.
    """

    def __init__(self, contract: Contract, settings: Mirror) -> None:
        require_within(settings.probability, 0.0, 1.0, 'mirror.probability')
        self._contract, self._settings = contract, settings
        self._observations = observation_map(settings, contract)
        self._actions = action_map(settings, contract)
        self._ends = np.cumsum([stream.size for stream in contract.observations.values()])[:-1]
        self._arm = require_single(arm_of(contract), where='mirror') if contract.arm else None
        if self._arm is not None:
            self._require_mirrored_tool(self._arm)
        self._require_reachable()

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Samples, each with the probability of the settings in its mirror image's place."""
        wanted = rng.random(len(samples)) < self._settings.probability
        keys = list(self._contract.observations)
        raw = self._observations(np.concatenate([samples.values[key] for key in keys], axis=1))
        columns = np.split(raw.astype(np.float32), self._ends, axis=1)
        values = dict(zip(keys, columns, strict=True))
        chunk = self._actions(samples.chunk)
        rows = wanted & self._allowed(samples, values, chunk)
        mixed = {k: np.where(rows[:, None], values[k], samples.values[k]) for k in keys}
        return replace(
            samples,
            values={**samples.values, **mixed},
            chunk=np.where(rows[:, None, None], chunk, samples.chunk).astype(np.float32),
            images=self._images(samples.images, rows),
        )

    def _allowed(
        self, samples: Samples, values: Mapping[str, Floats], chunk: Array
    ) -> NDArray[np.bool_]:
        """Which mirrored samples are as far within the limits as the samples are, shape (B,)."""
        known = np.concatenate([np.ones((len(chunk), 1), dtype=bool), samples.mask], axis=1)
        before = self._outside(samples.values, samples.chunk)
        worse = self._outside(values, chunk) > before + _ROUNDING
        return np.asarray(~(worse.any(axis=-1) & known).any(axis=1))

    def _outside(self, values: Mapping[str, Floats], chunk: NDArray[np.floating]) -> Array:
        """How far joints, and the tool if the workspace is not symmetric, are beyond the limits.

        Where they are and then should be, shape (B, H + 1, N [+ 3]).
        """
        start = measured_positions(self._contract, values)
        path = np.concatenate([start[:, None], chunk.astype(np.float64)], axis=1)
        limits = self._contract.limits
        joints = beyond(path, limits.position_min, limits.position_max)
        box = np.stack([limits.workspace_min, limits.workspace_max])
        mirrored = np.sort(box * self._settings.reflection, axis=0)
        if self._arm is None or np.allclose(mirrored, box):
            return joints
        tool, _ = tool_poses(self._arm, limits.names, path)
        return np.concatenate([joints, beyond(tool, *box)], axis=-1)

    def _images(
        self, images: Mapping[str, NDArray[Any]], rows: NDArray[np.bool_]
    ) -> dict[str, NDArray[Any]]:
        mirrored = {}
        for key, image in images.items():
            if key not in self._settings.images:
                raise DatasetError(
                    'the image is not declared',
                    where=f'mirror.images.{key}',
                    fix='say what becomes of it: {} to flip it, or train without mirroring',
                )
            how = self._settings.images[key]
            source = images[how.take or key][rows]
            mirrored[key] = image.copy()
            mirrored[key][rows] = source[:, :, ::-1] if how.flip else source
        return mirrored

    def _require_mirrored_tool(self, arm: Arm) -> None:
        """Check that mirrored joints bring the tool to its mirror image, in sixteen postures."""
        limits, s = self._contract.limits, self._settings.reflection
        shape = (16, len(limits.names))
        postures = np.random.default_rng(0).uniform(*self._contract.action_range, shape)
        position, rotation = tool_poses(arm, limits.names, postures)
        found, turned = tool_poses(arm, limits.names, self._actions(postures))
        off = float(np.abs(found - position * s).max())
        twisted = float(np.abs(turned - s[:, None] * rotation * s).max())
        if max(off, twisted) > _TOLERANCE:
            raise DatasetError(
                f'mirrored joints of the {arm.name} bring the tool up to {off:.3g} m off its '
                f'mirror image, with a rotation matrix up to {twisted:.3g} off',
                where='mirror.joints',
                fix='correct plane, sign and offset of the joints (a hand mounted at an angle '
                'needs an offset at the last joint)',
            )

    def _require_reachable(self) -> None:
        """Refuse a symmetry under which no posture within the limits has its image within them."""
        limits = self._contract.limits
        ends = self._actions(np.stack([limits.position_min, limits.position_max]))
        low = np.maximum(ends.min(axis=0), limits.position_min)
        high = np.minimum(ends.max(axis=0), limits.position_max)
        for i in np.flatnonzero(low > high):
            raise DatasetError(
                'no position within the limits has its mirror image within them',
                where=f'mirror.joints.{limits.names[i]}',
                fix="correct its offset, or the contract's limits",
            )
