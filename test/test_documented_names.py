"""What documentation, comments and docstrings name exists: files, modules, verbs, pages."""

import dataclasses
import re
from pathlib import Path

import pytest

from il_ros.cli.main import VERBS
from il_ros.datasets.preprocessing.preprocess import Preprocessing

ROOT = Path(__file__).parents[1]
ROOT_PAGES = list(ROOT.glob('*.md'))
PAGES = [*ROOT_PAGES, *(ROOT / 'docs').rglob('*.md')]
CURRENT = [page for page in PAGES if page.name != 'CHANGELOG.md']  # which tells of former names
FOLDERS = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != '.']
SOURCES = ('benchmarks', 'config', 'docs', 'il_ros', 'launch', 'msg', 'srv', 'action', 'test')
LAYERS = [path.name for path in (ROOT / 'il_ros').iterdir() if path.is_dir()]
FILE = re.compile(rf'(?<![\w./{{-])(?:{"|".join({*SOURCES, *LAYERS})})/[\w./-]*\w\.[a-z0-9]+\b')
MODULE = re.compile(rf'`(il_ros\.(?:{"|".join(LAYERS)})\b(?:\.\w+)*)')
OTHERS = {'metadata.yaml', 'adversarial.yaml', 'get_dataset_info.py'}  # of bags, results, robomimic
TO_BE_WRITTEN = 'my_'  # how-to pages call the reader's own files so


def page_name(page):
    return str(page.relative_to(ROOT))


def test_nothing_is_looked_for_in_vain():
    text = 'In `core/frames.py`, docs/index.md. See (il_ros/core/robots/ur5e.py), not a/core/b.py.'
    assert FILE.findall(text) == ['core/frames.py', 'docs/index.md', 'il_ros/core/robots/ur5e.py']
    assert MODULE.findall('`il_ros.core.frames.Frame(x)`') == ['il_ros.core.frames.Frame']
    assert is_there('il_ros.core.frames.Frame')
    assert not is_there('il_ros.core.frames.Fram')
    assert not is_there('il_ros.core.nowhere.Frame')


@pytest.mark.parametrize('page', CURRENT, ids=page_name)
def test_the_files_that_a_page_names_exist(page):
    files = {file for file in FILE.findall(page.read_text('utf-8')) if TO_BE_WRITTEN not in file}
    missing = [f for f in files if not ((ROOT / f).exists() or (ROOT / 'il_ros' / f).exists())]
    assert not missing


@pytest.mark.parametrize('page', CURRENT, ids=page_name)
def test_the_files_that_a_page_names_without_a_folder_exist(page):
    known = {path.name for folder in SOURCES for path in (ROOT / folder).rglob('*')}
    files = re.findall(r'`([a-z]\w*\.(?:py|yaml|msg|srv|xml))`', page.read_text('utf-8'))
    assert not [
        file for file in files if file not in {*known, *OTHERS} and TO_BE_WRITTEN not in file
    ]


@pytest.mark.parametrize('page', CURRENT, ids=page_name)
def test_the_modules_and_classes_that_a_page_names_exist(page):
    names = MODULE.findall(page.read_text('utf-8'))
    assert not [name for name in names if not is_there(name)]


def is_there(name):
    """Whether a dotted name is a package, a module, or a name in a module's text."""
    module, _, attribute = name.rpartition('.')
    if source_of(name):
        return True
    while module and not source_of(module):  # an attribute of a class
        module, _, attribute = module.rpartition('.')
    return bool(module) and bool(re.search(rf'\b{attribute}\b', source_of(module)))


def source_of(module):
    """Text of a module or package, with its name in front; empty where there is none."""
    path = ROOT / module.replace('.', '/')
    files = [file for file in (path.with_suffix('.py'), path / '__init__.py') if file.is_file()]
    return f'{module}\n{files[0].read_text("utf-8")}' if files else ''


@pytest.mark.parametrize('page', ROOT_PAGES, ids=page_name)
def test_links_of_pages_outside_the_site_lead_somewhere(page):
    links = re.findall(r'\]\(([^)#\s]+)', page.read_text('utf-8'))
    assert not [link for link in links if '://' not in link and not (ROOT / link).exists()]


def test_the_pages_that_the_sources_name_exist():
    suffixes = {'.py', '.yaml', '.xml', '.msg', '.srv', '.action'}
    files = [p for folder in SOURCES for p in (ROOT / folder).rglob('*') if p.suffix in suffixes]
    named = {
        (page, path.name)
        for path in [*files, ROOT / 'Makefile']
        for page in re.findall(r'(?<![\w/])docs/[\w/-]+\.md', path.read_text('utf-8'))
    }
    assert named
    assert not [name for name in named if not (ROOT / name[0]).exists()]


@pytest.mark.parametrize('page', CURRENT, ids=page_name)
def test_the_verbs_that_a_page_names_exist(page):
    groups = {verb.split()[0] for verb in VERBS}
    for first, second in re.findall(r'\bil_ros ([a-z]+)(?: ([a-z]+))?', page.read_text('utf-8')):
        if first in groups and first not in VERBS and second:
            assert f'{first} {second}' in VERBS


def test_every_verb_has_its_row():
    rows = (ROOT / 'docs/reference/verbs.md').read_text('utf-8').splitlines()
    for verb in VERBS:
        first, *second = verb.split()
        own = [row for row in rows if row.startswith(f'| `il_ros {first}')]
        assert own, verb
        assert not second or any(re.search(rf'\b{second[0]}`', row) for row in own), verb


def test_every_setting_of_preprocessing_is_described():
    page = (ROOT / 'docs/reference/datasets.md').read_text('utf-8')
    words = {name for code in re.findall(r'`([^`\n]+)`', page) for name in re.findall(r'\w+', code)}
    assert [name for name in settings_in(Preprocessing()) if name not in words] == []


def settings_in(settings):
    """Names of all fields of a dataclass and of the dataclasses in it."""
    for field in dataclasses.fields(settings):
        yield field.name
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings_in(value)
