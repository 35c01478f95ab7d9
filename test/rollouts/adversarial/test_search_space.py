"""The space of disturbances: from bounds to perturbations, their sizes, and faults by path."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.config import parse
from il_ros.core.errors import IlRosError
from il_ros.evaluation.suites import SEEDS
from il_ros.rollouts.adversarial.search_space import (
    Parameter,
    SearchBounds,
    SearchSpace,
    load_space,
)
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.world import World

FILES = sorted((Path(__file__).parents[3] / 'config/adversarial').glob('*.yaml'))
TEXT = """
scenes: {first: 3, count: 2}
perturbations:
  push: {kind: push, target: hand, start: [1, 3], duration: 0.5, value: [[-60, 60], 0, [-20, 60]]}
  mass: {kind: mass_scale, target: object, value: [[0.5, 8]]}
  lost: {kind: sensor_dropout, target: object_pose, start: 0.5, duration: [0.1, 1.1]}
"""


def space_of(text):
    return SearchSpace(parse(SearchBounds, yaml.safe_load(text), where='f.yaml'), where='f.yaml')


@pytest.fixture(scope='module')
def space():
    return space_of(TEXT)


def test_every_number_with_bounds_is_a_parameter(space):
    names = [p.name for p in space.parameters]
    assert names == [
        'push.start', 'push.value[0]', 'push.value[2]', 'mass.value[0]', 'lost.duration',
    ]  # fmt: skip
    assert [p.log for p in space.parameters] == [False, False, False, True, False]
    assert list(space.seeds) == list(SEEDS['adversarial'][3:5])


def test_a_point_is_a_list_of_perturbations(space):
    values = space.values([0.5, 1.0, 0.25, 0.5, 0.0])
    assert values == {
        'push.start': 2.0,
        'push.value[0]': 60.0,
        'push.value[2]': 0.0,
        'mass.value[0]': 2.0,  # half-way between 0.5 and 8, on a logarithmic scale
        'lost.duration': 0.1,
    }
    assert space.perturbations(values) == (
        Perturbation(kind='push', target='hand', start=2.0, duration=0.5, value=(60.0, 0.0, 0.0)),
        Perturbation(kind='mass_scale', target='object', value=(2.0,)),
        Perturbation(kind='sensor_dropout', target='object_pose', start=0.5, duration=0.1),
    )


def test_sizes_written_out(space):
    # A start has none; mass 2 is log 2 / log 8 = 1/3 of the way out; 0.1 s of 1.1 s is 1/11.
    values = space.values([0.5, 1.0, 0.25, 0.5, 0.0])
    sizes = [1.0, 0.0, 1 / 3, 1 / 11]
    assert space.size(values) == pytest.approx(math.sqrt(sum(x**2 for x in sizes) / 4))
    assert space.size({}) == 0.0


@given(shares=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_every_point_is_within_its_bounds_and_no_larger_than_one(space, shares):
    values = space.values(shares)
    for p in space.parameters:
        assert p.low <= values[p.name] <= p.high
    assert 0.0 <= space.size(values) <= 1.0
    assert space.size(values) >= max(p.size(values[p.name]) for p in space.parameters) / 2 - 1e-12


@given(st.floats(1e-3, 1e3), st.floats(1.001, 1e3), st.floats(0, 1), st.booleans())
def test_shares_and_numbers_go_back_and_forth(low, factor, share, log):
    p = Parameter(name='a', low=low, high=low * factor, neutral=1.0, log=log)
    value = p.value(share)
    assert p.low <= value <= p.high
    # A number that has its few digits already stays what it is.
    assert p.value(p.share(value)) == pytest.approx(value, rel=2e-3)


def test_one_number_by_itself(space):
    push, mass, lost = space.parameters[1], space.parameters[3], space.parameters[4]
    assert space.alone(push, -30.0) == (
        Perturbation(kind='push', target='hand', start=2.0, duration=0.5, value=(-30.0, 0.0, 0.0)),
    )
    assert space.alone(mass, 4.0) == (
        Perturbation(kind='mass_scale', target='object', value=(4.0,)),
    )
    assert space.alone(lost, 0.3)[0].duration == 0.3
    assert [space.has_effect(p) for p in space.parameters] == [False, True, True, True, True]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_file_fits_its_task(path):
    space, world = load_space(path), World(path.stem)
    for share in (0.0, 0.3, 1.0):
        shares = np.full(len(space.parameters), share)
        world.reset(space.seeds[0], space.perturbations(space.values(shares)))


@pytest.mark.parametrize(
    ('item', 'problem'),
    [
        ('{kind: kick}', r"a.kind: unknown perturbation 'kick'; allowed: action_delay"),
        ('{kind: push, value: [[1, 0], 0, 0]}', r'a.value\[0\]: got \[1, 0\]; .*low < high'),
        ('{kind: push, value: [[0, .inf], 0, 0]}', r'a.value\[0\]: .*finite'),
        ('{kind: push, value: [[0, 1, 2], 0, 0]}', r'a.value\[0\]: .*a number, or \[low, high\]'),
        ('{kind: push, value: [true, 0, 0]}', r'a.value\[0\]: got True'),
        ('{kind: push, value: [[0, 1]]}', r'a: value \(0.0,\); allowed: 3 finite numbers'),
        ('{kind: push, value: 3}', r'a.value: got 3; allowed: a list'),
        ('{kind: mass_scale, value: [[0, 2]]}', r'a.value\[0\]: got 0 as lower bound of a factor'),
        (
            '{kind: mass_scale, start: [0, 1], value: [2]}',
            r'a.start: the perturbation lasts for the whole episode; to fix: leave it out',
        ),
        (
            '{kind: colour, target: table, value: [[0, 1], 0, 0]}',
            r'a.value\[0\]: the number has no size to search; to fix: fix the number',
        ),
        ('{kind: action_delay, value: [[0, 1]], start: [-1, 1]}', r'a: start -1.0 s'),
        ('{kind: action_delay, value: [0.1]}', 'nothing to search: every number is fixed'),
        ('{kind: action_delay, size: [0.1]}', r"a: unknown key 'size'; allowed: kind, target"),
    ],
)
def test_faults_are_named_by_their_path(item, problem):
    with pytest.raises(IlRosError, match=r'f\.yaml\.perturbations.*' + problem):
        space_of(f'perturbations: {{a: {item}}}')


def test_scenes_must_be_there():
    item = 'perturbations: {a: {kind: action_delay, value: [[0, 1]]}}'
    with pytest.raises(IlRosError, match=r'f.yaml.scenes.count: got no scene; allowed: at least 1'):
        space_of(item + '\nscenes: {count: 0}')
    with pytest.raises(IlRosError, match=r'seeds.adversarial'):
        space_of(item + '\nscenes: {count: -1}')
