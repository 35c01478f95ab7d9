"""Changes of files that nobody meant, drawn from a seed: of bytes, of what they say, of their kind.

A seed gives the same change every time, so that what failed once can be looked at.
"""

from __future__ import annotations

import json
import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**30), 0.0, -0.0, 1e-320, 1e308,
    float('inf'), float('nan'), '', 'x', 'x' * 5000, '../../etc/passwd', '\x00', '\x1b[2J',
    '\ud800', '/dev/zero', '$(var x)', '2020-13-45', [], [[]], {}, {'': 0}, [None], [1, 'x'],
    [0.0] * 1000,
    list(range(1000)), {'a': {'b': {}}},
)  # fmt: skip
_TOKENS = (
    b'&a [*a]', b'*b', b'<<: *a', b'!!int abc', b'!!python/object:os.system x', b'!!binary x',
    b'9' * 5000, b'0x' + b'f' * 5000, b'2020-13-45', b'[' * 300, b'{' * 300, b'? ' * 200,
    b'%YAML 9', b'---\n', b'\xff', b'\x00', b'NaN', b'1e999', b'-.inf', b'\\ud800', b'<!DOCTYPE x>',
    b'$(env A)', b'&#0;', b'$(var a', b'\xef\xbb\xbf', b'\r', b'\xf0\x9f\x92\xa9',
)  # fmt: skip
_SIZES = (
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
_LARGEST = 64 << 20
_DOCUMENTS = ('.json', '.yaml', '.jsonl', '.zarray')


def mutate(folder: Path, draw: random.Random) -> str:
    """Change one to three files in a folder; gives what was done."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    done = []
    for path in draw.choices(files, k=draw.choice((1, 1, 1, 2, 3))):
        if not path.is_file() or path.is_symlink() or path.stat().st_size > _LARGEST:
            continue  # it was changed before
        change = draw.choices((_other_kind, _document, _bytes), (1, 12, 10))[0]
        done.append(f'{change.__name__[1:]} {path.name}')
        change(path, draw)
    return ', '.join(done)


def mutate_bytes(content: bytes, draw: random.Random) -> bytes:
    """Change some bytes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        draw.choice(_BYTES)(data, draw)
    return bytes(data)


def _bytes(path: Path, draw: random.Random) -> None:
    path.write_bytes(mutate_bytes(path.read_bytes(), draw))


def _document(path: Path, draw: random.Random) -> None:
    """Change a value of a document; of any other file some bytes."""
    if not path.name.endswith(_DOCUMENTS):
        return _bytes(path, draw)
    try:
        text = path.read_text()
        if path.suffix == '.yaml':
            changed = _changed(yaml.safe_load(text), draw)
            dumped = yaml.safe_dump(changed, allow_unicode=True, sort_keys=False)
            return path.write_bytes(dumped.encode(errors='surrogatepass')) and None
        lines = text.splitlines() if path.suffix == '.jsonl' else [text]
        index = draw.randrange(len(lines))
        lines[index] = json.dumps(_changed(json.loads(lines[index]), draw))
        path.write_text('\n'.join(lines) + '\n')
    except (ValueError, yaml.YAMLError, RecursionError):  # it was changed before
        _bytes(path, draw)


def _changed(value: Any, draw: random.Random) -> Any:
    """A document with one part replaced, left out, doubled or renamed."""
    if not isinstance(value, dict | list) or not value or draw.random() < 0.1:
        return draw.choice(ODD)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    key = draw.choice(list(copy)) if isinstance(copy, dict) else draw.randrange(len(copy))
    turn = draw.random()
    if turn < 0.08:
        del copy[key]
    elif turn < 0.12 and isinstance(copy, list):
        copy += copy * draw.choice((1, 3, 100))
    elif turn < 0.16 and isinstance(copy, dict):
        copy[draw.choice(('', 'x', 'x' * 300, '<<', 'extends', f'{key} '))] = copy[key]
    elif turn < 0.2 and isinstance(copy, dict):
        other = draw.choice(list(copy))
        copy[key], copy[other] = copy[other], copy[key]
    else:
        copy[key] = _changed(copy[key], draw)
    return copy


def _other_kind(path: Path, draw: random.Random) -> None:
    """In the place of the file stands something else."""
    content = path.read_bytes()
    path.unlink()
    turn = draw.randrange(8)
    if turn == 0:
        os.mkfifo(path)
    elif turn == 1:
        path.mkdir()
    elif turn == 2:
        path.symlink_to('/dev/zero')
    elif turn == 3:
        path.symlink_to(path.name)
    elif turn == 4:
        path.touch()
        os.truncate(path, 8 << 30)
    elif turn == 5:
        path.touch()
    elif turn == 6:
        path.write_bytes(content)
        os.truncate(path, draw.choice((len(content) // 2, len(content) + (1 << 20))))


def _flip(data: bytearray, draw: random.Random) -> None:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _put(data: bytearray, draw: random.Random) -> None:
    """Write a number of interest."""
    form = draw.choice(['<B', '<H', '<I', '<Q', '>H', '>I', '>Q'])
    size = struct.calcsize(form)
    if len(data) >= size:
        at = draw.randrange(len(data) - size + 1)
        number = draw.choice(_SIZES) % (1 << (8 * size))
        data[at : at + size] = struct.pack(form, number)


def _insert(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data) + 1)
    data[at:at] = (
        draw.choice(_TOKENS) if draw.random() < 0.6 else draw.randbytes(draw.randrange(20))
    )


def _delete(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data) + 1)
    del data[at : at + draw.choice((1, 1, 4, 16, 1000))]


def _cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _repeat(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data) + 1)
    data[at:at] = bytes(data[at : at + draw.choice((4, 64, 4096))]) * draw.choice((1, 2, 50))


def _number(data: bytearray, draw: random.Random) -> None:
    """Replace a number in a text."""
    found = list(re.finditer(rb'-?\d+(\.\d+)?', bytes(data[:100_000])))
    if found:
        match = draw.choice(found)
        new = draw.choice(
            (b'-1', b'0', b'1e308', b'9' * 400, b'nan', b'1e-320', b'18446744073709551616')
        )
        data[match.start() : match.end()] = new


_BYTES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _put, _put, _insert, _delete, _cut, _repeat, _number,
)  # fmt: skip
