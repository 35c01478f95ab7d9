"""The error type that reaches users, and what it states."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 2000  # characters of one part; what a file says may be as long as the file


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
        self.problem = printable(problem)
        self.where = printable(where)
        self.allowed = printable(
            allowed if isinstance(allowed, str) else ', '.join(map(str, allowed))
        )
        self.fix = printable(fix)
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


class VoidingError(IlRosError):
    """A message without a value that makes those before it void, however old they may be."""


class FrameIdError(VoidingError):
    """A message is in a coordinate frame that the contract does not expect."""


class InstructionError(VoidingError):
    """A text that is none of those that the contract names."""


class BundleError(IlRosError):
    """A policy bundle is incomplete, damaged, or made for another contract."""


class DatasetError(IlRosError):
    """A dataset or a bag cannot be used as asked."""


class EvaluationError(IlRosError):
    """Episodes cannot be read, counted or compared as asked."""


class UnknownNameError(IlRosError):
    """A name that no registry entry has (task, expert, policy, arm, mode, ...)."""


def printable(text: str, longest: int = _LONGEST) -> str:
    """A text that every terminal, message and log takes: cut where it is longer, and harmless.

    What controls a terminal or the direction of writing is escaped, and so is a lone surrogate.
    """
    if len(text) > longest:
        text = f'{text[:longest]}... ({len(text)} characters)'
    if text.isascii() and text.isprintable():
        return text
    return ''.join(
        char if char.isprintable() or char in '\n\t' else char.encode('unicode_escape').decode()
        for char in text
    )


def one_line(text: str, longest: int = _LONGEST) -> str:
    """A printable text in one line, so that none that somebody sent passes for a line of a log."""
    return printable(text, longest).replace('\n', ' ').replace('\t', ' ')


def require(
    fine: object,
    value: object,
    where: str,
    allowed: str | Iterable[object],
    error: type[IlRosError] = IlRosError,
) -> None:
    """Refuse a `value` that is not `fine`: ``require(0 <= x <= 1, x, 'dart.x', '0 to 1')``.

    Raises:
        IlRosError: (as `error`) With the value, where it stands, and what is allowed there.
    """
    if not fine:
        raise error(f'got {value!r}', where=where, allowed=allowed)


def reason(problem: Exception) -> str:
    """What went wrong, without the path that an OSError repeats."""
    return problem.strerror or str(problem) if isinstance(problem, OSError) else str(problem)


def unwritable(path: object, problem: OSError, error: type[IlRosError] = IlRosError) -> IlRosError:
    """The error for a file or folder that the system does not let us write."""
    return error(
        f'cannot be written: {reason(problem)}',
        where=str(path),
        fix='choose a folder that you may write to, on a disk with room',
    )
