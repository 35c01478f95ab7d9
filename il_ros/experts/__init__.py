"""Scripted experts: the teachers of the built-in tasks, and the floors they are compared with."""

from __future__ import annotations

from il_ros.core.registry import lookup
from il_ros.experts.base import Expert

__all__ = ['EXPERTS', 'HEURISTICS', 'Expert', 'make_any', 'make_expert', 'make_heuristic']

# By the name of the task.
EXPERTS = {
    'reach': 'il_ros.experts.reach:ReachExpert',
    'push': 'il_ros.experts.push:PushExpert',
    'pick_place': 'il_ros.experts.pick_place:PickPlaceExpert',
}

HEURISTICS = {
    'hold': 'il_ros.experts.heuristics:Hold',
    'straight': 'il_ros.experts.heuristics:Straight',
}


def make_expert(task: str) -> Expert:
    """The scripted expert of a task.

    Raises:
        UnknownNameError: If the task has no expert; it lists those that do.
    """
    expert: Expert = lookup('expert', task, EXPERTS)()
    return expert


def make_heuristic(name: str) -> Expert:
    """A floor for evaluation, for any task: `hold` stays, `straight` goes straight there.

    Raises:
        UnknownNameError: If no heuristic has this name; it lists those that do.
    """
    heuristic: Expert = lookup('heuristic', name, HEURISTICS)()
    return heuristic


def make_any(name: str) -> Expert:
    """The scripted expert of a task, or a heuristic.

    Raises:
        UnknownNameError: If neither has this name; it lists those that do.
    """
    found: Expert = lookup('expert', name, {**EXPERTS, **HEURISTICS})()
    return found
