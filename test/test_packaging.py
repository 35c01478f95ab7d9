"""What the package says that it needs is what it imports: on a robot, and in package.xml."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from xml.etree import ElementTree

import pytest
import yaml
from import_closure import ROOT, closure, imported_names, source

from il_ros import __version__

sys.path.insert(0, str(ROOT / 'requirements'))

from lock import SETS

ROBOT = ('expert', 'flight_recorder', 'monitor', 'policy', 'recorder', 'teleop')
"""Nodes that run on a robot; the others simulate, train, or ask for both."""

NODES = [f'il_ros.nodes.{name}_node' for name in ROBOT]
ELSEWHERE = {'metaworld', 'backports', 'compression'}  # in an environment of its own; of Python
OPTIONAL = {'cryptography', 'tensorboard'}  # asked for by a parameter, with an error that says so


def names_in(file):
    """The distributions that a file of requirements pins."""
    lines = (ROOT / f'requirements/{file}.txt').read_text().splitlines()
    return {normal(line.split('==')[0]) for line in lines if '==' in line}


def normal(name):
    return re.sub(r'[-_.]+', '-', re.sub(r'\[.*', '', name)).lower()


def own(name):
    return name == 'il_ros' or name in sys.stdlib_module_names


PINNED = set().union(*(names_in(each) for each in SETS if not each.startswith('ros-')))


def from_ros(name, providers):
    """Whether no set of requirements brings an importable name, so that a ROS has to."""
    return not providers.get(name, set()) & PINNED


@pytest.fixture(scope='module')
def providers():
    """The distributions that bring each importable name."""
    single = {name: [name] for name in PINNED}  # an extension module alone is not found
    found = {**single, **packages_distributions()}
    return {name: {normal(each) for each in dists} for name, dists in found.items()}


def test_what_a_robot_needs_and_what_training_adds_are_apart():
    assert not names_in('robot') & names_in('train')
    assert {'mujoco', 'gymnasium', 'tensorboard', 'matplotlib', 'scipy'} <= names_in('train')


def test_nodes_of_a_robot_start_with_the_packages_of_a_robot(providers):
    pytest.importorskip('rclpy')
    there = names_in('robot') | names_in('wheels')  # a ROS brings what the wheels need
    free = [
        name
        for name, dists in providers.items()
        if not (own(name) or from_ros(name, providers) or dists & there)
    ]
    assert {'mujoco', 'scipy', 'safetensors', 'pytest_timeout'} <= set(free)
    code = f"""
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {sorted(free)!r}:
            raise ImportError('not on a robot: ' + name)
sys.meta_path.insert(0, Refuse())
for name in {NODES!r}:
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, '-c', code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_is_imported_later_on_a_robot_is_pinned_for_it_and_nothing_else_is(providers):
    """By a registry, in a function: no test would get there in time."""
    modules = {name for node in NODES for name in closure(node, everywhere=True)}
    names = {name for module in modules for name in foreign(module)}
    used = {
        dist
        for name in names - OPTIONAL
        if not from_ros(name, providers)
        for dist in providers[name]
    }
    assert used <= names_in('robot')
    text = (ROOT / 'requirements/robot.txt').read_text().partition('# what these need')[0]
    asked = {normal(line.split('==')[0]) for line in text.splitlines() if '==' in line}
    assert asked - used == {'rich', 'tyro'}  # of the il_ros command


def foreign(module):
    """What a module imports that is neither Python's nor this package's."""
    names = {name.partition('.')[0] for name in imported_names(module, everywhere=True)}
    return {name for name in names if not own(name)}


MODULES = [
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for path in sorted((ROOT / 'il_ros').rglob('*.py'))
    if path.name != '__init__.py'
]


def stated(*tags):
    """What package.xml says under these tags."""
    root = ElementTree.parse(ROOT / 'package.xml').getroot()
    return [element.text for tag in tags for element in root.iter(tag)]


def test_package_xml_has_each_ros_package_that_is_imported_and_none_that_is_not_named(providers):
    imported = {name for module in MODULES for name in foreign(module)}
    ros = {name for name in imported - ELSEWHERE if from_ros(name, providers)}
    at_run_time = stated('depend', 'exec_depend')
    assert len(at_run_time) == len(set(at_run_time))
    assert ros <= set(at_run_time)
    python = {name for name in at_run_time if name.startswith('python3-')}
    text = ''.join(source(module).read_text() for module in MODULES)
    text += (ROOT / 'CMakeLists.txt').read_text()
    unnamed = {name for name in at_run_time if not re.search(rf'\b{name}\b', text)}
    assert unnamed - python == {'ros2launch'}  # docs only


def test_package_xml_has_what_cmake_looks_for():
    text = (ROOT / 'CMakeLists.txt').read_text()
    build, _, testing = text.partition('if(BUILD_TESTING)')
    find = re.compile(r'find_package\((\w+) ')
    asked = set(find.findall(build)) - {'Python3'}
    assert asked == set(stated('buildtool_depend', 'depend'))
    assert set(find.findall(testing)) <= set(stated('test_depend'))


def test_package_xml_is_of_the_version_of_the_package():
    assert stated('version') == [__version__]
    versioned = ElementTree.parse(ROOT / 'package.xml').getroot().findall('*[@version_gte]')
    assert [(element.text, element.get('version_gte')) for element in versioned] == [
        ('rclpy', '7.1.0')
    ]


WORKFLOW = ROOT / '.github/workflows/test.yaml'


def steps():
    """The steps of the workflow that run something, as shells get them."""
    jobs = yaml.safe_load(WORKFLOW.read_text())['jobs'].values()
    return [step['run'] for job in jobs for step in job['steps'] if 'run' in step]


def test_ci_runs_what_there_is_and_names_no_version_of_a_package():
    text = '\n'.join(steps())
    rules = (ROOT / 'Makefile').read_text()
    asked = re.findall(r'^make (\S+)$', text, re.MULTILINE)
    assert len(asked) == 4
    assert all(re.search(rf'^{name}\b.*:', rules, re.MULTILINE) for name in asked)
    sets = re.search(r'for file in ([\w ]+); do', text)[1].split()
    assert all((ROOT / f'requirements/locked/{name}.txt').is_file() for name in sets)
    for file in (WORKFLOW, ROOT / '.devcontainer/devcontainer.json'):
        assert not re.search(r'==\s*\d', file.read_text())
    for step in steps():
        subprocess.run(['bash', '-n', '-c', step], check=True)
    distros = yaml.safe_load(WORKFLOW.read_text())['jobs']['ros']['strategy']['matrix']['distro']
    assert distros == ['jazzy', 'kilted', 'lyrical']


def test_the_development_container_makes_what_make_setup_makes():
    container = json.loads((ROOT / '.devcontainer/devcontainer.json').read_text())
    assert container['postCreateCommand'].endswith("make setup'")
    subprocess.run(['bash', '-n', '-c', container['postCreateCommand']], check=True)
