from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.launching.launch_document import LaunchError
from il_ros.launching.substitutions import Scope, expand, parse, unescape


def scope(**variables: str) -> Scope:
    environment = {'HOME': '/home/robot', 'EMPTY': ''}
    return Scope(variables=variables, environment=environment, files=(Path('/etc/a.launch.xml'),))


def result(text: str, **variables: str) -> str:
    return expand(parse(text, 'a:1'), scope(**variables), 'a:1')


def refusal(text: str, **variables: str) -> str:
    with pytest.raises(LaunchError) as error:
        result(text, **variables)
    return str(error.value)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', ''),
        ('plain (text) costs 5$', 'plain (text) costs 5$'),
        ('$(var x)', 'left'),
        ('/$(var x)/$(var y)/', '/left/x/'),
        ('$(var $(var y))', 'left'),
        ('$(env HOME)/bags', '/home/robot/bags'),
        ('$(env EMPTY default)', ''),
        ('$(env NONE default)', 'default'),
        ('$(env NONE $(var x)/a)', 'left/a'),
        ("$(env NONE 'two words')", 'two words'),
        ('$(env NONE "a $(var x)")', 'a left'),
        ("$(env NONE '')", ''),
        ('$(dirname)/b.xml', '/etc/b.xml'),
        (r'\$(var x)', '$(var x)'),
        (r'a\\b\"c', r'a\b"c'),
        ('a\\', 'a\\'),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert result(text, x='left', y='x') == expected


def test_values_are_not_expanded_again() -> None:
    assert result('$(var x)', x='$(var y)') == '$(var y)'


def test_package_share(prefix: Path) -> None:
    here = scope()
    here.environment['AMENT_PREFIX_PATH'] = f'/nowhere:{prefix}'
    assert expand(parse('$(find-pkg-share arm)/x', ''), here, '') == f'{prefix}/share/arm/x'


USAGE = '$(var name), $(env NAME [default]), $(find-pkg-share package), $(dirname)'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ("$(eval '1 + 1')", f'a:1: unknown substitution $(eval ...); allowed: {USAGE}'),
        ('$(var)', 'a:1: $(var ...) has 0 arguments; allowed: $(var name)'),
        ('$(dirname x)', 'a:1: $(dirname ...) has 1 arguments; allowed: $(dirname)'),
        (
            '$(var x)',
            'a:1: $(var x): there is no such variable here; allowed: b, y; '
            'to fix: declare it above with <arg name="x"/>',
        ),
        (
            '$(env NONE)',
            'a:1: $(env NONE): the environment variable is not set; '
            'to fix: set it, or give a default: $(env NONE value)',
        ),
    ],
)
def test_refusals(text: str, message: str) -> None:
    assert refusal(text, y='', b='') == message


@pytest.mark.parametrize(
    'text',
    [
        '$()',
        '$(var x',
        '$(var  x)',
        '$(var x )',
        '$( var x)',
        '$(var "x)',
        '$(var x"y")',
        '$(var x(1))',
    ],
)
def test_malformed_ones_are_refused(text: str) -> None:
    assert refusal(f'a {text}', x='1') == (
        f'a:1: malformed substitution {text!r}; allowed: {USAGE}; to fix: close it with ), '
        'put one space between arguments, write a literal $( as \\$('
    )


def test_an_unknown_package_lists_the_known_ones(prefix: Path) -> None:
    here = scope()
    here.environment['AMENT_PREFIX_PATH'] = str(prefix)
    with pytest.raises(LaunchError) as error:
        expand(parse('$(find-pkg-share leg)', 'a:1'), here, 'a:1')
    assert re.match(r"a:1: unknown package 'leg'; allowed: .*\barm\b", str(error.value))


@given(st.text(st.characters(exclude_characters='$\\')))
def test_text_without_signs_stays(text: str) -> None:
    assert result(text) == text


@given(st.text('ab $(){}\'"\\', max_size=12))
def test_an_escaped_text_is_itself(text: str) -> None:
    escaped = ''.join('\\' + character for character in text)
    assert result(escaped) == text == unescape(escaped)


@given(st.text('$(var x)"\'\\ ', max_size=20))
def test_every_text_is_either_expanded_or_refused(text: str) -> None:
    try:
        result(text, x='1')
    except LaunchError as error:
        assert str(error).startswith('a:1: ')  # noqa: PT017


def test_a_copied_scope_is_apart() -> None:
    outer = scope(x='1')
    inner = outer.copy()
    inner.variables['x'] = '2'
    inner.environment['HOME'] = '/'
    assert (outer.variables['x'], outer.environment['HOME']) == ('1', '/home/robot')
