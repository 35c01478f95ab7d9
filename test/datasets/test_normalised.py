"""Datasets whose actions are no positions of joints: looked at, exported and imported."""

import free_hand
import numpy as np
import pytest

from il_ros.cli.dataset_report_command import report
from il_ros.cli.interop_command import export_, import_
from il_ros.core.errors import ContractError
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.memory_dataset import usable_arrays
from il_ros.datasets.preprocessing.joint_motion import measured_positions, relative_speed
from il_ros.datasets.preprocessing.quality_measures import part_measures
from il_ros.datasets.preprocessing.segmentation import Idle
from il_ros.datasets.summary.feature_summary import summarise_joints

EPISODE = usable_arrays(free_hand.CONTRACT, free_hand.episode(0))


@pytest.fixture
def folder(tmp_path):
    save_dataset(free_hand.dataset(range(6)), tmp_path / 'data')
    return tmp_path


@pytest.mark.parametrize('kind', ['lerobot', 'robomimic'])
def test_it_goes_out_and_comes_in_the_same(folder, kind):
    out = folder / ('out.hdf5' if kind == 'robomimic' else 'out')
    export_(dataset=folder / 'data', out=out, format=kind)
    import_(source=out, out=folder / 'back', format=kind)
    there, back = load_dataset(folder / 'data'), load_dataset(folder / 'back')
    assert back.manifest.data_hash == there.manifest.data_hash
    np.testing.assert_array_equal(back.action, there.action)


def test_a_report_shows_each_action_from_minus_one_to_one(folder):
    data = load_dataset(folder / 'data')
    joints = summarise_joints(data, np.arange(data.frames))
    assert [(joint.name, joint.lower, joint.upper) for joint in joints] == [
        (name, -1.0, 1.0) for name in ('dx', 'dy', 'dz', 'grip')
    ]
    assert sum(joint.outside for joint in joints) == 0
    report(folder / 'data', out=folder / 'page.html')
    assert 'dx' in (folder / 'page.html').read_text()


def test_of_its_quality_only_the_duration_is_measured():
    found = part_measures(free_hand.CONTRACT, EPISODE, Idle(), np.zeros(4, dtype=bool))
    assert found == {'duration': pytest.approx(39 / 80)}


@pytest.mark.parametrize(
    'look',
    [
        lambda contract: relative_speed(contract, EPISODE, np.ones(4, dtype=bool), 0.2),
        lambda contract: measured_positions(contract, EPISODE.values),
    ],
)
def test_what_looks_at_joints_refuses_it(look):
    with pytest.raises(ContractError, match=r'its action\.space is normalised'):
        look(free_hand.CONTRACT)
