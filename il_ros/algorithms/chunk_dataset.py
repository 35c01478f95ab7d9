"""A dataset as inputs and targets of a network that predicts action chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.observation_features import VARIES, Features, Normalizer
from il_ros.datasets.augmentation.augmentation_step import Samples
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import SOURCES
from il_ros.datasets.preprocessing.joint_motion import measured_positions
from il_ros.datasets.window_loader import FrameIndex
from il_ros.policies.mlp import MlpConfig, network_input, relative_joints

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

    def draw(self, epoch: int) -> Batch:
        """The samples of an epoch: always the same."""
        return self

    def at(self, rows: torch.Tensor) -> Batch:
        """These samples of it."""
        return Batch(x=self.x[rows], y=self.y[rows], mask=self.mask[rows])

    def split(self, size: int) -> Iterator[Batch]:
        """`size` samples at a time, the last ones fewer, without copying them."""
        parts = (torch.split(each, size) for each in (self.x, self.y, self.mask))
        for x, y, mask in zip(*parts, strict=True):
            yield Batch(x=x, y=y, mask=mask)


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
        return to_batch(self.x[rows], self.y[rows], self.mask[rows], device)


def to_batch(
    x: NDArray[np.float32], y: NDArray[np.float32], mask: NDArray[np.bool_], device: torch.device
) -> Batch:
    """Samples on a device, from x (B, D), y (B, H, N) and mask (B, H)."""
    count, steps, joints = y.shape
    wide = np.repeat(mask, joints, axis=1).astype(np.float32)
    arrays = (x, y.reshape(count, steps * joints), wide)
    on_device = [torch.from_numpy(array).to(device) for array in arrays]
    return Batch(x=on_device[0], y=on_device[1], mask=on_device[2])


def chunk_data(
    dataset: Dataset,
    config: MlpConfig,
    train_episodes: Collection[int],
    also: Sequence[Samples] = (),
) -> ChunkData:
    """All frames of a dataset, normalised by those of `train_episodes` (indices) and by `also`.

    Args:
        dataset: The frames.
        config: Shape of the policy.
        train_episodes: Episodes that the normalisers are fitted to.
        also: Augmented samples of these that the normalisers are fitted to as well.
    """
    rows = dataset.rows(train_episodes)
    features = Features(dataset.contract, config.exclude_keys)
    raw = features.of_arrays(dataset.values)
    seen = [raw[rows], *(features.of_arrays(samples.values) for samples in also)]
    inputs = Normalizer.fit(np.concatenate(seen), varies=VARIES, clip=config.clip)
    demonstrated = chunk_samples(dataset, config.horizon)
    targets, mask = relative_targets(dataset.contract, config, demonstrated), demonstrated.mask
    known = [np.where(mask[..., None], targets, np.nan)[rows]]
    for samples in also:
        wanted = relative_targets(dataset.contract, config, samples)
        known.append(np.where(samples.mask[..., None], wanted, np.nan))
    outputs = Normalizer.fit(np.concatenate(known), varies=_ACTION_VARIES, clip=np.inf)
    return ChunkData(
        x=network_input(features, inputs, raw),
        y=outputs.normalize(targets).astype(np.float32),
        mask=mask,
        inputs=inputs,
        outputs=outputs,
    )


def chunk_samples(dataset: Dataset, horizon: int) -> Samples:
    """All frames of a dataset with the commands that followed, as they were.

    A step is not known beyond the end of the episode or of a gap, where repeating a command would
    teach to stop.

    Where the dataset has labels, an expert's answer to a frame counts in the place of what was
    commanded (DAgger, Ross et al. 2011), and what a policy commanded is no demonstration. Beyond an
    answer that is shorter than H counts what an expert who drove on did.

    Raises:
        DatasetError: If the labels have fewer steps than the policy says.
    """
    steps = FrameIndex(dataset).following(np.arange(dataset.frames), horizon)
    values = {key: dataset.values[key] for key in dataset.contract.observations}
    chunk, known = dataset.action[steps.rows], steps.known
    if dataset.label is not None:
        policy = np.isin(dataset.source[steps.rows], SOURCES.index('policy'))
        known = np.logical_and.accumulate(known & ~policy, axis=1)
        chunk, known = _labelled(dataset.label, chunk, known)
    return Samples(values=values, chunk=chunk, mask=known)


def _labelled(
    label: NDArray[np.float32], chunk: NDArray[np.float32], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Chunks (F, H, N) and what is known of them (F, H), with the labels (F, L, N) in them."""
    horizon = chunk.shape[1]
    if label.shape[1] < horizon:
        raise DatasetError(
            f'labels of {label.shape[1]} steps for a policy of {horizon}',
            where='policy.horizon',
            allowed=f'at most {label.shape[1]}',
            fix='ask the expert for longer chunks, or train a shorter policy',
        )
    answered = np.asarray(np.isfinite(label[:, :horizon]).all(axis=2))
    asked = answered[:, :1]
    return (
        np.where((asked & answered)[..., None], label[:, :horizon], chunk),
        np.where(asked, answered | known, known),
    )


def relative_targets(
    contract: Contract, config: MlpConfig, samples: Samples
) -> NDArray[np.float64]:
    """What the policy should say, shape (B, H, N) [rad or m]: see `MlpConfig.absolute`."""
    chunk, relative = samples.chunk.astype(np.float64), relative_joints(contract, config)
    if not relative.any():
        return chunk
    return chunk - (measured_positions(contract, samples.values) * relative)[:, None, :]
