"""The pages of the site that a hook makes: every module and every interface is on one of them."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def api_pages():
    """The MkDocs hook, which is no part of the package."""
    spec = importlib.util.spec_from_file_location('api_pages', ROOT / 'docs/api_pages.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_module_is_on_the_page_of_its_package():
    packages = api_pages().packages()
    listed = [module for modules in packages.values() for module in modules]
    assert len(listed) == len(set(listed))
    files = [path.relative_to(ROOT) for path in (ROOT / 'il_ros').rglob('*.py')]
    names = {'.'.join(path.with_suffix('').parts) for path in files if path.stem != '__init__'}
    assert names <= set(listed)
    assert 'il_ros.core.robots.franka' in packages['il_ros.core.robots']


def test_an_empty_package_has_no_entry_of_its_own():
    packages = api_pages().packages()
    assert packages['il_ros.core.robots'][0] == 'il_ros.core.robots'
    for package, modules in packages.items():
        empty = not (ROOT / package.replace('.', '/') / '__init__.py').read_text().strip()
        assert (package in modules) != empty


def test_every_interface_is_on_the_page_of_interfaces():
    page = api_pages().interfaces()
    files = [path for kind in ('msg', 'srv', 'action') for path in (ROOT / kind).iterdir()]
    assert all(f'### {path.stem}\n' in page for path in files)
    assert 'builtin_interfaces/Duration step_dt' in page


def test_links_of_pages_in_the_root_lead_from_the_site_too():
    pages = api_pages().pages_of_root()
    assert '](../how-to/add_score.md)' in pages['contributing']
    assert not any('](docs/' in text for text in pages.values())
