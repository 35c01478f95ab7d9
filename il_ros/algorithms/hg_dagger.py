"""HG-DAgger (Kelly et al. 2019, algorithm 1): a person decides when to take over.

Only what the person does while he drives is a label: asked for single actions beside a robot that
somebody else drives, people answer badly. Each takeover is also a hint of how much doubt is too
much: the ensemble's doubt at that moment goes into a log, and `threshold` is the mean of the log's
last quarter, when the person had come to know the learner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from il_ros.algorithms.rules import Decision, Rule, Step, doubt
from il_ros.algorithms.steps import Steps


@dataclass(frozen=True, kw_only=True)
class HgDaggerConfig:
    """Nothing to choose: the person does."""


class HgDagger(Rule):
    """The person drives while he holds the dead-man's switch.

    Args:
        config: See there.
    """

    Config = HgDaggerConfig
    members = 5

    def __init__(self, config: HgDaggerConfig) -> None:
        self._doubts: list[float] = []

    @property
    def threshold(self) -> float:
        """Doubt above which the learner is not to be trusted (tau); NaN before any takeover."""
        last = self._doubts[int(0.75 * len(self._doubts)) :]
        return float(np.mean(last)) if last else float('nan')

    def decide(self, step: Step) -> Decision:
        """See `Rule.decide`."""
        scores = {'doubt': doubt(step.members)}
        return Decision(driver='expert' if step.human else 'policy', ask=step.human, scores=scores)

    def end_episode(self, steps: Steps) -> None:
        """Take the doubts of the takeovers into the log."""
        if 'doubt' in steps.scores:
            self._doubts += steps.scores['doubt'][steps.takeovers].tolist()
