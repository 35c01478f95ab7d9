"""``$(var x)``, ``$(env NAME [default])``, ``$(find-pkg-share pkg)`` and ``$(dirname)``.

The syntax is that of ROS's launch system (``launch/frontend/grammar.lark``): a backslash makes the
next character literal, arguments are separated by one space, may be quoted, and may nest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from il_ros.launching.launch_document import LaunchError
from il_ros.launching.packages import share

LONGEST = 16 << 10
"""Characters that an attribute may become: variables that repeat one another double each time."""

_DEEPEST = 20  # substitutions in one another


@dataclass(kw_only=True)
class Scope:
    """What substitutions see at one point of a launch file, and what the tags there may change.

    Attributes:
        variables: Launch configurations (arguments and ``<let>``) by name. The pushed namespace
            is the one named ``ros_namespace``, as in launch_ros.
        environment: The environment that processes started here would get.
        files: The launch files being read, the including ones first.
        remaps: What nodes started here remap, before their own.
    """

    variables: dict[str, str]
    environment: dict[str, str]
    files: tuple[Path, ...]
    remaps: list[tuple[str, str]] = field(default_factory=list)

    def copy(self) -> Scope:
        """Return a scope of the same content, whose changes do not reach this one."""
        return replace(
            self,
            variables=dict(self.variables),
            environment=dict(self.environment),
            remaps=list(self.remaps),
        )


@dataclass(frozen=True, kw_only=True)
class Call:
    """One ``$(name argument ...)``."""

    name: str
    arguments: tuple[Template, ...]


Template = tuple[str | Call, ...]
"""Literal text and calls, in order."""


def parse(text: str, where: str) -> Template:
    """Split `text` into literal text and substitutions.

    Args:
        text: The attribute as written.
        where: Its place, for errors.

    Raises:
        LaunchError: If a substitution is malformed, unknown, or has a wrong number of arguments;
            also if the text is too long.
    """
    if len(text) > LONGEST:
        raise _too_long(where)
    return _Parser(text, where).template()


def expand(template: Template, scope: Scope, where: str) -> str:
    """Evaluate a parsed text in `scope`.

    Raises:
        LaunchError: If it names a variable, environment variable or package that is not there, or
            becomes too long.
    """
    text = ''
    for part in template:
        if isinstance(part, str):
            text += part
        else:
            arguments = [expand(argument, scope, where) for argument in part.arguments]
            text += SUBSTITUTIONS[part.name].evaluate(scope, where, *arguments)
        if len(text) > LONGEST:
            raise _too_long(where)
    return text


def _too_long(where: str) -> LaunchError:
    return LaunchError(f'an attribute of more than {LONGEST} characters', where=where)


def unescape(text: str) -> str:
    """Take away the backslash before every escaped character."""
    return re.sub(r'(?s)\\(.)', r'\1', text)


def _var(scope: Scope, where: str, name: str) -> str:
    if name not in scope.variables:
        raise LaunchError(
            f'$(var {name}): there is no such variable here',
            where=where,
            allowed=sorted(scope.variables) or 'none is set here',
            fix=f'declare it above with <arg name="{name}"/>',
        )
    return scope.variables[name]


def _env(scope: Scope, where: str, name: str, default: str | None = None) -> str:
    value = scope.environment.get(name, default)
    if value is None:
        raise LaunchError(
            f'$(env {name}): the environment variable is not set',
            where=where,
            fix=f'set it, or give a default: $(env {name} value)',
        )
    return value


def _find_pkg_share(scope: Scope, where: str, package: str) -> str:
    return str(share(package, scope.environment, where))


def _dirname(scope: Scope, _where: str) -> str:
    return str(scope.files[-1].absolute().parent)


class Substitution(NamedTuple):
    """One kind of substitution: how it is written, how many arguments, what it gives."""

    usage: str
    arguments: range
    evaluate: Callable[..., str]


SUBSTITUTIONS: Mapping[str, Substitution] = {
    'var': Substitution('$(var name)', range(1, 2), _var),
    'env': Substitution('$(env NAME [default])', range(1, 3), _env),
    'find-pkg-share': Substitution('$(find-pkg-share package)', range(1, 2), _find_pkg_share),
    'dirname': Substitution('$(dirname)', range(1), _dirname),
}


class _Parser:
    """Recursive descent over one text; `_at` is the next character to read."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._at = self._depth = 0

    def template(self, stop: str = '') -> Template:
        """Read literal text and calls until the end, or until a character of `stop`."""
        literal = re.compile(rf'(?s:\\.|\\\Z|(?!\$\()[^\\{stop}])+')
        parts: list[str | Call] = []
        while self._at < len(self._text):
            if self._text.startswith('$(', self._at):
                parts.append(self._substitution())
            elif match := literal.match(self._text, self._at):
                self._at = match.end()
                parts.append(unescape(match[0]))
            else:
                break
        return tuple(parts) or ('',)

    def _substitution(self) -> Call:
        start = self._at
        match = re.compile(r'\$\(([A-Za-z][\w-]*)').match(self._text, start)
        if match is None:
            raise self._malformed(start)
        self._at = match.end()
        arguments = []
        self._depth += 1
        if self._depth > _DEEPEST:
            raise LaunchError(f'more than {_DEEPEST} $( in one another', where=self._where)
        while self._took(' '):
            arguments.append(self._argument(start))
        self._depth -= 1
        if not self._took(')'):
            raise self._malformed(start)
        return self._checked(Call(name=match[1], arguments=tuple(arguments)))

    def _argument(self, start: int) -> Template:
        quote = next((mark for mark in ("'", '"') if self._took(mark)), '')
        argument = self.template(stop=quote or ' ()"\'')
        complete = self._took(quote) if quote else argument != ('',)
        if not complete:
            raise self._malformed(start)
        return argument

    def _took(self, character: str) -> bool:
        """Pass over the character if it comes next."""
        comes = self._text.startswith(character, self._at)
        self._at += comes
        return comes

    def _checked(self, call: Call) -> Call:
        known = SUBSTITUTIONS.get(call.name)
        if known is None:
            raise LaunchError(
                f'unknown substitution $({call.name} ...)',
                where=self._where,
                allowed=[known.usage for known in SUBSTITUTIONS.values()],
            )
        if len(call.arguments) not in known.arguments:
            raise LaunchError(
                f'$({call.name} ...) has {len(call.arguments)} arguments',
                where=self._where,
                allowed=known.usage,
            )
        return call

    def _malformed(self, start: int) -> LaunchError:
        return LaunchError(
            f'malformed substitution {self._text[start:]!r}',
            where=self._where,
            allowed=[known.usage for known in SUBSTITUTIONS.values()],
            fix='close it with ), put one space between arguments, write a literal $( as \\$(',
        )
