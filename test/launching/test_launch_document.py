from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.launching.launch_document import GRAMMAR, Element, LaunchError, read


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(LaunchError) as error:
        read(path)
    return str(error.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'a.launch.xml'


def test_tags_know_their_lines(path: Path) -> None:
    path.write_text(
        '<!-- why -->\n<launch>\n  <group>\n    <let name="a" value="1"/>\n</group></launch>'
    )
    group = read(path).children[0]
    assert (group.tag, group.where) == ('group', 'a.launch.xml:3')
    assert group.children[0].attributes == {'name': 'a', 'value': '1'}
    assert group.children[0].where == 'a.launch.xml:4'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('<robot/>', 'a.launch.xml:1: unknown root tag <robot>; allowed: <launch>'),
        (
            '<launch>\n<timer period="1"/></launch>',
            'a.launch.xml:2: unknown tag <timer> inside <launch>; allowed: <arg>, <let>, '
            '<include>, <group>, <push_ros_namespace>, <set_remap>, <set_env>, <node>, '
            '<executable>',
        ),
        (
            '<launch><let name="a" value="1"><let/></let></launch>',
            'a.launch.xml:1: unknown tag <let> inside <let>; allowed: no tag',
        ),
        (
            '<launch>\n\n<node pkg="a" exec="b" respawn="true"/></launch>',
            "a.launch.xml:3: <node> has an unknown attribute 'respawn'; "
            'allowed: pkg, exec, name, namespace, output, args, if, unless',
        ),
        (
            '<launch><node pkg="a"/></launch>',
            "a.launch.xml:1: <node> lacks the attribute 'exec'; "
            'allowed: pkg, exec, name, namespace, output, args, if, unless',
        ),
        (
            '<launch version="1"/>',
            "a.launch.xml:1: <launch> has an unknown attribute 'version'; allowed: no attribute",
        ),
        (
            '<launch><group if="1" unless="1"/></launch>',
            "a.launch.xml:1: <group> has both 'if' and 'unless'",
        ),
        (
            '<launch>\nhello</launch>',
            "a.launch.xml:2: text 'hello' outside any attribute; allowed: tags only",
        ),
        (
            '<!DOCTYPE launch [<!ENTITY a "b">]><launch/>',
            'a.launch.xml:1: a document type declaration is refused; to fix: remove <!DOCTYPE ...>',
        ),
        ('<launch>\n<group></launch>', 'a.launch.xml:2: is not well-formed XML: mismatched tag'),
        ('', 'a.launch.xml:1: is not well-formed XML: no element found'),
    ],
)
def test_refusals(path: Path, text: str, message: str) -> None:
    assert refusal(path, text) == message


def test_arguments_of_an_include_are_not_declarations(path: Path) -> None:
    text = '<launch><include file="b"><arg name="a" default="1"/></include></launch>'
    assert "unknown attribute 'default'; allowed: name, value" in refusal(path, text)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(LaunchError) as error:
        read(path)
    assert str(error.value) == f'{path}: cannot be read: No such file or directory'


@given(st.sampled_from(sorted(GRAMMAR)), st.text('abcdef', min_size=3, max_size=8))
def test_no_unknown_attribute_is_let_through(
    tmp_path_factory: pytest.TempPathFactory, key: str, name: str
) -> None:
    *parents, tag = key.split('/')
    inner = f'<{tag} {name}=""/>'
    for parent in parents:
        inner = f'<{parent} pkg="a" exec="b">{inner}</{parent}>'
    text = inner if tag == 'launch' else f'<launch>{inner}</launch>'
    path = tmp_path_factory.getbasetemp() / 'a.launch.xml'
    if parents != [] and parents[0] != 'node':
        text = text.replace(
            ' pkg="a" exec="b"', ' file="a"' if parents[0] == 'include' else ' name="a"'
        )
    assert f'has an unknown attribute {name!r}' in refusal(path, text)


def test_children_by_tag() -> None:
    about = {'attributes': {}, 'file': Path('a'), 'line': 1}
    child = Element(tag='param', **about)  # type: ignore[arg-type]
    other = Element(tag='remap', **about)  # type: ignore[arg-type]
    parent = Element(tag='node', children=[child, other], **about)  # type: ignore[arg-type]
    assert parent.named('param') == [child]
