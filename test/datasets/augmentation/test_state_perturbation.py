from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import DatasetError
from il_ros.core.geometry import matrix_from_quaternion
from il_ros.core.robots.franka import FRANKA
from il_ros.datasets.augmentation.augmentation import load_augmentation
from il_ros.datasets.augmentation.state_perturbation import PerturbState, StatePerturbation
from il_ros.datasets.preprocessing.joint_motion import measured_positions

PERIOD = 0.05
JOINTS = {f'fr3_joint{i}': 0.03 for i in range(1, 8)}
FAR = StatePerturbation(probability=1.0, offset=JOINTS, recovery=0.2, tool=('tcp_pose',))
seeds = st.integers(0, 2**31)


def offset_of(contract, samples, result):
    return measured_positions(contract, result.values) - measured_positions(
        contract, samples.values
    )


def test_the_joints_are_moved_by_as_much_as_is_declared(contract, make_samples, rng, assert_same):
    samples = make_samples(2000)
    result = PerturbState(contract, FAR)(samples, rng)
    assert_same(samples, result, but=('joint_position', 'tcp_pose', 'chunk'))
    offset = offset_of(contract, samples, result)
    assert np.abs(offset[:, :7]).max() <= 0.03 + 1e-6
    assert np.abs(offset[:, :7]).max(axis=0) == pytest.approx([0.03] * 7, rel=0.02)
    assert np.abs(offset.mean(axis=0)).max() < 0.002
    np.testing.assert_array_equal(offset[:, 7], 0.0)


def test_the_tool_pose_moves_with_the_joints_and_keeps_its_own_error(contract, make_samples, rng):
    samples = make_samples(100)
    samples.values['tcp_pose'][:, :3] += 0.004  # a tool that is mounted a little off
    result = PerturbState(contract, FAR)(samples, rng)
    for i in range(100):
        q = result.values['joint_position'][i].astype(float)
        position, rotation = FRANKA.chain.forward(q)
        pose = result.values['tcp_pose'][i].astype(float)
        np.testing.assert_allclose(pose[:3], position + 0.004, atol=2e-6)
        np.testing.assert_allclose(matrix_from_quaternion(pose[3:]), rotation, atol=3e-6)
        assert pose[6] >= 0.0


@given(seeds, st.sampled_from([0.0, 0.03, 0.05, 0.12, 0.2, 0.4]), st.floats(0.0, 0.3))
@settings(max_examples=50, deadline=None)
def test_the_corrective_chunk_ends_on_the_demonstrated_one(
    contract, make_samples, seed, recovery, size
):
    samples = make_samples(16, seed)
    far = replace(FAR, recovery=recovery, offset=dict.fromkeys(JOINTS, size))
    result = PerturbState(contract, far)(samples, np.random.default_rng(seed))
    back = round(np.ceil(recovery / PERIOD - 1e-9))  # steps until the offset has faded
    np.testing.assert_array_equal(
        result.chunk[:, max(back - 1, 0) :], samples.chunk[:, max(back - 1, 0) :]
    )
    left = np.abs(result.chunk - samples.chunk)
    offset = np.abs(offset_of(contract, samples, result))
    path = np.concatenate([offset[:, None], left], axis=1)
    assert (np.diff(path, axis=1) <= 1e-6).all()  # it comes nearer with every step


@given(seeds, st.floats(0.0, 0.3))
@settings(max_examples=50, deadline=None)
def test_speeds_and_positions_stay_within_the_limits(contract, make_samples, seed, size):
    samples = make_samples(32, seed)
    samples.chunk[:16] += np.random.default_rng(seed).normal(0.0, 0.3, (16, 8, 8)).astype('f4')
    far = replace(FAR, recovery=0.1, offset=dict.fromkeys(JOINTS, size))
    result = PerturbState(contract, far)(samples, np.random.default_rng(seed))

    def speeds(of):
        path = np.concatenate([measured_positions(contract, of.values)[:, None], of.chunk], axis=1)
        return np.where(of.mask[..., None], np.abs(np.diff(path, axis=1)) / PERIOD, 0.0)

    def outside(of):
        limits = contract.limits
        path = np.concatenate([measured_positions(contract, of.values)[:, None], of.chunk], axis=1)
        return np.maximum(np.maximum(limits.position_min - path, path - limits.position_max), 0.0)

    before, after = speeds(samples), speeds(result)
    assert (after <= np.maximum(contract.limits.velocity, before) + 1e-4).all()
    assert (outside(result) <= outside(samples) + 1e-6).all()


def test_a_demonstration_at_its_speed_limit_leaves_room_only_to_one_side(contract, make_samples):
    samples = make_samples(500)
    start = measured_positions(contract, samples.values)
    steps = (np.arange(8) + 1.0)[:, None] * PERIOD
    samples.chunk[:] = start[:, None] + 0.9 * contract.limits.velocity * steps
    samples.mask[:] = True
    result = PerturbState(contract, replace(FAR, recovery=0.1))(samples, np.random.default_rng(1))
    offset = offset_of(contract, samples, result)
    # joint 1: 2 rad/s, of which 0.2 are left; within 0.1 s that is 0.02 rad
    assert np.abs(offset[:, 0]).max() == pytest.approx(0.02, abs=1e-3)
    assert np.abs(offset[:, 4]).max() == pytest.approx(0.03, abs=1e-3)  # 0.4 rad/s left


def test_no_offset_is_the_identity_in_every_bit(contract, make_samples, rng, assert_same):
    samples = make_samples()
    assert_same(samples, PerturbState(contract, replace(FAR, offset={}))(samples, rng))
    assert_same(samples, PerturbState(contract, replace(FAR, probability=0.0))(samples, rng))


def test_the_share_of_the_settings_is_perturbed(contract, make_samples, rng):
    samples = make_samples(2000)
    result = PerturbState(contract, replace(FAR, probability=0.3))(samples, rng)
    rows = offset_of(contract, samples, result).any(axis=1)
    assert 500 < rows.sum() < 700
    np.testing.assert_array_equal(result.chunk[~rows], samples.chunk[~rows])
    assert (result.chunk[rows] != samples.chunk[rows]).any(axis=(1, 2)).all()


def test_samples_near_a_body_stay_and_so_do_those_whose_body_is_not_seen(
    contract, make_samples, rng
):
    samples = make_samples(4)
    samples.values['object_pose'][:, :3] = samples.values['tcp_pose'][:, :3]
    samples.values['object_pose'][:, 2] += np.float32([0.0, 0.029, 0.1, np.nan])
    result = PerturbState(contract, replace(FAR, clear={'object_pose': 0.03}))(samples, rng)
    moved = offset_of(contract, samples, result).any(axis=1)
    assert moved.tolist() == [False, False, True, False]


def test_the_tool_does_not_leave_the_workspace(contract, make_samples, rng):
    data = yaml.safe_load(contract.text)
    data['workspace']['max'][2] = 0.30
    small, samples = parse_contract(yaml.safe_dump(data)), make_samples(500)
    result = PerturbState(small, FAR)(samples, rng)
    height = result.values['tcp_pose'][:, 2], samples.values['tcp_pose'][:, 2]
    assert (height[0] <= np.maximum(height[1], 0.30) + 1e-6).all()
    moved = offset_of(small, samples, result).any(axis=1)
    assert 100 < moved.sum() < 450


def test_images_would_lie(contract, make_samples, rng):
    samples = make_samples(2, images=[('front', (2, 4, 4, 3), np.uint8)])
    with pytest.raises(DatasetError, match='perturbation: the images front would show the arm whe'):
        PerturbState(contract, FAR)(samples, rng)
    result = PerturbState(contract, replace(FAR, pictures=True))(samples, rng)
    np.testing.assert_array_equal(result.images['front'], samples.images['front'])


def test_a_recovery_longer_than_the_chunk_is_refused(contract, make_samples, rng):
    with pytest.raises(DatasetError) as caught:
        PerturbState(contract, replace(FAR, recovery=0.5))(make_samples(2), rng)
    assert str(caught.value) == (
        'perturbation.recovery: 0.5 s is longer than a chunk; allowed: at most 0.4 s, 8 steps'
    )


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'probability': 2.0}, 'perturbation.probability: got 2.0; allowed: 0 to 1'),
        ({'recovery': -1.0}, 'perturbation.recovery: got -1.0; allowed: 0 or more'),
        ({'offset': {'elbow': 0.1}}, 'perturbation.offset.elbow: no commanded joint; allowed: fr3'),
        ({'offset': {'fr3_joint1': -1.0}}, 'perturbation.offset.fr3_joint1: got -1.0; allowed: 0'),
        ({'tool': ('tool',)}, "perturbation.tool: the contract 'franka_pick_place' has no"),
        (
            {'tool': ('wrench',)},
            'perturbation.tool: wrench has wrench.force, wrench.torque; allowed: observations with',
        ),
        ({'clear': {'wrench': 0.1}}, 'perturbation.clear.wrench: got 0.1 for wrench with wrench.'),
        ({'clear': {'object_pose': -0.1}}, 'perturbation.clear.object_pose: got -0.1 for object_'),
    ],
)
def test_what_does_not_fit_is_refused(contract, changes, text):
    with pytest.raises(DatasetError) as caught:
        PerturbState(contract, replace(FAR, **changes))
    assert str(caught.value).startswith(text)


def test_a_contract_without_an_arm_needs_no_tool(task, rng):
    how = StatePerturbation(probability=1.0, offset={'a': 0.1}, recovery=0.0, tool=())
    with pytest.raises(DatasetError, match=r'perturbation.tool: the contract names no arm'):
        PerturbState(task.contract, replace(how, clear={'object': 0.1}))
    PerturbState(task.contract, how)


def test_an_arm_whose_joints_are_not_commanded_is_refused(contract, make_samples, rng):
    text = contract.text.replace('fr3_joint3', 'elbow')
    with pytest.raises(DatasetError, match=r"action has no joint fr3_joint3 of the arm 'franka'"):
        PerturbState(parse_contract(text), replace(FAR, offset={}))(make_samples(2), rng)


def test_the_file_fits_both_contracts_and_says_how_far_it_goes(files, contract, make_samples, rng):
    how = load_augmentation(files / 'franka_perturbation.yaml').perturbation
    PerturbState(load_contract(files.parent / 'contracts' / 'franka_reach.yaml'), how)
    samples = make_samples(2000)
    result = PerturbState(contract, replace(how, probability=1.0))(samples, rng)
    distance = result.values['tcp_pose'][:, :3] - samples.values['tcp_pose'][:, :3]
    assert 0.015 < np.quantile(np.linalg.norm(distance, axis=1), 0.9) < 0.03
