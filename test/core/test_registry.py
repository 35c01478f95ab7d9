from types import SimpleNamespace

import pytest

from il_ros.core import registry
from il_ros.core.errors import UnknownNameError

NAMES = {'path': 'pathlib:Path'}


def test_a_name_imports_what_it_stands_for():
    from pathlib import Path

    assert registry.lookup('tool', 'path', NAMES) is Path


def test_third_parties_register_by_entry_point(monkeypatch):
    def points(group):
        assert group == 'il_ros.tool'
        return [SimpleNamespace(name='theirs', load=lambda: 'loaded')]

    monkeypatch.setattr(registry, 'entry_points', points)
    assert registry.lookup('tool', 'theirs', NAMES) == 'loaded'
    with pytest.raises(UnknownNameError) as caught:
        registry.lookup('tool', 'other', NAMES)
    assert str(caught.value) == (
        "unknown tool 'other'; allowed: path, theirs; to fix: use one of these, "
        'or install a package with an il_ros.tool entry point'
    )
