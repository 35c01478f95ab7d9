"""Perturbations are refused by name, and act when they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.perturbations import KINDS, Perturbation
from il_ros.sim.world import World

SUITE = Path(__file__).parents[2] / 'config/suites/monitor.yaml'


def test_an_unknown_kind_is_refused_with_those_that_are_known():
    with pytest.raises(
        UnknownNameError, match=r"unknown perturbation 'kick'; allowed: action_delay,"
    ):
        Perturbation(kind='kick')


@pytest.mark.parametrize(
    ('fields', 'text'),
    [
        (
            {'kind': 'push', 'value': (1.0,)},
            r'perturbation push: value \(1.0,\); allowed: 3 finite',
        ),
        ({'kind': 'push', 'value': (1.0, 2.0, float('nan'))}, 'finite numbers: force on the body'),
        ({'kind': 'mass_scale'}, r'mass_scale: value \(\); allowed: 1 finite'),
        ({'kind': 'sensor_dropout', 'target': 'wrench', 'start': -1.0}, 'allowed: start >= 0'),
        ({'kind': 'action_delay', 'value': (0.1,), 'duration': 0.0}, 'duration > 0'),
        ({'kind': 'mass_scale', 'value': (2.0,), 'target': 'table'}, "unknown body 'table'"),
        ({'kind': 'mass_scale', 'value': (0.0,), 'target': 'object'}, 'numbers from 0.001: factor'),
        ({'kind': 'friction_scale', 'value': (-0.5,)}, 'numbers from 0: factor on the object'),
        ({'kind': 'action_delay', 'value': (-0.1,)}, 'numbers from 0: delay of the command'),
        ({'kind': 'command_noise', 'value': (-0.1,)}, 'numbers from 0: standard deviation of the'),
        (
            {'kind': 'colour', 'value': (0.0, 0.5, 2.0), 'target': 'table'},
            r'colour: value .* allowed: 3 finite numbers from 0 to 1: red',
        ),
        (
            {'kind': 'texture', 'value': (9.0,), 'target': 'table'},
            '1 finite numbers from 0 to 3: pattern, rounded: 0 plain, 1 checker',
        ),
        (
            {'kind': 'sensor_noise', 'value': (-1.0,), 'target': 'wrench'},
            'some finite numbers from 0: standard deviation',
        ),
    ],
)
def test_what_does_not_fit_the_kind_is_refused(fields, text):
    with pytest.raises(IlRosError, match=text):
        Perturbation(**fields)


@given(st.floats(0, 10), st.floats(0.01, 10), st.floats(0, 30))
def test_it_acts_from_its_start_for_its_duration(start, duration, time):
    push = Perturbation(kind='push', start=start, duration=duration, value=(1.0, 0.0, 0.0))
    assert push.active(time) == (start <= time < start + duration)


def test_some_kinds_hold_for_the_episode():
    assert {kind for kind, meaning in KINDS.items() if meaning.episode} == {
        'object_outside', 'friction_scale', 'mass_scale', 'gain_scale', 'damping_scale',
        'camera_offset', 'light_offset', 'light_scale', 'colour', 'texture',
    }  # fmt: skip
    assert Perturbation(kind='mass_scale', start=5.0, value=(2.0,)).active(0.0)


def test_each_trouble_of_the_monitors_suite_is_there_in_three_strengths():
    suite = yaml.safe_load(SUITE.read_text(encoding='utf-8'))
    names = {name.rsplit('_', 1)[0] for name in suite}
    assert len(names) == 10
    forms = ('weak', 'medium', 'strong')
    assert set(suite) == {f'{name}_{form}' for name in names for form in forms}
    world = World('pick_place')
    for items in suite.values():
        perturbations = [
            Perturbation(**{**item, 'value': tuple(item.get('value', ()))}) for item in items
        ]
        world.reset(0, perturbations)
