import json
import time

import pytest
import yaml

from il_ros.core.documents import DEPTH, YAML_LIMIT, compose_yaml, load_json, load_yaml, shown


def laughs(levels, width=10):
    lists = ['&x0 [' + ','.join(['lol'] * width) + ']']
    lists += [
        f'&x{i} [' + ','.join([f'*x{i - 1}'] * width) + ']' for i in range(1, levels)
    ]  # fmt: skip
    return f'[{",".join(lists)}]'


MERGES = 'm0: &m0 {k: 1}\n' + ''.join(
    f'm{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}]}}\n' for i in range(1, 30)
)
BOMBS = {
    'laughs': (laughs(9), 'aliases repeat more than 262144 characters'),
    'merges': (MERGES, 'aliases repeat more than 262144 characters'),
    'a long text again': (
        f'- &a {"x" * 1000}\n' + '- *a\n' * 300,
        'aliases repeat more than 262144 characters',
    ),
    'part of itself': ('a: &x [1, *x]', "what 'x' names is part of itself"),
    'lists in lists': ('[' * 3000 + ']' * 3000, 'nested more than 100 deep'),
    'mappings in mappings': ('\n'.join(' ' * i + 'a:' for i in range(500)), 'nested more than'),
    'sequences in one line': ('- ' * 3000 + 'a', 'nested more than 100 deep'),
    'keys of keys': ('? ' * 1000, 'nested more than 100 deep'),
    'many values': ('[' + '[],' * 80_000 + ']', 'more than 16384 values'),
    'a long text': ('#' * (YAML_LIMIT + 1), f'{YAML_LIMIT + 1} characters, at most {YAML_LIMIT}'),
    'digits': ('9' * 5000, 'a number of more than 100 characters'),
    'hexadecimal digits': (f'0x{"f" * 5000}', 'a number of more than 100 characters'),
    'base 60': (f'1{":59" * 30}', 'an integer of more than 64 bits'),
}


@pytest.mark.parametrize('name', BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name):
    text, error = BOMBS[name]
    begin = time.process_time()
    with pytest.raises(yaml.YAMLError) as caught:
        load_yaml(text)
    assert error in str(caught.value)
    assert len(str(caught.value)) < 300
    assert time.process_time() - begin < 2.0


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('a: !!int abc', "'abc' in line 1: invalid literal for int() with base 10: 'abc'"),
        ('a: 1\nb: !!float ""', "'' in line 2: "),
        ('!!bool maybe', "'maybe' in line 1: "),
        ('!!timestamp soon', "'soon' in line 1: "),
        ('2026-13-45', "'2026-13-45' in line 1: month must be in 1..12"),
        ('18446744073709551616', 'an integer of more than 64 bits'),
        ('-9223372036854775809', 'an integer of more than 64 bits'),
        ('{a: 1, a: 2}', "the key 'a' is there again in line 1"),
        (f'{"k" * 900}: 1\n{"k" * 900}: 2', 'k... (902 characters) is there again in line 2'),
    ],
)
def test_every_fault_of_a_value_is_a_fault_of_the_text(text, error):
    with pytest.raises(yaml.YAMLError) as caught:
        load_yaml(text)
    assert error in str(caught.value)


def test_what_people_write_is_read_as_by_the_safe_loader():
    text = """
base: &base {rate: 20.0, names: [a, b], clock: ~}
own: {<<: *base, rate: 0x10, more: *base, text: "a: b"}
long: |
  two
  lines
list: [1:30, 1e3, 1.0e+3, .inf, true, 2026-01-31, 18446744073709551615, -9223372036854775808]
"""
    assert load_yaml(text) == yaml.safe_load(text)
    assert load_yaml('') is None
    deep = '[' * DEPTH + ']' * DEPTH
    assert load_yaml(deep) == yaml.safe_load(deep)
    assert compose_yaml(text).value[0][0].value == 'base'


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('[' * 200_000 + ']' * 200_000, 'nested more than 100 deep'),
        ('{"a":' * 101 + '1' + '}' * 101, 'nested more than 100 deep'),
        ('9' * 5000, '999999999999999999... is an integer of more than 64 bits'),
        ('18446744073709551616', 'is an integer of more than 64 bits'),
        ('{"a": }', 'Expecting value'),
        ('[' + ','.join(['{}'] * (1 << 20)) + ']', '2097153 values, at most 1048576 are read'),
        ('{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}', "the key 'c' is there twice"),
    ],
)
def test_json_beyond_the_limits_is_refused(text, error):
    for form in (text, text.encode()):
        with pytest.raises(ValueError, match=error):
            load_json(form)


def test_half_a_pair_is_text_only_where_names_of_files_are():
    half = '["\\ud800"]'
    assert load_json(half) == ['\ud800']
    with pytest.raises(ValueError, match='surrogates not allowed'):
        load_json(half, valid_text=True)
    assert load_json('["\\ud83d\\ude00"]', valid_text=True) == ['\U0001f600']
    with pytest.raises(yaml.YAMLError, match='not UTF-8: '):
        load_yaml('\ud800')


def test_json_within_the_limits_is_read_as_ever():
    deep = '[' * DEPTH + ']' * DEPTH
    assert load_json(deep) == json.loads(deep)
    brackets = {'a': '[' * 1000, 'b': ['\U0001f600', 2**64 - 1, -(2**63), 1e300]}
    assert load_json(json.dumps(brackets)) == brackets
    # Brackets are counted over the borders of the blocks that are looked at.
    long = '[' + ' ' * (1 << 20) + deep + ']'
    with pytest.raises(ValueError, match='nested more than 100 deep'):
        load_json(long)


def test_the_values_of_a_json_text_are_counted_before_it_is_parsed():
    text = '[1, {"a": [2, 3], "b": ","}, []]'  # nine marks, one of them in a text
    assert load_json(text, values=10) == json.loads(text)
    with pytest.raises(ValueError, match='10 values, at most 9 are read'):
        load_json(text, values=9)
    with pytest.raises(ValueError, match='3 values, at most 2 are read'):
        load_json('[ , ', values=2)


def test_a_long_value_is_cut_where_it_is_shown():
    assert shown('a') == "'a'"
    assert shown([0] * 1000) == f'{str([0] * 1000)[:60]}... (3000 characters)'
