"""Recording, conversion and loading: what is lost, and how quick it is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.bags import make_bag, smooth_image, with_cameras
from benchmarks.camera_load import Load
from benchmarks.recording import Result, record, write_only
from benchmarks.rows import RUNS, Row
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.core.images import encode
from il_ros.datasets.bag_conversion import convert
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.window_loader import WindowConfig, WindowLoader
from il_ros.interop.mp4_files import VideoFile

SIDE = 128  # of an image [pixels]


@dataclass(frozen=True, kw_only=True)
class DataSizes:
    """How much of everything.

    Attributes:
        recorded: How long the load is recorded [s].
        factors: What its rates are multiplied by after that, until something is lost.
        recorded_faster: How long each of these loads is recorded [s].
        written: How much of the load each library writes without ROS [s].
        converted: Length of the bags that are converted [s].
        repetitions: Conversions of each of them.
        episodes: Of the dataset that is loaded.
        frames: Of each of its episodes.
        epochs: Times that all its samples are loaded.
        decoded: Frames that are decoded from videos.
    """

    recorded: float = 60.0
    factors: tuple[float, ...] = (1.5, 2.0, 2.5, 3.0)
    recorded_faster: float = 10.0
    written: float = 8.0
    converted: float = 60.0
    repetitions: int = 3
    episodes: int = 10
    frames: int = 200
    epochs: int = 5
    decoded: int = 400


FULL = DataSizes()
# The load has to last until the recorder has begun, on a busy machine too.
SMOKE = DataSizes(
    recorded=5.0, factors=(1.5,), recorded_faster=5.0, written=0.5, converted=4.0, repetitions=1,
    episodes=1, frames=80, epochs=1, decoded=20,
)  # fmt: skip


def run(sizes: DataSizes = FULL, runs: Path = RUNS) -> Iterator[Row]:
    """Every figure of the data group."""
    yield from _recording(sizes)
    with tempfile.TemporaryDirectory(prefix='il_ros_bench_') as folder:
        yield from _conversion(Path(folder), sizes)
        yield from _loading(Path(folder), sizes)


def _recording(sizes: DataSizes) -> Iterator[Row]:
    load = Load(duration=sizes.recorded)
    result = record(load)
    _tell(1.0, result)
    how = (
        f'{load.cameras} cameras {load.width}x{load.height} bgr8 at {load.camera_rate:.0f} Hz '
        f'(best effort), JointState at {load.joint_rate:.0f} Hz, wrench at '
        f'{load.wrench_rate:.0f} Hz for {sizes.recorded:.0f} s, {result.recorded} messages over '
        f'Fast DDS with config/fastdds.xml; the process that publishes takes '
        f'{result.load_cpu:.2f} cores of the same machine'
    )
    yield Row(
        name='record_lost', value=result.lost, unit='messages', target=0, better='less',
        how=f'{how}; by the count inside each message',
    )  # fmt: skip
    yield Row(
        name='record_cpu_cores', value=result.cpu, unit='cores', target=1.0, better='less', how=how
    )
    yield from _highest(load, result, sizes)
    for library in ('il_ros', 'mcap', 'rosbags'):
        yield Row(
            name=f'write_only_{library}_mb_per_s',
            value=write_only(load, sizes.written, library),
            unit='MB/s',
            target=result.megabytes_per_s,
            better='more',
            how='the same messages written from memory without ROS, uncompressed, '
            f'{sizes.written:g} s of the load; the target is the load',
        )


def _highest(load: Load, first: Result, sizes: DataSizes) -> Iterator[Row]:
    """The same load, quicker and quicker, until something is lost."""
    held, factor_held = first if first.lost == 0 else None, 1.0
    for factor in sizes.factors:
        if held is None:
            break
        result = record(replace(load, factor=factor, duration=sizes.recorded_faster))
        _tell(factor, result)
        if result.lost:
            break
        held, factor_held = result, factor
    yield Row(
        name='record_max_mb_per_s',
        value=held.megabytes_per_s if held else 0.0,
        unit='MB/s',
        target=first.megabytes_per_s,
        better='more',
        how=f'{factor_held} times every rate, {sizes.recorded_faster:g} s, '
        f'without loss; tried were {sizes.factors}',
    )


def _tell(factor: float, result: Result) -> None:
    Console().print(f'  load x {factor}: {result}')


def _conversion(folder: Path, sizes: DataSizes) -> Iterator[Row]:
    cases: list[tuple[str, dict[str, Any], float, str]] = [
        ('convert_state_realtime_factor', {}, 100.0, '7 topics at 20 Hz'),
        ('convert_1khz_realtime_factor', {'sensor_rate': 1000.0}, 0.0,
         'JointState at 1 kHz, wrench at 500 Hz'),
        ('convert_camera_realtime_factor', {'contract': with_cameras(1, SIDE)}, 10.0,
         f'with one {SIDE}x{SIDE} rgb8 camera at 30 Hz, raw in the bag, JPEG in the dataset'),
    ]  # fmt: skip
    for name, options, target, how in cases:
        root = folder / name
        root.mkdir()
        path, messages = make_bag(root, sizes.converted, **options)
        spent = min(_convert_time(path, sizes.converted) for _ in range(sizes.repetitions))
        yield Row(
            name=name,
            value=sizes.converted / spent,
            unit='s/s',
            target=target,
            better='more',
            how=f'pick_place contract, {how}; {sizes.converted:.0f} s, {messages} messages, '
            f'one process, best of {sizes.repetitions}',
        )


def _convert_time(path: Path, seconds: float) -> float:
    begin = time.perf_counter()
    with EpisodeReader(path) as reader:
        arrays = convert(reader).arrays
    spent = time.perf_counter() - begin
    expected = round(20.0 * seconds)
    if arrays.frames < expected - 10 or not all(valid.any() for valid in arrays.valid.values()):
        raise SystemExit(f'{path}: {arrays.frames} frames of {expected}')
    return spent


def _loading(folder: Path, sizes: DataSizes) -> Iterator[Row]:
    config = WindowConfig(observation_horizon=1, action_horizon=16, batch=64, threads=2)
    dataset = _dataset(folder / 'dataset', 'jpeg', sizes)
    ours = _samples_per_s(dataset, config, sizes.epochs)
    raw = _samples_per_s(_dataset(folder / 'raw', 'raw', sizes), config, sizes.epochs)
    video = _video_samples_per_s(dataset, folder, sizes.decoded)
    how = (
        f'state, 2 images {SIDE}x{SIDE}, action horizon 16, at random, batch 64, 2 threads, '
        f'{dataset.frames} frames, page cache warm'
    )
    for name, value, target, extra in (
        ('loader_samples_per_s', ours, 5000.0, 'JPEG quality 95'),
        ('loader_raw_samples_per_s', raw, 5000.0, 'pixels uncompressed'),
    ):
        yield Row(
            name=name, value=value, unit='samples/s', target=target, better='more',
            how=f'{how}, {extra}',
        )  # fmt: skip
    yield Row(
        name='loader_vs_video_decode',
        value=ours / video,
        unit='times',
        target=1.0,
        better='more',
        how=f'{how}; against PyAV on MP4 as LeRobot lays it out (h264, a key frame every second '
        f'frame): seek and decode with open containers, 2 threads: {video:.0f} samples/s',
    )


def _samples_per_s(dataset: Dataset, config: WindowConfig, epochs: int) -> float:
    with WindowLoader(dataset, config) as windows:
        for _ in windows.epoch(0):
            pass
        begin, samples = time.perf_counter(), 0
        for epoch in range(1, 1 + epochs):
            samples += sum(len(batch) for batch in windows.epoch(epoch))
        return samples / (time.perf_counter() - begin)


def _dataset(path: Path, image_format: str, sizes: DataSizes) -> Dataset:
    contract = with_cameras(2, SIDE)
    blobs = [encode(smooth_image(i, SIDE), 'jpeg', 95) for i in range(sizes.frames)]
    with DatasetWriter(path, contract, image_format=image_format) as writer:
        for number in range(sizes.episodes):
            writer.add(_episode(number, contract, blobs))
        return writer.finish()


def _episode(number: int, contract: Any, blobs: list[bytes]) -> EpisodeArrays:
    generator = np.random.default_rng(number)
    keys, frames = list(contract.inputs), len(blobs)
    action = generator.normal(size=(frames, len(contract.action.names))).astype(np.float32)
    return EpisodeArrays(
        entry=EpisodeEntry(id=f'episode_{number}', start=0, length=frames, sha256=str(number)),
        values={
            key: generator.normal(size=(frames, stream.size)).astype(np.float32)
            for key, stream in contract.streams.items()
        },
        valid={key: np.ones(frames, bool) for key in keys},
        age={key: np.zeros(frames, np.float32) for key in keys},
        stamp=10**9 + np.arange(frames, dtype=np.int64) * 50_000_000,
        action=action,
        action_raw=action,
        source=np.full(frames, 2, np.uint8),
        images={key: tuple(np.roll(blobs, number).tolist()) for key in contract.images},
    )


def _video_samples_per_s(dataset: Dataset, folder: Path, samples: int) -> float:
    """Single frames at random from an MP4 a camera, as a LeRobot loader asks for them."""
    paths = []
    for key, store in dataset.images.items():
        video = VideoFile(folder / f'{key}.mp4', dataset.manifest.rate, (SIDE, SIDE))
        for row in range(dataset.frames):
            video.add(store[row])
        video.close()
        paths.append(video.path)
    rows = np.random.default_rng(0).integers(0, dataset.frames, (2, samples // 2))
    begin = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: _decode(paths, part, dataset.manifest.rate), rows))
    return samples / (time.perf_counter() - begin)


def _decode(paths: list[Path], rows: np.ndarray, rate: float) -> None:
    import av

    containers = [av.open(str(path)) for path in paths]
    for row in rows.tolist():
        for container in containers:
            stream = container.streams.video[0]
            container.seek(int(row / rate / stream.time_base), stream=stream)
            due = row / rate - 0.5 / rate
            frame = next(frame for frame in container.decode(stream) if frame.time >= due)
            frame.to_ndarray(format='rgb24')
    for container in containers:
        container.close()
