from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from il_ros.core.config import override, parse, read_json, read_yaml, require_ranges
from il_ros.core.errors import DatasetError, IlRosError


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = 3
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    renamed: ClassVar[dict[str, str]] = {'width': 'size', 'within': 'inner'}

    size: int | tuple[int, ...] | Literal['auto'] | None = None
    place: Inner | tuple[str, float] = ('x', 0.0)
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True, kw_only=True)
class Special(Choice):
    renamed: ClassVar[dict[str, str]] = {'colour': 'shade'}

    shade: str = 'red'


@dataclass(frozen=True, kw_only=True)
class Outer:
    rate: float
    mode: Literal['a', 'b'] = 'a'
    path: Path = Path('x')
    seed: int | None = None
    pair: tuple[float, float] = (0.0, 0.0)
    inner: Inner = field(default_factory=Inner)
    parts: Mapping[str, Inner] = field(default_factory=dict)
    free: Mapping[str, Any] = field(default_factory=dict)
    on: bool = False

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError('rate is negative')


def test_values_follow_the_annotations():
    data = {
        'rate': 2, 'path': 'a/b', 'pair': [1, 2], 'inner': {'names': ['x']},
        'parts': {'p': {'size': 1}}, 'seed': 7, 'on': True, 'free': {'any': [1, {'x': None}]},
    }  # fmt: skip
    outer = parse(Outer, data)
    assert outer.rate == 2.0
    assert isinstance(outer.rate, float)
    assert outer.path == Path('a/b')
    assert outer.pair == (1.0, 2.0)
    assert outer.inner == Inner(names=('x',))
    assert outer.parts == {'p': Inner(size=1)}
    assert outer.seed == 7
    assert outer.free == {'any': [1, {'x': None}]}


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        ([], 'top: got []; allowed: a mapping with rate, mode'),
        ({}, 'top.rate: missing; allowed: float; to fix: add it'),
        ({'rate': True}, 'top.rate: got True; allowed: float'),
        ({'rate': -1.0}, 'top: rate is negative'),
        ({'rate': 1, 'x': 1}, "top: unknown key 'x'; allowed: rate, mode"),
        ({'rate': 1, 'mode': 'c'}, "top.mode: got 'c'; allowed: a, b"),
        ({'rate': 1, 'pair': [1.0]}, 'top.pair: got 1 entries; allowed: 2 entries'),
        ({'rate': 1, 'pair': 3}, 'top.pair: got 3; allowed: a list'),
        ({'rate': 1, 'pair': [1, 'x']}, "top.pair[1]: got 'x'; allowed: float"),
        ({'rate': 1, 'parts': 3}, 'top.parts: got 3; allowed: a mapping'),
        ({'rate': 1, 'parts': {'p': {'size': 'x'}}}, "top.parts.p.size: got 'x'; allowed: int"),
        ({'rate': 1, 'seed': 'x'}, "top.seed: got 'x'; allowed: int"),
        ({'rate': 1, 'on': 1}, 'top.on: got 1; allowed: bool'),
        ({'rate': 1, 'path': 1}, 'top.path: got 1; allowed: Path'),
    ],
)
def test_what_is_wrong_is_named_by_its_path(data, text):
    with pytest.raises(IlRosError) as caught:
        parse(Outer, data, where='top')
    assert str(caught.value).startswith(text)


def test_settings_override_fields_typed_and_dotted():
    config = override(Outer(rate=1.0), ['rate=1e-3', 'inner.size=5', 'mode=b', 'pair=[1, 2]'])
    assert config == Outer(rate=1e-3, inner=Inner(size=5), mode='b', pair=(1.0, 2.0))
    assert override(config, []) == config


@pytest.mark.parametrize(
    ('setting', 'text'),
    [
        ('rate', "settings: got 'rate'; allowed: rate=..., mode=..."),
        ('inner=3', "settings: got 'inner=3'; allowed: rate=..., "),
        ('speed=1', "settings: got 'speed=1'; allowed: rate=..., "),
        ('rate=fast', "settings.rate: got 'fast'; allowed: float"),
        ('pair=[1', "settings: got 'pair=[1': "),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(setting, text):
    with pytest.raises(IlRosError) as caught:
        override(Outer(rate=1.0), [setting])
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize('size', [3, (3, 4), (), 'auto', None])
def test_every_member_of_a_union_is_tried(size):
    assert parse(Choice, {'size': list(size) if isinstance(size, tuple) else size}).size == size


@dataclass(frozen=True, kw_only=True)
class Table:
    numbers: tuple[float, ...] = ()
    rows: tuple[tuple[int, ...], ...] = ()


def test_long_lists_are_taken_as_they_are_and_too_many_lists_refused():
    many = [0.5] * 200_000
    assert parse(Table, {'numbers': many}).numbers == tuple(many)
    assert parse(Table, {'numbers': [1, 0.5]}).numbers == (1.0, 0.5)
    assert type(parse(Table, {'numbers': [1, 0.5]}).numbers[0]) is float
    assert parse(Table, {'rows': [[1]] * 10_000}).rows == ((1,),) * 10_000
    with pytest.raises(IlRosError, match=r'top\.rows: got 10001 lists; allowed: at most 10000'):
        parse(Table, {'rows': [[1]] * 10_001}, where='top')
    with pytest.raises(IlRosError, match=r"top.numbers\[2\]: got 'x'; allowed: float"):
        parse(Table, {'numbers': [0.5, 0.5, 'x']}, where='top')


def test_a_union_takes_a_mapping_or_a_list():
    assert parse(Choice, {'place': {'size': 1}}).place == Inner(size=1)
    assert parse(Choice, {'place': ['a', 2]}).place == ('a', 2.0)


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        ({'size': 1.5}, 'top.size: got 1.5; allowed: int; or a list; or auto'),
        (
            {'size': [1, 'x']},
            "top.size: got [1, 'x']; allowed: int; or tuple[int, ...] "
            "(top.size[1]: got 'x'; allowed: int); or auto",
        ),
        (
            {'place': {'size': 'x'}},
            "top.place: got {'size': 'x'}; allowed: Inner "
            "(top.place.size: got 'x'; allowed: int); or a list",
        ),
    ],
)
def test_a_value_that_no_member_of_a_union_takes_is_answered_with_what_each_wants(data, text):
    with pytest.raises(IlRosError) as caught:
        parse(Choice, data, where='top')
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ('cls', 'data', 'text'),
    [
        (
            Choice,
            {'width': 1},
            "top.width: 'width' is now 'size'; to fix: write 'size' instead, or run il_ros migrate",
        ),
        (Special, {'width': 1}, "top.width: 'width' is now 'size'; to fix: write 'size' instead"),
        (Special, {'colour': 'x'}, "top.colour: 'colour' is now 'shade'; "),
    ],
)
def test_a_renamed_key_is_answered_with_its_new_name(cls, data, text):
    with pytest.raises(IlRosError) as caught:
        parse(cls, data, where='top')
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ('setting', 'text'),
    [
        ('width=3', "settings.width: 'width' is now 'size'; to fix: write 'size' instead"),
        ('within.size=3', "settings.within.size: 'within' is now 'inner'; "),
    ],
)
def test_a_renamed_setting_is_answered_with_its_new_name(setting, text):
    with pytest.raises(IlRosError) as caught:
        override(Choice(), [setting])
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize('text', ['since: 2020-13-45', '[' * 600, 'a: [', '\x00'])
def test_text_that_only_looks_like_yaml_is_an_error_of_ours(tmp_path, text):
    (tmp_path / 'x.yaml').write_text(text)
    with pytest.raises(IlRosError, match=r'x\.yaml: not YAML: '):
        read_yaml(tmp_path / 'x.yaml')


def test_read_yaml_says_what_is_wrong_with_the_file(tmp_path):
    with pytest.raises(IlRosError, match='no such file; to fix: check the path'):
        read_yaml(tmp_path / 'x.yaml')
    (tmp_path / 'x.yaml').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(IlRosError, match=r'x\.yaml: cannot be read'):
        read_yaml(tmp_path / 'x.yaml')
    (tmp_path / 'y.yaml').write_text('a: 1')
    assert read_yaml(tmp_path / 'y.yaml') == {'a': 1}


@pytest.mark.parametrize(
    ('allowed', 'inside', 'outside'),
    [
        ('more than 0', [1e-9, 5], [0, -1.0]),
        ('2 or more', [2, 2.5, float('inf')], [1, 1.999]),
        ('0 to 1', [0, 0.5, 1], [-0.1, 1.1]),
        ('0 <= x < 1', [0, 0.999], [1, -0.001]),
        ('0 < x <= 1', [0.001, 1], [0, 1.001]),
    ],
)
def test_a_setting_outside_its_range_is_refused(allowed, inside, outside):
    for size in (*inside, None):
        require_ranges(Choice(size=size), 'top', {'size': allowed})
    for size in (*outside, float('nan')):
        with pytest.raises(IlRosError) as caught:
            require_ranges(Choice(size=size), 'top', {'size': allowed})
        assert str(caught.value) == f'top.size: got {size}; allowed: {allowed}'


def test_infinity_is_refused_where_a_setting_has_to_be_finite():
    with pytest.raises(IlRosError, match=r'top\.size: got inf; allowed: 0 or more'):
        require_ranges(Choice(size=float('inf')), 'top', {'size': '0 or more'}, finite=True)


def test_read_json_says_what_is_wrong_with_the_file(tmp_path):
    with pytest.raises(DatasetError, match=r'x\.json: .* read: .*No such file.*; allowed: a list'):
        read_json(tmp_path / 'x.json', DatasetError, allowed='a list')
    for content in (b'\xff', b'{', 100_000 * b'['):
        (tmp_path / 'x.json').write_bytes(content)
        with pytest.raises(IlRosError, match=r'x\.json: cannot be read: .*; to fix: begin anew'):
            read_json(tmp_path / 'x.json', fix='begin anew')
    (tmp_path / 'x.json').write_text('[1]')
    assert read_json(tmp_path / 'x.json') == [1]


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('a: 1\nb: 2\na: 3', "the key 'a' is there again in line 3"),
        ('x:\n  - {a: 1, a: 1}', "the key 'a' is there again in line 2"),
        ('a: 1\n"a": 2', "the key 'a' is there again in line 2"),
        ('x: &x {a: 1}\n<<: *x\n<<: *x', "the key '<<' is there again in line 3"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_since_one_would_silently_win(tmp_path, text, problem):
    (tmp_path / 'x.yaml').write_text(text)
    with pytest.raises(IlRosError) as caught:
        read_yaml(tmp_path / 'x.yaml')
    assert (
        str(caught.value) == f'{tmp_path}/x.yaml: not YAML: {problem}; to fix: correct the syntax'
    )


def test_the_same_key_in_two_mappings_and_in_what_is_merged_is_fine(tmp_path):
    text = 'x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\nz: [{a: 1}, {a: 1}]\n1: 0\n'
    (tmp_path / 'x.yaml').write_text(text)
    found = read_yaml(tmp_path / 'x.yaml')
    assert found == {'x': {'a': 1, 'b': 2}, 'y': {'a': 3, 'b': 2}, 'z': 2 * [{'a': 1}], 1: 0}


def test_an_error_of_the_system_names_the_path_once(tmp_path):
    for read in (read_yaml, read_json):
        with pytest.raises(IlRosError) as caught:
            read(tmp_path)
        assert str(caught.value) == f'{tmp_path}: cannot be read: Is a directory'
