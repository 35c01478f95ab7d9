"""What a module of this package imports, read from the sources: nothing is run."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAZY = re.compile(r'(il_ros(?:\.\w+)+):\w+')  # an entry of a registry


def source(module):
    """The file of a module, or None if there is none, as for generated messages."""
    path = ROOT.joinpath(*module.split('.'))
    files = (path.with_suffix('.py'), path / '__init__.py')
    return next((file for file in files if file.is_file()), None)


def at_import(node):
    """The nodes that run when a module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from at_import(child)


@cache
def imported_names(module, *, everywhere):
    """Absolute names that a module imports.

    Args:
        module: Its name.
        everywhere: Whether imports inside functions count, and what registries may import.
    """
    tree = ast.parse(source(module).read_text())
    names = set()
    for node in ast.walk(tree) if everywhere else at_import(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
        elif everywhere and isinstance(node, ast.Constant) and isinstance(node.value, str):
            entry = LAZY.fullmatch(node.value)
            names |= {entry[1]} if entry else set()
    return names


def imported(module, *, everywhere):
    """Modules of this package that a module imports, with the packages that they lie in."""
    names = imported_names(module, everywhere=everywhere)
    parts = [name.split('.') for name in names if name.startswith('il_ros.')]
    whole = {'.'.join(name[:count]) for name in parts for count in range(2, len(name) + 1)}
    return {name for name in whole if source(name) is not None}


def closure(module, *, everywhere):
    """The module and all modules of this package that come with it."""
    reached, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= imported(name, everywhere=everywhere) - reached
    return reached
