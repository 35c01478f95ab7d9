"""A small made-up task: two joints go to where an object is; some of its frames are enough."""

import fcntl
import hashlib
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from il_ros.core.contract import parse_contract
from il_ros.core.frames import NS, Frame
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.memory_dataset import EpisodeFrames, assemble

# How long an example takes says how busy the machine is. `make test` tries the same examples
# each time, so that it says something about a change; `make test-all` looks for new ones.
settings.register_profile('same', deadline=None, derandomize=True)
settings.register_profile('new', deadline=None, print_blob=True)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'same'))

ROOT = Path(__file__).parents[1]
KEPT = ROOT / 'build/reach_bundle'  # what is made once


def pytest_collection_modifyitems(items):
    """Files with the most patience run longest, so they begin first: no core waits for the last.

    Raises:
        UsageError: If a real_time test lies where `make test` does not look for one.
    """
    items.sort(key=lambda item: -_patience(item))
    for item in items:
        if item.get_closest_marker('real_time') and 'test/ros/' not in item.nodeid:
            raise pytest.UsageError(f'{item.nodeid}: real_time tests belong in test/ros')


def _patience(item):
    """Seconds that the file's mark gives each of its tests; 0 without one, which is 120."""
    mark = next(item.parent.iter_markers('timeout'), None)
    return mark.args[0] if mark else 0


TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], names: [a]}
  hand: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], names: [b]}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b]}
  object: {topic: object, type: geometry_msgs/msg/PoseStamped,
           fields: [pose.position, pose.orientation]}
  goal: {topic: goal, type: geometry_msgs/msg/PointStamped, fields: [point], required: false}
  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped, fields: [wrench.force]}
action:
  names: [a, b]
  position: [arm, hand]
  velocity: [speed]
  limits: {position_min: [-1, -1], position_max: [1, 1], velocity: [1, 1],
           acceleration: [1, 1], jerk: [1, 1]}
"""


class Task:
    contract = parse_contract(TEXT)

    def frame(self, step, a=0.0, b=0.0, x=0.3, yaw=0.4, **missing):
        values = {
            'arm': np.array([a]),
            'hand': np.array([b]),
            'speed': np.zeros(2),
            'object': np.array([x, 0.1, 0.0, 0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)]),
            'goal': np.array([0.5, 0.0, 0.0]),
            'wrench': np.zeros(3),
        }
        values |= {key: np.full(len(values[key]), np.nan) for key in missing}
        return Frame(
            stamp=NS + round(step * 0.05 * NS),
            values=values,
            valid={key: key not in missing for key in values},
            age=dict.fromkeys(values, 0.0),
        )

    def episode(self, seed, length=30):
        rng = np.random.default_rng(seed)
        a, b, x, yaw = rng.uniform(-0.5, 0.5), 0.0, rng.uniform(0.2, 0.6), rng.uniform(-1, 1)
        frames, actions = [], []
        for step in range(length):
            frames.append(self.frame(step, a, b, x, yaw))
            a, b = a + 0.2 * (x - a), min(0.04, b + 0.004)
            actions.append([a, b])
        entry = EpisodeEntry(id=f'e{seed}', start=0, length=0, seed=seed)
        return EpisodeFrames(entry=entry, frames=frames, actions=np.array(actions))

    def dataset(self, seeds, length=30):
        return assemble(self.contract, [self.episode(seed, length) for seed in seeds])


@pytest.fixture(scope='session')
def task():
    return Task()


@pytest.fixture(scope='session')
def reach_bundle(tmp_path_factory, worker_id):
    """The bundle of a small policy of the reach task, for all who only read it.

    It is made once for all workers and, while no source changes, for all runs.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == 'master' else base.parent) / 'reach'  # of all workers
    if not (folder / 'bundle').exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with (KEPT / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / 'bundle').exists():
                shutil.copytree(_kept_bundle(), folder / 'copy')
                (folder / 'copy').rename(folder / 'bundle')  # whole, or not there
    return folder / 'bundle'


def _kept_bundle():
    """The bundle that these sources make; it replaces what others made."""
    import torch
    from small_policies import REACH, make_reach_bundle

    sources = [*ROOT.glob('il_ros/**/*.py'), ROOT / 'test/support/small_policies.py', REACH]
    digest = hashlib.sha256(f'{torch.__version__} {np.__version__}'.encode())
    for path in sorted(sources):
        digest.update(path.read_bytes())
    kept = KEPT / digest.hexdigest()[:16]
    if not kept.exists():
        for old in KEPT.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        making = KEPT / 'making'
        making.mkdir()
        make_reach_bundle(making).rename(kept)
        shutil.rmtree(making)
    return kept


@pytest.fixture(scope='module')
def quick_scores():
    """Scores that are hardly trained, for modules that look at something else."""
    from small_policies import scores_trained_for

    with scores_trained_for(50):
        yield
