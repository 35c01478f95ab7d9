from pathlib import Path

import numpy as np
import pytest

from benchmarks.rollout_files import load_rollouts, save_rollouts
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.safety_filters import NoFilter
from il_ros.sim.perturbations import Perturbation

CONTRACT = load_contract(Path('config/contracts/franka_reach.yaml'))
LOST = [Perturbation(kind='sensor_dropout', target='goal_position', start=0.3, duration=0.5)]


@pytest.fixture(scope='module')
def rollouts():
    runner = EpisodeRunner(CONTRACT, 'reach', ExpertDriver('reach', CONTRACT), NoFilter())
    return [runner.run(1), runner.run(2, LOST, name='goal_lost')]


def test_saved_rollouts_load_unchanged(rollouts, tmp_path):
    save_rollouts(tmp_path / 'some' / 'rollouts.npz', rollouts)
    back = load_rollouts(tmp_path / 'some' / 'rollouts.npz')
    for before, after in zip(rollouts, back, strict=True):
        for name in ('seed', 'perturbation', 'success', 'progress', 'duration', 'violations',
                     'alarm', 'reason', 'outcome'):  # fmt: skip
            assert getattr(after, name) == getattr(before, name)
        np.testing.assert_array_equal(after.actions, before.actions)
        np.testing.assert_array_equal(after.times, before.times)
        assert [c is None for c in after.chunks] == [c is None for c in before.chunks]
        for one, other in zip(before.chunks, after.chunks, strict=True):
            if one is not None:
                np.testing.assert_array_equal(one, other)
        for one, other in zip(before.frames, after.frames, strict=True):
            assert (one.stamp, one.valid) == (other.stamp, other.valid)
            np.testing.assert_equal(dict(one.age), dict(other.age))
            np.testing.assert_equal(dict(one.values), dict(other.values))
    assert any(c is None for c in back[1].chunks)
    assert any(not frame.valid['goal_position'] for frame in back[1].frames)


def test_other_files_are_not_read_as_rollouts(tmp_path):
    with pytest.raises(IlRosError, match=r'none\.npz: cannot be read: .*run again'):
        load_rollouts(tmp_path / 'none.npz')
    (tmp_path / 'odd.npz').write_bytes(b'odd')
    with pytest.raises(IlRosError, match=r'odd\.npz: cannot be read'):
        load_rollouts(tmp_path / 'odd.npz')


def test_saving_nothing_is_refused(tmp_path):
    with pytest.raises(IlRosError, match='nothing to save: no frame was answered'):
        save_rollouts(tmp_path / 'none.npz', [])
    assert not list(tmp_path.iterdir())
