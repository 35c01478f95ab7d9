"""Small files that become huge, or have no end, for what reads them: each has to be refused."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.records import Channel, Chunk, ChunkIndex, DataEnd, Footer, Header, Schema
from mcap.writer import MCAP0_MAGIC

from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.core.contract import Contract, load_contract
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.npz_files import load_arrays
from il_ros.datasets.dataset import load_dataset
from il_ros.evaluation.episode_result import read_episodes
from il_ros.interop import lerobot_layout as layout
from il_ros.interop.foreign_files import library
from il_ros.interop.import_process import import_bounded
from il_ros.launching.launch_xml import evaluate
from il_ros.policies.array_files import LIMIT, read_arrays
from il_ros.policies.bundle import load_bundle

CONTRACT = Path(__file__).parents[1] / 'config/contracts/franka_reach.yaml'
_PATIENCE = 60.0
_METADATA = """rosbag2_bagfile_information:
  version: 9
  storage_identifier: {storage}
  duration: {{nanoseconds: 1}}
  starting_time: {{nanoseconds_since_epoch: 1}}
  message_count: 1
  topics_with_message_count: []
  compression_format: ''
  compression_mode: ''
  relative_file_paths: [bag.{suffix}]
  files: []
  custom_data: {custom}
  ros_distro: kilted
"""

_TOPIC = (
    '{message_count: 1, topic_metadata: {name: /joint_states, type: sensor_msgs/msg/JointState, '
    'serialization_format: cdr, offered_qos_profiles: []}}'
)


@dataclass(frozen=True, kw_only=True)
class Blast:
    """How one bomb went.

    Attributes:
        name: Of the bomb.
        seconds: Until its reader was done [s].
        megabytes: Most memory that reading it took, in a process of its own, too [MB].
        refused: Whether the reader refused it, by an error of this package.
        text: What it said.
    """

    name: str
    seconds: float
    megabytes: float
    refused: bool
    text: str


Read = Callable[[Path], object]
Bomb = tuple[str, Callable[[Path], object], Read]
"""A name, what makes it in an empty folder, and what reads it there."""


def refuse_all(folder: Path, every: int = 1) -> list[Blast]:
    """Read every bomb in a process of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    blasts = []
    for number, (name, make, read) in enumerate(bombs()):
        if number % every == 0:
            place = folder / str(number)
            place.mkdir(parents=True)
            make(place)
            blasts.append(_blast(name, place, read))
            shutil.rmtree(place)
    return blasts


def bombs() -> Iterator[Bomb]:
    """All of them."""
    for name, text in yaml_bombs().items():
        yield f'contract: {name}', _contract(text), _read_contract
        yield f'metadata.yaml: {name}', _bag(custom=text), assess
    yield 'contract: large', _file('c.yaml', '#' * (1 << 20)), _read_contract
    for name, text in json_bombs().items():
        for file, read in (
            ('bundle.json', load_bundle),
            ('manifest.json', load_dataset),
            ('episode.json', assess),
        ):
            yield f'{file}: {name}', _json(file, text), read
        yield (
            f'episodes.jsonl: {name}',
            _file('e.jsonl', text),
            lambda p: read_episodes(p / 'e.jsonl'),
        )
    doubled = '<let name="a0" value="0123456789"/>' + ''.join(
        f'<let name="a{i}" value="$(var a{i - 1})$(var a{i - 1})"/>' for i in range(1, 40)
    )
    for name, text in {'let': doubled, 'groups': '<group>' * 3000 + '</group>' * 3000}.items():
        yield f'launch: {name}', _file('x.xml', f'<launch>{text}</launch>'), _launch
    for name, chunks in chunk_bombs().items():
        for kind, read in (('check', assess), ('read', _read_bag)):
            yield f'mcap, {kind}: {name}', make_mcap(chunks), read
    for name, make in index_bombs().items():
        yield f'mcap, check: {name}', make, assess
    yield 'mcap, read: chunks of one time', index_bombs()['chunks of one time'], _read_all
    yield 'hdf5: heap without an end', make_endless_heap, _import('robomimic', 'x.hdf5')
    yield 'hdf5: zeros', _zeros_hdf5, _import('robomimic', 'x.hdf5')
    yield 'parquet: zeros', _zeros_parquet, _import('lerobot', 'set')
    yield 'parquet: one text for all', partial(_zeros_parquet, text=True), _import('lerobot', 'set')
    yield 'npz: zeros', _zeros_npz, lambda p: load_arrays(p / 'x.npz')
    yield 'arrays of a bundle', _large_arrays, _read_arrays
    for name, script in _TABLES.items():
        for kind, read in (('check', assess), ('read', _read_bag)):
            yield f'sqlite, {kind}: {name}', _database(script), read


def yaml_bombs() -> dict[str, str]:
    """Values that grow when they are read."""
    laughs = '[&x0 [' + ','.join(['"lolololol"'] * 10) + ']'
    laughs += ''.join(f', &x{i} [{",".join([f"*x{i - 1}"] * 10)}]' for i in range(1, 9)) + ']'
    merges = '{m0: &m0 {k: 1}' + ''.join(
        f', m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}]}}' for i in range(1, 30)
    )
    return {
        'laughs': laughs,
        'merges': merges + '}',
        'lists': '[' * 3000 + ']' * 3000,
        'values': '[' + '[],' * 60_000 + ']',
        'digits': '9' * 100_000,
    }


def json_bombs() -> dict[str, str]:
    """Texts that are deep or long."""
    return {
        'lists': '[' * 500_000 + ']' * 500_000,
        'mappings': '{"a":' * 100_000 + '1' + '}' * 100_000,
        'digits': '9' * 500_000,
    }


def chunk_bombs() -> dict[str, list[tuple[str, int, bytes]]]:
    """Chunks of MCAP files: compression, the size that they say they have, compressed data."""
    zeros = zstandard.ZstdCompressor(level=1).compress(bytes(1 << 30))
    many = zstandard.ZstdCompressor(level=1).compress(bytes(100 << 20))
    message = struct.pack('<BQHIQQ', 5, 22, 1, 0, 0, 0)
    count = (64 << 20) // len(message)
    small = zstandard.ZstdCompressor(level=1).compress(message * count)
    packed = lz4.frame.compress(bytes(200 << 20))
    return {
        'zeros': [('zstd', 1 << 30, zeros)] * 40,
        'many': [('zstd', 100 << 20, many)] * 100,
        'messages': [('zstd', len(message) * count, small)] * 4,
        'lz4': [('lz4', 200 << 20, packed)],
        'lies': [('zstd', 1000, zeros)] * 40,
    }


def index_bombs() -> dict[str, Callable[[Path], object]]:
    """Bags of chunks that pass one by one, and that together would make their reader hold many."""

    def bomb(listed: Sequence[int], **how: Any) -> Callable[[Path], object]:
        return lambda place: make_indexed(place, listed, **how)

    lost = b'\x80' + struct.pack('<Q', 1 << 40)
    return {
        'one chunk 16 times': bomb([0] * 16),
        'one chunk 16 times, after a cut record': bomb([0] * 16, begin=lost),
        'chunks of one time': bomb(range(16), times=lambda _: (0, 99)),
        'no chunk there': bomb([0], shift=1),
    }


def make_indexed(
    place: Path,
    listed: Sequence[int],
    *,
    times: Callable[[int], tuple[int, int]] = lambda number: (number, number),
    size: int = 60 << 20,
    begin: bytes = b'',
    shift: int = 0,
) -> None:
    """Make a bag of an MCAP file with a summary.

    Args:
        place: Folder of the bag.
        listed: Numbers of the chunks that the summary lists, in this order.
        times: Times of the first and last message of a chunk, by its number [ns].
        size: What a chunk becomes [bytes].
        begin: What comes before the chunks.
        shift: By which the summary misses the chunks [bytes].
    """
    _bag()(place)
    text = (place / 'metadata.yaml').read_text()
    (place / 'metadata.yaml').write_text(text.replace('count: []', f'count: [{_TOPIC}]'))
    data = random.Random(0).randbytes(1 << 15).ljust(1 << 20, b'\0')
    out = RecordBuilder()
    Header('ros2', '').write(out)
    start, chunks = len(MCAP0_MAGIC) + len(begin), []
    for number in range(max(listed) + 1):
        first, last = times(number)
        message = struct.pack('<BQHIQQ', 5, 22 + len(data), 1, 0, first, first) + data
        content = message * (size // len(message))
        packed = zstandard.ZstdCompressor(level=1).compress(content)
        offset = start + out.count
        Chunk('zstd', packed, last, first, 0, len(content)).write(out)
        end = start + out.count
        # A reader counts messages by the room of their index, which is that after the chunk.
        chunks.append(
            ChunkIndex(end - offset, offset + shift, 'zstd', len(packed), last, 31, {1: end},
                       first, len(content))
        )  # fmt: skip
    DataEnd(0).write(out)
    summary = start + out.count
    Schema(id=1, name='sensor_msgs/msg/JointState', encoding='', data=b'').write(out)
    Channel(1, '/joint_states', 'cdr', {}, 1).write(out)
    for number in listed:
        chunks[number].write(out)
    Footer(summary, 0, 0).write(out)
    written = out.end()  # type: ignore[no-untyped-call]
    head = 9 + struct.unpack_from('<Q', written, 1)[0]
    whole = (MCAP0_MAGIC, written[:head], begin, written[head:], MCAP0_MAGIC)
    (place / 'bag.mcap').write_bytes(b''.join(whole))


def make_endless_heap(place: Path) -> None:
    """An object of a global heap whose size, with its head, comes to 0: HDF5 never gets past it."""
    with library('h5py').File(str(place / 'x.hdf5'), 'w') as file:
        file['il_ros/origin'] = 'x' * 100
    content = bytearray((place / 'x.hdf5').read_bytes())
    size = content.index(b'GCOL') + 24  # after the heads of the heap and of its first object
    content[size : size + 8] = struct.pack('<q', -16)
    (place / 'x.hdf5').write_bytes(content)


def _zeros_hdf5(place: Path) -> None:
    """Arrays that are a thousand times smaller in the file."""
    contract = _contract_of_reach()
    with library('h5py').File(str(place / 'x.hdf5'), 'w') as file:
        demo = file.create_group('data/demo_0')
        frames, joints = 4_000_000, len(contract.action.names)
        for name, size in {
            'actions': joints, **{f'obs/{k}': s.size for k, s in contract.streams.items()}
        }.items():  # fmt: skip
            demo.create_dataset(name, (frames, size), 'f4', chunks=(1 << 16, size), compression=9)
            demo[name][: frames : 1 << 16] = 1.0


def _zeros_parquet(place: Path, *, text: bool = False) -> None:
    """Rows of 262,144 numbers each; or one long text that is the value of every row."""
    pa, pq = library('pyarrow'), library('pyarrow.parquet')
    contract, rows, place = _contract_of_reach(), 256, place / 'set'
    names = {layout.column_of(contract, key): s.size for key, s in contract.streams.items()}
    names[layout.ACTION] = len(contract.action.names)
    features = {n: {'dtype': 'float32', 'shape': [size]} for n, size in names.items()}
    info = {'codebase_version': 'v3.0', 'fps': 20, 'data_path': 'data.parquet'}
    (place / 'meta/episodes/chunk-000').mkdir(parents=True)
    (place / layout.INFO).write_text(json.dumps(info | {'features': features}))
    pq.write_table(pa.table({'task_index': [0], 'task': ['x']}), str(place / layout.TASKS))
    episode = {'episode_index': [0], 'length': [rows], 'tasks': [['x']]}
    places = {'data/chunk_index': [0], 'data/file_index': [0]}
    pq.write_table(pa.table(episode | places), str(place / layout.EPISODES))
    numbers = pa.array(np.zeros(rows << 18, np.float32))
    one = pa.DictionaryArray.from_arrays(pa.array([0] * rows), pa.array([b'x' * (8 << 20)]))
    many = one if text else pa.FixedSizeListArray.from_arrays(numbers, 1 << 18)
    columns = {name: many for name in names}
    columns['timestamp'] = pa.array(np.arange(rows, dtype=np.float32))
    columns['episode_index'] = pa.array(np.zeros(rows, np.int64))
    pq.write_table(
        pa.table(columns), str(place / 'data.parquet'), compression='zstd', store_schema=False
    )


def _zeros_npz(place: Path) -> None:
    np.savez_compressed(place / 'x.npz', a=np.zeros(100 << 20, np.uint8))


def _large_arrays(place: Path) -> None:
    """The largest file of arrays that is read, of another hash than it should have."""
    head = json.dumps({'a': {'dtype': 'U8', 'shape': [0], 'data_offsets': [0, 0]}}).encode()
    size = LIMIT - 8 - len(head) - 40
    head = head.replace(b'[0]', f'[{size}]'.encode()).replace(b'0, 0]', f'0, {size}]'.encode())
    with (place / 'x').open('wb') as file:
        file.write(struct.pack('<Q', len(head)) + head)
        file.truncate(8 + len(head) + size)


def _read_arrays(place: Path) -> None:
    read_arrays(place / 'x', bytes=(place / 'x').stat().st_size, sha256='')


def _import(format: str, name: str) -> Read:
    def read(place: Path) -> None:
        import_bounded(place / name, place / 'out', format, contract=_contract_of_reach())

    return read


def _blast(name: str, place: Path, read: Read) -> Blast:
    context = multiprocessing.get_context('fork')
    mine, other = context.Pipe()
    process = context.Process(target=_child, args=(read, place, other))
    process.start()
    other.close()
    try:
        seconds, megabytes, refused, text = (
            mine.recv() if mine.poll(_PATIENCE) else (_PATIENCE, 0.0, False, 'no end')
        )
    except EOFError:
        seconds, megabytes, refused, text = _PATIENCE, 0.0, False, 'the process is gone'
    process.kill()
    process.join()
    return Blast(name=name, seconds=seconds, megabytes=megabytes, refused=refused, text=text)


def _peak() -> float:
    """Most memory that this process has had since it was asked last [MB]."""
    status = Path('/proc/self/status').read_text(encoding='ascii')
    peak = int(status.split('VmHWM:')[1].split()[0]) / 1024
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')  # the parent's counts, too
    return peak


def _watch_children(most: list[float]) -> None:
    """Keep the most memory that any process has had that this one has started [MB]."""
    me, mine = os.getpid(), Path('/proc/self/cmdline').read_bytes()
    while True:
        with suppress(OSError, IndexError, ValueError):  # one may end meanwhile
            for pid in Path(f'/proc/{me}/task/{me}/children').read_text().split():
                if Path(f'/proc/{pid}/cmdline').read_bytes() == mine:
                    continue  # not yet itself: the memory is ours
                status = Path(f'/proc/{pid}/status').read_text(encoding='ascii')
                most[0] = max(most[0], int(status.split('VmHWM:')[1].split()[0]) / 1024)
        time.sleep(0.005)


def _child(read: Read, place: Path, answer: Connection) -> None:
    _peak()
    before = _peak()
    children = [0.0]
    threading.Thread(target=_watch_children, args=(children,), daemon=True).start()
    begin = time.perf_counter()
    try:
        read(place)
        refused, text = False, 'it was read'
    except IlRosError as problem:
        refused, text = True, str(problem)
    except BaseException as problem:
        refused, text = False, f'{type(problem).__name__}: {problem}'[:300]
    seconds = time.perf_counter() - begin
    megabytes = _peak() - before + children[0]
    answer.send((seconds, megabytes, refused, text))
    os._exit(0)


def assess(place: Path) -> None:
    """Check a bag.

    Raises:
        DatasetError: With what is wrong.
    """
    finding = assess_bag(place)
    if finding.wrong:
        raise DatasetError(finding.problem, where=str(place))


def _contract_of_reach() -> Contract:
    return load_contract(CONTRACT)


def _read_bag(place: Path) -> None:
    with EpisodeReader(place, _contract_of_reach()) as reader:
        reader.require(['joint_states'])


def _read_all(place: Path) -> None:
    with EpisodeReader(place, _contract_of_reach()) as reader:
        for message in reader.messages(['joint_states']):
            assert message


def _read_contract(place: Path) -> None:
    load_contract(place / 'c.yaml')


def _read_episodes(place: Path) -> None:
    read_episodes(place / 'e.jsonl')


def _launch(place: Path) -> None:
    evaluate(place / 'x.xml', {}, scratch=place)


def _file(name: str, text: str) -> Callable[[Path], object]:
    return lambda place: (place / name).write_text(text)


def _contract(value: str) -> Callable[[Path], object]:
    whole = load_contract(CONTRACT).text
    return _file('c.yaml', whole.replace('version: 1\n', f'version: {value}\n'))


def _json(file: str, text: str) -> Callable[[Path], object]:
    def make(place: Path) -> None:
        if file == 'episode.json':
            _bag()(place)
        (place / file).write_text(text)

    return make


def _bag(custom: str = '', storage: str = 'mcap', suffix: str = 'mcap') -> Callable[[Path], object]:
    def make(place: Path) -> None:
        text = _METADATA.format(custom=custom, storage=storage, suffix=suffix)
        (place / 'metadata.yaml').write_text(text)
        (place / f'bag.{suffix}').touch()

    return make


def make_mcap(chunks: list[tuple[str, int, bytes]]) -> Callable[[Path], object]:
    """What makes a bag of one MCAP file with these chunks (see `chunk_bombs`) in a folder."""

    def record(opcode: int, body: bytes) -> bytes:
        return struct.pack('<BQ', opcode, len(body)) + body

    def text(value: str) -> bytes:
        return struct.pack('<I', len(value)) + value.encode()

    def make(place: Path) -> None:
        _bag()(place)
        with (place / 'bag.mcap').open('wb') as file:
            file.write(MCAP0_MAGIC + record(1, text('ros2') + text('')))
            for name, size, data in chunks:
                head = struct.pack('<QQQI', 0, 0, size, 0) + text(name)
                file.write(record(6, head + struct.pack('<Q', len(data)) + data))
            file.write(record(15, struct.pack('<I', 0)) + record(2, struct.pack('<QQI', 0, 0, 0)))
            file.write(MCAP0_MAGIC)

    return make


_TOPICS = """
CREATE TABLE schema(schema_version INTEGER, ros_distro TEXT);
CREATE TABLE metadata(id INTEGER, metadata_version INTEGER, metadata TEXT);
CREATE TABLE message_definitions(id, topic_type, encoding, encoded_message_definition,
    type_description_hash);
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT,
    offered_qos_profiles TEXT, type_description_hash TEXT);
INSERT INTO topics VALUES(1, '/joint_states', 'sensor_msgs/msg/JointState', 'cdr', '', '');
"""
_TABLES = {
    'endless view': f"""{_TOPICS}CREATE VIEW messages AS
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)
        SELECT x AS id, 1 AS topic_id, x AS timestamp, zeroblob(1000000) AS data FROM c;""",
    'made up': f"""{_TOPICS}CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER,
        timestamp INTEGER, data BLOB AS (zeroblob(1000000000)) VIRTUAL);
        INSERT INTO messages(id, topic_id, timestamp) VALUES(1, 1, 1);""",
    'endless topics': """CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER,
        timestamp INTEGER, data BLOB);
        CREATE VIEW topics AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)
        SELECT x AS id, 'a' AS name, 'b' AS type, 'cdr' AS serialization_format FROM c;""",
}


def _database(script: str) -> Callable[[Path], object]:
    def make(place: Path) -> None:
        _bag(storage='sqlite3', suffix='db3')(place)
        with closing(sqlite3.connect(place / 'bag.db3')) as base:
            base.executescript(script)

    return make


if __name__ == '__main__':
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as trial:
        for blast in refuse_all(Path(trial), int(sys.argv[1]) if sys.argv[1:] else 1):
            sign = 'ok' if blast.refused and blast.seconds < 2 and blast.megabytes < 300 else 'NO'
            print(f'{sign} {blast.name}: {blast.seconds:.2f} s {blast.megabytes:.0f} MB '
                  f'{" ".join(blast.text.split())[:150]}', flush=True)  # fmt: skip
