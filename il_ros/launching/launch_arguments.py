"""The arguments a launch file takes: finding their declarations and checking what is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from il_ros.launching.launch_document import Element, LaunchError, LaunchFiles
from il_ros.launching.substitutions import Scope, expand, parse, unescape


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One ``<arg>`` of a launch file.

    Attributes:
        name: Its name.
        default: Its default as written, before substitution; None makes it required.
        description: What it is for; may be empty.
        choices: The values it may have; empty where any will do.
    """

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]

    @classmethod
    def of(cls, element: Element) -> Argument:
        """Read an ``<arg>`` tag."""
        return cls(
            name=unescape(element.attributes['name']),
            default=element.attributes.get('default'),
            description=unescape(element.attributes.get('description', '')),
            choices=tuple(unescape(choice.attributes['value']) for choice in element.children),
        )

    @property
    def allowed(self) -> str:
        """Its choices in words."""
        return ', '.join(choice or "''" for choice in self.choices)

    def __str__(self) -> str:
        default = 'required' if self.default is None else f'default {self.default!r}'
        choices = f'one of {self.allowed}' if self.choices else ''
        about = '; '.join(part for part in (default, choices) if part)
        return f'{self.name} ({about}): {self.description}'.removesuffix(': ')


def declared(
    path: Path, environment: Mapping[str, str], launch_files: LaunchFiles | None = None
) -> list[Argument]:
    """Return the arguments of a launch file, and of the files it includes.

    Included files whose path depends on a variable are not looked into: which they are is known
    only once the file runs.

    Raises:
        LaunchError: If one of the files cannot be read.
    """
    found: dict[str, Argument] = {}
    launch_files = launch_files or LaunchFiles()
    for argument in _declarations(launch_files, environment, (path,)):
        found.setdefault(argument.name, argument)
    return list(found.values())


def check_known(
    path: Path, given: Collection[str], known: Collection[Argument], *, where: str = ''
) -> None:
    """Refuse arguments that a launch file does not declare.

    Raises:
        LaunchError: If there is one; it lists those that are declared.
    """
    names = [argument.name for argument in known]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise LaunchError(
            f'{path.name} has no argument {unknown[0]!r}',
            where=where,
            allowed=_listing(known),
        )


def check_required(root: Element, given: Collection[str], *, where: str) -> None:
    """Require every argument of `root` that has no default.

    Arguments declared under a condition are let through: they may not be needed.

    Raises:
        LaunchError: If one is missing; it lists those that are declared.
    """
    unconditional = _inside(root, lambda element: not {'if', 'unless'} & set(element.attributes))
    own = [Argument.of(element) for element in unconditional if element.tag == 'arg']
    for argument in own:
        if argument.default is None and argument.name not in given:
            raise LaunchError(
                f'{root.file.name} needs the argument {argument.name!r}',
                where=where if where != root.file.name else '',
                allowed=_listing(own),
                fix=f'give {argument.name}:=value',
            )


def _declarations(
    launch_files: LaunchFiles, environment: Mapping[str, str], files: tuple[Path, ...]
) -> Iterator[Argument]:
    for element in _inside(launch_files.read(files[-1]), lambda _: True):
        if element.tag == 'arg':
            yield Argument.of(element)
        elif element.tag == 'include':
            path = _static_path(element, environment, files)
            if path is not None and exists(path) and path not in files:
                yield from _declarations(launch_files, environment, (*files, path))


def _static_path(
    element: Element, environment: Mapping[str, str], files: tuple[Path, ...]
) -> Path | None:
    """Return the path of an include that no variable decides."""
    scope = Scope(variables={}, environment=dict(environment), files=files)
    template = parse(element.attributes['file'], element.where)
    try:
        return Path(expand(template, scope, element.where))
    except LaunchError:
        return None


def _inside(parent: Element, wanted: Callable[[Element], bool]) -> Iterator[Element]:
    """The wanted tags inside `parent`, and inside its wanted groups."""
    for element in filter(wanted, parent.children):
        if element.tag == 'group':
            yield from _inside(element, wanted)
        else:
            yield element


def exists(path: Path) -> bool:
    """Whether a file that a launch file names is there; a name that is too long is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _listing(known: Collection[Argument]) -> str:
    return '; '.join(str(argument) for argument in known) or 'it has no arguments'
