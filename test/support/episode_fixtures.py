"""Episodes made up message by message, as the recorder node would write them."""

import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from il_ros.bags import EpisodeWriter
from il_ros.core.contract import parse_contract
from il_ros.core.images import encode
from il_ros.datasets.episode_arrays import EpisodeArrays, Event
from il_ros.datasets.manifest import EpisodeEntry

MS = 1_000_000
CHUNK = 'il_ros/msg/ActionChunk'
CHUNK_TEXT = (Path(__file__).parents[2] / 'msg' / 'ActionChunk.msg').read_text()
STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg(CHUNK_TEXT, CHUNK))
EVENT = 'il_ros/msg/EpisodeEvent'
EVENT_TEXT = (Path(__file__).parents[2] / 'msg' / 'EpisodeEvent.msg').read_text()
STORE.register(get_types_from_msg(EVENT_TEXT, EVENT))

TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a, b], rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b], rate: 20.0}
  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped, fields: [wrench.force],
           rate: 20.0}
privileged:
  object: {topic: truth, type: geometry_msgs/msg/PoseStamped,
           fields: [pose.position, pose.orientation], rate: 20.0, required: false}
action:
  names: [a, b]
  position: [position]
  velocity: [speed]
  limits: {position_min: [-1, -1], position_max: [1, 1], velocity: [1, 1],
           acceleration: [1, 1], jerk: [1, 1]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""


class Messages:
    """CDR bytes of the messages of an episode."""

    def _cdr(self, kind, /, **fields):
        return STORE.serialize_cdr(STORE.types[kind](**fields), kind)

    def header(self, stamp, frame_id='base'):
        time = STORE.types['builtin_interfaces/msg/Time']
        header = STORE.types['std_msgs/msg/Header']
        return header(stamp=time(sec=stamp // 10**9, nanosec=stamp % 10**9), frame_id=frame_id)

    def joints(self, stamp, position, names=('b', 'a')):
        return self._cdr(
            'sensor_msgs/msg/JointState',
            header=self.header(stamp),
            name=list(names),
            position=np.array(position, float),
            velocity=np.zeros(len(position)),
            effort=np.zeros(0),
        )

    def wrench(self, stamp, force, frame_id='base'):
        xyz, both = (
            STORE.types['geometry_msgs/msg/Vector3'],
            STORE.types['geometry_msgs/msg/Wrench'],
        )
        zero = xyz(x=0.0, y=0.0, z=0.0)
        return self._cdr(
            'geometry_msgs/msg/WrenchStamped',
            header=self.header(stamp, frame_id),
            wrench=both(force=xyz(x=force, y=0.0, z=0.0), torque=zero),
        )

    def event(self, stamp, kind, text):
        return self._cdr(EVENT, header=self.header(stamp), kind=kind, text=text)

    def chunk(self, stamp, positions, names=('a', 'b'), source='expert'):
        sources = ('none', 'hold', 'policy', 'expert', 'alarm', 'fallback')
        return self._cdr(
            CHUNK,
            header=self.header(stamp),
            step_dt=STORE.types['builtin_interfaces/msg/Duration'](sec=0, nanosec=50 * MS),
            names=list(names),
            horizon=len(positions) // len(names),
            positions=np.array(positions, float),
            source=sources.index(source) if source in sources else 99,
            contract_hash='',
            policy_id='',
            embedding=np.zeros(0, np.float32),
            sample_count=0,
            samples=np.zeros(0),
        )


TYPES = {
    'joint_states': 'sensor_msgs/msg/JointState',
    'wrench': 'geometry_msgs/msg/WrenchStamped',
    'monitor/executed': CHUNK,
}


@pytest.fixture
def messages():
    return Messages()


@pytest.fixture
def contract():
    return parse_contract(TEXT)


@pytest.fixture
def open_writer(tmp_path, contract):
    """A writer with the contract's topics announced, below the namespace."""

    def make(name='one', namespace='/', topics=TYPES, root=tmp_path / 'episodes', **options):
        writer = EpisodeWriter(root, name, contract, namespace=namespace, **options)
        types = {**TYPES, 'expert/action_chunk': CHUNK, 'expert/label': CHUNK}
        for topic in topics:
            writer.add_topic(
                f'{namespace.rstrip("/")}/{topic}',
                types[topic],
                CHUNK_TEXT if types[topic] == CHUNK else None,
            )
        return writer

    return make


@pytest.fixture
def record(open_writer, messages):
    """Record an episode of `frames` ticks at 20 Hz; gives its folder.

    Joint a goes 0, 0.01, 0.02, ...; joint b is its negative; the command is what comes next. The
    wrenches of the ticks `turned` are in another frame.
    """

    def make(
        name='one', frames=10, skip=(), outcome='success', source='expert', *, turned=(), **options
    ):
        writer = open_writer(name, **options)
        start = writer.info.namespace.rstrip('/')
        for i in range(frames):
            stamp, receive = 10**9 + i * 50 * MS, 5 * 10**9 + i * 50 * MS
            if 'wrench' not in skip:
                wrench = messages.wrench(stamp, float(i), 'tool0' if i in turned else 'base')
                writer.write(f'{start}/wrench', wrench, receive)
            position = [-0.01 * i, 0.01 * i]
            writer.write(f'{start}/joint_states', messages.joints(stamp, position), receive + MS)
            if 'executed' not in skip:
                command = messages.chunk(stamp, [0.01 * (i + 1), -0.01 * (i + 1)], source=source)
                writer.write(f'{start}/monitor/executed', command, receive + 3 * MS)
        return writer.close(outcome, 'done')

    return make


@pytest.fixture
def camera_contract():
    """The contract with two cameras: colour, and a depth camera that may fail."""
    cameras = """
images:
  wrist: {topic: wrist, size: [24, 32]}
  depth: {topic: depth, encoding: 16UC1, size: [12, 16], required: false}
"""
    return parse_contract(TEXT + cameras)


@pytest.fixture
def camera_episode(camera_contract):
    """An episode in memory, made up by its seed; every sixth image of the depth camera is missing.

    Where `gap` is given, a second passes before that frame.
    """

    def make(seed, frames=6, gap=None, **entry):
        rng = np.random.default_rng(seed)
        stamp = 10**9 + np.arange(frames, dtype=np.int64) * 50 * MS
        if gap is not None:
            stamp[gap:] += 10**9
        values = {
            key: rng.normal(size=(frames, stream.size)).astype(np.float32)
            for key, stream in camera_contract.streams.items()
        }
        values['object'][:] = np.nan
        valid = {key: np.full(frames, key != 'object') for key in camera_contract.inputs}
        valid['depth'][5::6] = False
        colours = rng.integers(0, 255, (frames, 3), np.uint8)
        wrist = tuple(encode(np.tile(c, (24, 32, 1)), 'jpeg') for c in colours)
        depth = tuple(
            encode(np.full((12, 16), i * 100, np.uint16), 'png') if valid['depth'][i] else b''
            for i in range(frames)
        )
        action = rng.normal(size=(frames, 2)).astype(np.float32)
        return EpisodeArrays(
            entry=EpisodeEntry(
                **{'id': f'e{seed}', 'start': 0, 'length': 0, 'sha256': f'{seed:064x}'} | entry
            ),
            values=values,
            valid=valid,
            age={key: np.zeros(frames, np.float32) for key in camera_contract.inputs},
            stamp=stamp,
            action=action,
            action_raw=action + np.float32(0.5),
            source=np.full(frames, 2, np.uint8),
            images={'wrist': wrist, 'depth': depth},
            events=(Event(stamp=int(stamp[0]), kind='note', text='ø\u2028' * seed),),
        )

    return make


@pytest.fixture
def file_limit():
    """While it lasts, the system refuses files of more bytes, as a full disk would."""

    @contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
