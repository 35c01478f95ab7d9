"""The error type that reaches users, and what it states."""

from __future__ import annotations

from collections.abc import Iterable


class IlRosError(Exception):
    """An error that the user can fix: the place, the problem, what is allowed, what to do.

    Args:
        problem: What is wrong, in one clause, with the offending value.
        where: File, dotted YAML path, topic or service that it concerns.
        allowed: The accepted values, or a sentence about them.
        fix: What to do next, as an instruction.
    """

    def __init__(
        self, problem: str, *, where: str = '', allowed: str | Iterable[object] = '', fix: str = ''
    ) -> None:
        self.problem = problem
        self.where = where
        self.allowed = allowed if isinstance(allowed, str) else ', '.join(map(str, allowed))
        self.fix = fix
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [f'{self.where}: {self.problem}' if self.where else self.problem]
        if self.allowed:
            parts.append(f'allowed: {self.allowed}')
        if self.fix:
            parts.append(f'to fix: {self.fix}')
        return '; '.join(parts)


class ContractError(IlRosError):
    """A contract is malformed, or two contracts that must agree do not."""


class BundleError(IlRosError):
    """A policy bundle is incomplete, damaged, or made for another contract."""


class DatasetError(IlRosError):
    """A dataset or a bag cannot be used as asked."""


class EvaluationError(IlRosError):
    """Episodes cannot be read, counted or compared as asked."""


class UnknownNameError(IlRosError):
    """A name that no registry entry has (task, expert, policy, arm, mode, ...)."""
