"""The readers that are fuzzed, and a sound sample for each."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CompressedImage, Image, JointState

from benchmarks.bags import make_bag, smooth_image, with_cameras
from benchmarks.file_mutations import ODD
from benchmarks.foreign_samples import write_aloha, write_replay_buffer
from benchmarks.hostile_files import make_sound_bundle
from benchmarks.malformed_bundles import forged, info_of, kinds, set_content
from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.bags.bag_recovery import recover
from il_ros.core.contract import load_contract
from il_ros.core.decoders import DECODERS
from il_ros.core.errors import IlRosError
from il_ros.core.images import ImageDecoder, decode, encode
from il_ros.core.npz_files import load_arrays, save_arrays
from il_ros.datasets.augmentation.augmentation import load_augmentation
from il_ros.datasets.bag_conversion import convert
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_build import build_dataset
from il_ros.datasets.preprocessing.preprocess import load_preprocessing
from il_ros.datasets.summary.summarise_dataset import summarise
from il_ros.evaluation.dataset_report import dataset_json, render_dataset_report
from il_ros.evaluation.episode_result import EpisodeResult, episode_line, read_episodes
from il_ros.experts.teleop.devices import load_config
from il_ros.interop.import_process import import_bounded
from il_ros.interop.lerobot_export import export_lerobot
from il_ros.interop.robomimic_export import export_robomimic
from il_ros.launching.launch_arguments import declared
from il_ros.launching.launch_xml import evaluate
from il_ros.policies.bundle import load_bundle
from il_ros.rollouts.adversarial.search_space import load_space
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.randomisation import load_randomisation

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'config'


@dataclass(frozen=True, kw_only=True)
class FuzzedReader:
    """A reader, and what it reads.

    Attributes:
        make: Puts a sound sample into a folder, given the folder of all samples made before.
        read: Reads it; draws what there is to choose.
        forges: Whether it changes the sample first.
        share: Of the inputs, compared with the others.
    """

    make: Callable[[Path, Path], object]
    read: Callable[[Path, random.Random], object]
    forges: bool = False
    share: int = 4


def make_samples(root: Path) -> None:
    """A sound sample for each reader, in folders of their names; each is read once."""
    for name, reader in READERS.items():
        (root / name).mkdir(parents=True)
        reader.make(root / name, root)
        trial = root / 'trial'
        shutil.copytree(root / name, trial)
        if not reader.forges:
            reader.read(trial, random.Random(0))
        shutil.rmtree(trial)


def _mcap(folder: Path, _: Path) -> None:
    bag, _count = make_bag(folder, 0.5, contract=with_cameras(1, side=32))
    bag.rename(folder / 'bag')


def _sqlite(folder: Path, root: Path) -> None:
    writer = Writer(folder / 'bag', version=9, storage_plugin=StoragePlugin.SQLITE3)
    with AnyReader([root / 'mcap/bag']) as reader, writer:
        added = {
            each.id: writer.add_connection(each.topic, each.msgtype, typestore=reader.typestore)
            for each in reader.connections
        }
        for connection, stamp, data in reader.messages():
            writer.write(added[connection.id], stamp, data)


def _read_bag(folder: Path, draw: random.Random) -> None:
    bag = folder / 'bag'
    finding = assess_bag(bag)
    problems = [] if not finding.wrong else [finding.problem]
    contract = None if (bag / 'episode.json').exists() else with_cameras(1, side=32)
    reads = (lambda: _convert(bag, contract), lambda: recover(bag, keep=draw.random() < 0.5))
    _each(reads, problems)


def _each(reads: Iterable[Callable[[], object]], problems: Sequence[str] = ()) -> None:
    """Call all of them, and refuse what some refused."""
    problems = list(problems)
    for read in reads:
        try:
            read()
        except IlRosError as problem:
            problems.append(str(problem))
    if problems:
        raise IlRosError('; '.join(problems))


def _convert(bag: Path, contract: object) -> None:
    with EpisodeReader(bag, contract) as reader:  # type: ignore[arg-type]
        convert(reader)


def _build(folder: Path, _: random.Random) -> None:
    build_dataset([folder / 'bag'], folder / 'built', jobs=1)


def _bundle(folder: Path, _: Path) -> None:
    make_sound_bundle(folder / 'bundle')


def _read_bundle(folder: Path, draw: random.Random) -> None:
    del draw
    bundle = load_bundle(folder / 'bundle')
    arrays = bundle.policy.arrays()
    assert arrays


def _forged_bundle(folder: Path, draw: random.Random) -> None:
    """Arrays and description are changed so that hashes and identity fit again."""
    path = folder / 'bundle'
    plain = all(each.is_file() and each.stat().st_size < 1 << 24 for each in path.iterdir())
    if not plain:  # it was changed enough before
        return _read_bundle(folder, draw)
    try:
        if draw.random() < 0.3:
            draw.choice(list(kinds().values()))(path)
        elif draw.random() < 0.5:
            info = info_of(path)
            part = draw.choice([info, info['config'], info['calibration'], info['training']])
            part[draw.choice(list(part))] = draw.choice(ODD)
            forged(path, info)
        else:
            name = draw.choice(['policy.safetensors', 'calibration.safetensors'])
            arrays = safetensors.numpy.load((path / name).read_bytes())
            key = draw.choice(list(arrays))
            arrays[key] = _odd_array(arrays[key], draw)
            set_content(path, name, safetensors.numpy.save(arrays))
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError):
        pass  # it was changed too much before
    _read_bundle(folder, draw)


def _odd_array(array: np.ndarray, draw: random.Random) -> np.ndarray:
    shape = tuple(draw.choice((0, 1, 2, n, n + 1)) for n in array.shape)
    value = draw.choice((0.0, 1e-320, 1e308, 3e38, float('nan'), float('inf'), -1.0))
    kind = draw.choice((np.float32, np.float64, np.float16, np.int64, np.bool_))
    with np.errstate(all='ignore'):
        return np.full(shape, value if np.issubdtype(kind, np.floating) else 1, kind)


def _contracts(folder: Path, _: Path) -> None:
    for name in ('franka.yaml', 'franka_pick_place.yaml'):
        shutil.copy(CONFIG / 'contracts' / name, folder)


def _read_contract(folder: Path, _: random.Random) -> None:
    contract = load_contract(folder / 'franka_pick_place.yaml')
    assert contract.hash
    assert contract.streams


def _dataset(folder: Path, root: Path) -> None:
    build_dataset([root / 'mcap/bag'], folder / 'dataset', jobs=1)


def _read_dataset(folder: Path, draw: random.Random) -> None:
    data = load_dataset(folder / 'dataset', verify=draw.random() < 0.2)
    summary = summarise(data, 'x')
    dataset_json(summary)
    render_dataset_report(summary, command='x')
    for name, array in data.arrays():
        assert name
        np.asarray(array[:1])


def _configs(folder: Path, _: Path) -> None:
    for name in ('suites/pick_place', 'randomisation/default', 'preprocessing/default',
                 'augmentation/franka_noise', 'augmentation/images', 'adversarial/pick_place',
                 'teleop/gamepad', 'teleop/leader'):  # fmt: skip
        shutil.copy(CONFIG / f'{name}.yaml', folder / f'{name.replace("/", "_")}.yaml')


def _read_configs(folder: Path, _: random.Random) -> None:
    reads: list[Callable[[], object]] = [
        lambda: load_perturbations(folder / 'suites_pick_place.yaml'),
        lambda: load_randomisation(folder / 'randomisation_default.yaml'),
        lambda: load_preprocessing(folder / 'preprocessing_default.yaml'),
        lambda: load_augmentation(folder / 'augmentation_franka_noise.yaml'),
        lambda: load_augmentation(folder / 'augmentation_images.yaml'),
        lambda: load_space(folder / 'adversarial_pick_place.yaml'),
        lambda: load_config('joy', str(folder / 'teleop_gamepad.yaml')),
        lambda: load_config('leader', str(folder / 'teleop_leader.yaml')),
    ]
    _each(reads)


def _launch(folder: Path, _: Path) -> None:
    for path in (ROOT / 'launch').glob('*.xml'):
        shutil.copy(path, folder)


def _read_launch(folder: Path, draw: random.Random) -> None:
    path = draw.choice(sorted(folder.glob('*.xml')))
    given = {a.name: 'x' for a in declared(path, {}) if a.default is None}
    evaluate(path, given, scratch=folder)


def _lerobot(folder: Path, root: Path) -> None:
    export_lerobot(load_dataset(root / 'dataset/dataset'), folder / 'lerobot')


def _robomimic(folder: Path, root: Path) -> None:
    export_robomimic(load_dataset(root / 'dataset/dataset'), folder / 'x.hdf5', scale_actions=False)


def _aloha(folder: Path, root: Path) -> None:
    dataset = load_dataset(root / 'dataset/dataset')
    write_aloha(dataset, folder / 'aloha', packed=True)


def _zarr(folder: Path, root: Path) -> None:
    write_replay_buffer(load_dataset(root / 'dataset/dataset'), folder / 'zarr')


def _import(
    name: str, format: str, *, foreign: float = 0.3
) -> Callable[[Path, random.Random], object]:
    """Import the sample of this name, by a contract in this fraction of the inputs."""

    def read(folder: Path, draw: random.Random) -> None:
        contract = with_cameras(1, side=32) if draw.random() < foreign else None
        import_bounded(folder / name, folder / 'imported', format, contract=contract)

    return read


def _messages(folder: Path, _: Path) -> None:
    joints = JointState(name=['a', 'b'], position=[0.1, 0.2], velocity=[0.0, 0.0])
    pixels = smooth_image(0, 16)
    image = Image(height=16, width=16, encoding='rgb8', step=48, data=pixels.tobytes())
    packed = CompressedImage(format='jpeg', data=encode(pixels, 'jpeg'))
    for message in (joints, PoseStamped(), WrenchStamped(), image, packed):
        (folder / f'{type(message).__name__}.cdr').write_bytes(serialize_message(message))
    (folder / 'x.jpg').write_bytes(encode(pixels, 'jpeg'))
    (folder / 'x.png').write_bytes(encode(pixels, 'png'))


def _read_messages(folder: Path, _: random.Random) -> None:
    camera = with_cameras(1, side=16).images['camera0']
    raw = ImageDecoder(camera)
    packed = ImageDecoder(replace(camera, type='sensor_msgs/msg/CompressedImage'))
    reads: dict[str, Callable[[bytes], object]] = {
        'JointState.cdr': lambda data: DECODERS['sensor_msgs/msg/JointState'].decode(
            data, ('position',), ('a',)
        ),
        'PoseStamped.cdr': lambda data: DECODERS['geometry_msgs/msg/PoseStamped'].decode(
            data, ('pose.position', 'pose.orientation'), ()
        ),
        'WrenchStamped.cdr': lambda data: DECODERS['geometry_msgs/msg/WrenchStamped'].decode(
            data, ('wrench.force',), ()
        ),
        'Image.cdr': raw.pixels,
        'CompressedImage.cdr': packed.encoded,
        'x.jpg': decode,
        'x.png': decode,
    }
    refused = []
    for name, read in reads.items():
        path = folder / name
        if path.is_file() and path.stat().st_size < 1 << 24 and not path.is_symlink():
            try:
                read(path.read_bytes())
            except IlRosError as problem:
                refused.append(str(problem))
    if refused:
        raise IlRosError('; '.join(refused))


def _journals(folder: Path, _: Path) -> None:
    times = np.arange(5.0)
    results = [
        EpisodeResult(
            suite='pick_place', task='pick_place', seed=seed, success=True, duration=5.0,
            progress=1.0, violations={'speed': 1}, times=times, scores=times, threshold=2.0,
            joints=np.zeros((5, 2)),
        )
        for seed in range(3)
    ]  # fmt: skip
    text = ''.join(map(episode_line, results))
    (folder / 'episodes.jsonl').write_text(text)
    save_arrays(folder / 'x.npz', {'a': np.arange(10.0), 'b': np.zeros((3, 4), np.uint8)})


def _read_journals(folder: Path, _: random.Random) -> None:
    load_arrays(folder / 'x.npz')
    read_episodes(folder / 'episodes.jsonl')


READERS = {
    'mcap': FuzzedReader(make=_mcap, read=_read_bag, share=1),
    'sqlite': FuzzedReader(make=_sqlite, read=_read_bag, share=1),
    'build': FuzzedReader(make=_mcap, read=_build, share=1),
    'bundle': FuzzedReader(make=_bundle, read=_read_bundle),
    'forged_bundle': FuzzedReader(make=_bundle, read=_forged_bundle, forges=True),
    'contract': FuzzedReader(make=_contracts, read=_read_contract),
    'dataset': FuzzedReader(make=_dataset, read=_read_dataset),
    'configs': FuzzedReader(make=_configs, read=_read_configs),
    'launch': FuzzedReader(make=_launch, read=_read_launch),
    'lerobot': FuzzedReader(make=_lerobot, read=_import('lerobot', 'lerobot'), share=1),
    'robomimic': FuzzedReader(make=_robomimic, read=_import('x.hdf5', 'robomimic'), share=1),
    'aloha': FuzzedReader(make=_aloha, read=_import('aloha', 'aloha', foreign=1.0), share=1),
    'zarr': FuzzedReader(make=_zarr, read=_import('zarr', 'zarr', foreign=1.0), share=1),
    'messages': FuzzedReader(make=_messages, read=_read_messages),
    'journals': FuzzedReader(make=_journals, read=_read_journals),
}
"""What is fuzzed, by name."""
