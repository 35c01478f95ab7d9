"""Every reader of files and messages against thousands that nobody meant: no traceback, no hang.

Run by itself, ``python -m benchmarks.fuzz_readers --inputs 10000 --out runs/fuzz.json``, it goes on
where it was stopped. Each input comes from the name of its reader, a seed and a number; what failed
is in the result with these, and ``--only READER --number N`` runs it again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.file_mutations import mutate
from benchmarks.fuzzed_readers import READERS, make_samples
from benchmarks.rows import RUNS
from il_ros.cli.main import guarded
from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import IlRosError

HANGS = 20.0  # s after which a reader counts as hanging, on a machine that does other things, too
_BATCH = 200
_MEMORY = 6 << 30


@dataclass(frozen=True, kw_only=True)
class FuzzSizes:
    """How many inputs all readers get together, and from which seed."""

    inputs: int = 10_000
    seed: int = 0


FULL = FuzzSizes()
SMOKE = FuzzSizes(inputs=60)


@dataclass
class Count:
    """What became of the inputs of one reader.

    Attributes:
        inputs: How many there were.
        refused: Of these by an error of this package; the others were read.
        slowest: [s]
        failed: What ended in a traceback or not at all: number, change and text of each.
    """

    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    failed: list[dict[str, Any]] = field(default_factory=list)


def run(
    sizes: FuzzSizes = FULL, folder: Path = RUNS / 'fuzz_readers', **_: Any
) -> dict[str, Count]:
    """Give every reader its inputs; what is in `folder` already is not done again."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = folder / 'samples'
    if not (samples / 'whole').exists():
        shutil.rmtree(samples, ignore_errors=True)
        make_samples(samples)
        (samples / 'whole').touch()
    counts = _known(folder / 'result.json', sizes.seed)
    shares = sum(reader.share for reader in READERS.values())
    for name in READERS:
        count = counts.setdefault(name, Count())
        wanted = -(-sizes.inputs * READERS[name].share // shares)
        while count.inputs < wanted:
            _batch(name, count, sizes, samples / name, wanted)
            data = {'seed': sizes.seed, 'readers': {n: asdict(c) for n, c in counts.items()}}
            write_atomic(folder / 'result.json', json.dumps(data, indent=1) + '\n')
    return counts


def _known(path: Path, seed: int) -> dict[str, Count]:
    if not path.exists():
        return {}
    data = json.loads(path.read_text())
    if data['seed'] != seed:
        return {}
    return {name: Count(**count) for name, count in data['readers'].items()}


def _batch(name: str, count: Count, sizes: FuzzSizes, sample: Path, wanted: int) -> None:
    """Some inputs in a process of their own, which is ended where a reader hangs."""
    first, last = count.inputs, min(count.inputs + _BATCH, wanted)
    context = multiprocessing.get_context('fork')
    mine, other = context.Pipe()
    process = context.Process(
        target=_child, args=(name, sizes.seed, range(first, last), sample, other)
    )
    process.start()
    other.close()
    try:
        while count.inputs < last:
            answer = mine.recv() if mine.poll(HANGS) else None
            if answer is None or not isinstance(answer, dict):
                raise EOFError
            count.inputs += 1
            count.refused += answer['refused']
            count.slowest = max(count.slowest, answer['seconds'])
            if answer['text']:
                _fail(count, name, answer)
        process.join(HANGS)  # it removes its files
    except EOFError:
        process.join(1.0)
        text = 'hangs' if process.is_alive() else f'the process is gone: {process.exitcode}'
        _fail(count, name, {'number': count.inputs, 'change': '', 'text': text})
        count.inputs += 1
    finally:
        process.kill()
        process.join()


def _fail(count: Count, name: str, answer: Mapping[str, Any]) -> None:
    print(f'{name} {answer["number"]} ({answer["change"]}): {answer["text"][-600:]}', flush=True)
    count.failed.append({key: answer[key] for key in ('number', 'change', 'text')})


def _child(name: str, seed: int, numbers: range, sample: Path, answers: Connection) -> None:
    warnings.simplefilter('ignore')
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    with tempfile.TemporaryDirectory(prefix='il_ros_fuzz_') as place:
        for number in numbers:
            answers.send(once(name, seed, number, sample, Path(place)))
    os._exit(0)


def once(name: str, seed: int, number: int, sample: Path, place: Path) -> dict[str, Any]:
    """One input: a changed copy of the sample is read."""
    draw = random.Random(f'{name} {seed} {number}')
    folder = place / str(number)
    shutil.copytree(sample, folder)
    change = mutate(folder, draw)
    refused, text, begin = False, '', time.perf_counter()
    try:
        READERS[name].read(folder, draw)
    except IlRosError:
        refused = True
    except BaseException:
        text = traceback.format_exc()
    seconds = time.perf_counter() - begin
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.unlink()
    return {
        'number': number, 'change': change, 'refused': refused, 'text': text, 'seconds': seconds
    }  # fmt: skip


def main() -> int:
    """Run all, or one input again."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.fuzz_readers', description=__doc__)
    parser.add_argument('--inputs', type=int, default=10_000, help='of all readers together')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', type=Path, default=RUNS / 'fuzz_readers')
    parser.add_argument('--only', choices=[*READERS], help='one reader')
    parser.add_argument('--number', type=int, help='one input of it, again')
    options = parser.parse_args()
    if options.number is not None:
        with tempfile.TemporaryDirectory() as place:
            sample = options.folder / 'samples' / options.only
            answer = once(options.only, options.seed, options.number, sample, Path(place))
        print(answer.pop('text'), answer)
        return 0
    counts = run(FuzzSizes(inputs=options.inputs, seed=options.seed), options.folder)
    for name, count in counts.items():
        print(f'{name}: {count.inputs} inputs, {count.refused} refused, '
              f'{len(count.failed)} failed, slowest {count.slowest:.1f} s')  # fmt: skip
    return 1 if any(count.failed for count in counts.values()) else 0


if __name__ == '__main__':
    raise SystemExit(guarded(main))
