"""Randomisation: from the seed alone, within its ranges, and nothing where nothing is asked for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.env import TaskEnv
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import NOTHING, Randomisation, Range, load_randomisation
from il_ros.sim.world import World

FILES = Path(__file__).parents[2] / 'config/randomisation'


@pytest.fixture(scope='module')
def default():
    return load_randomisation(FILES / 'default.yaml')


@given(
    st.sampled_from(['uniform', 'log_uniform']),
    st.floats(0.001, 1e3),
    st.floats(1.0, 1e3),
    st.integers(0, 2**31),
)
def test_numbers_stay_in_their_range(distribution, low, factor, seed):
    given_range = Range(distribution=distribution, low=low, high=low * factor)
    numbers = given_range.draw(np.random.default_rng(seed), 20)
    assert all(low <= number <= low * factor for number in numbers)


def test_a_log_uniform_range_is_as_often_below_as_above_its_geometric_mean():
    numbers = np.array(
        Range(distribution='log_uniform', low=0.1, high=10.0).draw(np.random.default_rng(0), 4000)
    )
    assert abs(np.mean(numbers < 1.0) - 0.5) < 0.03
    uniform = Range(distribution='uniform', low=0.1, high=10.0)
    assert np.mean(np.array(uniform.draw(np.random.default_rng(0), 4000)) < 1.0) < 0.12


def test_nothing_draws_nothing():
    assert NOTHING.draw(3) == ()


def test_a_seed_and_its_settings_give_one_draw(default):
    assert default.draw(3) == default.draw(3)
    assert default.draw(3) != default.draw(4)
    kinds = [p.kind for p in default.draw(3)]
    assert kinds.count('camera_offset') == 2
    assert kinds.count('colour') == kinds.count('texture') == 2
    assert kinds.count('sensor_noise') == 5
    assert {'mass_scale', 'friction_scale', 'damping_scale', 'gain_scale', 'action_delay'} <= {
        *kinds
    }
    assert {'light_offset', 'light_scale'} <= {*kinds}


def test_a_draw_travels_as_perturbations_do(default):
    for seed in range(50):
        for p in default.draw(seed):
            assert p == Perturbation(kind=p.kind, target=p.target, value=p.value)


def test_the_scene_is_that_of_the_seed_alone(default):
    world, random = World('pick_place'), World('pick_place')
    for seed in (0, 5):
        world.reset(seed)
        random.reset(seed, default.draw(seed))
        plain, varied = world.privileged(), random.privileged()
        for key in ('object_pose', 'goal_position', 'joint_position', 'gripper_position'):
            np.testing.assert_array_equal(plain[key], varied[key])


def motion(world, seed, perturbations=()):
    """What is observed while the arm moves a little, in one array."""
    world.reset(seed, perturbations)
    truth, rows = world.privileged(), []
    target = np.concatenate([truth['joint_position'], truth['gripper_position']])
    for _ in range(10):
        target[:7] += 0.02
        world.step(np.tile(target, (world.substeps, 1)))
        rows.append(np.concatenate(list(world.observe().values())))
    return np.array(rows)


def test_an_episode_repeats_and_leaves_nothing_behind(default):
    world, fresh = World('pick_place'), World('pick_place')
    first = motion(world, 4, default.draw(4))
    plain = motion(world, 4)
    assert not np.array_equal(first, plain)
    np.testing.assert_array_equal(motion(fresh, 4), plain)
    np.testing.assert_array_equal(motion(world, 4, default.draw(4)), first)


def test_an_environment_has_it_as_an_argument(default):
    env, same, plain = (TaskEnv('pick_place', randomisation=r) for r in (default, default, NOTHING))
    first, _ = env.reset(seed=2)
    again, _ = same.reset(seed=2)
    clean, _ = plain.reset(seed=2)
    np.testing.assert_array_equal(first['object_pose'], again['object_pose'])
    assert not np.array_equal(first['object_pose'], clean['object_pose'])
    assert np.abs(first['object_pose'] - clean['object_pose']).max() < 0.02


def test_what_a_task_lacks_is_refused(default):
    with pytest.raises(IlRosError, match='perturbation mass_scale: the task has no object'):
        World('reach').reset(0, default.draw(0))


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('gravity: {}', r"f.yaml: unknown key 'gravity'; allowed: object_mass, object_friction"),
        (
            'object_mass: {low: 0.5, high: 2.0}',
            r'f.yaml.object_mass.distribution: missing; allowed: .*uniform',
        ),
        (
            'latency: {distribution: normal, low: 0, high: 1}',
            r"f.yaml.latency.distribution: got 'normal'; allowed: uniform, log_uniform",
        ),
        (
            'latency: {distribution: uniform, low: 2, high: 1}',
            r'f.yaml.latency: uniform from 2.0 to 1.0; allowed: finite numbers, low <= high',
        ),
        (
            'latency: {distribution: uniform, low: 0, high: .inf}',
            r'f.yaml.latency: uniform from 0.0 to inf',
        ),
        (
            'latency: {distribution: uniform, low: -0.1, high: 0.1}',
            r'f.yaml: latency from -0.1 to 0.1; allowed: 0 to inf',
        ),
        (
            'object_mass: {distribution: log_uniform, low: 0.0, high: 1.0}',
            r'f.yaml.object_mass: log_uniform from 0.0 to 1.0; .*low > 0',
        ),
        (
            'servo_gains: {distribution: uniform, low: 0.0, high: 1.0}',
            r'f.yaml: servo_gains from 0 to 1; allowed: 0.01 to 100',
        ),
        (
            'surfaces: {chair: {}}',
            r"f.yaml.surfaces: unknown key 'chair'; allowed: table, object",
        ),
        (
            'surfaces: {table: {colour: {distribution: uniform, low: 0, high: 255}}}',
            r'f.yaml: surfaces.table.colour from 0 to 255; allowed: 0 to 1',
        ),
        (
            'surfaces: {table: {textures: [wood]}}',
            r"f.yaml.surfaces.table.textures\[0\]: got 'wood'; allowed: plain, checker",
        ),
        (
            'cameras: {front: {turn: {distribution: uniform, low: 0, high: 1}}}',
            r'f.yaml.cameras.front.shift: missing',
        ),
        (
            'sensor_noise: {wrench: {distribution: uniform, low: -1, high: 1}}',
            r'f.yaml: sensor_noise.wrench from -1 to 1; allowed: 0 to inf',
        ),
    ],
)
def test_faults_are_named(text, problem):
    with pytest.raises(IlRosError, match=problem):
        parse(Randomisation, yaml.safe_load(text), where='f.yaml')


def test_a_name_that_a_task_does_not_have_is_refused():
    names = Randomisation(sensor_noise={'objekt': Range(distribution='uniform', low=0.0, high=1.0)})
    with pytest.raises(UnknownNameError, match="unknown observation 'objekt'"):
        World('reach').reset(0, names.draw(0))


def test_the_settings_have_a_hash(default):
    other = Randomisation(latency=Range(distribution='uniform', low=0.0, high=math.pi))
    assert len({default.hash, other.hash, NOTHING.hash}) == 3
    assert default.hash == load_randomisation(FILES / 'default.yaml').hash
