"""Scripted experts of the built-in tasks, and the heuristics that policies are compared with."""

from __future__ import annotations

from il_ros.core.arms import DEFAULT_ARM, AnyArm, arm_of, get_arm
from il_ros.core.contract import Contract
from il_ros.core.registry import lookup
from il_ros.policies.cartesian_expert import ContractExpert, Expert

# By the name of the task.
EXPERTS = {
    'reach': 'il_ros.experts.reach_expert:reach_expert',
    'push': 'il_ros.experts.pushing_expert:PushingExpert',
    'pick_place': 'il_ros.experts.grasping_expert:GraspingExpert',
    'stack': 'il_ros.experts.stack_expert:StackExpert',
    'drawer_open': 'il_ros.experts.drawer_open_expert:DrawerOpenExpert',
    'peg_insertion': 'il_ros.experts.peg_insertion_expert:PegInsertionExpert',
    'peg_transfer': 'il_ros.experts.peg_transfer_expert:PegTransferExpert',
    'bimanual_handover': 'il_ros.experts.bimanual_handover_expert:BimanualHandoverExpert',
}

HEURISTICS = {
    'hold': 'il_ros.policies.cartesian_expert:Hold',
    'straight': 'il_ros.policies.cartesian_expert:Straight',
}


def make_expert(name: str, arm: str | AnyArm | None = None) -> Expert:
    """The scripted expert of a task, or a heuristic for any task.

    `hold` stays where it is, `straight` moves straight to the target.

    Args:
        name: Of the task or of the heuristic.
        arm: The arm or its name, by default its own; an empty name where there is none.

    Raises:
        UnknownNameError: If neither has this name or the arm is unknown; it lists those that exist.
        IlRosError: If the arm's name is empty and what was asked for needs one, or if it is for
            another number of arms.
    """
    make = lookup('expert', name, EXPERTS | HEURISTICS)
    if arm is None:
        arm = getattr(make, 'default_arm', DEFAULT_ARM)
    if isinstance(arm, str):
        arm = get_arm(arm) if arm else None
    expert: Expert = make(arm=arm)
    return expert


def expert_of(name: str, contract: Contract) -> ContractExpert:
    """The expert or the heuristic of this name for a contract, in the order of its joints.

    Raises:
        UnknownNameError: If neither has this name or the contract's arm is unknown.
        IlRosError: As `make_expert` does; if the contract commands a joint that its arm lacks.
    """
    return ContractExpert(make_expert(name, arm_of(contract) or ''), contract)
