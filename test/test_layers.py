"""Dependencies point one way: what each layer may import, read from the sources themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / 'il_ros'
BELOW = {  # layer: the layers of this package that it may import
    'core': set(),
    'monitors': {'core'},
    'experts': {'core', 'policies'},
    'sim': {'core'},
    'evaluation': {'core'},
    'launching': {'core'},
    'bags': {'core'},
    'contracts': {'core', 'monitors'},
    'datasets': {'core', 'bags'},
    'interop': {'core', 'bags', 'datasets'},
    'policies': {'core', 'monitors'},
    'calibration': {'core', 'bags', 'datasets', 'policies', 'monitors'},
    'algorithms': {'core', 'datasets', 'policies', 'monitors', 'calibration'},
    'rollouts': {'core', 'datasets', 'policies', 'monitors', 'experts', 'sim', 'evaluation'},
    'interactive': {
        'core', 'datasets', 'policies', 'algorithms', 'monitors', 'calibration', 'experts', 'sim',
        'rollouts', 'evaluation',
    },
}  # fmt: skip
ALL = {*BELOW, 'ros', 'nodes', 'cli'}
BELOW['ros'] = set(BELOW) | {'msg', 'srv', 'action'}
BELOW['nodes'] = BELOW['ros'] | {'ros'}
BELOW['cli'] = ALL - {'nodes', 'ros'}
HEAVY = {  # library: the only layers that may import it
    'rclpy': {'ros', 'nodes'},
    'torch': {'policies', 'algorithms', 'monitors'},
    'mujoco': {'sim'},
    'gymnasium': {'sim', 'interactive'},
    'metaworld': {'sim'},
    'rosbags': {'bags'},
    'mcap': {'bags'},
    'pyarrow': {'interop'},
    'h5py': {'interop'},
    'av': {'interop'},
    'rerun': {'interop'},
    'scipy': {'datasets'},
    'cv2': {'core', 'bags', 'datasets'},
    'ruckig': {'monitors'},
    'cmaes': {'rollouts'},
    'matplotlib': {'evaluation'},
    'jinja2': {'evaluation'},
    'tyro': {'cli'},
}


def imports(tree, *, top_level):
    """Absolute names of the modules that a file imports, lazily imported ones only on request."""
    nodes = ast.iter_child_nodes(tree) if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'relative import'
            yield node.module


FILES = [path for layer in BELOW for path in sorted((ROOT / layer).rglob('*.py'))]


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_layer_imports_only_what_lies_below_it(path):
    layer = path.relative_to(ROOT).parts[0]
    # A verb imports the graph's client only where it needs it; everybody else not at all.
    names = set(imports(ast.parse(path.read_text()), top_level=layer == 'cli'))
    own = {name.split('.')[1] for name in names if name.startswith('il_ros.')}
    assert own - {layer} <= BELOW[layer]
    for library, layers in HEAVY.items():
        if layer not in layers:
            assert library not in {name.split('.')[0] for name in names}


def test_every_folder_is_a_layer():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != '_'}
    assert folders == ALL
