"""Choose episodes by a condition on what the manifest says of them.

The language is a small part of Python's expressions, read by Python's parser and evaluated here,
so that nothing in it can run: fields, numbers, texts, lists, comparisons, `in`, `and`, `or`,
`not`, and `+ - * /`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from il_ros.core.errors import DatasetError, require
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.manifest import EpisodeEntry

FIELDS = (
    'id', 'outcome', 'task', 'seed', 'bag', 'frames', 'duration', 'gaps', 'left_out', 'flagged',
    'notes', 'measures', 'sources',
)  # fmt: skip
"""What a condition may name; `measures` and `sources` have parts, as in `measures.jerk`."""

_LONGEST = 2000  # characters; a deeper nesting than they allow would exhaust Python's parser
_GROUPS = ('measures', 'sources')
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def select(entries: Iterable[EpisodeEntry], query: str) -> list[int]:
    """Indices of the episodes that a condition holds for, in order.

    Args:
        entries: The episodes.
        query: E.g. `outcome == "success" and duration < 10 and measures.jerk < 50`.

    Raises:
        DatasetError: If it is no condition, names an unknown field, or compares what cannot be.
    """
    tree = _parse(query)
    return [i for i, entry in enumerate(entries) if _Evaluation(query, entry).holds(tree)]


def fields_of(entry: EpisodeEntry) -> dict[str, Any]:
    """The values that a condition sees; `duration` in seconds."""
    return {name: getattr(entry, 'length' if name == 'frames' else name) for name in FIELDS}


def _parse(query: str) -> ast.expr:
    try:
        if len(query) > _LONGEST:
            raise ValueError(f'{len(query)} characters, allowed {_LONGEST}')
        return ast.parse(query.strip(), mode='eval').body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        text = problem.msg if isinstance(problem, SyntaxError) else str(problem)
        _fail(query, f'not a condition: {text}')


@dataclass(frozen=True)
class _Evaluation:
    """A condition and the episode that it is asked of."""

    query: str
    entry: EpisodeEntry

    def holds(self, tree: ast.expr) -> bool:
        try:
            found = self._value(tree)
        except (TypeError, ValueError, ArithmeticError) as problem:
            _fail(self.query, f'of episode {self.entry.id}: {problem}')
        except RecursionError:
            _fail(self.query, 'nested too deeply')
        if not isinstance(found, bool):
            _fail(self.query, f'gives {found!r}', 'a condition, which is true or false')
        return found

    def _value(self, node: ast.expr) -> Any:
        value: Any
        match node:
            case ast.Constant(value=str() | int() | float() | None as constant):
                value = constant
            case ast.Constant(value=constant):
                self._refuse(constant, 'numbers, texts, True, False, None')
            case ast.Name(id=name):
                value = self._field(name)
            case ast.Attribute():
                value = self._part(node)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                value = [self._value(item) for item in items]
            case ast.BoolOp(op=op, values=conditions):
                # `all` and `any` stop where Python would, so that one part may guard the next.
                parts = (self.holds(condition) for condition in conditions)
                value = all(parts) if isinstance(op, ast.And) else any(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = not self.holds(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = -self._value(operand)
            case ast.UnaryOp():
                self._refuse(ast.unparse(node), 'not, -')
            case ast.BinOp():
                value = self._arithmetic(node)
            case ast.Compare():
                value = self._compare(node)
            case _:
                allowed = 'fields, numbers, texts, lists, comparisons, in, and, or, not, + - * /'
                self._refuse(ast.unparse(node), allowed)
        return value

    def _refuse(self, text: object, allowed: str) -> NoReturn:
        _fail(self.query, f'{text!r} cannot be used', allowed)

    def _field(self, name: str) -> Any:
        fields = fields_of(self.entry)
        if name not in fields:
            _fail(self.query, f'no field {name!r}', FIELDS)
        if name in _GROUPS:
            _fail(self.query, f'{name} has parts', [f'{name}.{k}' for k in fields[name]])
        return fields[name]

    def _part(self, node: ast.Attribute) -> Any:
        name = ast.unparse(node)
        if not isinstance(node.value, ast.Name) or node.value.id not in _GROUPS:
            _fail(self.query, f'no field {name!r}', FIELDS)
        group = getattr(self.entry, node.value.id)
        if node.value.id == 'sources':  # one that was never in control is not listed
            return group.get(node.attr, 0.0)
        if node.attr not in group:
            _fail(
                self.query,
                f'episode {self.entry.id} has no field {name!r}',
                [f'{node.value.id}.{known}' for known in group] or 'no measure: it has none',
            )
        return group[node.attr]

    def _arithmetic(self, node: ast.BinOp) -> Any:
        left, right = self._value(node.left), self._value(node.right)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if type(node.op) not in _ARITHMETIC or not numbers:
            self._refuse(ast.unparse(node), '+ - * / of numbers')
        return _ARITHMETIC[type(node.op)](left, right)

    def _compare(self, node: ast.Compare) -> bool:
        left = self._value(node.left)
        for kind, part in zip(node.ops, node.comparators, strict=True):
            if type(kind) not in _COMPARE:
                self._refuse(ast.unparse(node), '== != < <= > >= in')
            right = self._value(part)
            if not _COMPARE[type(kind)](left, right):
                return False
            left = right
        return True


def _fail(query: str, problem: str, allowed: str | Iterable[object] = '') -> NoReturn:
    shown = query if len(query) <= 200 else query[:200] + '…'
    raise DatasetError(problem, where=f'query {shown!r}', allowed=allowed)


def choose_parts(
    dataset: Dataset, parts: Mapping[str, float] | Mapping[str, Sequence[str]], seed: int
) -> dict[str, list[int]]:
    """The episodes of each part, by index, with the arguments of `dataset_operations.split`.

    Raises:
        DatasetError: If a part would be empty, or an episode is unknown or in two parts.
    """
    fractions = all(isinstance(part, int | float) for part in parts.values())
    chosen = _by_fraction(dataset, parts, seed) if fractions else _by_id(dataset, parts)
    for name, episodes in chosen.items():
        if not episodes:
            raise DatasetError('no episode in it', where=f'part {name}', fix='ask for more')
    return chosen


def _by_fraction(
    dataset: Dataset, fractions: Mapping[str, object], seed: int
) -> dict[str, list[int]]:
    wanted = {name: float(fraction) for name, fraction in fractions.items()}  # type: ignore[arg-type]
    good = bool(wanted) and all(fraction > 0 for fraction in wanted.values())  # not NaN either
    fine = good and sum(wanted.values()) <= 1 + 1e-9
    require(fine, wanted, 'parts', 'fractions above 0, together at most 1', DatasetError)
    bags = dataset.by_bag()
    order = np.random.default_rng(seed).permutation(len(bags)).tolist()
    edges = np.round(np.cumsum([0.0, *wanted.values()]) * len(order)).astype(int)
    return {
        name: sorted(i for bag in order[start:stop] for i in bags[bag])
        for name, start, stop in zip(wanted, edges, edges[1:], strict=False)
    }


def _by_id(dataset: Dataset, parts: Mapping[str, object]) -> dict[str, list[int]]:
    ids = [entry.id for entry in dataset.episodes]
    seen: dict[str, str] = {}
    for name, wanted in parts.items():
        for episode in wanted:  # type: ignore[attr-defined]
            if episode not in ids:
                raise DatasetError(f'no episode {episode!r}', where=f'part {name}', allowed=ids)
            if seen.setdefault(episode, name) != name:
                raise DatasetError(
                    f'episode {episode!r} is in part {seen[episode]} too', where=f'part {name}'
                )
    return {name: [i for i, e in enumerate(ids) if seen.get(e) == name] for name in parts}
