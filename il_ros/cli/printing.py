"""What the verbs print: text of files and arguments, and progress."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from il_ros.core.errors import printable

_LONGEST = 1 << 20  # characters; a list of many paths is printed whole


def cell(content: object) -> str:
    """Text of a table's cell, in which brackets are no markup, on lines that the table breaks."""
    return escape(printable(str(content), _LONGEST).replace('\n', '\\n'))


def say(text: str) -> None:
    """Print lines without markup or wrapping, so that a path in them can be copied.

    Text of files that is in them cannot control the terminal.
    """
    shown = printable(text, _LONGEST)
    Console().print(shown, soft_wrap=True, markup=False, highlight=False, emoji=False)


def progress_bars(console: Console, *, transient: bool = False) -> Progress:
    """Bars with a description, the number of things done, and the time that is left."""
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=transient)
