import math
from pathlib import Path

import numpy as np
import pytest
from made_episodes import CONTRACT, FINGER, made

from il_ros.bags.episode_info import EpisodeInfo, TopicInfo
from il_ros.datasets.preprocessing.quality_measures import (
    EPISODE_MEASURES,
    PART_MEASURES,
    UNITS,
    check_names,
    episode_measures,
    loss_measures,
    part_measures,
)
from il_ros.datasets.preprocessing.segmentation import Idle


def of(episode, grippers=FINGER):
    return part_measures(CONTRACT, episode, Idle(), grippers)


def whole(episode, rows):
    return episode_measures(CONTRACT, episode, episode.take(np.array(rows, dtype=np.int64)))


def line(frames, step):
    return np.stack([np.arange(frames) * step, np.zeros(frames), np.zeros(frames)], axis=1)


def test_duration_is_from_the_first_frame_to_the_last():
    assert of(made(21))['duration'] == pytest.approx(1.0)


def test_jerk_by_hand():
    # Cubes of 0, 0.1, 0.2, ...: third differences 6 * 0.1^3 = 0.006, over 0.05^3 s^3 that is
    # 48 rad/s^3 or 0.48 of the limit, in one of two joints: root mean square 0.48 / sqrt(2).
    found = of(made((np.arange(11) * 0.1) ** 3))
    assert found['jerk'] == pytest.approx(0.48 / math.sqrt(2), rel=1e-4)


def test_a_gap_is_no_jerk():
    action = np.concatenate([np.zeros(10), np.ones(10)])
    steps = np.concatenate([np.arange(10), 12 + np.arange(10)])
    assert of(made(action, steps=steps))['jerk'] == 0.0


def test_smoothness_is_that_of_the_arm():
    u = np.linspace(0, 1, 41)
    action = np.zeros((41, 3))
    action[:, 0] = 10 * u**3 - 15 * u**4 + 6 * u**5
    smooth = of(made(action))
    action[:, 2] = 0.04 * (np.arange(41) % 2)
    assert of(made(action))['log_dimensionless_jerk'] == smooth['log_dimensionless_jerk']
    # 204.8 for the smooth curve; its differences over a fortieth of it are a little less.
    assert smooth['log_dimensionless_jerk'] == pytest.approx(-math.log(204.8), abs=0.2)
    assert -1.6 < smooth['spectral_arc_length'] < -1.3


def test_idle_share_by_hand():
    # 20 frames at rest, 10 that move; 2 more see them before, and 1 behind (measured one later)
    # plus 2: of 40 frames 25 stand still.
    action = np.cumsum([0.0] * 20 + [0.025] * 10 + [0.0] * 10)
    assert of(made(action))['idle_fraction'] == pytest.approx((40 - 10 - 2 - 2) / 40)


def test_saturation_by_hand():
    # Joint a: limits -1 and 1, at most 1 rad/s, 0.05 rad a frame.
    action = [0.9, 0.95, 1.0, 1.0, 0.98, 0.9, 0.81, 0.8]
    found = of(made(action))
    # At the limit: frames 2 and 3. At its speed (0.05 or more): frames 1, 2, 5 and 6.
    assert found['position_limit_fraction'] == 2 / 8
    assert found['velocity_limit_fraction'] == 4 / 8
    assert found['saturated_fraction'] == 5 / 8


def test_a_gripper_may_sit_at_its_limit():
    assert of(made(10))['position_limit_fraction'] == 0.0
    assert of(made(10), grippers=~FINGER)['position_limit_fraction'] == 1.0


def test_what_is_saturated_is_the_raw_command():
    episode = made(np.full(10, 1.0))
    object.__setattr__(episode, 'action', np.zeros_like(episode.action))
    assert of(episode)['position_limit_fraction'] == 1.0


def test_tracking_error_is_taken_one_frame_later():
    action = line(20, 0.01)
    assert of(made(action))['tracking_error'] == pytest.approx(0.0, abs=1e-6)
    # Measured as it is commanded, a frame too early: 0.01 in one of two joints.
    assert of(made(action, action))['tracking_error'] == pytest.approx(0.01 / math.sqrt(2))


def test_path_efficiency_by_hand():
    there = line(11, 0.01)
    assert of(made(there, there))['path_efficiency'] == pytest.approx(1.0)
    # 0.10 there, 0.05 back: 0.05 of 0.15.
    back = np.concatenate([there, there[9:4:-1]])
    assert of(made(back, back))['path_efficiency'] == pytest.approx(1 / 3, rel=1e-5)


def test_what_is_not_defined_is_not_there():
    found = of(made(1))
    assert set(found) == {
        'duration', 'idle_fraction', 'position_limit_fraction', 'velocity_limit_fraction',
        'saturated_fraction',
    }  # fmt: skip
    assert set(of(made(9), grippers=np.ones(3, bool))) == {'duration', 'idle_fraction'}


def test_an_arm_that_is_not_measured_has_no_tracking():
    found = of(made(np.arange(9) * 0.01, invalid=[('arm', slice(0, 9))]))
    assert {'tracking_error', 'path_efficiency'}.isdisjoint(found)
    assert all(math.isfinite(value) for value in found.values())


def test_measures_of_the_whole_episode_by_hand():
    episode = made(10, invalid=[('arm', [3]), ('goal', [3, 4, 5]), ('truth', [9])],
                   measures={'loss.arm': 0.25, 'loss.goal': 0.5})  # fmt: skip
    found = whole(episode, [0, 1, 2, 4, 5, 6, 8])
    # 2 -> 4 and 6 -> 8 are gaps; frame 3 lacks what is required.
    assert found == {
        'gaps': 2, 'usable_fraction': 0.7, 'invalid_fraction': 0.1, 'invalid_fraction.arm': 0.1,
        'invalid_fraction.hand': 0.0, 'invalid_fraction.speed': 0.0, 'invalid_fraction.goal': 0.3,
        'invalid_fraction.truth': 0.1,
        'loss': 0.5, 'loss.arm': 0.25, 'loss.goal': 0.5,
    }  # fmt: skip


def test_an_empty_episode_has_no_shares():
    assert whole(made(0), []) == {'gaps': 0}


def test_names_and_units():
    check_names(['jerk', 'gaps', 'loss.wrench', 'invalid_fraction.camera'])
    with pytest.raises(ValueError, match="no measure 'jrek'; allowed: gaps, usable_fraction"):
        check_names(['jrek'])
    assert UNITS['duration'] == ' s'
    assert 'gaps' not in UNITS


def info(state='complete', version=2, **topics):
    return EpisodeInfo(
        format=version,
        episode_id='e',
        contract='',
        contract_hash='',
        namespace='/left',
        state=state,
        topics={
            f'/left/{name}': TopicInfo(type='', messages=kept, lost=lost)
            for name, (kept, lost) in topics.items()
        },
    )


def test_losses_by_hand():
    found = loss_measures(CONTRACT, info(joint_states=(90, 10), goal=(0, 0)))
    assert found == {'loss.arm': 0.1, 'loss.hand': 0.1, 'loss.speed': 0.1, 'loss.goal': 0.0}
    found = loss_measures(CONTRACT, info(**{'goal/compressed': (1, 1), 'other': (0, 9)}))
    assert found == {'loss.goal': 0.5}


def test_what_nobody_counted_is_not_none_lost():
    topics = {'joint_states': (90, 0)}
    assert loss_measures(CONTRACT, info(state='recovered', **topics)) == {}
    assert loss_measures(CONTRACT, info(version=1, **topics)) == {}


def test_every_measure_is_in_the_documentation():
    text = (Path(__file__).parents[3] / 'docs/reference/datasets.md').read_text()
    told = {line.split('`')[1] for line in text.splitlines() if line.startswith('| `')}
    assert {*EPISODE_MEASURES, *PART_MEASURES} <= told
