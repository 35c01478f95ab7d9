"""Bundles that somebody made to break a node, and other things to load that are none.

Each kind is a change of a sound bundle's folder. Where a hash or an identity would give the change
away, it is made to fit again, as somebody who wants it to be read would do.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from il_ros.policies.bundle import CALIBRATION_FILE, INFO_FILE, POLICY_FILE
from il_ros.policies.bundle_signature import with_identity

Change = Callable[[Path], None]
Arrays = Mapping[str, NDArray[Any]]
HUGE, GIANT = 10**400, 8 << 30


def kinds() -> dict[str, Change]:
    """Every kind by its name; a change is made in the folder of a copy of the sound bundle."""
    return dict([*_described(), *_contracts(), *_texts(), *_array_files(), *_no_files()])


def garbage() -> list[str]:
    """Paths to load that are no bundle at all, and are the same on every machine."""
    return [
        '',
        '.',
        '..',
        '/',
        '/dev/null',
        '/dev/zero',
        '/dev/stdin',
        '/proc/self/mem',
        '/proc/self/fd',
        '/etc/passwd',
        '/no/such/folder',
        'x' * 300,
        'x/' * 3000,
        '~',
        '$(HOME)',
        '\n',
        '\x1b[2J',
        '/tmp/\N{PILE OF POO}',
        '%s%n{0}',
    ]


def forged(folder: Path, description: Mapping[str, Any]) -> None:
    """Write a description with the identity that its content has."""
    with suppress(ValueError):
        description = with_identity(description)
    (folder / INFO_FILE).write_text(json.dumps(description))


def info_of(folder: Path) -> dict[str, Any]:
    """The description of a bundle."""
    found: dict[str, Any] = json.loads((folder / INFO_FILE).read_text())
    return found


def _at(*path: str, value: Any) -> Change:
    def change(folder: Path) -> None:
        info = info_of(folder)
        inner: Any = info
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        forged(folder, info)

    return change


def _described() -> Iterator[tuple[str, Change]]:
    """One value of the description is something else."""
    changes: list[tuple[tuple[str, ...], list[Any]]] = [
        (('calibration', 'stop'), [1e300, float('nan'), float('inf'), [], None]),
        (('calibration', 'window'), [0, -1, 2**63 - 1, HUGE, 1e308]),
        (('calibration', 'begin'), [[10**9] * 2, [HUGE] * 2, 'x']),
        (('calibration', 'longest'), [HUGE, -5, '1']),
        (('calibration', 'loc'), [[[1.0], [1.0, 2.0]], [[HUGE]] * 2, 1.0, [[[]]]]),
        (('calibration', 'scale'), [[[1e300]] * 2, [[0.0]] * 2]),
        (('calibration', 'maxima'), [[1.0] * 100_000, {}]),
        (
            ('channels',),
            [[['', '', '']], [['../../x', 'knn', 'embedding']], [['a']], [[]] * 50_000],
        ),
        (('horizon',), [10**12, -3, True, 2.5]),
        (('config', 'hidden_dims'), [[10**9, 10**9], [1] * 500_000, [0], [-1, 256], 'x']),
        (('config', 'horizon'), [10**15, 0]),
        (('config', 'clip'), [float('nan'), -1.0]),
        (('policy',), ['os:system', 'no such', ['mlp'], 'x' * 100_000]),
        (('files',), [{}, [], {'../../../etc/passwd': {'bytes': 1, 'sha256': 'x'}}]),
        (('format',), [HUGE, 0, '5', None]),
        (('training',), [None, {'x': 'y' * 1_000_000}]),
        (('contract',), [None, '', 'x', '\ud800', '\x00']),
        (('contract_hash',), ['0' * 64]),
        (('policy_id',), ['0' * 16, 7]),
    ]
    for path, values in changes:
        for number, value in enumerate(values):
            yield f'{".".join(path)} {number}', _at(*path, value=value)


def _contracts() -> Iterator[tuple[str, Change]]:
    """The contract in the description is a bomb or has an odd value in it."""
    merges = 'm0: &m0 {k: 1}\n' + ''.join(
        f'm{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}]}}\n' for i in range(1, 30)
    )
    laughs = '[&x0 [' + ','.join(['"lolololol"'] * 10) + ']'
    laughs += ''.join(f', &x{i} [{",".join([f"*x{i - 1}"] * 10)}]' for i in range(1, 9)) + ']'
    versions = {
        'laughs': laughs,
        'date': '2020-13-45',
        'day': '2020-01-01',
        'deep': '[' * 3000 + ']' * 3000,
        'no integer': '!!int abc',
        'digits': '9' * 5000,
        'self': '&x [*x]',
        'hex': '0x' + 'f' * 5000,
        'keys': '{' + ','.join(f'k{i}: 0' for i in range(100_000)) + '}',
        'text': '"' + 'x' * 10**6 + '"',
    }
    yield 'contract: merges', _contract(lambda text: merges + text)
    for name, value in versions.items():
        yield (
            f'contract: {name}',
            _contract(
                lambda text, value=value: text.replace('version: 1', f'version: {value}')  # type: ignore[misc]
            ),
        )


def _contract(edit: Callable[[str], str]) -> Change:
    def change(folder: Path) -> None:
        info = info_of(folder)
        forged(folder, info | {'contract': edit(info['contract'])})

    return change


def _texts() -> Iterator[tuple[str, Change]]:
    """The description is no JSON that anybody writes."""
    deep = '{"x": ' * 900 + '1' + '}' * 900
    texts = {
        'empty': b'',
        'no UTF-8': b'\xff\xfe{}',
        'lists': b'[' * 200_000 + b']' * 200_000,
        'digits': b'{"format": ' + b'9' * 10_000 + b'}',
        'a number': b'5',
        'null': b'null',
        'nested': f'{{"format": 5, "training": {deep}}}'.encode(),
        'NaN': b'NaN',
        'list': b'[]',
        'many lists': b'[' + b'[],' * 1_000_000 + b'[]]',
        'cut': b'{"format": 5, "policy',
        'half a pair': b'{"format": 5, "policy": "\\ud800"}',
        'NUL': b'\0' * 100,
        'UTF-16': '{"format": 5}'.encode('utf-16'),
    }
    for name, content in texts.items():
        yield f'description: {name}', _content(INFO_FILE, content)
    yield 'identity', _stated('0' * 64)
    yield 'no identity', _stated(None)


def _stated(identity: str | None) -> Change:
    def change(folder: Path) -> None:
        (folder / INFO_FILE).write_text(json.dumps(info_of(folder) | {'identity': identity}))

    return change


def _content(name: str, content: bytes) -> Change:
    def change(folder: Path) -> None:
        set_content(folder, name, content)

    return change


def set_content(folder: Path, name: str, content: bytes) -> None:
    """Put other bytes into a file of a bundle, with the size and the hash that they have."""
    (folder / name).unlink()
    (folder / name).write_bytes(content)
    if name != INFO_FILE:
        info = info_of(folder)
        info['files'][name] = {
            'bytes': len(content),
            'sha256': hashlib.sha256(content).hexdigest(),
        }
        forged(folder, info)


def _array_files() -> Iterator[tuple[str, Change]]:
    """A file of arrays has other arrays in it, or none."""

    def header(value: object, data: bytes = b'') -> bytes:
        text = json.dumps(value).encode()
        return struct.pack('<Q', len(text)) + text + data

    def array(shape: list[int], end: int) -> dict[str, object]:
        return {'a': {'dtype': 'F32', 'shape': shape, 'data_offsets': [0, end]}}

    files = {
        'empty': b'',
        'length': struct.pack('<Q', 2**62) + b'{}',
        'zeros': bytes(10_000),
        'shape': header(array([2**40, 2**40], 4), bytes(4)),
        'overflow': header(array([2**62, 4], 0)),
        'negative': header(array([-1, -1], 4), bytes(4)),
        'words': header({'a': 'b'}),
        'long header': header({'__metadata__': {'x': 'y' * 20_000_000}}),
        'deep header': struct.pack('<Q', 2 * 10**5) + b'[' * 10**5 + b']' * 10**5,
    }
    edits: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        'scalars': lambda a: np.zeros((), np.float32),
        'no rows': lambda a: a[:0] if a.ndim else a,
        'flat': lambda a: a.reshape(-1).copy(),
        'bytes': lambda a: np.zeros(a.shape, np.int8),
        'not a number': lambda a: np.full_like(a, np.nan) if a.dtype.kind == 'f' else a,
        'booleans': lambda a: a.astype(bool),
        'zeros': np.zeros_like,
        'large': lambda a: np.full_like(a, 3e38) if a.dtype.kind == 'f' else a,
    }
    for name in (POLICY_FILE, CALIBRATION_FILE):
        for kind, content in files.items():
            yield f'{name}: {kind}', _content(name, content)
        for kind, edit in edits.items():
            yield f'{name}: {kind} arrays', _arrays(name, edit)


def _arrays(name: str, edit: Callable[[NDArray[Any]], NDArray[Any]]) -> Change:
    def change(folder: Path) -> None:
        arrays = safetensors.numpy.load((folder / name).read_bytes())
        edited = {key: np.ascontiguousarray(edit(array)) for key, array in arrays.items()}
        _content(name, safetensors.numpy.save(edited))(folder)

    return change


def _no_files() -> Iterator[tuple[str, Change]]:
    """In the place of a file stands something else."""
    for name in (INFO_FILE, POLICY_FILE, CALIBRATION_FILE):
        for kind, make in _PLACES.items():
            yield f'{name}: {kind}', _instead(name, make)


def _instead(name: str, make: Callable[[Path], object]) -> Change:
    def change(folder: Path) -> None:
        if name != INFO_FILE:
            info = info_of(folder)
            info['files'][name] = {'bytes': GIANT, 'sha256': '0' * 64}
            forged(folder, info)
        (folder / name).unlink()
        make(folder / name)

    return change


def _giant(path: Path) -> None:
    path.touch()
    os.truncate(path, GIANT)  # sparse: it takes no room


_PLACES: Mapping[str, Callable[[Path], object]] = {
    'FIFO': os.mkfifo,
    'folder': os.mkdir,
    'device': lambda path: path.symlink_to('/dev/zero'),
    'circle': lambda path: path.symlink_to(path.name),
    'giant': _giant,
    'missing': lambda path: None,
}
