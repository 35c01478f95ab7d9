"""Scripted experts of the built-in tasks, and the heuristics that policies are compared with."""

from __future__ import annotations

from collections.abc import Mapping

from il_ros.core.arms import DEFAULT_ARM, get_arm
from il_ros.core.registry import lookup
from il_ros.policies.cartesian_expert import Expert

# By the name of the task.
EXPERTS = {
    'reach': 'il_ros.experts.reach_expert:ReachExpert',
    'push': 'il_ros.experts.pushing_expert:PushingExpert',
    'pick_place': 'il_ros.experts.grasping_expert:GraspingExpert',
    'stack': 'il_ros.experts.stack_expert:StackExpert',
    'drawer_open': 'il_ros.experts.drawer_open_expert:DrawerOpenExpert',
    'peg_insertion': 'il_ros.experts.peg_insertion_expert:PegInsertionExpert',
    'peg_transfer': 'il_ros.experts.peg_transfer_expert:PegTransferExpert',
    'bimanual_handover': 'il_ros.experts.bimanual_handover_expert:BimanualHandoverExpert',
}

HEURISTICS = {
    'hold': 'il_ros.policies.heuristics:Hold',
    'straight': 'il_ros.policies.heuristics:Straight',
}


def make_expert(task: str, arm: str | None = None) -> Expert:
    """The scripted expert of a task, for the arm of this name; by default its own.

    Raises:
        UnknownNameError: If the task has no expert or the arm is unknown; it lists the known
            ones.
        IlRosError: If the arm's name is empty and the expert needs one, or if the task is for
            another number of arms.
    """
    return _made(task, EXPERTS, arm)


def make_any(name: str, arm: str | None = None) -> Expert:
    """The scripted expert of a task, or a heuristic for any task.

    `hold` stays where it is, `straight` moves straight to the target.

    Raises:
        UnknownNameError: If neither has this name or the arm is unknown; it lists those that exist.
        IlRosError: If the arm's name is empty and what was asked for needs one.
    """
    return _made(name, EXPERTS | HEURISTICS, arm)


def _made(name: str, registry: Mapping[str, str], arm: str | None) -> Expert:
    """What the registry has, with its arm: its default without a name, none for an empty one."""
    make = lookup('expert', name, registry)
    if arm is None:
        arm = getattr(make, 'default_arm', DEFAULT_ARM)
    expert: Expert = make(arm=get_arm(arm) if arm else None)
    return expert
