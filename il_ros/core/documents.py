"""YAML and JSON texts from outside, bounded in size, depth and in what aliases make of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import numpy as np
import yaml

YAML_LIMIT = 256 << 10
"""Characters of the longest YAML text that is taken, where its reader names no other number."""

DEPTH = 100
"""How deep lists and mappings may lie in one another."""

VALUES = 1 << 20
"""Values of the largest JSON text that is taken, where its reader names no other number.

Commas and opening brackets are counted, those within texts too: a value that is short in a file may
be a hundred times as long in memory.
"""

REPEATED = 256 << 10
"""Characters that the aliases and merges of one YAML text may repeat, all together."""

LEAST, MOST = -(2**63), 2**64 - 1
"""The integers that are taken: of 64 bits, with a sign or without."""

_CHARACTERS = 16  # so many are there for each value, on the average, in what people write
_SHOWN = 60
_NUMBERS = ('tag:yaml.org,2002:int', 'tag:yaml.org,2002:float')
_HALF_PAIR = re.compile(r'\\u[dD][89a-fA-F]')
_DIGITS = 18  # so many fit 64 bits in any case
_LONGEST = 100  # characters of a number; sums of long ones in base 60 would take their time
_BLOCK = 1 << 20


class _Nodes(yaml.composer.Composer):
    """Composes nodes, each with its weight: the characters that it stands for."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._depth, self._repeated = most, 0, 0
        self._weights: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[attr-defined]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._weights:
                raise yaml.YAMLError(f'what {event.anchor!r} names is part of itself, line {line}')
            self._repeated += self._weights[id(node)]
            if self._repeated > REPEATED:
                raise yaml.YAMLError(f'aliases repeat more than {REPEATED} characters, line {line}')
            return node
        self._depth += 1
        if len(self._weights) >= self._most:
            raise yaml.YAMLError(f'more than {self._most} values, the last in line {line}')
        if self._depth > DEPTH:
            raise yaml.YAMLError(f'nested more than {DEPTH} deep in line {line}')
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._weights[id(node)] = self._weight(node)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        keys = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in keys:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f'the key {shown(key.value)} is there again in line {line}')
            keys.add(key.value)
        return node

    def _weight(self, node: Any) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value)
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in parts for part in pair]
        return 1 + sum(self._weights[id(part)] for part in parts)


class _Values(yaml.constructor.SafeConstructor):
    """Makes values of nodes; one that is not what its tag says is named with its line."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node.tag in _NUMBERS and len(node.value) > _LONGEST:
            raise yaml.YAMLError(f'{_place(node)}: a number of more than {_LONGEST} characters')
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as problem:
            raise yaml.YAMLError(f'{_place(node)}: {problem}') from None
        if type(value) is int and not LEAST <= value <= MOST:
            raise yaml.YAMLError(f'{_place(node)}: an integer of more than 64 bits')
        return value


class _PlainParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


# The one in C is five times as fast; a PyYAML that was built without libyaml has none.
_Parser: Any = yaml.cyaml.CParser if yaml.__with_libyaml__ else _PlainParser  # type: ignore[attr-defined]


class _Loader(_Nodes, _Values, yaml.resolver.Resolver, _Parser):  # type: ignore[misc]
    def __init__(self, text: str, limit: int) -> None:
        if len(text) > limit:
            raise yaml.YAMLError(f'{len(text)} characters, at most {limit} are read')
        try:
            text.encode()
        except UnicodeEncodeError as problem:
            raise yaml.YAMLError(f'not UTF-8: {problem}') from None
        _Parser.__init__(self, text)
        _Nodes.__init__(self, limit // _CHARACTERS)
        _Values.__init__(self)
        yaml.resolver.Resolver.__init__(self)


def load_yaml(text: str, limit: int = YAML_LIMIT) -> Any:
    """The one document in a YAML text.

    Args:
        limit: Characters of the longest text that is taken.

    Raises:
        yaml.YAMLError: If it is none, a mapping has a key twice, or it goes beyond a limit of this
            module.
    """
    return _Loader(text, limit).get_single_data()


def compose_yaml(text: str, limit: int = YAML_LIMIT) -> Any:
    """The root node of a YAML text, None for an empty one.

    Raises:
        yaml.YAMLError: As `load_yaml`.
    """
    return _Loader(text, limit).get_single_node()


def load_json(text: str | bytes, *, values: int = VALUES, valid_text: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        values: How many are taken at most, counted as for `VALUES`.
        valid_text: Refuse half a surrogate pair, which is no Unicode. Elsewhere Python's names of
            files that are no UTF-8 have them.

    Raises:
        ValueError: If it is none, nested too deep, has too many values, an integer of more than 64
            bits, or a mapping with a key twice.
    """
    content = text.encode('utf-8', 'replace') if isinstance(text, str) else text
    most_open, marks = _marks(content)
    if marks >= values:
        raise ValueError(f'{marks + 1} values, at most {values} are read')
    try:
        value = json.loads(text, parse_int=_integer, object_pairs_hook=_mapping)
    except RecursionError:
        raise ValueError(f'nested more than {DEPTH} deep') from None
    if most_open > DEPTH and _deeper(value, DEPTH):  # brackets of texts count there, too
        raise ValueError(f'nested more than {DEPTH} deep')
    if valid_text and _HALF_PAIR.search(content.decode('utf-8', 'replace')):
        json.dumps(value, ensure_ascii=False).encode()  # a UnicodeEncodeError is a ValueError
    return value


def shown(value: object) -> str:
    """A value as errors show it: its `repr`, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}... ({len(text)} characters)'


def _place(node: Any) -> str:
    value = shown(node.value) if isinstance(node, yaml.ScalarNode) else f'a {node.id}'
    return f'{value} in line {node.start_mark.line + 1}'


def _integer(digits: str) -> int:
    if len(digits) <= _DIGITS:
        return int(digits)
    if len(digits) <= 21 and LEAST <= int(digits) <= MOST:
        return int(digits)
    raise ValueError(f'{digits[:_DIGITS]}... is an integer of more than 64 bits')


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f'the key {shown(twice)} is there twice')
    return made


def _marks(content: bytes) -> tuple[int, int]:
    """How many brackets are open at most, as deep as values nest; opening brackets and commas."""
    opened = most = marks = 0
    for start in range(0, len(content), _BLOCK):
        # [ and {, ] and } differ by this bit.
        letters = np.frombuffer(content[start : start + _BLOCK], np.uint8) | 0x20
        opening = letters == ord('{')
        marks += int(np.count_nonzero(opening)) + int(np.count_nonzero(letters == ord(',')))
        steps = opening.astype(np.int8) - (letters == ord('}')).astype(np.int8)
        levels = np.cumsum(steps, dtype=np.int32)
        most = max(most, opened + int(levels.max()))
        opened += int(levels[-1])
    return most, marks


def _deeper(value: Any, depth: int) -> bool:
    """Whether lists and mappings lie deeper in one another than `depth`."""
    level = [value]
    for _ in range(depth):
        level = [
            part
            for item in level
            if isinstance(item, dict | list)
            for part in (item.values() if isinstance(item, dict) else item)
        ]
    return any(isinstance(item, dict | list) for item in level)
