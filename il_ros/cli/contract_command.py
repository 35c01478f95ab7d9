"""``il_ros contract``: writes the contract of a robot that runs, and holds one against it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro
from rich.table import Column, Table
from rich.text import Text

from il_ros.cli.printing import Console, cell, say
from il_ros.contracts.contract_check import check_robot
from il_ros.contracts.contract_draft import Draft, draft_contract
from il_ros.contracts.contract_replay import ContractNames
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import load_contract
from il_ros.core.errors import ContractError, IlRosError, reason, require
from il_ros.core.regular_files import read_text
from il_ros.core.seen_graph import SeenGraph

_BAG_SECONDS, _DRAFT = 60.0, 'the draft'
_LONGEST = 80  # characters of a cell; what is wrong is printed whole below the table
_COLOURS = {'ok': 'green', 'wrong': 'red', 'not looked at': 'yellow'}


def init(
    out: tyro.conf.Positional[Path],
    *,
    bag: Path | None = None,
    namespace: str = '/',
    robot: tuple[str, ...] = (),
    rate: float = 20.0,
    urdf: Path | None = None,
    seconds: float = 5.0,
    timeout: float = 20.0,
) -> int:
    """Write a contract for the robot on the running graph, or in a bag. Nothing moves.

    Lines that are not sure end with "# CHECK:" and why. The robot's URDF is saved next to the
    contract. No file is overwritten.

    Args:
        out: Output file: the contract.
        bag: Look at this bag instead of the graph.
        namespace: Namespace that the contract's names are relative to.
        robot: Namespace of the robot, where there are several; two, as of two arms, make one
            contract for both.
        rate: Ticks wanted [Hz]; the nearest that divides the rate of the joint states is taken.
        urdf: Expanded URDF of the robot, where none is published.
        seconds: For how long messages are looked at [s].
        timeout: For how long the graph is looked at, at the most [s].
    """
    require(0 < rate < float('inf'), rate, '--rate', 'a positive number', ContractError)
    _require_new(out)
    given = _text(urdf)
    seen = _seen(bag, seconds, timeout)
    draft = draft_contract(
        seen, name=_name(out), namespace=namespace, robot=robot, rate=rate, urdf=given
    )
    description = out.with_name(draft.urdf_file) if draft.urdf_file else None
    if description is not None:
        _require_new(description, draft.urdf)
    _require_loads(draft)
    if description is not None and not description.exists():
        write_atomic(description, draft.urdf)
    write_atomic(out, draft.text)
    say(f'{out}: {len(draft.doubts)} lines to look at' + (
        f'; the URDF is in {description}' if description else ''
    ))  # fmt: skip
    for number, line, why in draft.doubts:
        say(f'  line {number}: {line}\n      {why}')
    there = ['--bag', str(bag)] if bag is not None else []
    if namespace.strip('/'):
        there += ['--namespace', namespace]
    say(f'next: {shlex.join(["il_ros", "contract", "check", str(out), *there])}')
    return 0


def check(
    contract: tyro.conf.Positional[Path],
    *,
    bag: Path | None = None,
    namespace: str = '/',
    remap: tuple[str, ...] = (),
    seconds: float = 5.0,
    timeout: float = 20.0,
) -> int:
    """Hold a contract against the running graph, or against a bag. Nothing moves.

    The exit code is 1 if something is wrong.

    Args:
        contract: Contract file.
        bag: Look at this bag instead of the graph.
        namespace: Namespace that the nodes will run in.
        remap: Names that the nodes will be started with, as joint_states:=/arm/joint_states.
        seconds: For how long messages are looked at [s].
        timeout: For how long the graph is looked at, at the most [s].
    """
    loaded = load_contract(contract)
    loaded.require_joints()
    names = ContractNames(namespace, _remaps(remap))
    findings = check_robot(loaded, _seen(bag, seconds, timeout), names)
    console, table = Console(), Table(Column('what', no_wrap=True), 'state', 'found')
    for finding in findings:
        state = Text(finding.state, style=_COLOURS[finding.state])
        table.add_row(cell(finding.subject), state, cell(_short(finding.text)))
    console.print(table)
    wrong = [finding for finding in findings if finding.state == 'wrong']
    for finding in wrong:
        say(f'{finding.subject}: {finding.text}\n    to fix: {finding.fix}')
    unseen = sum(finding.state == 'not looked at' for finding in findings)
    say(f'{len(findings)} checks, {len(wrong)} wrong, {unseen} not looked at')
    return 1 if wrong else 0


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'


def _remaps(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, to = text.partition(':=')
        require(name and sign and to, text, '--remap', 'FROM:=TO', ContractError)
        found[name] = to
    return found


def _require_loads(draft: Draft) -> None:
    """Refuse a draft that is no contract, before anything is written."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f'{_DRAFT}.yaml')
        if draft.urdf_file:
            path.with_name(draft.urdf_file).write_text(draft.urdf)
        path.write_text(draft.text)
        load_contract(path)


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
        raise IlRosError(f'cannot be read: {reason(problem)}', where=str(path)) from None


def _require_new(path: Path, same: str = '') -> None:
    """Refuse to overwrite a file, unless it says the same, and one without a folder."""
    if not path.parent.is_dir():
        raise ContractError(f'{path.parent} is no folder', where=str(path), fix='make it first')
    if path.is_symlink() or (path.exists() and not (same and _text(path) == same)):
        raise ContractError(
            'it exists already', where=str(path), fix='name another file, or remove it'
        )
