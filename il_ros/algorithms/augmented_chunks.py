"""Training samples that are augmented anew in each epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import torch

from il_ros.algorithms.chunk_dataset import (
    Batch,
    chunk_data,
    chunk_samples,
    relative_targets,
    to_batch,
)
from il_ros.core.observation_features import Features
from il_ros.datasets.augmentation.augmentation import Augmentation, make_augmentation
from il_ros.datasets.augmentation.augmentation_step import Samples
from il_ros.datasets.dataset import Dataset
from il_ros.policies.mlp import MlpConfig, network_input

_BLOCK = 4096  # samples that are augmented at once, which bounds the memory of it
_FITTED = 2  # augmented passes that the normalisers see besides the demonstrations


class AugmentedChunks:
    """The frames of some episodes, augmented before they become features.

    All of them are augmented once an epoch, which costs less than batch by batch and draws just
    as many variants. The normalisers are fitted to the demonstrations and to two augmented passes
    over them: what mirroring adds may lie far outside of what was demonstrated, and would be
    clipped.

    Args:
        dataset: The frames.
        config: Shape of the policy.
        episodes: Indices of the episodes to train on; no other is looked at but for `data`.
        augmentation: What to do.
        seed: Seed of what is drawn, with the epoch's number.
        device: Where the samples go.

    Attributes:
        data: All frames of the dataset as they are, with the normalisers.

    Raises:
        DatasetError: If the augmentation does not fit the contract or the policy.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: MlpConfig,
        episodes: Collection[int],
        augmentation: Augmentation,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self._contract, self._config = dataset.contract, config
        self._features = Features(dataset.contract, config.exclude_keys)
        self._augment = make_augmentation(dataset.contract, augmentation)
        self._seed, self._device = seed, device
        rows = dataset.rows(episodes)
        whole = chunk_samples(dataset, config.horizon)
        self._blocks = [
            _take(whole, rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)
        ]
        passes = [samples for i in range(_FITTED) for samples in self._augmented(-1 - i)]
        self.data = chunk_data(dataset, config, episodes, passes)

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def draw(self, epoch: int) -> Batch:
        """The samples of an epoch, in the order of the frames."""
        x, y, mask = [], [], []
        for samples in self._augmented(epoch):
            raw = self._features.of_arrays(samples.values)
            x.append(network_input(self._features, self.data.inputs, raw))
            wanted = relative_targets(self._contract, self._config, samples)
            y.append(self.data.outputs.normalize(wanted).astype(np.float32))
            mask.append(samples.mask)
        return to_batch(np.concatenate(x), np.concatenate(y), np.concatenate(mask), self._device)

    def _augmented(self, epoch: int) -> Iterator[Samples]:
        """Blocks of samples; passes for the normalisers have numbers below zero."""
        rng = np.random.default_rng([self._seed, epoch + _FITTED])
        for block in self._blocks:
            yield self._augment(block, rng)


def _take(samples: Samples, rows: np.typing.NDArray[np.int64]) -> Samples:
    return Samples(
        values={key: np.asarray(values[rows]) for key, values in samples.values.items()},
        chunk=samples.chunk[rows],
        mask=samples.mask[rows],
    )
