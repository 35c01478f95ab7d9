"""Chains from URDFs: against MuJoCo, which reads URDF by itself, against differences, by hand."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_urdf import ODD, joint, link, robot

from il_ros.core.errors import ContractError
from il_ros.core.geometry import rotation_vector
from il_ros.core.kinematics import ArmDescription, LimbDescription
from il_ros.core.urdf import arm_description, moving_joints, read_urdf

NUMBER = st.floats(-1.0, 1.0).map(lambda x: round(x, 4))
TRIPLE = st.tuples(NUMBER, NUMBER, NUMBER)
AXIS = TRIPLE.filter(lambda axis: math.hypot(*axis) > 0.1)
KINDS = st.lists(st.sampled_from(['revolute', 'continuous', 'prismatic', 'fixed']), min_size=1)


def words(numbers):
    return ' '.join(map(str, numbers))


def limb_of(text, base, tip):
    joints, tool = moving_joints(read_urdf(text, 'made'), base, tip)
    free = sum(one.mimic is None for one in joints)
    return LimbDescription(tip=tip, joints=joints, tool=tool, home=(0.0,) * free)


def referee(text, base, tip, positions):
    """Position and rotation of the tip in the base's frame, by MuJoCo."""
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    for name, value in positions.items():
        data.joint(name).qpos = value
    mujoco.mj_kinematics(model, data)

    def pose(name):
        if model.body(0).name == name or mujoco.mj_name2id(model, 1, name) < 0:
            return np.zeros(3), np.eye(3)  # MuJoCo calls the root `world`
        return data.body(name).xpos, data.body(name).xmat.reshape(3, 3)

    (at, turn), (tool, turned) = pose(base), pose(tip)
    return turn.T @ (tool - at), turn.T @ turned


def all_positions(limb, q):
    found = dict(zip(limb.free, q, strict=True))
    for one in limb.joints:
        if one.mimic:
            mimic = one.mimic
            found[one.name] = mimic.multiplier * found[mimic.joint] + mimic.offset
    return found


def test_every_type_of_joint_is_where_mujoco_has_it():
    limb = limb_of(ODD, 'base', 'tip')
    assert [one.name for one in limb.joints] == ['turn', 'lean', 'rise', 'nod']
    assert limb.free == ['turn', 'lean', 'rise']
    chain, _ = limb.chain()
    for q in np.random.default_rng(0).uniform(-2, 2, (50, 3)):
        position, rotation = chain.forward(q)
        at, turned = referee(ODD, 'base', 'tip', all_positions(limb, q))
        np.testing.assert_allclose(position, at, atol=1e-9)
        np.testing.assert_allclose(rotation, turned, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(KINDS, st.data())
def test_any_chain_is_where_mujoco_has_it(kinds, data):
    kinds = [*kinds[:8], 'revolute']
    parts = [link('l0')]
    for i, kind in enumerate(kinds):
        how = {'xyz': words(data.draw(TRIPLE)), 'rpy': words(data.draw(TRIPLE))}
        parts.append(link(f'l{i + 1}'))
        parts.append(joint(f'j{i}', kind, f'l{i}', f'l{i + 1}', axis=words(data.draw(AXIS)), **how))
    text, tip = robot(*parts), f'l{len(kinds)}'
    limb = limb_of(text, 'l0', tip)
    chain, _ = limb.chain()
    q = np.array([data.draw(st.floats(-3.0, 3.0)) for _ in limb.free])
    at, turned = referee(text, 'l0', tip, all_positions(limb, q))
    np.testing.assert_allclose(chain.forward(q)[0], at, atol=1e-9)
    np.testing.assert_allclose(chain.forward(q)[1], turned, atol=1e-9)


def test_the_jacobian_of_sliding_and_following_joints_is_the_derivative():
    chain, _ = limb_of(ODD, 'base', 'tip').chain()
    for q in np.random.default_rng(1).uniform(-2, 2, (20, 3)):
        jacobian, step = chain.jacobian(q), 1e-6
        assert jacobian.shape == (6, 3)
        for i, way in enumerate(np.eye(3) * step):
            (p1, r1), (p0, r0) = chain.forward(q + way), chain.forward(q - way)
            np.testing.assert_allclose(jacobian[:3, i], (p1 - p0) / (2 * step), atol=1e-6)
            turn = rotation_vector(r1 @ r0.T) / (2 * step)
            np.testing.assert_allclose(jacobian[3:, i], turn, atol=1e-6)


def test_many_postures_at_once_are_the_same_as_one_by_one():
    chain, _ = limb_of(ODD, 'base', 'tip').chain()
    q = np.random.default_rng(0).uniform(-2, 2, (4, 5, 3))
    frames = chain.frames(q)
    assert frames.shape == (4, 5, 5, 4, 4)  # four joints, one of which follows, and the tool
    for index in np.ndindex(4, 5):
        np.testing.assert_allclose(frames[index], chain.frames(q[index]), atol=1e-14)


def test_a_base_that_hangs_on_the_way_is_found_over_fixed_joints_alone():
    side = robot(
        *(link(name) for name in ('world', 'base', 'arm', 'tip')),
        joint('stand', 'fixed', 'world', 'base', xyz='0 0 1', rpy='0 0 1.5707963267948966'),
        joint('first', 'revolute', 'world', 'arm', xyz='1 0 0'),
        joint('last', 'fixed', 'arm', 'tip', xyz='0 0 0.5'),
    )
    chain, _ = limb_of(side, 'base', 'tip').chain()
    # One metre ahead of the world is one to the right of a base that looks along y; 0.5 m below it.
    np.testing.assert_allclose(chain.forward(np.zeros(1))[0], [0.0, -1.0, -0.5], atol=1e-12)
    with pytest.raises(ContractError, match=r'made: base arm: first moves arm against base'):
        limb_of(side, 'arm', 'base')


def test_the_largest_double_is_no_limit():
    limit = (
        '<limit lower="-1.7976931348623157e308" upper="1.7976931348623157e308" velocity="1e300"/>'
    )
    part = f'<joint name="j" type="prismatic"><parent link="a"/><child link="b"/>{limit}</joint>'
    one = read_urdf(robot(link('a'), link('b'), part), 'made').joints['j']
    assert (one.lower, one.upper, one.velocity) == (None, None, 1e300)


def test_limits_that_allow_no_motion_are_none():
    urdf = read_urdf(
        robot(
            link('a'), link('b'), link('c'),
            '<joint name="free" type="revolute"><parent link="a"/><child link="b"/></joint>',
            '<joint name="stuck" type="prismatic"><parent link="b"/><child link="c"/>'
            '<limit effort="1" velocity="0"/></joint>',
        ),
        'made',
    )  # fmt: skip
    for name in ('free', 'stuck'):
        one = urdf.joints[name]
        assert (one.lower, one.upper, one.velocity) == (None, None, None)
        assert one.axis == (1.0, 0.0, 0.0)  # which a URDF means where it names none


def test_what_a_contract_holds_of_an_arm():
    found = arm_description(
        read_urdf(ODD, 'made'), base='base', tips={'': 'tip'}, grippers={'': 'grip'},
        home={'lean': 0.5},
    )  # fmt: skip
    assert (found.name, found.base, found.continuous) == ('odd', 'base', {'turn'})
    assert found.limbs[0].home == (0.0, 0.5, 0.0, 0.0)
    assert found.limbs[0].gripper == 'grip'


BROKEN = [
    ('<a/>', r'its root is <a>; allowed: <robot>'),
    ('<robot', 'not XML: unclosed token'),
    ('', 'not XML: no element found'),
    ('<!DOCTYPE robot [<!ENTITY a "b">]><robot/>', 'a document type declaration'),
    ('<robot>' + '<link>' * 60 + '</link>' * 60 + '</robot>', 'tags more than 50 deep'),
    (robot(link('a'), link('a')), "a link named 'a', empty or there twice"),
    (robot(link('a'), joint('j', 'revolute', 'a', 'b')), "joint j: no link 'b'"),
    (robot(link('a'), link('b'), joint('j', 'ball', 'a', 'b')), "joint j: type 'ball'"),
    (robot(link('a'), link('b'), joint('j', 'revolute', 'a', 'b', axis='0 0 0')), 'axis'),
    (robot(link('a'), link('b'), joint('j', 'fixed', 'a', 'b', xyz='0 0')), "xyz='0 0'"),
    (robot(link('a'), link('b'), joint('j', 'fixed', 'a', 'b', xyz='0 nan 0')), '3 numbers'),
    (robot(link('a'), link('b'), joint('j', 'fixed', 'a', 'b', xyz='0 1e300 0')), '3 numbers'),
    (
        robot(link('a', '<collision><geometry><sphere radius="1e200"/></geometry></collision>')),
        "radius='1e200'; allowed: 1 numbers, none beyond",
    ),
    (
        robot(link('a'), link('b'), joint('j', 'fixed', 'a', 'b'), joint('k', 'fixed', 'b', 'a')),
        'a circle of joints',
    ),
    (
        robot(link('a'), link('b'), joint('j', 'fixed', 'a', 'b'), joint('k', 'fixed', 'a', 'b')),
        'a second joint moves b',
    ),
    (
        '<robot xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:macro name="m"/></robot>',
        'xacro that is not expanded; to fix: xacro FILE.xacro > FILE.urdf',
    ),
    (
        robot(link('a', '<collision><geometry><box size="1 0 1"/></geometry></collision>')),
        'above 0',
    ),
]


@pytest.mark.parametrize(('text', 'problem'), BROKEN)
def test_what_is_no_urdf_is_refused_with_where(text, problem):
    with pytest.raises(ContractError, match=problem) as caught:
        read_urdf(text, 'made')
    assert str(caught.value).startswith('made')


def test_a_text_beyond_the_limit_is_not_parsed():
    with pytest.raises(ContractError, match='characters; allowed: up to 4194304'):
        read_urdf('<robot>' + ' ' * (4 << 20), 'made')


@pytest.mark.parametrize(
    ('base', 'tip', 'problem'),
    [
        ('base', 'hand', r"no link 'hand'; allowed: world, base, a"),
        ('tip', 'tip', r'no joint moves tip'),
        ('d', 'finger', r'no way'),
    ],
)
def test_a_way_that_is_not_there_is_named(base, tip, problem):
    if problem == 'no way':  # it moves by the mimic joint and the finger's: one is enough
        with pytest.raises(ValueError, match='nod follows lean'):
            limb_of(ODD, base, tip)
        return
    with pytest.raises(ContractError, match=problem):
        limb_of(ODD, base, tip)


def test_a_joint_of_six_degrees_of_freedom_is_none_of_an_arm():
    text = robot(link('a'), link('b'), joint('j', 'floating', 'a', 'b'))
    with pytest.raises(ContractError, match=r"joint j: type 'floating' on the way to b"):
        limb_of(text, 'a', 'b')


def test_descriptions_that_fit_no_arm_are_refused():
    joints = limb_of(ODD, 'base', 'tip').joints
    limb = LimbDescription(tip='tip', joints=joints, home=(0.0,) * 3)
    for wrong, problem in [
        ({'home': (0.0,)}, 'home has 1 numbers'),
        ({'gripper': 'lean', 'home': (0.0,) * 4}, 'the joints of tip'),
        ({'joints': joints[3:]}, 'the joints of tip'),
        ({'home': (0.0, math.nan, 0.0)}, 'not finite'),
    ]:
        with pytest.raises(ValueError, match=problem):
            LimbDescription(**{**vars(limb), **wrong})
    with pytest.raises(ValueError, match='differ by their side'):
        ArmDescription(name='two', base='base', limbs=(limb, limb))
