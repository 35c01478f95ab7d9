"""Tasks of the built-in simulator: one small file and one registry line each."""

from __future__ import annotations

from il_ros.core.registry import lookup
from il_ros.sim.tasks.base import Draw, Task

__all__ = ['TASKS', 'Draw', 'Task', 'make_task']

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


def make_task(name: str) -> Task:
    """The task called `name`, as it comes.

    Raises:
        UnknownNameError: If no task has this name; it lists those that do.
    """
    task: Task = lookup('task', name, TASKS)()
    return task
