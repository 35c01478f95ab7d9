"""Joints to every action space and back, and what no joints can be made of."""

from pathlib import Path

import numpy as np
import pytest

from il_ros.core.action_spaces import SPACES, ActionSpace, inverse_kinematics, spaces_of
from il_ros.core.arms import arm_of
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.kinematics import SerialChain

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'
ARMS = ['ur5e', 'franka', 'viperx_pair', 'ur10e', 'xarm7']  # built in, and from a URDF
TOOLS = ['tool_pose', 'tool_delta']


def contract_of(name):
    return load_contract(CONTRACTS / f'{name}.yaml')


def smooth(contract, random):
    """A posture near home, and a chunk of 16 steps from it on."""
    arm = arm_of(contract)
    home = dict(zip(arm.names, arm.home, strict=True))
    at = np.array([home[name] for name in contract.action.names])
    at = at + random.uniform(-0.1, 0.1, len(at)) * arm.moves
    speed = 0.2 * random.uniform(-1.0, 1.0, len(at)) * contract.limits.velocity
    ramp = np.cumsum(np.sin(np.linspace(0.3, 2.0, 16))) * contract.period
    return at, at + ramp[:, None] * speed


def tools(contract, joints):
    names = contract.action.names
    return [limb.chain.forward(joints[:, limb.columns(names)]) for limb in arm_of(contract).limbs]


@pytest.mark.parametrize('arm', ARMS)
@pytest.mark.parametrize('name', SPACES)
def test_a_chunk_comes_back(arm, name):
    contract, random = contract_of(arm), np.random.default_rng(3)
    space = ActionSpace(name, contract)
    for _ in range(6):
        measured, chunk = smooth(contract, random)
        steps = space.of_joints(chunk, measured)
        assert steps.shape == (16, len(space.names))
        back = space.to_joints(steps, measured)
        for got, want in zip(tools(contract, back), tools(contract, chunk), strict=True):
            np.testing.assert_allclose(got[0], want[0], atol=1e-6)
            np.testing.assert_allclose(got[1], want[1], atol=1e-6)
        spare = arm in ('franka', 'xarm7') and name in TOOLS
        if spare:  # what the tool leaves open is the posture's: once found, it is found again
            again = space.to_joints(space.of_joints(back, measured), measured)
            np.testing.assert_allclose(again, back, atol=1e-4)
            assert np.abs(back - chunk).max() < 0.5
        else:
            np.testing.assert_allclose(back, chunk, atol=1e-4)


def test_many_frames_at_once_are_each_by_itself():
    contract, random = contract_of('ur5e'), np.random.default_rng(4)
    pairs = [smooth(contract, random) for _ in range(3)]
    measured, chunks = (np.array(part) for part in zip(*pairs, strict=True))
    for name in SPACES:
        space = ActionSpace(name, contract)
        each = [space.of_joints(chunk, at) for at, chunk in pairs]
        np.testing.assert_allclose(space.of_joints(chunks, measured), each, atol=1e-12)


def test_the_names_say_the_space():
    names = {space.name: space.names for space in spaces_of(contract_of('ur5e'))}
    assert names['joint_delta'][0] == 'joint_delta/shoulder_pan_joint'
    assert not names['joint_delta'][6].startswith('joint_delta')  # the gripper's is a position
    assert names['tool_pose'][:7] == tuple(
        f'tool_pose/tool.{part}' for part in ('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw')
    )
    assert len(set(names.values())) == 3
    pair = {space.name: space.names for space in spaces_of(contract_of('viperx_pair'))}
    assert 'tool_delta/left_tool.x' in pair['tool_delta']
    assert len(pair['tool_delta']) == 16


def test_an_arm_of_five_joints_has_deltas_only():
    contract = contract_of('so101')
    assert [space.name for space in spaces_of(contract)] == ['joint_delta']
    with pytest.raises(ContractError, match='has 5 joints: few poses are in its reach'):
        ActionSpace('tool_pose', contract)


def test_a_contract_says_what_it_accepts():
    text = contract_of('ur5e').text
    only = parse_contract(text.replace('action:\n', 'action:\n  accepts: [joint_delta]\n', 1))
    assert [space.name for space in spaces_of(only)] == ['joint_delta']
    with pytest.raises(ContractError, match='tool_pose is not accepted'):
        ActionSpace('tool_pose', only)
    none = parse_contract(text.replace('action:\n', 'action:\n  accepts: []\n', 1))
    assert spaces_of(none) == ()


@pytest.fixture
def pose():
    contract = contract_of('ur5e')
    space = ActionSpace('tool_pose', contract)
    measured, chunk = smooth(contract, np.random.default_rng(5))
    return space, space.of_joints(chunk, measured), measured


def test_a_quaternion_has_length_one(pose):
    space, steps, measured = pose
    steps[2, 3:7] *= 1.1
    with pytest.raises(IlRosError, match=r'step 2: the quaternion of tool has length 1\.1, not 1'):
        space.to_joints(steps, measured)


def test_a_negated_quaternion_is_the_same_orientation(pose):
    space, steps, measured = pose
    other = steps.copy()
    other[::2, 3:7] *= -1.0
    np.testing.assert_allclose(
        space.to_joints(other, measured), space.to_joints(steps, measured), atol=1e-9
    )


def test_out_of_reach(pose):
    space, steps, measured = pose
    steps[5:, 0] += 3.0
    with pytest.raises(IlRosError, match='step 5: no joints bring tool nearer'):
        space.to_joints(steps, measured)


def test_a_jump_of_the_joints(pose):
    space, steps, measured = pose
    steps[5:, 1] += 0.4
    with pytest.raises(IlRosError, match=r'step 5 takes .* near a singularity, or another branch'):
        space.to_joints(steps, measured)


def test_a_joint_without_end_may_turn_by_more_than_half_a_turn_in_a_chunk():
    contract = contract_of('gen3')
    space, arm = ActionSpace('tool_pose', contract), arm_of(contract)
    home = dict(zip(arm.names, arm.home, strict=True))
    measured = np.array([home[name] for name in contract.action.names])
    chunk = np.tile(measured, (120, 1))
    chunk[:, 0] += 0.8 * contract.limits.velocity[0] * contract.period * np.arange(1, 121)
    assert chunk[-1, 0] - measured[0] > np.pi
    joints = space.to_joints(space.of_joints(chunk, measured), measured)
    assert np.abs(np.diff(joints[:, 0])).max() < contract.limits.velocity[0] * contract.period


@pytest.mark.parametrize('name', TOOLS)
def test_a_pose_that_takes_a_joint_out_of_its_limits(name):
    contract = contract_of('ur5e')
    measured = smooth(contract, np.random.default_rng(5))[0]
    near = measured[1] + 0.11  # so that the chunk leaves the limit by 0.04 rad
    text = contract.text.replace('position_max: [6.2, 6.2,', f'position_max: [6.2, {near},')
    assert text != contract.text
    space = ActionSpace(name, parse_contract(text))
    chunk = np.tile(measured, (10, 1))
    chunk[:, 1] += np.linspace(0.015, 0.15, 10)
    steps = space.of_joints(chunk, measured)
    space.to_joints(steps[:7], measured)  # at the limit, give or take what servos overshoot it
    with pytest.raises(IlRosError, match=r'step 8 takes shoulder_lift_joint to .* its reach'):
        space.to_joints(steps, measured)


def test_a_chunk_that_goes_to_and_fro_does_not_take_long(pose, monkeypatch):
    space, steps, measured = pose
    jacobians, jacobian_of = [], SerialChain.jacobian_of

    def counted(*args):
        jacobians.append(1)
        return jacobian_of(*args)

    monkeypatch.setattr(SerialChain, 'jacobian_of', counted)
    wild = np.tile(steps[:1], (128, 1))
    wild[::2, 1] += 0.3
    with pytest.raises(IlRosError, match='too far from one another: they took 250 iterations'):
        space.to_joints(wild, measured, step_dt=1.0)
    assert len(jacobians) < 280


def test_too_many_steps(pose):
    space, steps, measured = pose
    with pytest.raises(IlRosError, match='129 steps of poses, at most 128'):
        space.to_joints(np.tile(steps[:1], (129, 1)), measured)


def test_a_singular_posture_stays_where_it_is_or_says_so():
    contract = contract_of('ur5e')
    limb = arm_of(contract).limbs[0]
    stretched = np.array([0.0, -np.pi / 2, 0.0, -np.pi / 2, 0.0, 0.0])  # elbow and wrist at once
    position, rotation = limb.chain.forward(stretched)
    beyond = position + np.array([0.0, 0.0, 0.05])
    with pytest.raises(IlRosError, match='out of reach, or near a singularity'):
        inverse_kinematics(limb.chain, beyond[None], rotation[None], stretched)
    same = inverse_kinematics(limb.chain, position[None], rotation[None], stretched)
    np.testing.assert_allclose(same[0], stretched, atol=1e-6)
