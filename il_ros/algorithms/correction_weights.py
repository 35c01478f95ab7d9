"""How often each step of an aggregate is seen in training.

Corrections are few compared with the earlier labels, and the steps before a takeover are those
that led to the error. HIL-SERL (Luo et al. 2024) draws one half of each batch from the corrections;
Sirius (Liu et al. 2023) learns from the learner's own steps too, weighs corrections more, and the
steps just before a takeover not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.transitions import Transitions
from il_ros.core.config import require_ranges


@dataclass(frozen=True, kw_only=True)
class CorrectionWeights:
    """Weights of the kinds of steps.

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
