"""A dataset as inputs and targets of a network that predicts action chunks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from il_ros.core.frames import NS
from il_ros.datasets.dataset import Dataset
from il_ros.policies.features import Features
from il_ros.policies.mlp import MlpConfig, network_input, relative_joints
from il_ros.policies.normalizer import VARIES, Normalizer

_ACTION_VARIES = 1e-5  # a target that changes less than this over all frames is constant [rad, m]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples on one device, B of them.

    Attributes:
        x: What the network sees, float32 of shape (B, D).
        y: What it should say, float32 of shape (B, H * N).
        mask: 1 where that is known, else 0; float32 of shape (B, H * N).
    """

    x: torch.Tensor
    y: torch.Tensor
    mask: torch.Tensor

    def __len__(self) -> int:
        return len(self.x)

    def at(self, rows: torch.Tensor) -> Batch:
        """These samples of it."""
        return Batch(x=self.x[rows], y=self.y[rows], mask=self.mask[rows])


@dataclass(frozen=True, kw_only=True)
class ChunkData:
    """A whole dataset in a network's terms.

    Attributes:
        x: Normalised features, float32 of shape (F, D).
        y: Normalised chunks, float32 of shape (F, H, N).
        mask: Which steps are known, bool of shape (F, H).
        inputs: Normaliser of the features, fitted to the training frames.
        outputs: Normaliser of the chunks, likewise.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    mask: NDArray[np.bool_]
    inputs: Normalizer
    outputs: Normalizer

    def batch(self, rows: NDArray[np.int64], device: torch.device) -> Batch:
        """These frames, on a device."""
        _, steps, joints = self.y.shape
        mask = np.repeat(self.mask[rows], joints, axis=1).astype(np.float32)
        arrays = (self.x[rows], self.y[rows].reshape(len(rows), steps * joints), mask)
        x, y, m = (torch.from_numpy(array).to(device) for array in arrays)
        return Batch(x=x, y=y, mask=m)


def chunk_data(dataset: Dataset, config: MlpConfig, train_episodes: Collection[int]) -> ChunkData:
    """All frames of a dataset, normalised by those of `train_episodes` (indices)."""
    rows = dataset.rows(train_episodes)
    features = Features(dataset.contract, config.leave_out)
    raw = features.of_arrays(dataset.values)
    inputs = Normalizer.fit(raw[rows], varies=VARIES, clip=config.clip)
    targets, mask = chunk_targets(dataset, config)
    known = np.where(mask[..., None], targets, np.nan)[rows]
    outputs = Normalizer.fit(known, varies=_ACTION_VARIES, clip=np.inf)
    return ChunkData(
        x=network_input(features, inputs, raw),
        y=outputs.normalize(targets).astype(np.float32),
        mask=mask,
        inputs=inputs,
        outputs=outputs,
    )


def chunk_targets(
    dataset: Dataset, config: MlpConfig
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The H commands that followed each frame, in the policy's terms.

    Returns:
        Targets, shape (F, H, N) [rad or m], and whether each step is known, shape (F, H): it is
        not beyond the end of the episode or of a gap, where repeating a command would teach to
        stop.
    """
    last = np.concatenate([np.full(e.length, e.start + e.length - 1) for e in dataset.episodes])
    steps, period = np.arange(config.horizon), NS / dataset.contract.rate
    wanted = np.arange(dataset.frames)[:, None] + steps
    rows = np.minimum(wanted, last[:, None])
    late = dataset.stamp[rows] - dataset.stamp[:, None] - steps * period
    mask = (wanted == rows) & (np.abs(late) < 0.5 * period)
    measured = dataset.observation_matrix(dataset.contract.action.position).astype(np.float64)
    offset = measured * relative_joints(dataset.contract, config)
    return dataset.action.astype(np.float64)[rows] - offset[:, None, :], mask
