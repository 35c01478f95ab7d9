"""Tasks of the built-in simulator: one small file and one registry line each."""

from __future__ import annotations

from collections.abc import Mapping

from il_ros.core.arms import DEFAULT_ARM
from il_ros.core.registry import lookup
from il_ros.sim.tasks.task import Task

TASKS = {
    'reach': 'il_ros.sim.tasks.reach:Reach',
    'push': 'il_ros.sim.tasks.push:Push',
    'pick_place': 'il_ros.sim.tasks.pick_place:PickPlace',
    'stack': 'il_ros.sim.tasks.stack:Stack',
    'drawer_open': 'il_ros.sim.tasks.drawer_open:DrawerOpen',
    'peg_insertion': 'il_ros.sim.tasks.peg_insertion:PegInsertion',
    'peg_transfer': 'il_ros.sim.tasks.peg_transfer:PegTransfer',
    'bimanual_handover': 'il_ros.sim.tasks.bimanual_handover:BimanualHandover',
}

PAIR_TASKS = {'bimanual_handover': 'viperx_pair'}
"""Tasks that need two arms, and the pair that does each by default."""


def make_task(name: str, settings: Mapping[str, object] | None = None) -> Task:
    """The task called `name`, with its default settings, but those that are given.

    Raises:
        UnknownNameError: If no task has this name; it lists those that do.
    """
    task: Task = lookup('task', name, TASKS)(**settings or {})
    return task


def default_arm(task: str) -> str:
    """Name of the arm, or of the pair of arms, that does a task by default."""
    return PAIR_TASKS.get(task, DEFAULT_ARM)


def floor_of(task: str) -> str:
    """Name of the heuristic that a task is compared with: `straight`, or `hold` for two arms."""
    return 'hold' if task in PAIR_TASKS else 'straight'
