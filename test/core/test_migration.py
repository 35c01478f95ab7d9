"""Old keys of YAML and JSON get their new names; nothing else of the text changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError
from il_ros.core.migration import rename_keys


@dataclass(frozen=True, kw_only=True)
class Part:
    renamed: ClassVar[dict[str, str]] = {'width': 'size'}

    size: int = 1
    width_of_line: int = 0


@dataclass(frozen=True, kw_only=True)
class Whole:
    renamed: ClassVar[dict[str, str]] = {'piece': 'part', 'pieces': 'parts'}

    part: Part | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    row: tuple[Part, ...] = ()
    free: Mapping[str, int] = field(default_factory=dict)


OLD = """\
# The width of all.
piece: {width: 3, width_of_line: 2}  # width
pieces:
  width: &wide
    'width': 4
  other: *wide
row:
- width: 5
- {size: 6}
free: {width: 7}
"""
NEW = """\
# The width of all.
part: {size: 3, width_of_line: 2}  # width
parts:
  width: &wide
    'size': 4
  other: *wide
row:
- size: 5
- {size: 6}
free: {width: 7}
"""


def test_old_keys_are_renamed_at_every_depth_and_comments_stay():
    text, changes = rename_keys(OLD, Whole, where='x.yaml')
    assert text == NEW
    assert changes == (
        'x.yaml.piece: now part',
        'x.yaml.piece.width: now size',
        'x.yaml.pieces: now parts',
        'x.yaml.pieces.width.width: now size',
        'x.yaml.row[0].width: now size',
    )


def test_what_is_up_to_date_is_not_changed():
    assert rename_keys(NEW, Whole, where='x.yaml') == (NEW, ())
    assert rename_keys('', Whole, where='x.yaml') == ('', ())


def test_what_was_converted_is_read():
    import yaml

    whole = parse(Whole, yaml.safe_load(NEW))
    assert (whole.part, whole.parts['other']) == (Part(size=3, width_of_line=2), Part(size=4))
    assert whole.row == (Part(size=5), Part(size=6))


def test_json_is_converted_too():
    text, changes = rename_keys('{"row": [{"width": 5}]}', Whole, where='x.json')
    assert (text, len(changes)) == ('{"row": [{"size": 5}]}', 1)


def test_a_key_under_both_names_is_refused():
    with pytest.raises(IlRosError) as caught:
        rename_keys('part: {width: 1, size: 2}', Whole, where='x.yaml')
    assert str(caught.value) == (
        "x.yaml.part: 'width' and its new name 'size' both stand there; to fix: remove one of them"
    )


def test_a_text_that_is_not_yaml_is_refused():
    with pytest.raises(IlRosError, match=r'x\.yaml: not YAML'):
        rename_keys('a: [', Whole, where='x.yaml')
