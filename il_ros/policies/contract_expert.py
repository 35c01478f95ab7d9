"""An expert behind a contract: it knows an arm, the contract says what the numbers are."""

from __future__ import annotations

from collections.abc import Mapping

from il_ros.core.arms import arm_of
from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError
from il_ros.core.joint_order import JointRegrouping, arm_layout, indices_of, stream_layout
from il_ros.core.limits import Array
from il_ros.policies.cartesian_expert import Expert


class ContractExpert:
    """Sees and answers joints in a contract's order, whatever the order of the arm's own.

    Args:
        expert: The expert, for the contract's arm.
        contract: What the observations are, and which joints are commanded.

    Raises:
        UnknownNameError: If the contract's arm is not known.
        ContractError: If the contract commands a joint that the arm has not.
    """

    def __init__(self, expert: Expert, contract: Contract) -> None:
        self._expert, names = expert, contract.action.names
        arm = arm_of(contract)
        known = names if arm is None else arm.names
        if unknown := [name for name in names if name not in known]:
            raise ContractError(
                f'no expert commands {", ".join(unknown)}',
                where=f'contract {contract.name}.action.names',
                allowed=f'{", ".join(known)}, in any order',
            )
        self._order = None if names == known else indices_of(names, known)
        limbs = () if arm is None else arm.limbs
        self._regroup = JointRegrouping(stream_layout(contract), arm_layout(limbs))

    def act(self, observation: Mapping[str, Array], *, horizon: int, dt: float) -> Array:
        """See `Expert.act`; the observation and the columns are the contract's."""
        seen = {key: x for key, x in self._regroup(observation).items() if x is not None}
        chunk = self._expert.act(seen, horizon=horizon, dt=dt)
        return chunk if self._order is None else chunk[:, self._order]
