"""``il_ros contract``: writes the contract of a robot that runs, and holds one against it."""

from __future__ import annotations

import re
from pathlib import Path

import tyro

from il_ros.cli.printing import say
from il_ros.contracts.contract_draft import draft_contract
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.core.errors import ContractError, IlRosError, require
from il_ros.core.regular_files import read_text
from il_ros.core.seen_graph import SeenGraph

_BAG_SECONDS = 60.0


def init(
    contract: tyro.conf.Positional[Path],
    *,
    bag: Path | None = None,
    namespace: str = '/',
    robot: str = '',
    rate: float = 20.0,
    urdf: Path | None = None,
    seconds: float = 5.0,
    timeout: float = 20.0,
) -> int:
    """Write a contract for the robot on the running graph, or in a bag. Nothing moves.

    Lines that are not sure end with "# CHECK:" and why. The robot's URDF is saved next to the
    contract. No file is overwritten.

    Args:
        contract: File to write.
        bag: Look at this bag instead of the graph.
        namespace: Namespace that the contract's names are relative to.
        robot: Namespace of the robot, where there are several.
        rate: Ticks wanted [Hz]; the nearest that divides the rate of the joint states is taken.
        urdf: Expanded URDF of the robot, where none is published.
        seconds: For how long messages are looked at [s].
        timeout: For how long the graph is looked at, at the most [s].
    """
    require(0 < rate < float('inf'), rate, '--rate', 'a positive number', ContractError)
    _require_new(contract)
    given = _text(urdf)
    seen = _seen(bag, seconds, timeout)
    draft = draft_contract(
        seen, name=_name(contract), namespace=namespace, robot=robot, rate=rate, urdf=given
    )
    description = contract.with_name(draft.urdf_file) if draft.urdf_file else None
    if description is not None and description != urdf:
        _require_new(description, draft.urdf)
        write_atomic(description, draft.urdf)
    write_atomic(contract, draft.text)
    load_contract(contract)
    say(f'{contract}: {len(draft.doubts)} lines to look at' + (
        f'; the URDF is in {description}' if description else ''
    ))  # fmt: skip
    for number, line, why in draft.doubts:
        say(f'  line {number}: {line}\n      {why}')
    say(f'next: il_ros contract check {contract}')
    return 0


def _seen(bag: Path | None, seconds: float, timeout: float) -> SeenGraph:
    for name, value in (('--seconds', seconds), ('--timeout', timeout)):
        require(0 < value <= 600, value, name, 'above 0, up to 600', ContractError)
    if bag is not None:
        from il_ros.bags.seen_bag import seen_in_bag

        return seen_in_bag(bag, _BAG_SECONDS)
    from il_ros.ros.graph_look import GraphLook

    with GraphLook(seconds, max(timeout, seconds)) as graph:
        return graph.look()


def _name(contract: Path) -> str:
    return re.sub(r'\W+', '_', contract.stem) or 'robot'


def _text(path: Path | None) -> str:
    if path is None:
        return ''
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as problem:
        raise IlRosError(f'cannot be read: {problem}', where=str(path)) from None


def _require_new(path: Path, same: str = '') -> None:
    """Refuse to overwrite a file, unless it says the same."""
    if path.is_symlink() or (path.exists() and not (same and _text(path) == same)):
        raise ContractError(
            'it exists already', where=str(path), fix='name another file, or remove it'
        )
