"""What the recorder loses and costs under the load of a robot with cameras."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from mcap.writer import CompressionType, Writer
from rosbags.rosbag2 import Reader, StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter
from rosbags.typesys import Stores, get_typestore

from benchmarks.camera_load import Load, contract_text, count_of
from il_ros.launching import packages

ROOT = Path(__file__).parents[1]
_SERVICE = 60.0  # s, the longest wait for a service


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one recording.

    Attributes:
        lost: Messages that were published behind a topic's first recorded one and are not there.
        recorded: Messages in the bag.
        megabytes_per_s: Of messages, published [MB/s].
        cpu: Of the recorder's process, in cores.
        memory: Largest resident memory of the recorder's process [MB].
        load_cpu: Of the process that publishes, in cores.
        said: Losses that the recorder itself wrote down.
    """

    lost: int
    recorded: int
    megabytes_per_s: float
    cpu: float
    memory: float
    load_cpu: float
    said: int


def record(load: Load) -> Result:
    """Record a load over ROS, and count in the bag what is there."""
    with tempfile.TemporaryDirectory(prefix='il_ros_bench_') as folder, _environment(Path(folder)):
        contract = Path(folder) / 'contract.yaml'
        contract.write_text(contract_text(load), encoding='utf-8')
        parameters = {'contract': contract, 'directory': f'{folder}/episodes'}
        recorder = [
            str(packages.executable('il_ros', 'recorder', os.environ, 'bench')),
            '--ros-args',
        ]
        recorder += [part for k, v in parameters.items() for part in ('-p', f'{k}:={v}')]
        with _process(recorder) as node, _client() as call:
            publisher = subprocess.Popen(_load_command(load), stdout=subprocess.PIPE, cwd=ROOT)
            try:
                path = _start(call)
                process = psutil.Process(node.pid)
                before, begin = process.cpu_times(), time.monotonic()
                report = json.loads(publisher.communicate(timeout=load.duration + 90)[0])
                spent = time.monotonic() - begin
                after, memory = process.cpu_times(), process.memory_info().rss
            finally:
                publisher.kill()
                publisher.wait()
            stopped = call('stop', outcome=0, reason='bench')
            cpu = (after.user + after.system - before.user - before.system) / spent
        lost, recorded, size, said = _count(Path(stopped.path or path), report['sent'])
    return Result(
        lost=lost,
        recorded=recorded,
        megabytes_per_s=size / 1e6 / report['elapsed'],
        cpu=cpu,
        memory=memory / 1e6,
        load_cpu=report['cpu_cores'],
        said=said,
    )


def write_only(load: Load, seconds: float, library: str) -> float:
    """Megabytes a second that one library writes of this load, with nothing else to do."""
    kinds, messages = _prepared(load, seconds)
    total = sum(len(data) for _, data in messages)
    with tempfile.TemporaryDirectory(prefix='il_ros_bench_') as folder:
        begin = time.perf_counter()
        _WRITERS[library](Path(folder) / 'bag', kinds, messages)
        return total / 1e6 / (time.perf_counter() - begin)


def _with_rosbags(path: Path, kinds: dict[str, str], messages: list[tuple[str, bytes]]) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    with RosbagsWriter(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {t: writer.add_connection(t, k, typestore=store) for t, k in kinds.items()}
        for i, (topic, data) in enumerate(messages):
            writer.write(connections[topic], i, data)


def _with_mcap(path: Path, kinds: dict[str, str], messages: list[tuple[str, bytes]]) -> None:
    with path.open('wb') as file:
        writer = Writer(file, chunk_size=4 * 1024 * 1024, compression=CompressionType.NONE)
        writer.start('ros2')
        channels = {}
        for topic, kind in kinds.items():
            schema = writer.register_schema(kind, 'ros2msg', b'')
            channels[topic] = writer.register_channel(topic, 'cdr', schema)
        for i, (topic, data) in enumerate(messages):
            writer.add_message(channels[topic], i, data, i)
        writer.finish()


def _with_ours(path: Path, kinds: dict[str, str], messages: list[tuple[str, bytes]]) -> None:
    from il_ros.bags import EpisodeWriter
    from il_ros.core.contract import parse_contract

    writer = EpisodeWriter(path.parent, path.name, parse_contract(contract_text(Load())))
    for topic, kind in kinds.items():
        writer.add_topic(topic, kind)
    for i, (topic, data) in enumerate(messages):
        writer.write(topic, data, i + 1)
    writer.close('success')


_WRITERS = {'rosbags': _with_rosbags, 'mcap': _with_mcap, 'il_ros': _with_ours}


def _prepared(load: Load, seconds: float) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    """The load's messages in the order in which they would come."""
    image = bytes(load.height * load.width * 3 + 60)
    kinds, due = {}, []
    sources = [('/joint_states', 'sensor_msgs/msg/JointState', load.joint_rate, bytes(320))]
    sources += [('/wrench', 'geometry_msgs/msg/WrenchStamped', load.wrench_rate, bytes(72))]
    for i in range(load.cameras):
        sources.append((f'/camera{i}/image', 'sensor_msgs/msg/Image', load.camera_rate, image))
    for topic, kind, rate, data in sources:
        kinds[topic] = kind
        due += [(i / rate, topic, data) for i in range(int(seconds * rate))]
    return kinds, [(topic, data) for _, topic, data in sorted(due, key=lambda item: item[0])]


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    wanted = {
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_DOMAIN_ID': str(random.SystemRandom().randint(1, 101)),
        'ROS_LOG_DIR': str(folder / 'log'),
        'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config/fastdds.xml'),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    node = subprocess.Popen(command, cwd=ROOT)
    try:
        yield node
    finally:
        node.terminate()
        with suppress(subprocess.TimeoutExpired):
            node.wait(timeout=10)
        node.kill()
        node.wait()


@contextmanager
def _client() -> Iterator[Any]:
    """Calls the recorder's services."""
    import rclpy
    from il_ros.srv import StartEpisode, StopEpisode

    rclpy.init()
    node = rclpy.create_node('bench')
    kinds = {'start': StartEpisode, 'stop': StopEpisode}

    def call(name: str, **fields: Any) -> Any:
        client = node.create_client(kinds[name], f'recorder/{name}')
        if not client.wait_for_service(_SERVICE):
            raise SystemExit(f'no recorder/{name} after {_SERVICE} s')
        future = client.call_async(kinds[name].Request(**fields))
        rclpy.spin_until_future_complete(node, future, timeout_sec=_SERVICE)
        return future.result()

    try:
        yield call
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _start(call: Any) -> str:
    """Start as soon as every stream is fresh."""
    deadline, answer = time.monotonic() + _SERVICE, None
    while time.monotonic() < deadline:
        answer = call('start', task='bench')
        if answer.success:
            return str(answer.path)
        time.sleep(0.2)
    raise SystemExit(f'the recorder does not start: {answer and answer.message}')


def _load_command(load: Load) -> list[str]:
    command = [sys.executable, '-m', 'benchmarks.camera_load']
    for name, value in asdict(load).items():
        if value is True:
            command.append(f'--{name}')
        elif value is not False:
            command += [f'--{name.replace("_", "-")}', str(value)]
    return command


def _count(path: Path, sent: dict[str, int]) -> tuple[int, int, int, int]:
    """Lost, recorded, bytes, and what the recorder itself says is lost; by the messages' counts."""
    counts: dict[str, list[int]] = defaultdict(list)
    size = 0
    with Reader(path) as reader:
        for connection, _, data in reader.messages():
            if connection.topic in sent:
                counts[connection.topic].append(count_of(data))
                size += len(data)
    lost = 0
    for topic, number in sent.items():
        there = counts[topic]
        if len(set(there)) != len(there):
            raise SystemExit(f'{topic}: a message is twice in the bag')
        lost += number - min(there, default=0) - len(there)
    info = json.loads((path / 'episode.json').read_text(encoding='utf-8'))
    said = sum(int(topic['lost']) for name, topic in info['topics'].items() if name in sent)
    return lost, sum(map(len, counts.values())), size, said
