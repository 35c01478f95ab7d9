"""What the verbs print: text of files, of the graph and of arguments, and progress."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console as AnyConsole
from rich.console import ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from il_ros.core.errors import printable

_LONGEST = 1 << 20  # characters; a list of many paths is printed whole


class Console(AnyConsole):
    """Where verbs print: no text controls the terminal, and brackets and colons are no markup.

    Args:
        width: Characters a line; by default those of the terminal.
        quiet: Whether nothing is printed.
    """

    def __init__(self, *, width: int | None = None, quiet: bool = False) -> None:
        super().__init__(width=width, quiet=quiet, markup=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The pieces that something is printed as; the text of each is harmless."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text, _LONGEST), style, control)


def cell(content: object) -> Text:
    """Text of a table's cell, on lines that the table breaks."""
    return Text(printable(str(content), _LONGEST).replace('\n', '\\n'))


def say(text: str) -> None:
    """Print lines without wrapping, so that a path in them can be copied."""
    Console().print(printable(text, _LONGEST), soft_wrap=True, highlight=False)


def progress_bars(console: AnyConsole, *, transient: bool = False) -> Progress:
    """Bars with a description, the number of things done, and the time that is left."""
    text = TextColumn('{task.description}', markup=False)
    columns = text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=transient)
