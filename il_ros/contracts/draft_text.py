"""The text of a contract, line by line, with a mark behind each line that is not sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MARK = 'CHECK'
"""Behind a line of a drafted contract, with the reason: what a person has to look at."""


@dataclass(frozen=True)
class Anchored:
    """A list that is written once, `&label [a, b]`, and then named, `*label`.

    Attributes:
        label: Its name.
        values: What is in it; none where it is named again.
    """

    label: str
    values: tuple[str, ...] = ()


class DraftText:
    """Lines of YAML.

    Attributes:
        doubts: Each marked line with its number and the reason.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.doubts: list[tuple[int, str, str]] = []

    def __str__(self) -> str:
        return '\n'.join(self._lines) + '\n'

    def remark(self, text: str = '', indent: int = 0) -> None:
        """A comment of its own, or an empty line."""
        text = ' '.join(text.splitlines())  # a bag's path may have several
        self._lines.append(f'{" " * indent}# {text}' if text else '')

    def put(self, key: str, value: Any = None, *, indent: int = 0, doubt: str = '') -> None:
        """A key and its value on one line; without one, the head of what follows."""
        body = '' if value is None else f' {flow(value)}'
        line = f'{" " * indent}{key}:{body}'
        doubt = ' '.join(doubt.split())
        if doubt:
            self.doubts.append((len(self._lines) + 1, line.strip(), doubt))
        self._lines.append(f'{line}  # {MARK}: {doubt}' if doubt else line)

    def put_all(
        self, values: Mapping[str, Any], indent: int, doubts: Mapping[str, str] = {}
    ) -> None:
        """Some keys, those with a doubt marked."""
        for key, value in values.items():
            self.put(key, value, indent=indent, doubt=doubts.get(key, ''))

    def item(self, values: Mapping[str, Any], indent: int, doubts: Mapping[str, str] = {}) -> None:
        """Some keys as an item of a list."""
        begin = len(self._lines)
        self.put_all(values, indent + 2, doubts)
        self._lines[begin] = f'{" " * indent}- {self._lines[begin].lstrip()}'

    def comment_out(self, other: DraftText, indent: int) -> None:
        """The lines of another text as comments, to be used by taking the `# ` away."""
        self._lines += [f'{" " * indent}# {line[indent:]}' for line in other._lines if line]


def flow(value: Any) -> str:
    """A value as YAML on one line; numbers as short as they are exact."""
    if isinstance(value, Anchored):
        return f'&{value.label} {flow(value.values)}' if value.values else f'*{value.label}'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return f'[{", ".join(map(flow, value))}]'
    if isinstance(value, Mapping):
        return f'{{{", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items())}}}'
    # Escaped where it has to be: else a line break in it would be one here.
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style=style,
        width=float('inf'),
        allow_unicode=style is None,
    )
    return text.removesuffix('\n').removesuffix('\n...')


def number(value: float) -> str:
    """A number with up to four digits behind the point, and one at least."""
    text = f'{value:.4f}'.rstrip('0')
    return f'{text}0' if text.endswith('.') else text


def joined(texts: Iterable[str]) -> str:
    """Some reasons as one; none of them twice."""
    return '; '.join(dict.fromkeys(filter(None, texts)))
