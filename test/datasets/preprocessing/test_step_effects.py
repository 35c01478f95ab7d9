import math

import numpy as np
import pytest
from made_episodes import CONTRACT, TEXT, made

from il_ros.core.contract import parse_contract
from il_ros.datasets.preprocessing.step_effects import alignment_effect, total_effects


def test_alignment_by_hand():
    episode = made(10, invalid=[('goal', [0, 1])])
    # The goal's samples come at frames 2, 6 and 7: ages 0 1 2 3 0 0 1 2 periods of 0.05 s.
    age = np.array([np.nan, np.nan, 0, 1, 2, 3, 0, 0, 1, 2], np.float32) * 0.05
    episode.age['goal'][:] = age
    found = alignment_effect(CONTRACT, episode)
    assert found['valid_fraction.goal'] == 0.8
    assert found['age_mean.goal'] == pytest.approx(9 / 8 * 0.05)
    assert found['age_p95.goal'] == pytest.approx(
        np.percentile([0, 1, 2, 3, 0, 0, 1, 2], 95) * 0.05
    )
    assert found['held_fraction.goal'] == 5 / 10
    assert found['valid_fraction.arm'] == 1.0
    assert found['held_fraction.arm'] == 0.0


def test_an_interpolated_value_is_not_held():
    episode = made(np.linspace(0, 1, 10))
    episode.age['arm'][:] = (np.arange(10) * 0.05).astype(np.float32)
    # One sample all along, but the value goes on; it does not where two values are the same.
    assert alignment_effect(CONTRACT, episode)['held_fraction.arm'] == 1 / 10


def test_of_images_only_valid_ones_are_held():
    contract = parse_contract(TEXT + 'images: {camera: {topic: camera, size: [8, 8]}}')
    episode = made(6)
    # The second image came at frame 2 and grew too old at frame 4.
    episode.age['camera'] = np.array([0, 0, 0, 1, 2, 3], np.float32) * 0.05
    episode.valid['camera'] = np.array([True, True, True, True, False, False])
    assert alignment_effect(contract, episode)['held_fraction.camera'] == pytest.approx(1 / 6)


def test_a_stream_that_never_came_has_no_age():
    episode = made(4, invalid=[('goal', slice(0, 4))])
    episode.age['goal'][:] = np.nan
    found = alignment_effect(CONTRACT, episode)
    assert found['valid_fraction.goal'] == 0.0
    assert not [name for name in found if name.endswith('goal') and name != 'valid_fraction.goal']
    assert alignment_effect(CONTRACT, made(0)) == {}


def test_totals_by_hand():
    def one(frames, share, rms, largest, cuts):
        return {
            'alignment': {'valid_fraction.arm': share},
            'filter': {'rms_change.a': rms, 'max_change.a': largest} if rms else {},
            'segmentation': {'frames': frames, 'gap_cuts': cuts},
        }

    found = total_effects(
        [one(100, 1.0, 0.3, 0.5, 1), one(300, 0.6, 0.1, 0.9, 2), one(100, 1.0, 0, 0, 0)]
    )
    assert found == {
        # (100 + 180 + 100) / 500
        'alignment': {'valid_fraction.arm': pytest.approx(0.76)},
        # sqrt((100 * 0.09 + 300 * 0.01) / 400)
        'filter': {'rms_change.a': pytest.approx(math.sqrt(0.03)), 'max_change.a': 0.9},
        'segmentation': {'frames': 500, 'gap_cuts': 3},
    }


def test_totals_of_nothing():
    assert total_effects([]) == {}
    assert total_effects([{}, {}]) == {}


def test_totals_of_totals_are_totals():
    def one(frames, share):
        numbers = {'valid_fraction.arm': share}
        return {'alignment': numbers, 'segmentation': {'frames': frames}}

    episodes = [one(100, 1.0), one(300, 0.5), one(50, 0.1), {}]
    halves = [total_effects(episodes[:2]), total_effects(episodes[2:])]
    again, once = total_effects(halves), total_effects(episodes)
    assert again['segmentation'] == once['segmentation']
    assert again['alignment'] == {'valid_fraction.arm': pytest.approx(255 / 450)}
    assert once['alignment'] == {'valid_fraction.arm': pytest.approx(255 / 450)}
