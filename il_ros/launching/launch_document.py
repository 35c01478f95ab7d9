"""An XML launch file as a tree that knows its lines, checked against the tags we understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from il_ros.core.errors import IlRosError
from il_ros.core.regular_files import read_regular

LIMIT = 256 << 10
"""Bytes of the largest launch file."""

DEPTH = 50
"""How deep tags may lie in one another."""

TAGS = 5000
"""Most tags of one launch file."""

_FILES, _READS = 100, 1000


class LaunchError(IlRosError):
    """A launch file says something this runner does not do, or cannot be carried out."""


@dataclass(kw_only=True)
class Element:
    """One tag of a launch file.

    Attributes:
        tag: Its name.
        attributes: Its attributes as written, before substitution.
        file: The launch file it stands in.
        line: The line its opening tag starts on, from 1.
        children: The tags inside it, in order.
    """

    tag: str
    attributes: dict[str, str]
    file: Path
    line: int
    children: list[Element] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Its place for an error text, ``file:line``."""
        return f'{self.file.name}:{self.line}'

    def named(self, tag: str) -> list[Element]:
        """Return the children with this tag."""
        return [child for child in self.children if child.tag == tag]


@dataclass(frozen=True, kw_only=True)
class Tag:
    """What one tag may hold.

    Attributes:
        required: Attributes it must have.
        optional: Attributes it may have.
        children: Tags that may stand inside it.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


_CONDITION = ('if', 'unless')
_ACTIONS = (
    'arg', 'let', 'include', 'group', 'push_ros_namespace', 'set_remap', 'set_env', 'node',
    'executable',
)  # fmt: skip

# The key of a tag that means something only inside another one is 'parent/tag'.
GRAMMAR: Mapping[str, Tag] = {
    'launch': Tag(children=_ACTIONS),
    'arg': Tag(
        required=('name',), optional=('default', 'description', *_CONDITION), children=('choice',)
    ),
    'arg/choice': Tag(required=('value',)),
    'let': Tag(required=('name', 'value'), optional=_CONDITION),
    'include': Tag(required=('file',), optional=_CONDITION, children=('arg',)),
    'include/arg': Tag(required=('name', 'value')),
    'group': Tag(optional=('scoped', *_CONDITION), children=_ACTIONS),
    'push_ros_namespace': Tag(required=('namespace',), optional=_CONDITION),
    'set_remap': Tag(required=('from', 'to'), optional=_CONDITION),
    'set_env': Tag(required=('name', 'value'), optional=_CONDITION),
    'node': Tag(
        required=('pkg', 'exec'),
        optional=('name', 'namespace', 'output', 'args', *_CONDITION),
        children=('param', 'remap'),
    ),
    'node/param': Tag(optional=('name', 'value', 'type', 'from')),
    'node/remap': Tag(required=('from', 'to')),
    'executable': Tag(required=('cmd',), optional=('name', 'output', *_CONDITION)),
}


class LaunchFiles:
    """The launch files of one launch, each read once, so that files that include files end.

    An included file is looked at for its arguments, and again to carry it out.
    """

    def __init__(self) -> None:
        self._roots: dict[Path, Element] = {}
        self._reads = 0

    def read(self, path: Path) -> Element:
        """See `read`.

        Raises:
            LaunchError: As `read`; also if there are too many of them.
        """
        self._reads += 1
        if path not in self._roots:
            self._roots[path] = read(path)
        if len(self._roots) > _FILES or self._reads > _READS:
            raise LaunchError(
                f'{len(self._roots)} files in {self._reads} includes',
                where=str(path),
                allowed=f'{_FILES} files, {_READS} includes',
            )
        return self._roots[path]


def read(path: Path) -> Element:
    """Read a launch file and give its ``<launch>`` tag, every tag below it checked.

    Raises:
        LaunchError: If it cannot be read, is not well-formed XML, goes beyond a limit of this
            module, has a document type (and with it entities), or holds a tag, attribute or text
            that is not understood.
    """
    builder = _Builder(path)
    try:
        builder.parser.Parse(read_regular(path, LIMIT), True)
    except OSError as error:
        raise LaunchError(f'cannot be read: {error.strerror}', where=str(path)) from error
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise LaunchError(
            f'is not well-formed XML: {reason}', where=f'{path.name}:{error.lineno}'
        ) from error
    assert builder.root is not None  # expat has refused a document without a root
    if builder.root.tag != 'launch':
        raise LaunchError(
            f'unknown root tag <{builder.root.tag}>', where=builder.root.where, allowed='<launch>'
        )
    _check(builder.root, 'launch')
    return builder.root


class _Builder:
    """Collects what expat reports; used instead of ElementTree because that keeps no lines."""

    def __init__(self, path: Path) -> None:
        self.root: Element | None = None
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self._path = path
        self._open: list[Element] = []
        self._tags = 0

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._tags += 1
        if len(self._open) >= DEPTH:
            self._refuse(f'tags lie more than {DEPTH} deep in one another')
        if self._tags > TAGS:
            self._refuse(f'more than {TAGS} tags')
        line = self.parser.CurrentLineNumber
        element = Element(tag=tag, attributes=attributes, file=self._path, line=line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if text.strip():
            self._refuse(f'text {text.strip()!r} outside any attribute', allowed='tags only')

    def _doctype(self, *_: object) -> None:
        self._refuse('a document type declaration is refused', fix='remove <!DOCTYPE ...>')

    def _refuse(self, problem: str, **about: str) -> NoReturn:
        line = self.parser.CurrentLineNumber
        raise LaunchError(problem, where=f'{self._path.name}:{line}', **about)


def _check(element: Element, key: str) -> None:
    tag = GRAMMAR[key]
    for name in element.attributes:
        if name not in (*tag.required, *tag.optional):
            raise LaunchError(
                f'<{element.tag}> has an unknown attribute {name!r}',
                where=element.where,
                allowed=(*tag.required, *tag.optional) or 'no attribute',
            )
    for name in tag.required:
        if name not in element.attributes:
            raise LaunchError(
                f'<{element.tag}> lacks the attribute {name!r}',
                where=element.where,
                allowed=(*tag.required, *tag.optional),
            )
    if 'if' in element.attributes and 'unless' in element.attributes:
        raise LaunchError(f"<{element.tag}> has both 'if' and 'unless'", where=element.where)
    for child in element.children:
        if child.tag not in tag.children:
            raise LaunchError(
                f'unknown tag <{child.tag}> inside <{element.tag}>',
                where=child.where,
                allowed=[f'<{name}>' for name in tag.children] or 'no tag',
            )
        nested = f'{element.tag}/{child.tag}'
        _check(child, nested if nested in GRAMMAR else child.tag)
