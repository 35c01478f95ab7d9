"""Importing in a process of its own: files that end in a library in C are not trusted to end.

The process has limits (`read_limits`) and answers in JSON. A dataset appears only when it is whole.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from il_ros.core import errors
from il_ros.core.atomic_folders import new_folder, require_free
from il_ros.core.config import parse
from il_ros.core.contract import Contract, parse_contract
from il_ros.core.documents import load_json
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.datasets.manifest import MANIFEST_FILE
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping
from il_ros.interop.read_limits import RATIO, ROOM, limit_process

_FIX = 'get it again, and do not trust it'
_MADE = '.made'  # with what an ended process leaves beside it, it is in a folder that is removed


def import_bounded(
    path: Path,
    out: Path,
    format: str,
    *,
    contract: Contract | None = None,
    mapping: FeatureMapping | None = None,
    beyond_limits: bool = False,
    overwrite: bool = False,
) -> Dataset:
    """Do what `import_dataset` does, in a process that ends where a library has no end.

    Raises:
        DatasetError: As `import_dataset`; and if reading takes too much time or memory, or ends the
            process.
        ContractError: As `import_dataset`.
    """
    require_free(out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=[path], error=DatasetError)
    with new_folder(out, overwrite=overwrite, marker=MANIFEST_FILE, error=DatasetError) as folder:
        request = {
            'path': str(path),
            'out': str(folder / _MADE),
            'format': format,
            'contract': contract.text if contract else None,
            'mapping': dataclasses.asdict(mapping) if mapping else None,
            'beyond_limits': beyond_limits,
        }
        _run(path, request)
        for made in (folder / _MADE).iterdir():
            made.rename(folder / made.name)
        (folder / _MADE).rmdir()
    return load_dataset(out)


def _run(path: Path, request: dict[str, Any]) -> None:
    """Have the process do it.

    Raises:
        IlRosError: What it says, or how it ended.
    """
    # It finds the very modules that this process has, and none in the current folder.
    code = f'import sys; sys.path[:] = {sys.path!r}; from {__name__} import answer; answer()'
    ended = subprocess.run(
        [sys.executable, '-c', code],
        input=json.dumps(request).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libraries in C print what is in the file
        env=os.environ | {'OPENBLAS_NUM_THREADS': '1', 'ARROW_DEFAULT_MEMORY_POOL': 'system'},
        check=False,
    )
    said = load_json(ended.stdout) if ended.returncode == 0 and ended.stdout else None
    if said is None:
        raise DatasetError(_ended(ended.returncode), where=str(path), fix=_FIX)
    if 'traceback' in said:
        raise RuntimeError(said['traceback'])
    if said:
        raise _error(said)


def _ended(code: int) -> str:
    if code == -signal.SIGPROF:
        return 'a library that reads it comes to no end'
    if code < 0:
        return f'a library that reads it fell: {signal.strsignal(-code) or -code}'
    return f'the process that reads it ended with exit code {code}'


def _error(said: dict[str, str]) -> IlRosError:
    kind = getattr(errors, said['kind'], DatasetError)
    error: IlRosError = kind(
        said['problem'], where=said['where'], allowed=said['allowed'], fix=said['fix']
    )
    return error


def answer() -> None:
    """The process: import what standard input asks for, and say on standard output how it went."""
    replies = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    said = json.dumps(_answer(load_json(sys.stdin.buffer.read())))
    with os.fdopen(replies, 'w') as out:
        out.write(said)


def _answer(request: dict[str, Any]) -> dict[str, str]:
    path, text, mapping = Path(request['path']), request['contract'], request['mapping']
    room = limit_process(path)
    try:
        import_dataset(
            path,
            Path(request['out']),
            request['format'],
            contract=None if text is None else parse_contract(text),
            mapping=None if mapping is None else parse(FeatureMapping, mapping),
            beyond_limits=request['beyond_limits'],
        )
    except IlRosError as problem:
        return {
            'kind': type(problem).__name__,
            **{name: getattr(problem, name) for name in ('problem', 'where', 'allowed', 'fix')},
        }
    except MemoryError:
        return {
            'kind': 'DatasetError',
            'problem': f'reading it takes more than {room >> 20} MiB',
            'where': str(path),
            'allowed': f'{RATIO} times the size of its files, and {ROOM >> 20} MiB',
            'fix': _FIX,
        }
    except Exception:
        return {'traceback': traceback.format_exc()}
    return {}
