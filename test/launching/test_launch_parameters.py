from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from il_ros.launching.launch_document import LaunchError
from il_ros.launching.launch_parameters import TYPES, evaluate, params_file
from il_ros.launching.substitutions import Scope


def value(text: str, kind: str = 'yaml', **variables: str) -> object:
    scope = Scope(variables=variables, environment={}, files=(Path('a'),))
    return evaluate(text, kind, scope, 'a:1')


def refusal(text: str, kind: str = 'yaml', **variables: str) -> str:
    with pytest.raises(LaunchError) as error:
        value(text, kind, **variables)
    return str(error.value)


@pytest.mark.parametrize(
    ('text', 'kind', 'expected'),
    [
        ('8', 'yaml', 8),
        ('8.0', 'yaml', 8.0),
        ('true', 'yaml', True),
        ("'8'", 'yaml', '8'),
        ('1e3', 'yaml', '1e3'),
        ('', 'yaml', ''),
        ('a: b: c', 'yaml', 'a: b: c'),
        ('/left', 'yaml', '/left'),
        (r'\$(HOME)', 'yaml', '$(HOME)'),
        ('[1, 2]', 'yaml', [1, 2]),
        ('[a, b]', 'yaml', ['a', 'b']),
        ('[]', 'yaml', []),
        ('8', 'str', '8'),
        ("'8'", 'str', "'8'"),
        ('8', 'float', 8.0),
        ('8', 'int', 8),
        ('1', 'bool', True),
        ('0', 'bool', False),
        ('false', 'bool', False),
        ('[1.5]', 'list_of_float', [1.5]),
        ('[a]', 'list_of_str', ['a']),
        ('$(var n)', 'yaml', 8),
        ('$(var n)', 'str', '8'),
        ('$(var n)', 'float', 8.0),
        ('$(var n).5', 'yaml', 8.5),
        ('$(var one)', 'bool', True),
        ('$(var list)', 'yaml', [1, 2]),
        ('$(var list)', 'list_of_int', [1, 2]),
        ('$(var empty)', 'yaml', ''),
    ],
)
def test_types(text: str, kind: str, expected: object) -> None:
    found = value(text, kind, n='8', one='1', list='[1, 2]', empty='')
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize('text', ['null', 'a: 1', '[1, 2.0]', '[1, a]', '[[1]]', '2024-01-01'])
def test_what_is_no_parameter_is_refused(text: str) -> None:
    message = (
        f'a:1: parameter value {text!r} is neither a bool, int, float or string nor a list of '
        'one; to fix: write type="str" if it is meant as text'
    )
    assert refusal(text) == message
    assert refusal('$(var x)', x=text) == message


def test_a_substituted_text_that_is_no_yaml_is_refused() -> None:
    assert refusal('$(var x)', x='a: b: c').startswith("a:1: parameter value 'a: b: c' is neither")


@pytest.mark.parametrize(
    ('text', 'kind'),
    [
        ('a', 'int'), ('1.5', 'int'), ('a', 'float'), ('2', 'bool'), ('a: b: c', 'bool'),
        ('1', 'list_of_int'), ('[1]', 'list_of_float'), ('[1]', 'bool'), ('', 'list_of_str'),
    ],
)  # fmt: skip
def test_what_has_another_type_is_refused(text: str, kind: str) -> None:
    assert refusal(text, kind) == f'a:1: parameter value {text!r} is not of type {kind!r}'


def test_unknown_types_are_refused() -> None:
    assert refusal('1', 'double') == (
        "a:1: unknown parameter type 'double'; allowed: str, bool, float, int, list_of_str, "
        'list_of_bool, list_of_float, list_of_int, yaml'
    )


@pytest.mark.parametrize('text', ['[$(var x), 2]', "'$(var x)'"])
def test_substitutions_inside_yaml_are_refused(text: str) -> None:
    assert refusal(text, x='1') == (
        f'a:1: parameter value {text!r} has a substitution inside a YAML list or quotes; '
        'to fix: make the substitution the whole value, or write type="str"'
    )


@given(st.sampled_from(TYPES), st.text('0123456789.-e[], "\'abtruefls:{}', max_size=8))
def test_a_variable_is_typed_as_the_text_would_be(kind: str, text: str) -> None:
    try:
        expected = value(text, kind)
    except LaunchError:
        expected = None
    try:
        found = value('$(var x)', kind, x=text)
    except LaunchError:
        return
    assert (found, type(found)) == (expected, type(expected))


@given(
    st.dictionaries(
        st.text('abc', min_size=1),
        st.one_of(st.text('1e.-: yn"\'#\n', max_size=6), st.integers(), st.booleans()),
    )
)
def test_parameter_files_keep_values_and_types(values: dict[str, str | int | bool]) -> None:
    read = yaml.safe_load(params_file('/left/arm', values))
    assert read == {'/left/arm': {'ros__parameters': values}}
