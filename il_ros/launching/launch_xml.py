"""What an XML launch file starts: its tags carried out in order, as ROS's launch system does.

Two rules of that system are easy to get wrong, and are kept here: an included file sees every
variable of the file that includes it, and changes them (a ``<group>`` around it confines that); a
required argument must nevertheless be passed to it by name.
Source: the packages launch, launch_xml and launch_ros.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from il_ros.launching import launch_names, launch_parameters, packages
from il_ros.launching.launch_arguments import (
    Argument,
    check_known,
    check_required,
    declared,
    exists,
)
from il_ros.launching.launch_attributes import check_output, optional, text, truth, wanted, words
from il_ros.launching.launch_document import Element, LaunchError, LaunchFiles
from il_ros.launching.substitutions import Scope

_MOST_STEPS, _MOST_PROCESSES = 10_000, 200


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process that a launch file asks for.

    Attributes:
        name: What to call it: the node's name below its namespace (``left/policy``), else the
            executable.
        argv: The command line.
        env: The whole environment it gets.
        files: Texts of the ROS parameter files that `argv` names, by path; they must be written
            before it starts.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[Path, str]


def evaluate(
    path: Path,
    arguments: Mapping[str, str],
    *,
    scratch: Path,
    environment: Mapping[str, str] | None = None,
) -> list[ProcessSpec]:
    """Return the processes that a launch file starts, in order. Nothing is started or written.

    Args:
        path: The launch file.
        arguments: Values of its arguments by name.
        scratch: Folder in which parameter files are to lie.
        environment: What the processes inherit and ``$(env ...)`` reads; this process's own if
            None.

    Raises:
        LaunchError: If the file holds what this runner does not do, names what is not there, or
            an argument is unknown, missing or none of its choices.
    """
    env = dict(os.environ if environment is None else environment)
    launch_files = LaunchFiles()
    root = launch_files.read(path)
    check_known(path, arguments, declared(path, env, launch_files))
    check_required(root, arguments, where=path.name)
    run = _Run(scratch, launch_files)
    run.perform_all(root, Scope(variables=dict(arguments), environment=env, files=(path,)))
    return run.processes


class _Run:
    """One pass over a launch file and those it includes, collecting processes."""

    def __init__(self, scratch: Path, launch_files: LaunchFiles) -> None:
        self.processes: list[ProcessSpec] = []
        self._scratch = scratch
        self._launch_files = launch_files
        self._files = self._steps = 0
        self._actions: Mapping[str, Callable[[Element, Scope], None]] = {
            'arg': _arg,
            'let': _let,
            'include': self._include,
            'group': self._group,
            'push_ros_namespace': _push_ros_namespace,
            'set_env': _set_env,
            'set_remap': _set_remap,
            'node': self._node,
            'executable': self._executable,
        }

    def perform_all(self, parent: Element, scope: Scope) -> None:
        """Carry out the tags inside `parent`, in order, changing `scope`."""
        for element in parent.children:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise LaunchError(f'more than {_MOST_STEPS} tags to carry out', where=element.where)
            if wanted(element, scope):
                self._actions[element.tag](element, scope)

    def _group(self, element: Element, scope: Scope) -> None:
        scoped = element.attributes.get('scoped', 'true')
        self.perform_all(element, scope.copy() if truth(scoped, 'scoped', element.where) else scope)

    def _include(self, element: Element, scope: Scope) -> None:
        path = Path(text(element, 'file', scope))
        if path in scope.files:
            raise LaunchError(f'{path.name} includes itself', where=element.where)
        if not exists(path):
            raise LaunchError(f'included file {str(path)!r} does not exist', where=element.where)
        inside = replace(scope, files=(*scope.files, path))
        passed = {text(arg, 'name', inside): arg for arg in element.children}
        known = declared(path, scope.environment, self._launch_files)
        check_known(path, passed, known, where=element.where)
        root = self._launch_files.read(path)
        check_required(root, passed, where=element.where)
        for name, arg in passed.items():
            scope.variables[name] = text(arg, 'value', inside)
        self.perform_all(root, inside)

    def _node(self, element: Element, scope: Scope) -> None:
        check_output(element, scope)
        package, command = text(element, 'pkg', scope), text(element, 'exec', scope)
        path = packages.executable(package, command, scope.environment, element.where)
        name = optional(element, 'name', scope)
        namespace = launch_names.joined(
            scope.variables.get('ros_namespace'),
            optional(element, 'namespace', scope),
            element.where,
        )
        ros = (
            ['-r', f'__node:={launch_names.node(name, element.where)}'] if name is not None else []
        )
        ros += ['-r', f'__ns:={namespace}'] if namespace is not None else []
        owner = launch_names.fully_qualified(namespace, name)
        files: dict[Path, str] = {}
        for file in self._parameter_files(element, scope, owner or '/**', files):
            ros += ['--params-file', str(file)]
        own = [_remap(remap, scope) for remap in element.named('remap')]
        for before, after in (*scope.remaps, *own):
            ros += ['-r', f'{before}:={after}']
        self._start(
            scope,
            (owner or name or command).lstrip('/'),
            (str(path), *words(element, 'args', scope), '--ros-args', *ros),
            files,
        )

    def _parameter_files(
        self, element: Element, scope: Scope, owner: str, files: dict[Path, str]
    ) -> Iterator[Path]:
        """Return the parameter files of a node in order; the text of new ones goes to `files`."""
        for from_file, group in groupby(element.named('param'), lambda p: 'from' in p.attributes):
            if from_file:
                yield from (_parameter_file(param, scope) for param in group)
            else:
                values = dict(_parameter(param, scope) for param in group)
                self._files += 1
                path = self._scratch / f'launch_params_{self._files}.yaml'
                files[path] = launch_parameters.params_file(owner, values)
                yield path

    def _executable(self, element: Element, scope: Scope) -> None:
        check_output(element, scope)
        argv = words(element, 'cmd', scope)
        if not argv:
            raise LaunchError("<executable> has an empty 'cmd'", where=element.where)
        name = optional(element, 'name', scope)
        self._start(scope, name or Path(argv[0]).name, argv, {})

    def _start(
        self, scope: Scope, name: str, argv: tuple[str, ...], files: Mapping[Path, str]
    ) -> None:
        if len(self.processes) >= _MOST_PROCESSES:
            raise LaunchError(f'more than {_MOST_PROCESSES} processes', where=str(scope.files[0]))
        env = dict(scope.environment)
        self.processes.append(ProcessSpec(name=name, argv=argv, env=env, files=files))


def _arg(element: Element, scope: Scope) -> None:
    argument = Argument.of(element)
    value = scope.variables.get(argument.name)
    if value is None:
        if argument.default is None:
            raise LaunchError(f'argument {argument.name!r} has no value', where=element.where)
        value = text(element, 'default', scope)
    if argument.choices and value not in argument.choices:
        raise LaunchError(
            f'argument {argument.name}:={value} is not one of its choices',
            where=element.where,
            allowed=argument.allowed,
        )
    scope.variables[argument.name] = value


def _let(element: Element, scope: Scope) -> None:
    scope.variables[text(element, 'name', scope)] = text(element, 'value', scope)


def _set_env(element: Element, scope: Scope) -> None:
    scope.environment[text(element, 'name', scope)] = text(element, 'value', scope)


def _set_remap(element: Element, scope: Scope) -> None:
    scope.remaps.append(_remap(element, scope))


def _remap(element: Element, scope: Scope) -> tuple[str, str]:
    return text(element, 'from', scope), text(element, 'to', scope)


def _push_ros_namespace(element: Element, scope: Scope) -> None:
    base = scope.variables.get('ros_namespace')
    pushed = launch_names.joined(base, text(element, 'namespace', scope), element.where)
    assert pushed is not None  # the attribute is required
    scope.variables['ros_namespace'] = pushed


def _parameter_file(param: Element, scope: Scope) -> Path:
    if set(param.attributes) != {'from'}:
        raise LaunchError("<param> with 'from' takes no other attribute", where=param.where)
    path = Path(text(param, 'from', scope))
    if not exists(path):
        raise LaunchError(f'parameter file {str(path)!r} does not exist', where=param.where)
    return path


def _parameter(param: Element, scope: Scope) -> tuple[str, launch_parameters.Value]:
    if not {'name', 'value'} <= set(param.attributes):
        raise LaunchError("<param> needs 'name' and 'value', or 'from'", where=param.where)
    kind = param.attributes.get('type', 'yaml')
    value = launch_parameters.evaluate(param.attributes['value'], kind, scope, param.where)
    return text(param, 'name', scope), value
