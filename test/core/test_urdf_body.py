"""Capsules around the bodies of a URDF: they cover them, wherever the joints are."""

from __future__ import annotations

import math
import struct
import time

import mujoco
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made_urdf import joint, link, robot, write_contract

from il_ros.core import urdf_body
from il_ros.core.arm_geometry import Geometry, Outline, SelfClearance
from il_ros.core.arms import arm_of
from il_ros.core.contract import load_contract
from il_ros.core.errors import ContractError
from il_ros.core.urdf_body import read_mesh
from il_ros.monitors import checks


def body(shape, xyz='0 0 0', rpy='0 0 0'):
    origin = f'<origin xyz="{xyz}" rpy="{rpy}"/>'
    return f'<collision>{origin}<geometry>{shape}</geometry></collision>'


ARM = robot(
    link('base', body('<box size="0.3 0.3 0.1"/>')),
    link('upper', body('<box size="0.08 0.06 0.4"/>', '0 0 0.2', '0.1 0 0')),
    link('fore', body('<cylinder radius="0.04" length="0.3"/>', '0.15 0 0', '0 1.5708 0.2')),
    link('hand', body('<sphere radius="0.06"/>', '0 0 0.02')),
    link('tip'),
    link('jaw', body('<capsule radius="0.01" length="0.08"/>', '0 0.03 0.04')),
    link('pad', body('<box size="0.02 0.02 0.02"/>', '0 0 0.08')),
    link('thumb', body('<box size="0.03 0.02 0.06"/>', '0 0 0.03')),
    joint('swing', 'revolute', 'base', 'upper', xyz='0 0 0.1', axis='0 1 0'),
    joint('bend', 'revolute', 'upper', 'fore', xyz='0 0 0.4', rpy='0 0 0.3', axis='0 1 1'),
    joint('reach', 'prismatic', 'fore', 'hand', xyz='0.3 0 0', axis='1 0 0'),
    joint('flange', 'fixed', 'hand', 'tip', xyz='0 0 0.1', rpy='0 0.5 0'),
    joint('grip', 'revolute', 'tip', 'jaw', xyz='0 0.02 0', axis='1 0 0'),
    joint('press', 'prismatic', 'jaw', 'pad', axis='0 0 1',
          more='<mimic joint="grip" multiplier="0.02"/>'),
    joint('oppose', 'revolute', 'tip', 'thumb', xyz='0 -0.02 0', axis='1 0 0',
          more='<mimic joint="grip" multiplier="-1" offset="0.2"/>'),
    name='covered',
)  # fmt: skip
NAMES = ('swing', 'bend', 'reach', 'grip')
QUICK = {}  # an arm, its geometry and its watch, made once for the module


def contract_of(folder, text=ARM, names=NAMES, **arm):
    return load_contract(write_contract(folder, text=text, names=names, limits={}, **arm))


def skin(model, data, geom, rng, count=200):
    """Points (count, 3) on the surface of a primitive, in the world."""
    size, kind = model.geom_size[geom], mujoco.mjtGeom(int(model.geom_type[geom]))
    way = rng.standard_normal((count, 3))
    way /= np.linalg.norm(way, axis=1)[:, None]
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        local = np.clip(way * 2, -1, 1) * size
    elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        flat = way[:, :2] / np.linalg.norm(way[:, :2], axis=1)[:, None]
        local = np.column_stack([size[0] * flat, rng.uniform(-size[1], size[1], count)])
    else:
        local = size[0] * way
        if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
            local[:, 2] += size[1] * np.sign(way[:, 2])
    return local @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]


def test_every_body_is_covered_by_the_parts_wherever_the_joints_are(tmp_path):
    """MuJoCo has the bodies where they are; the gripper's joints go through their whole range."""
    arm = arm_of(contract_of(tmp_path))
    outline = Outline(arm.body, tool=len(arm.chain.fixed))
    model = mujoco.MjModel.from_xml_string(ARM)
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    geoms = [i for i in range(model.ngeom)]
    assert len(geoms) == 7
    for _ in range(40):
        q = rng.uniform(arm.position_min, arm.position_max)
        grip = q[-1]
        values = dict(zip(arm.names, q, strict=True))
        values |= {'press': 0.02 * grip, 'oppose': 0.2 - grip}
        for name, value in values.items():
            data.joint(name).qpos = value
        mujoco.mj_kinematics(model, data)
        centres = outline.centres(arm.chain.frames(q[:-1]))
        for geom in geoms:
            points = skin(model, data, geom, rng)
            gap = np.linalg.norm(points[:, None] - centres, axis=-1) - outline.radius
            assert gap.min(axis=1).max() <= 1e-6, (model.geom(geom).bodyid, values)


def test_parts_are_not_much_larger_than_what_they_cover(tmp_path):
    parts = {part.name: part for part in arm_of(contract_of(tmp_path)).body}
    assert set(parts) == {'base', 'upper', 'fore', 'hand', 'jaw', 'pad', 'thumb'}
    assert parts['hand'].radius == pytest.approx(0.06, abs=1e-4)
    assert parts['fore'].radius < 0.045
    # Half of the box's shorter diagonal is 0.05 m; its corners lie beyond the ends of the line.
    assert parts['upper'].radius < 0.0505
    assert math.dist(parts['upper'].start, parts['upper'].end) < 0.401
    assert [part.frame for part in arm_of(contract_of(tmp_path)).body].count(-1) == 1


def box_stl(size, ascii_text):
    """Two triangles a side of a box of full edges `size` around the origin, as an STL file."""
    corner = np.array(list(np.ndindex(2, 2, 2))) * np.array(size) - np.array(size) / 2
    faces = [(0, 1, 3), (0, 3, 2), (4, 7, 5), (4, 6, 7), (0, 5, 1), (0, 4, 5), (2, 3, 7), (2, 7, 6),
             (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]  # fmt: skip
    if ascii_text:
        rows = [f'vertex {x} {y} {z}' for face in faces for x, y, z in corner[list(face)]]
        return ('solid box\n' + '\n'.join(rows) + '\nendsolid').encode()
    rows = [struct.pack('<12fH', 0, 0, 0, *corner[list(face)].ravel(), 0) for face in faces]
    return bytes(80) + struct.pack('<I', len(rows)) + b''.join(rows)


@pytest.mark.parametrize('ascii_text', [True, False])
def test_an_stl_is_read_as_text_and_as_bytes(tmp_path, ascii_text):
    (tmp_path / 'box.STL').write_bytes(box_stl((0.2, 0.1, 0.6), ascii_text))
    corners = read_mesh(tmp_path / 'box.STL')
    assert corners.shape == (12, 3, 3)
    np.testing.assert_allclose(corners.reshape(-1, 3).min(0), [-0.1, -0.05, -0.3], atol=1e-7)
    np.testing.assert_allclose(corners.reshape(-1, 3).max(0), [0.1, 0.05, 0.3], atol=1e-7)


def test_an_obj_is_read_by_its_vertices(tmp_path):
    (tmp_path / 'a.obj').write_text('# x\nv 0 0 1\nvn 9 9 9\nv 1 2 3 1.0\nf 1 2 1\n')
    np.testing.assert_array_equal(read_mesh(tmp_path / 'a.obj')[:, 0], [[0, 0, 1], [1, 2, 3]])


@pytest.mark.parametrize(
    ('name', 'content', 'problem'),
    [
        ('a.dae', b'<COLLADA/>', r'no reader for \.dae, only for STL and OBJ'),
        ('a.stl', b'', '0 triangles'),
        ('a.stl', b'solid x\nvertex 0 0 zero\n', 'could not convert'),
        ('a.stl', bytes(80) + struct.pack('<I', 9) + bytes(50), '0 triangles'),
        ('a.obj', b'v 0 0 nan\n', 'of finite numbers'),
        ('a.obj', b'v 0 0 1e300\n', 'of finite numbers'),
    ],
)
def test_what_is_no_mesh_is_said(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        read_mesh(tmp_path / name)


@pytest.mark.parametrize('name', ['a.stl', 'a.obj'])
@pytest.mark.parametrize('line', [b'\n', b' ', b'\t\n', b'vertex\n', b'v \n', b'vertex '])
def test_a_mesh_of_nothing_takes_no_more_time_than_its_size(tmp_path, name, line):
    (tmp_path / name).write_bytes(b'solid\n' + line * 100_000)
    begin = time.process_time()
    with pytest.raises(ValueError, match=r'0 triangles|could not convert'):
        read_mesh(tmp_path / name)
    assert time.process_time() - begin < 2.0  # the square of it would be half a minute


@pytest.mark.parametrize(
    ('name', 'line', 'most'), [('a.stl', b'vertex 1 1 1\n', 30), ('a.obj', b'v 1 1 1\n', 10)]
)
def test_of_a_mesh_no_more_is_read_than_what_is_taken(tmp_path, monkeypatch, name, line, most):
    monkeypatch.setattr(urdf_body, '_TRIANGLES', 10)
    (tmp_path / name).write_bytes(line * most)
    assert len(read_mesh(tmp_path / name)) == 10
    (tmp_path / name).write_bytes(line * most + line + b'v and vertex and nonsense\n')
    with pytest.raises(ValueError, match=f'more than {most} vertices'):
        read_mesh(tmp_path / name)


def test_too_many_bodies_are_refused_before_they_take_their_time(tmp_path, monkeypatch):
    with pytest.raises(ContractError, match='1001 collision bodies; allowed: up to 500'):
        contract_of(tmp_path, text=mesh_arm('box.stl', more=1000), names=('swing',))
    (tmp_path / 'box.stl').write_bytes(box_stl((0.06, 0.08, 0.6), False))
    monkeypatch.setattr(urdf_body, 'MOST_PARTS', 3)
    contract_of(tmp_path, text=mesh_arm('box.stl', more=1), names=('swing',))
    monkeypatch.setattr(urdf_body, '_WORTH', 100.0)  # a mesh becomes two
    with pytest.raises(ContractError, match='4 collision bodies; allowed: up to 3'):
        contract_of(tmp_path, text=mesh_arm('box.stl', more=1), names=('swing',))


def mesh_arm(file, visual='', more=0):
    shape = f'<geometry><mesh filename="{file}" scale="1 1 0.5"/></geometry>'
    seen = f'<visual><geometry><mesh filename="{visual}"/></geometry></visual>' if visual else ''
    return robot(
        link('base'), link('arm', f'<collision><origin xyz="0 0 0.1"/>{shape}</collision>{seen}'
                           + f'<collision>{shape}</collision>' * more),
        link('tip'),
        joint('swing', 'revolute', 'base', 'arm', axis='0 1 0'),
        joint('end', 'fixed', 'arm', 'tip', xyz='0 0 0.4'),
    )  # fmt: skip


def test_a_mesh_is_covered_scaled_and_placed(tmp_path):
    (tmp_path / 'box.stl').write_bytes(box_stl((0.06, 0.08, 0.6), False))
    contract = contract_of(tmp_path, text=mesh_arm('box.stl'), names=('swing',))
    (part,) = contract.arm.limbs[0].parts
    assert contract.arm.notes == ()
    assert 0.05 <= part.radius < 0.051
    # Half of its scaled length is 0.15 m, from the middle at 0.1 m.
    np.testing.assert_allclose(sorted([part.start[2], part.end[2]]), [-0.05, 0.25], atol=5e-3)


@pytest.mark.parametrize('file', ['none.stl', 'box.dae', 'package://nowhere/box.stl', 'bad.stl'])
def test_a_mesh_that_cannot_be_read_is_replaced_with_a_note(tmp_path, file, caplog):
    (tmp_path / 'bad.stl').write_bytes(b'solid')
    contract = contract_of(tmp_path, text=mesh_arm(file), names=('swing',))
    (part,) = contract.arm.limbs[0].parts
    assert (part.radius, part.start, part.end) == (0.06001, (0.0, 0.0, 0.0), (0.0, 0.0, 0.4))
    (note,) = contract.arm.notes
    assert note.startswith(f'arm: {file}: ')
    assert note.endswith('a capsule of 0.06 m from its joint to the next instead')
    assert note in caplog.text
    (tmp_path / 'seen.stl').write_bytes(box_stl((0.1, 0.1, 0.4), False))
    contract = contract_of(tmp_path, text=mesh_arm(file, 'seen.stl'), names=('swing',))
    assert contract.arm.limbs[0].parts[0].radius == pytest.approx(0.0707, abs=1e-3)
    assert contract.arm.notes[0].endswith('its visual seen.stl instead')


def test_meshes_that_are_not_there_are_one_warning_with_the_first_of_them(tmp_path, caplog):
    mesh = '<collision><geometry><mesh filename="m{}.stl"/></geometry></collision>'
    links = [link(f'l{i}', mesh.format(i)) for i in range(5)]
    joints = [joint(f'j{i}', 'revolute', f'l{i}', f'l{i + 1}', xyz='0 0 0.3') for i in range(4)]
    text = robot(*links, *joints).replace('l0', 'base').replace('l4', 'tip')
    contract = contract_of(tmp_path, text=text, names=('j0', 'j1', 'j2', 'j3'))
    assert sum(note.endswith(' instead') for note in contract.arm.notes) == 5
    (told,) = [row.getMessage() for row in caplog.records if 'mesh' in row.getMessage()]
    assert '5 meshes are not read, visuals or capsules stand for them: base: m0.stl: ' in told
    assert told.endswith('; and 2 more')
    assert ('l2: m2.stl' in told, 'm3.stl' in told) == (True, False)
    assert not any(row.getMessage().endswith(' instead') for row in caplog.records)


def test_an_arm_without_bodies_gets_sticks_and_says_so(tmp_path):
    text = ARM.replace('collision', 'nothing')
    contract = contract_of(tmp_path, text=text)
    assert [part.name for part in contract.arm.limbs[0].parts] == ['swing', 'bend', 'reach']
    assert 'no collision bodies' in contract.arm.notes[0]


FOLDED = robot(
    *(link(f'l{i}', body('<box size="0.05 0.05 0.3"/>', '0 0 0.15')) for i in range(4)),
    link('tip'),
    *(
        joint(f'j{i}', 'revolute', f'l{i}', f'l{i + 1}', xyz='0 0 0.3', axis='0 1 0')
        for i in range(3)
    ),
    joint('end', 'fixed', 'l3', 'tip', xyz='0 0 0.3'),
).replace('"l0"', '"base"')


def test_an_arm_that_folds_onto_itself_is_stopped_and_neighbours_are_not(tmp_path):
    contract = contract_of(tmp_path, text=FOLDED, names=('j0', 'j1', 'j2'))
    geometry = Geometry.of_arm(arm_of(contract))
    straight, bent = np.zeros((1, 3)), np.array([[0.0, 2.4, 0.0]])
    assert checks.space(geometry, contract.limits, straight) is None
    assert checks.space(geometry, contract.limits, bent) is None  # l1 and l2 are neighbours
    onto = np.array([[0.0, 2.0, 2.4]])  # l3 crosses l1
    fault = checks.space(geometry, contract.limits, onto)
    assert fault.kind == 'separation'
    assert fault.text.startswith('l1: -0.0')
    assert 'm from l3, limit 0.000 m' in fault.text
    way = np.linspace(straight[0], onto[0], 30)
    assert checks.space(geometry, contract.limits, way, planned=True).kind == 'separation'
    apart = np.linspace(onto[0], [0.0, 0.6, 2.4], 30)  # l3 leaves l1, where it is deepest at first
    assert checks.space(geometry, contract.limits, apart, planned=True) is None
    assert checks.space(geometry, contract.limits, np.full((1, 3), np.nan)) is not None


def test_links_that_touch_at_home_or_that_are_named_are_not_held_apart(tmp_path):
    names = ('j0', 'j1', 'j2')
    home = {'j1': 2.0, 'j2': 2.4}
    contract = contract_of(tmp_path, text=FOLDED, names=names, home=home)
    assert contract.arm.near == (('l1', 'l3'),)
    assert contract.arm.notes[-1] == 'l1 and l3 touch at home: they are not held apart'
    onto = np.array([[0.0, 2.0, 2.4]])
    assert checks.space(Geometry.of_arm(arm_of(contract)), contract.limits, onto) is None
    contract = contract_of(tmp_path, text=FOLDED, names=names, near=[['l3', 'l1']])
    assert checks.space(Geometry.of_arm(arm_of(contract)), contract.limits, onto) is None
    with pytest.raises(ContractError, match=r"odd.urdf: near: no link 'l9'"):
        contract_of(tmp_path, text=FOLDED, names=names, near=[['l1', 'l9']])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-2.0, 2.5), min_size=3, max_size=3))
def test_the_quick_look_at_balls_lets_no_touch_pass(q):
    """Wherever capsules touch the fault is told; it is told nowhere else."""
    placing = QUICK['geometry'].at(np.array([q]))
    found = placing.within(0.0)
    watch, limb = QUICK['watch'], QUICK['arm']
    frames = limb.chain.frames(np.array([q]))
    ends = watch._lines.ends(frames)
    one, other = ends[:, watch._one], ends[:, watch._other]
    share = np.linspace(0, 1, 60)[:, None]
    for pair in range(len(watch.parts)):
        a = one[0, pair, 0] + share * (one[0, pair, 1] - one[0, pair, 0])
        b = other[0, pair, 0] + share * (other[0, pair, 1] - other[0, pair, 0])
        gap = np.linalg.norm(a[:, None] - b, axis=-1).min() - watch._radii[pair]
        if found:
            assert abs(found[0][0][0, pair] - gap) < 6e-3
        else:
            assert gap > -1e-9


@pytest.fixture(scope='module', autouse=True)
def folding(tmp_path_factory):
    contract = contract_of(tmp_path_factory.mktemp('arm'), text=FOLDED, names=('j0', 'j1', 'j2'))
    QUICK['arm'] = arm_of(contract)
    QUICK['geometry'] = Geometry.of_arm(QUICK['arm'])
    QUICK['watch'] = SelfClearance(QUICK['arm'], Outline(QUICK['arm'].body, tool=3))


def test_two_arms_of_one_base_are_held_apart_and_share_what_stands(tmp_path):
    limb = '<box size="0.05 0.05 0.5"/>'
    text = robot(
        link('base', body('<box size="0.2 1 0.1"/>')),
        link('l', body(limb, '0 0 0.25')), link('r', body(limb, '0 0 0.25')),
        link('lt'), link('rt'),
        joint('lj', 'revolute', 'base', 'l', xyz='0 0.2 0.1', axis='1 0 0'),
        joint('rj', 'revolute', 'base', 'r', xyz='0 -0.2 0.1', axis='1 0 0'),
        joint('le', 'fixed', 'l', 'lt', xyz='0 0 0.5'),
        joint('re', 'fixed', 'r', 'rt', xyz='0 0 0.5'),
    )  # fmt: skip
    tip = {'left': 'lt', 'right': 'rt'}
    contract = contract_of(tmp_path, text=text, names=('lj', 'rj'), tip=tip)
    geometry = Geometry.of_arm(arm_of(contract))
    assert geometry.clearance.parts == (('l', 'r'),)
    assert checks.space(geometry, contract.limits, np.zeros((1, 2))) is None
    crossed = np.array([[0.6, -0.6]])
    assert checks.space(geometry, contract.limits, crossed).kind == 'separation'


def test_one_of_two_arms_without_bodies_gets_sticks_and_is_held_apart_all_the_same(tmp_path):
    text = robot(
        link('base', body('<box size="0.2 1 0.1"/>')),
        link('l', body('<box size="0.05 0.05 0.5"/>', '0 0 0.25')), link('r'),
        link('lt'), link('rt'),
        joint('lj', 'revolute', 'base', 'l', xyz='0 0.2 0.1', axis='1 0 0'),
        joint('rj', 'revolute', 'base', 'r', xyz='0 -0.2 0.1', axis='1 0 0'),
        joint('le', 'fixed', 'l', 'lt', xyz='0 0 0.5'),
        joint('re', 'fixed', 'r', 'rt', xyz='0 0 0.5'),
    )  # fmt: skip
    tip = {'left': 'lt', 'right': 'rt'}
    contract = contract_of(tmp_path, text=text, names=('lj', 'rj'), tip=tip)
    assert any(note.startswith('no link of the arm to rt has') for note in contract.arm.notes)
    geometry = Geometry.of_arm(arm_of(contract))
    assert checks.space(geometry, contract.limits, np.zeros((1, 2))) is None
    crossed = np.array([[0.6, -0.6]])
    assert checks.space(geometry, contract.limits, crossed).kind == 'separation'


def test_what_is_written_into_a_contract_is_short(tmp_path):
    contract = contract_of(tmp_path)
    data = yaml.safe_load(contract.text)
    assert len(contract.text) < 4000
    assert data['arm']['limbs'][0]['parts'][0].keys() == {'name', 'frame', 'radius', 'start', 'end'}
