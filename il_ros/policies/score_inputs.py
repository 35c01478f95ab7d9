"""What a policy sees and answers, in the form in which the monitor's scores take it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.monitors.calibrated_scores import FittedScores, NoveltyFeatures
from il_ros.monitors.scores.score import InputPart, ScoreInput
from il_ros.policies.policy import Policy


class ScoreInputs:
    """Makes score inputs of frames and chunks, with only those parts that some score needs.

    Args:
        policy: The policy that is watched.
        features: What scores see of an observation.
        needs: Parts of a score input that are made.
        horizon: Steps of the policy's chunks, H.
    """

    def __init__(
        self, policy: Policy, features: NoveltyFeatures, needs: Collection[InputPart], horizon: int
    ) -> None:
        self.features, self.needs = features, frozenset(needs)
        self._policy, self._contract, self._horizon = policy, policy.contract, horizon
        self._heuristic = _heuristic(self._contract) if 'reference' in self.needs else None

    @classmethod
    def of_scores(cls, policy: Policy, scores: FittedScores) -> ScoreInputs:
        """What makes the inputs that these scores need, for the policy that they are of."""
        return cls(policy, scores.features, scores.bank().needs, scores.horizon)

    def of_frame(
        self,
        frame: Frame,
        chunk: Array | None = None,
        chunk_time: float = 0.0,
        *,
        samples: Array | None = None,
        epoch: int = 0,
    ) -> ScoreInput:
        """The score input of one frame.

        Args:
            chunk: The policy's newest answer, shape (H, N) [rad or m]; None where there is none.
            chunk_time: Stamp of the observation that it answers, since `epoch` [s].
            samples: Its further answers to that observation, shape (S, H, N); see
                `Policy.samples`.
            epoch: Where time is counted from [ns]: near the frames, so that no digit is lost.
        """
        here = self._contract.action.position
        return ScoreInput(
            time=(frame.stamp - epoch) / NS,
            # The monitor wants to see these in any case: without them nothing can be watched.
            features=self.features.of_frame(frame),
            embedding=self._policy.embedding(frame) if 'embedding' in self.needs else None,
            position=frame.vector(here) if here and frame.all_valid(here) else None,
            chunk=chunk,
            chunk_time=chunk_time,
            samples=samples,
            step_dt=self._contract.period,
            reference=self._reference(frame) if 'reference' in self.needs else None,
        )

    def _reference(self, frame: Frame) -> Array | None:
        """What the heuristic would do, shape (H, N) [rad or m]; None where it cannot see."""
        here = self._contract.action.position
        if self._heuristic is None:
            if not (here and frame.all_valid(here)):
                return None
            return np.tile(frame.vector(here), (self._horizon, 1))
        seen = {key: value for key, value in frame.values.items() if frame.valid[key]}
        try:
            return self._heuristic(seen, horizon=self._horizon, dt=self._contract.period)
        except IlRosError:  # it lacks an observation that it reads
            return None


def _heuristic(contract: Contract) -> Callable[..., Array] | None:
    """Straight to the goal where its arm and its observations are there; None stands for holding.

    Either is what an operator would understand at a glance, so that a policy far from both is worth
    a look; neither has to be good.
    """
    # Few scores compare with it: a policy node without one starts without the arms.
    from il_ros.core.arms import arm_of, require_single
    from il_ros.policies.cartesian_expert import ContractExpert, Straight

    arm = arm_of(contract)
    if arm is None or not set(Straight.keys) <= set(contract.observations):
        return None
    grips = all(limb.gripper for limb in arm.limbs)
    if not grips or set(arm.names) != set(contract.action.names):
        return None
    return ContractExpert(Straight(arm=require_single(arm, where='reference')), contract).act
