"""What the verbs print: text of files and arguments, and progress."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def printable(text: str) -> str:
    """A text that UTF-8 can encode: file names and arguments may be any bytes."""
    return text.encode('utf-8', 'backslashreplace').decode()


def cell(content: object) -> str:
    """Text of a table's cell, in which brackets are no markup."""
    return escape(printable(str(content)))


def say(text: str) -> None:
    """Print a line without markup or wrapping, so that a path in it can be copied."""
    Console().print(printable(text), soft_wrap=True, markup=False, highlight=False)


def progress_bars(console: Console, *, transient: bool = False) -> Progress:
    """Bars with a description, the number of things done, and the time that is left."""
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=transient)
