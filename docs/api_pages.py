"""MkDocs hook: the pages of the site that do not lie in docs/.

One API page for every package of il_ros is made of its docstrings. The list comes from the folders,
so a new package or module appears by itself. Nothing is imported: mkdocstrings reads the source
text. The ROS interfaces are shown as `msg/`, `srv/` and `action/` define them. The changelog and
the guide for contributors come from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = 'reference/api'
OF_ROOT = {'changes': 'CHANGELOG.md', 'contributing': 'CONTRIBUTING.md'}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API pages to the end of the navigation's reference."""
    (reference,) = (entry['Reference'] for entry in config.nav if 'Reference' in entry)
    reference.append({'API': [{package: _page(package)} for package in packages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write the pages in memory."""
    from mkdocs.structure.files import File

    for package, modules in packages().items():
        text = f'# {package}\n\n' + '\n'.join(f'::: {module}\n' for module in modules)
        files.append(File.generated(config, _page(package), content=text))
    for name, text in {'interfaces': interfaces(), **pages_of_root()}.items():
        files.append(File.generated(config, f'reference/{name}.md', content=text))
    return files


def interfaces() -> str:
    """A page with the definition of every message, service and action."""
    parts = ['# Messages, services, actions\n']
    for kind, title in (('msg', 'Messages'), ('srv', 'Services'), ('action', 'Actions')):
        parts.append(f'## {title}\n')
        for path in sorted((ROOT / kind).iterdir()):
            definition = path.read_text(encoding='utf-8').rstrip()
            parts.append(f'### {path.stem}\n\n```text\n{definition}\n```\n')
    return '\n'.join(parts)


def pages_of_root() -> dict[str, str]:
    """Text of the pages in the root of the repository, with links as they are from the site."""
    pages = {name: (ROOT / source).read_text('utf-8') for name, source in OF_ROOT.items()}
    return {name: text.replace('](docs/', '](../') for name, text in pages.items()}


def packages() -> dict[str, list[str]]:
    """Name of every package that holds code, with the names of its modules."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / 'il_ros').rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        package = '.'.join(parts[:-1])
        if path.name != '__init__.py':
            found.setdefault(package, []).append('.'.join(parts))
        elif path.read_text(encoding='utf-8').strip():
            found.setdefault(package, []).insert(0, package)
    return dict(sorted(found.items()))


def _page(package: str) -> str:
    return f'{FOLDER}/{package}.md'
