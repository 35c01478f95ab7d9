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
from il_ros.datasets.augmentation.mirror import MirrorSamples
from il_ros.datasets.augmentation.symmetry import (
    Mirror,
    MirrorImage,
    MirrorJoint,
    MirrorKey,
    action_map,
)
from il_ros.experts import make_expert
from il_ros.sim.world import World

S = np.array([1.0, -1.0, 1.0])  # the reflection at y = 0


@pytest.fixture(scope='module')
def franka(files):
    return load_augmentation(files / 'franka_mirror.yaml').mirror


@pytest.fixture(scope='module')
def always(contract, franka):
    return MirrorSamples(contract, replace(franka, probability=1.0))


@given(st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_the_mirrored_joints_bring_the_tool_to_its_mirror_image(contract, franka, seed):
    q = np.random.default_rng(seed).uniform(FRANKA.position_min, FRANKA.position_max)
    mirrored = action_map(franka, contract)(q)
    position, rotation = FRANKA.chain.forward(q[:-1])
    found, turned = FRANKA.chain.forward(mirrored[:-1])
    np.testing.assert_allclose(found, S * position, atol=1e-9)
    np.testing.assert_allclose(turned, S[:, None] * rotation * S, atol=1e-9)


def test_everything_is_mirrored_as_vector_pseudovector_or_orientation(always, make_samples, rng):
    samples = make_samples(200)
    mirrored = always(samples, rng)
    before, after = samples.values, mirrored.values
    np.testing.assert_allclose(after['goal_position'], before['goal_position'] * S)
    np.testing.assert_allclose(after['wrench'][:, :3], before['wrench'][:, :3] * S)
    np.testing.assert_allclose(after['wrench'][:, 3:], before['wrench'][:, 3:] * -S)
    np.testing.assert_array_equal(after['gripper_position'], before['gripper_position'])
    for key in ('object_pose', 'tcp_pose'):
        for one, other in zip(before[key], after[key], strict=True):
            rotation = matrix_from_quaternion(one[3:].astype(float))
            turned = matrix_from_quaternion(other[3:].astype(float))
            np.testing.assert_allclose(turned, S[:, None] * rotation * S, atol=1e-6)
            np.testing.assert_allclose(other[:3], one[:3] * S)
        assert (after[key][:, 6] >= 0.0).all()  # the decoders' sign of a quaternion
    signs = [-1, 1, -1, 1, -1, 1, -1]
    np.testing.assert_allclose(after['joint_velocity'], before['joint_velocity'] * signs)
    for i in range(200):  # the observed tool pose still is that of the observed joints
        position, _ = FRANKA.chain.forward(after['joint_position'][i].astype(float))
        np.testing.assert_allclose(after['tcp_pose'][i, :3], position, atol=1e-5)


def test_the_action_is_mirrored_as_the_joints_it_commands(always, make_samples, rng):
    samples = make_samples()
    mirrored = always(samples, rng)
    here = {**samples.values, 'joint_position': samples.chunk[:, 3, :7]}
    there = always(replace(samples, values=here), rng)
    np.testing.assert_array_equal(mirrored.chunk[:, 3, :7], there.values['joint_position'])
    np.testing.assert_array_equal(mirrored.chunk[..., 7], samples.chunk[..., 7])


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_mirrored_twice_is_what_it_was(always, make_samples, seed):
    samples = make_samples(8, seed, images=[('front', (8, 4, 6, 3), np.uint8)])
    rng = np.random.default_rng(0)
    twice = always(always(samples, rng), rng)
    for key, values in samples.values.items():
        np.testing.assert_allclose(twice.values[key], values, atol=1e-6)
    np.testing.assert_allclose(twice.chunk, samples.chunk, atol=1e-6)
    np.testing.assert_array_equal(twice.images['front'], samples.images['front'])


def test_the_expert_does_the_mirror_image_in_the_mirror_image(contract, always, rng):
    """The map agrees with the expert of the demonstrations, in every phase of the task."""
    world, expert = World('pick_place', limits=contract.limits), make_expert('pick_place')
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    world.reset(3)
    here = np.append(world.privileged()['joint_position'], world.privileged()['gripper_position'])
    worst, mapped = 0.0, action_map(always._settings, contract)
    while not world.state().done:
        truth = world.privileged()
        raw = np.concatenate([truth[key] for key in contract.observations])
        sizes = [stream.size for stream in contract.observations.values()]
        parts = np.split(always._observations(raw), np.cumsum(sizes)[:-1])
        mirrored = dict(zip(contract.observations, parts, strict=True))
        chunk = expert.act(truth, horizon=8, dt=world.period)
        found = expert.act(mirrored, horizon=8, dt=world.period)
        worst = max(worst, float(np.abs(found - mapped(chunk)).max()))
        world.step(here + share * (chunk[0] - here))
        here = chunk[0]
    assert world.state().success
    assert worst < 1e-9


def test_about_half_of_the_samples_are_mirrored_wholly_or_not_at_all(
    contract, franka, always, make_samples, rng
):
    samples = make_samples(2000, images=[('wrist', (2000, 1, 2), np.uint8)])
    mixed, whole = MirrorSamples(contract, franka)(samples, rng), always(samples, rng)
    rows = (mixed.values['goal_position'] != samples.values['goal_position']).any(axis=1)
    assert 900 < rows.sum() < 1100
    for key, values in mixed.values.items():
        np.testing.assert_array_equal(values[rows], whole.values[key][rows])
        np.testing.assert_array_equal(values[~rows], samples.values[key][~rows])
    np.testing.assert_array_equal(mixed.chunk[rows], whole.chunk[rows])
    np.testing.assert_array_equal(
        mixed.images['wrist'][rows], samples.images['wrist'][rows, :, ::-1]
    )
    np.testing.assert_array_equal(mixed.images['wrist'][~rows], samples.images['wrist'][~rows])


def test_a_sample_whose_mirror_image_is_beyond_the_limits_stays(always, make_samples, rng):
    samples = make_samples(4)
    # The last joint may be at -2.97 to 2.97, and its image is at pi/2 - q.
    samples.values['joint_position'][1, 6] = -1.5  # its image would be at 3.07
    samples.chunk[2, 3, 6] = -1.5
    samples.chunk[3, 7, 6] = -1.5
    samples.mask[2:, :] = [[True] * 8, [True] * 7 + [False]]  # what is unknown does not count
    mirrored = always(samples, rng)
    changed = (mirrored.chunk != samples.chunk).any(axis=(1, 2))
    assert changed.tolist() == [True, False, False, True]
    assert (mirrored.values['goal_position'] != samples.values['goal_position']).any(
        axis=1
    ).tolist() == [True, False, False, True]


def test_being_beyond_a_limit_already_does_not_count(always, make_samples, rng):
    samples = make_samples(1)
    samples.values['gripper_position'][:] = 0.0402  # as a real finger says now and then
    assert (always(samples, rng).chunk != samples.chunk).any()


def test_a_workspace_that_is_not_symmetric_counts_too(contract, franka, make_samples, rng):
    data = yaml.safe_load(contract.text)
    data['workspace']['min'][1] = -0.05
    step = MirrorSamples(parse_contract(yaml.safe_dump(data)), replace(franka, probability=1.0))
    samples = make_samples(300)
    path = np.concatenate([samples.values['joint_position'][:, None], samples.chunk[..., :7]], 1)
    y = np.array([[FRANKA.chain.forward(q.astype(float))[0][1] for q in row] for row in path])
    known = np.concatenate([np.ones((300, 1), bool), samples.mask], axis=1)
    before, after = np.maximum(-0.05 - y, 0.0), np.maximum(y - 0.05, 0.0)
    kept = ((after > before + 1e-6) & known).any(axis=1)
    mirrored = step(samples, rng)
    stayed = (mirrored.chunk == samples.chunk).all(axis=(1, 2))
    assert 30 < kept.sum() < 270
    np.testing.assert_array_equal(stayed, kept)


def test_an_image_that_is_not_declared_is_an_error(always, make_samples, rng):
    with pytest.raises(DatasetError, match=r'mirror.images.side: the image is not declared; to'):
        always(make_samples(2, images=[('side', (2, 4, 4, 3), np.uint8)]), rng)


def test_the_file_fits_both_contracts_of_the_package(files, franka):
    for name in ('franka_pick_place', 'franka_reach'):
        MirrorSamples(load_contract(files.parent / 'contracts' / f'{name}.yaml'), franka)


@pytest.mark.parametrize(
    ('name', 'joint', 'text'),
    [
        # what one would write down without looking at the hand
        ('fr3_joint7', MirrorJoint(sign=-1), 'mirror.joints: mirrored joints of the franka bring'),
        ('fr3_joint1', MirrorJoint(), 'mirror.joints: mirrored joints of the franka bring'),
        ('fr3_joint2', MirrorJoint(sign=0.5), 'mirror.joints.fr3_joint2: sign 0.5, offset 0; all'),
        (
            'fr3_joint2',
            MirrorJoint(offset=0.1),
            'mirror.joints.fr3_joint2 (joint_position): mirrored twice it is not what it was; all',
        ),
        (
            'fr3_joint2',
            MirrorJoint(take='elbow'),
            "mirror.joints.fr3_joint2.take: got 'elbow'; a",
        ),
        (
            'fr3_joint2',
            MirrorJoint(take='fr3_joint4'),
            'mirror.joints.fr3_joint2 (joint_position): mirrored twice',
        ),
        (
            'fr3_finger_joint1',
            MirrorJoint(sign=-1, offset=0.2),
            'mirror.joints.fr3_finger_joint1: no position within the limits has its mirror image',
        ),
    ],
)
def test_joints_that_cannot_be_are_refused(contract, franka, name, joint, text):
    with pytest.raises(DatasetError) as caught:
        MirrorSamples(contract, replace(franka, joints={**franka.joints, name: joint}))
    assert str(caught.value).startswith(text)


def test_a_joint_that_is_not_declared_is_refused(contract, franka):
    joints = {name: joint for name, joint in franka.joints.items() if name != 'fr3_joint4'}
    with pytest.raises(DatasetError, match=r'mirror.joints.fr3_joint4: the joint is not declared'):
        MirrorSamples(contract, replace(franka, joints=joints))


@pytest.mark.parametrize(
    ('key', 'how', 'text'),
    [
        ('head', MirrorKey(), "mirror.keys: the contract 'franka_pick_place' has no observation"),
        (
            'wrench',
            MirrorKey(take='tcp_pose'),
            'mirror.keys.wrench.take: tcp_pose has another',
        ),
        (
            'goal_position',
            MirrorKey(permutation=(0, 1, 1)),
            'mirror.keys.goal_position.permutation: got [0, 1, 1]; allowed: each of 0 to 2 once',
        ),
        (
            'goal_position',
            MirrorKey(signs=(1.0, 2.0, 1.0)),
            'mirror.keys.goal_position.signs: got [1.0, 2.0, 1.0]; allowed: 1 or -1, 3 of them',
        ),
        (
            'goal_position',
            MirrorKey(permutation=(1, 2, 0)),
            'mirror.keys.goal_position: mirrored twice it is not what it was',
        ),
    ],
)
def test_keys_that_cannot_be_are_refused(contract, franka, key, how, text):
    with pytest.raises(DatasetError) as caught:
        MirrorSamples(contract, replace(franka, keys={key: how}))
    assert str(caught.value).startswith(text)


TWO_ARMS = """
version: 1
name: two_arms
base_frame: base
rate: 20.0
clock: joints
observations:
  joints: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
           names: [left_pan, left_lift, right_pan, right_lift]}
  speeds: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
           names: [left_pan, left_lift, right_pan, right_lift]}
  left: {topic: left, type: geometry_msgs/msg/PointStamped, fields: [point]}
  right: {topic: right, type: geometry_msgs/msg/PointStamped, fields: [point]}
action:
  names: [left_pan, left_lift, right_pan, right_lift]
  position: [joints]
  velocity: [speeds]
  limits: {position_min: [-1, -1, -1, -1], position_max: [1, 1, 1, 1], velocity: [1, 1, 1, 1],
           acceleration: [1, 1, 1, 1], jerk: [1, 1, 1, 1]}
workspace: {min: [0, -1, 0], max: [1, 1, 1]}
"""


def test_two_arms_change_places(make_samples, rng):
    sides = [('left', 'right'), ('right', 'left')]
    joints = {f'{a}_pan': MirrorJoint(sign=-1, take=f'{b}_pan') for a, b in sides}
    joints |= {f'{a}_lift': MirrorJoint(take=f'{b}_lift') for a, b in sides}
    how = Mirror(
        probability=1.0,
        joints=joints,
        keys={a: MirrorKey(take=b) for a, b in sides},
        images={a: MirrorImage(take=b) for a, b in sides},
    )
    samples = replace(
        make_samples(1, images=[(side, (1, 2, 3), np.uint8) for side in ('left', 'right')]),
        values={
            'joints': np.array([[0.1, 0.2, 0.3, 0.4]], np.float32),
            'speeds': np.array([[1.0, 2.0, 3.0, 4.0]], np.float32),
            'left': np.array([[0.5, 0.6, 0.7]], np.float32),
            'right': np.array([[0.1, -0.2, 0.3]], np.float32),
        },
        chunk=np.array([[[0.1, 0.2, 0.3, 0.4]]], np.float32),
        mask=np.ones((1, 1), bool),
    )
    mirrored = MirrorSamples(parse_contract(TWO_ARMS), how)(samples, rng)
    swapped = np.array([[-0.3, 0.4, -0.1, 0.2]], np.float32)
    np.testing.assert_array_equal(mirrored.values['joints'], swapped)
    np.testing.assert_array_equal(mirrored.chunk[:, 0], swapped)
    np.testing.assert_array_equal(mirrored.values['speeds'], [[-3.0, 4.0, -1.0, 2.0]])
    np.testing.assert_array_equal(mirrored.values['left'], np.float32([[0.1, 0.2, 0.3]]))
    np.testing.assert_array_equal(mirrored.values['right'], np.float32([[0.5, -0.6, 0.7]]))
    np.testing.assert_array_equal(mirrored.images['left'], samples.images['right'][:, :, ::-1])
