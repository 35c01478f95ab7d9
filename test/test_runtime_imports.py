"""What runs on the robot imports nothing that fits, simulates or reads datasets."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ON_ROBOT = {'core', 'monitors', 'nodes', 'policies', 'ros'}
MONITOR, POLICY = 'il_ros.nodes.monitor_node', 'il_ros.nodes.policy_node'
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


def imported(module, *, everywhere):
    """Modules of this package that a module imports, with the packages that they lie in.

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


@pytest.mark.parametrize('node', [MONITOR, POLICY])
def test_what_runs_on_the_robot_imports_no_training_code(node):
    reached = closure(node, everywhere=True)
    assert 'il_ros.policies.bundle' in reached
    assert 'il_ros.policies.mlp' in reached  # by a registry alone
    assert {name.split('.')[1] for name in reached} <= ON_ROBOT


@pytest.mark.parametrize(('node', 'most'), [(MONITOR, 99), (POLICY, 55)])
def test_few_modules_are_imported_at_the_start(node, most):
    assert len(closure(node, everywhere=False)) <= most


@pytest.mark.parametrize(('node', 'most'), [(MONITOR, 123), (POLICY, 82)])
def test_few_modules_are_imported_at_all(node, most):
    assert len(closure(node, everywhere=True)) <= most


def test_an_import_inside_a_function_and_one_by_a_registry_are_seen():
    reached = closure('il_ros.policies.mlp', everywhere=True)
    assert 'il_ros.policies.torch_networks' in reached
    assert 'il_ros.policies.torch_networks' not in closure('il_ros.policies.mlp', everywhere=False)
    assert 'il_ros.monitors.scores.knn' in closure(MONITOR, everywhere=True)
    assert 'il_ros.monitors.scores.knn' not in closure(MONITOR, everywhere=False)
