import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.observation_noise import AddNoise, Noise

STD = {
    'joint_position': {'position': 0.01},
    'tcp_pose': {'pose.position': 0.002, 'pose.orientation': 0.03},
}


def test_noise_has_the_declared_size_where_it_is_declared(contract, make_samples, rng, assert_same):
    samples = make_samples(4000)
    noisy = AddNoise(contract, Noise(std=STD))(samples, rng)
    assert_same(samples, noisy, but=('joint_position', 'tcp_pose'))
    change = {key: noisy.values[key] - samples.values[key] for key in STD}
    assert change['joint_position'].std(axis=0) == pytest.approx([0.01] * 7, rel=0.06)
    assert np.abs(change['joint_position'].mean(axis=0)).max() < 0.001
    assert change['tcp_pose'][:, :3].std(axis=0) == pytest.approx([0.002] * 3, rel=0.06)
    # columns of independent numbers: 28,000 of them have next to no correlation
    assert abs(np.corrcoef(change['joint_position'].T)[0, 1]) < 0.06


def test_orientations_are_turned_about_each_axis_and_stay_unit_quaternions(
    contract, make_samples, rng
):
    samples = make_samples(4000)
    noisy = AddNoise(contract, Noise(std=STD))(samples, rng).values['tcp_pose'][:, 3:]
    assert np.linalg.norm(noisy, axis=1) == pytest.approx(np.ones(4000), abs=1e-6)
    assert (noisy[:, 3] >= 0.0).all()
    before = Rotation.from_quat(samples.values['tcp_pose'][:, 3:])
    turn = (Rotation.from_quat(noisy) * before.inv()).as_rotvec()
    assert turn.std(axis=0) == pytest.approx([0.03] * 3, rel=0.06)


def test_what_is_not_seen_stays_unseen(contract, make_samples, rng):
    samples = make_samples(3)
    samples.values['tcp_pose'][1] = np.nan
    noisy = AddNoise(contract, Noise(std=STD))(samples, rng).values['tcp_pose']
    assert np.isnan(noisy).all(axis=1).tolist() == [False, True, False]


def test_no_deviation_changes_no_bit(contract, make_samples, rng, assert_same):
    samples = make_samples()
    nothing = {key: dict.fromkeys(fields, 0.0) for key, fields in STD.items()}
    assert_same(samples, AddNoise(contract, Noise(std=nothing))(samples, rng))


@pytest.mark.parametrize(
    ('std', 'text'),
    [
        ({'arm': {}}, "noise.std: the contract 'franka_pick_place' has no observation 'arm'"),
        (
            {'wrench': {'force': 1.0}},
            'noise.std.wrench.force: no such field; allowed: wrench.f',
        ),
        (
            {'wrench': {'wrench.force': -1.0}},
            'noise.std.wrench.wrench.force: got -1.0; allowed: 0 or more',
        ),
    ],
)
def test_what_does_not_fit_is_refused(contract, std, text):
    with pytest.raises(DatasetError) as caught:
        AddNoise(contract, Noise(std=std))
    assert str(caught.value).startswith(text)
