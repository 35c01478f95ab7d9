import json
from dataclasses import fields, replace

import numpy as np
import pytest

from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    describe,
    load_augmentation,
    make_augmentation,
)
from il_ros.datasets.augmentation.image_steps import Crop, Cutout
from il_ros.datasets.augmentation.observation_noise import AddNoise, Noise
from il_ros.datasets.augmentation.state_perturbation import PerturbState, StatePerturbation

NAMES = ('franka_mirror', 'franka_perturbation', 'franka_noise', 'images')


@pytest.fixture
def write(tmp_path):
    def write(text, name='some.yaml'):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_everything_is_off_by_default(contract, make_samples, rng):
    assert not NO_AUGMENTATION.active
    assert all(getattr(Augmentation(), field.name) is None for field in fields(Augmentation))
    assert load_augmentation() == NO_AUGMENTATION
    assert describe(NO_AUGMENTATION) is None
    samples = make_samples(3)
    before = rng.bit_generator.state
    assert make_augmentation(contract, NO_AUGMENTATION)(samples, rng) is samples
    assert rng.bit_generator.state == before


def test_the_files_of_the_package_go_together(contract, files, make_samples):
    all_of_them = load_augmentation(*[files / f'{name}.yaml' for name in NAMES])
    assert all(getattr(all_of_them, field.name) is not None for field in fields(Augmentation))
    how = replace(all_of_them, perturbation=replace(all_of_them.perturbation, pictures=True))
    images = [('front', (16, 20, 20, 3), np.uint8), ('wrist', (16, 20, 20), np.uint8)]
    samples, augment = make_samples(16, images=images), make_augmentation(contract, how)
    one, same, other = (augment(samples, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for a, b, c in ((x.values | x.images | {'chunk': x.chunk} for x in (one, same, other)),):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
        assert not np.array_equal(a['chunk'], c['chunk'])
        assert not np.array_equal(a['front'], c['front'])
    assert len(one) == 16


def test_samples_stay_as_they_were(contract, files, make_samples):
    how = load_augmentation(*[files / f'{name}.yaml' for name in NAMES[:3]])
    samples, untouched = make_samples(64, 1), make_samples(64, 1)
    make_augmentation(contract, how)(samples, np.random.default_rng(0))
    for key, values in untouched.values.items():
        np.testing.assert_array_equal(samples.values[key], values)
    np.testing.assert_array_equal(samples.chunk, untouched.chunk)


def test_steps_are_done_in_the_order_of_the_fields(contract, make_samples):
    noise = Noise(std={'joint_position': {'position': 0.01}})
    off = StatePerturbation(offset={'fr3_joint1': 0.1}, tool=('tcp_pose',), pictures=True)
    how = Augmentation(cutout=Cutout(), crop=Crop(), noise=noise, perturbation=off)
    samples = make_samples(8, images=[('front', (8, 9, 9), np.uint8)])
    found = make_augmentation(contract, how)(samples, np.random.default_rng(4))
    rng, expected = np.random.default_rng(4), samples
    by_hand = (PerturbState(contract, off), AddNoise(contract, noise))
    for step in (*by_hand, Crop(), Cutout()):
        expected = step(expected, rng)
    np.testing.assert_array_equal(found.values['joint_position'], expected.values['joint_position'])
    np.testing.assert_array_equal(found.images['front'], expected.images['front'])


def test_the_hash_is_of_what_is_said_not_of_how(write):
    one = load_augmentation(write('crop: {shift: 2}\nblur: {sigma: 0.5}\n'))
    same = load_augmentation(write('# the same\nblur: {sigma: 0.5}\ncrop: {zoom: 0, shift: 2}\n'))
    assert one.hash == same.hash != load_augmentation(write('crop: {shift: 3}\n')).hash
    told = describe(one)
    assert told['sha256'] == one.hash
    assert list(told['settings']) == ['crop', 'blur']
    assert json.loads(json.dumps(told)) == told


def test_two_files_that_say_the_same_step_are_refused(write):
    one, two = write('crop: {shift: 2}', 'one.yaml'), write('crop: {shift: 3}', 'two.yaml')
    with pytest.raises(DatasetError) as caught:
        load_augmentation(one, two)
    assert str(caught.value) == (
        'two.yaml.crop: one.yaml has it too; to fix: leave one of the two files out'
    )


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('colours: {}', "some.yaml: unknown key 'colours'; allowed: mirror, perturbation, noise"),
        ('crop: {pixels: 3}', "some.yaml.crop: unknown key 'pixels'; allowed: shift, zoom, keys"),
        ('perturbation: {}', 'some.yaml.perturbation.tool: missing; allowed: '),
        ('mirror: {plane: w}', "some.yaml.mirror.plane: got 'w'; allowed: x, y, z"),
        ('mirror: {joints: {a: {sign: up}}}', "some.yaml.mirror.joints.a.sign: got 'up'; allowed"),
        ('3', 'some.yaml: got 3; allowed: a mapping with mirror, perturbation'),
        ('crop: [', 'some.yaml: not YAML: '),
    ],
)
def test_a_file_that_says_nonsense_is_refused(write, text, problem):
    with pytest.raises(DatasetError) as caught:
        load_augmentation(write(text))
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r'none.yaml: no such file; to fix: check the path'):
        load_augmentation(tmp_path / 'none.yaml')


def test_samples_of_another_contract_are_refused(contract, make_samples, rng):
    samples, augment = make_samples(2), make_augmentation(contract, NO_AUGMENTATION)
    more = {**samples.values, 'secret': np.zeros((2, 3), np.float32)}
    with pytest.raises(DatasetError, match=r"samples: observations .*'secret': 3.*; allowed: th"):
        augment(replace(samples, values=more), rng)
    with pytest.raises(DatasetError, match=r'samples.chunk: 7 joints; allowed: fr3_joint1, '):
        augment(replace(samples, chunk=samples.chunk[..., :7]), rng)
