"""Who learns from the aggregate: a port, and flat networks behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.flat_bc import FlatBcConfig, FlatData, train_flat
from il_ros.algorithms.query_rules import Actor
from il_ros.algorithms.transitions import Transitions
from il_ros.core.config import require_ranges
from il_ros.core.limits import Array
from il_ros.policies.flat import FlatPolicy

Arrays = Mapping[str, NDArray[np.generic]]
A = TypeVar('A', bound=Actor)


class Learner(Protocol[A]):
    """Makes policies of labelled steps, and brings them back from disk."""

    def fit(
        self, steps: Transitions, *, seed: int, start: A | None = None, train_fraction: float = 1.0
    ) -> A:
        """A policy of the labelled steps.

        Args:
            steps: The aggregate.
            seed: Of whatever is drawn; equal seeds and steps give equal policies.
            start: Go on from this policy; from scratch if None.
            train_fraction: Fraction of the usual training, for a policy of one round only.

        Raises:
            IlRosError: If no step is labelled, or training fails.
        """

    def arrays(self, actor: A) -> Arrays:
        """All that `load` needs."""

    def load(self, arrays: Arrays) -> A:
        """The policy that `arrays` was told of."""


@dataclass(frozen=True, kw_only=True)
class CorrectionWeights:
    """How often each step of an aggregate is seen in training.

    Corrections are few compared with the earlier labels, and the steps before a takeover are those
    that led to the error. HIL-SERL (Luo et al. 2024) draws one half of each batch from the
    corrections; Sirius (Liu et al. 2023) learns from the learner's own steps too, weighs
    corrections more, and the steps just before a takeover not at all.

    Attributes:
        share: Fraction of a batch that is drawn from the corrections, which are the labels from
            round 1 on; None draws all labels alike.
        own: Weight of a step that the learner drove and nobody labelled; a label's is 1. Its
            target is what was executed. 0 leaves such steps out.
        before_takeover: Factor on the weight of such a step shortly before a takeover.
    """

    share: float | None = None
    own: float = 0.0
    before_takeover: float = 0.0

    def __post_init__(self) -> None:
        ranges = {'share': '0 to 1', 'own': '0 to inf', 'before_takeover': '0 to inf'}
        require_ranges(self, 'corrections', ranges)


def sampling_weights(steps: Transitions, config: CorrectionWeights) -> NDArray[np.float64]:
    """How often each step is drawn in relation to the others, shape (F,), not negative."""
    labelled, executed = steps.labelled, np.isfinite(steps.executed).all(axis=1)
    own = ~labelled & executed
    weight = labelled + config.own * own
    weight[own & steps.before_takeover] *= config.before_takeover
    corrected = labelled & (steps.round > 0)
    total, of_corrections = float(weight.sum()), float(weight[corrected].sum())
    if config.share is not None and 0 < of_corrections < total:
        weight[corrected] *= config.share * total / of_corrections
        weight[~corrected] *= (1 - config.share) * total / (total - of_corrections)
    return weight


@dataclass(frozen=True, kw_only=True)
class FlatLearner:
    """Perceptrons from flat observations to flat actions (`flat_bc.py`).

    Attributes:
        low: Least action, shape (A,).
        high: Greatest action, shape (A,).
        config: How they are trained; the seed is that of `fit`.
        corrections: How often the expert's corrections are seen.
    """

    low: Array
    high: Array
    config: FlatBcConfig = field(default_factory=FlatBcConfig)
    corrections: CorrectionWeights = field(default_factory=CorrectionWeights)

    def fit(
        self,
        steps: Transitions,
        *,
        seed: int,
        start: FlatPolicy | None = None,
        train_fraction: float = 1.0,
    ) -> FlatPolicy:
        """See `Learner.fit`."""
        weight = sampling_weights(steps, self.corrections)
        labelled = steps.labelled[:, None]
        data = FlatData(
            x=steps.observation,
            y=np.where(labelled, steps.expert, steps.executed),
            weight=weight,
            low=self.low,
            high=self.high,
        )
        epochs = max(1, round(self.config.epochs * train_fraction))
        return train_flat(data, replace(self.config, seed=seed, epochs=epochs), start=start)

    def arrays(self, actor: FlatPolicy) -> Arrays:
        """See `Learner.arrays`."""
        return actor.arrays()

    def load(self, arrays: Arrays) -> FlatPolicy:
        """See `Learner.load`."""
        return FlatPolicy.from_arrays(arrays, self.config.activation)
