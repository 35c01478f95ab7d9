"""The package's own policies as learners: action chunks from the frames of an arm's contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.bc import BcConfig, train_bc
from il_ros.algorithms.export import make_bundle
from il_ros.algorithms.transitions import Transitions
from il_ros.core.config import require_ranges
from il_ros.core.contract import Contract
from il_ros.core.limits import Array
from il_ros.interactive.arm_transitions import columns, dataset_of_steps
from il_ros.interactive.learner import Arrays
from il_ros.policies.bundle import Bundle, policy_identity
from il_ros.policies.mlp import MlpPolicy, relative_joints

TRAINING = BcConfig(val_fraction=0.0)
"""How a round is trained unless it is said otherwise: as `il_ros train bc` does, with nothing held
out, since the first rounds have no episode to spare."""


class ChunkActor:
    """One policy that acts, and others that tell how sure it is.

    The first network alone decides: it is the policy that a bundle holds in the end, and the one
    that every evaluation is of. The others saw the same labels from other beginnings, and their
    disagreement says where these do not tell what to do (Lakshminarayanan et al. 2017).

    Args:
        policies: The networks, M of them, of one contract and one shape.

    Attributes:
        policy_id: Identity of the first, as in its bundle.
        action_std: Standard deviation of the expert's answers, shape (A,): as changes from where
            the arm is measured, except for joints that are predicted as they are.
    """

    def __init__(self, policies: Sequence[MlpPolicy]) -> None:
        first = policies[0]
        self.policies = tuple(policies)
        self.policy_id = policy_identity(first)
        self.action_std: Array = first.outputs.scale.reshape(-1)
        places = columns(first.contract)
        self._seen = _places(places, first.features.keys)
        self._here = _places(places, first.contract.action.position)
        self._relative = relative_joints(first.contract, first.mlp_config)

    @property
    def policy(self) -> MlpPolicy:
        """The one that decides."""
        return self.policies[0]

    def features(self, observation: NDArray[np.floating]) -> Array:
        """Observations, shape (..., D), as the deciding network sees them, shape (..., D')."""
        return self._input(self.policy, observation).astype(np.float64)

    def members(self, observation: NDArray[np.floating]) -> Array:
        """What each network would do: (M, A) for one observation (D,), (M, F, A) for (F, D)."""
        rows = np.atleast_2d(observation).astype(np.float64)
        offset = rows[:, None, self._here] * self._relative
        answers = [
            (each.answers(self._input(each, rows)) + offset).reshape(
                len(rows), len(self.action_std)
            )
            for each in self.policies
        ]
        stacked = np.stack(answers)
        return stacked if np.ndim(observation) > 1 else stacked[:, 0]

    def decide(self, members: Array) -> Array:
        """What the first of them says, shape (..., A)."""
        return np.asarray(members[0])

    def _input(self, policy: MlpPolicy, observation: NDArray[np.floating]) -> NDArray[np.float32]:
        return policy.input_of(np.asarray(observation)[..., self._seen])


def _places(places: Mapping[str, slice], keys: Sequence[str]) -> NDArray[np.intp]:
    return np.concatenate([np.arange(places[key].start, places[key].stop) for key in keys])


@dataclass(frozen=True, kw_only=True)
class ChunkLearner:
    """Behaviour cloning of action chunks (`algorithms/bc.py`) on the labelled steps of an arm.

    Attributes:
        contract: What the observations and actions are.
        task: Name of the task, for the record.
        config: How a policy is trained; the seed is that of `fit`.
        members: Networks of an actor, M.
        cancelled: Asked after each epoch whether to give up.
    """

    contract: Contract
    task: str
    config: BcConfig = field(default_factory=lambda: TRAINING)
    members: int = 1
    cancelled: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        require_ranges(self, 'learner', {'members': '1 or more'})

    def fit(
        self,
        steps: Transitions,
        *,
        seed: int,
        start: ChunkActor | None = None,
        train_fraction: float = 1.0,
    ) -> ChunkActor:
        """See `Learner.fit`."""
        data, _ = dataset_of_steps(self.contract, self.task, steps, labelled=True)
        epochs = max(1, round(self.config.epochs * train_fraction))
        before = start.policies if start is not None else ()
        policies = []
        for member in range(self.members):
            config = replace(self.config, epochs=epochs, seed=(seed + member) % 2**32)
            first = before[member] if member < len(before) else None
            policies.append(train_bc(data, config, start=first, cancelled=self.cancelled).policy)
        return ChunkActor(policies)

    def arrays(self, actor: ChunkActor) -> Arrays:
        """See `Learner.arrays`."""
        return {
            f'{member}.{name}': array
            for member, policy in enumerate(actor.policies)
            for name, array in policy.arrays().items()
        }

    def load(self, arrays: Arrays) -> ChunkActor:
        """See `Learner.load`."""
        found: dict[str, dict[str, NDArray[np.generic]]] = {}
        for name, array in arrays.items():
            member, _, rest = name.partition('.')
            found.setdefault(member, {})[rest] = array
        config = asdict(self.config.policy)
        policies = [MlpPolicy.load(self.contract, config, each, 'cpu') for each in found.values()]
        return ChunkActor(policies)

    def bundle(
        self, actor: ChunkActor, steps: Transitions, *, algorithm: str, scored: bool = True
    ) -> Bundle:
        """The policy as every other of the package, for evaluation, policy node and monitor.

        Its scores are fitted to the labelled steps; thresholds it has none yet
        (`il_ros monitor calibrate`).

        Args:
            actor: What was learned last.
            steps: The aggregate that it learned from.
            algorithm: How, for the record: the name of the rule.
            scored: Whether scores are fitted; a policy of one round does without.
        """
        data, _ = dataset_of_steps(self.contract, self.task, steps, labelled=True)
        return make_bundle(
            actor.policy,
            data,
            algorithm=algorithm,
            config=asdict(self.config),
            metrics={'labels': float(steps.labelled.sum())},
            trained_on=range(len(data.episodes)),
            held_out=(),
            scored=scored,
            score_channels=self.config.score_channels,
        )
