"""A contract held against what was seen of a robot: what fits, what does not, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from il_ros.contracts.check_findings import CheckInput, Finding
from il_ros.contracts.contract_replay import ContractNames, replay
from il_ros.contracts.described_joints import RobotDescription
from il_ros.contracts.joint_checks import (
    check_agreement,
    check_arm,
    check_description,
    check_positions,
    check_speeds,
    check_tool,
)
from il_ros.contracts.output_checks import check_outputs
from il_ros.contracts.stream_checks import (
    check_images,
    check_observations,
    check_ticks,
    check_time,
)
from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError
from il_ros.core.seen_graph import SeenGraph
from il_ros.core.urdf_parts import PlacedUrdf, joined, placed

_CHECKS = (
    check_observations, check_images, check_ticks, check_time, check_positions, check_speeds,
    check_agreement, check_description, check_arm, check_tool, check_outputs,
)  # fmt: skip


def check_robot(contract: Contract, seen: SeenGraph, names: ContractNames) -> list[Finding]:
    """Hold a contract against what was seen.

    Args:
        contract: The contract.
        seen: What was seen.
        names: The contract's topics there.

    Raises:
        ContractError: If the contract's action is not one of joints.
    """
    contract.require_joints()
    description, undescribed = _description(contract, seen, names)
    given = CheckInput(
        contract=contract,
        seen=seen,
        names=names,
        replay=replay(contract, seen, names),
        description=description,
        undescribed=undescribed,
    )
    return [finding for check in _CHECKS for finding in check(given)]


def _description(
    contract: Contract, seen: SeenGraph, names: ContractNames
) -> tuple[RobotDescription | None, str]:
    """The robot description that has the most of the contract's joints, or why there is none."""
    texts = seen.descriptions()
    own = {
        stream.prefix: texts[place]
        for stream in contract.observations.values()
        if stream.prefix and (place := names.absolute(stream.topic).rpartition('/')[0]) in texts
    }
    found, why_none = [], 'no robot_description was seen'
    for make in [partial(_of_arms, contract, own)] if own else map(_reader, texts.values()):
        try:
            found.append(make())
        except ContractError as problem:
            why_none = str(problem)
    wanted = set(contract.action.names)
    best = max(found, key=lambda each: len(wanted & each.joints.keys()), default=None)
    return best, why_none


def _reader(text: str) -> Callable[[], RobotDescription]:
    return partial(RobotDescription, text)


def _of_arms(contract: Contract, texts: Mapping[str, str]) -> RobotDescription:
    """Of arms that each describe themselves, by the prefix of their joints, the whole."""
    limbs = () if isinstance(contract.arm, str) else contract.arm.limbs
    arms = {prefix: PlacedUrdf(text=text) for prefix, text in texts.items()}
    for limb in limbs:
        for prefix in arms:
            if all(name.startswith(prefix) for name in limb.free):
                arms[prefix] = placed(texts[prefix], limb, prefix)
    return RobotDescription(joined(arms, name='robot', base=contract.base_frame))
