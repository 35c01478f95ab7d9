import dataclasses
import json

import cv2
import numpy as np
import pytest
from made_episodes import CONTRACT, made

from il_ros.core.frames import NS
from il_ros.datasets.manifest import LeftOut
from il_ros.datasets.memory_dataset import dataset_of
from il_ros.datasets.summary.summarise_dataset import summarise
from il_ros.datasets.summary.thumbnails import WIDTH, _small


def wave(seed, frames=60, **entry):
    """A smooth episode: the arm swings, by its seed a little differently."""
    t = np.arange(frames) / 20
    a, b = 0.5 * np.sin(t + 0.1 * seed), 0.3 * np.cos(t) + 0.02 * seed
    entry = {'id': f'e{seed}', 'task': 'swing'} | entry
    return made(np.stack([a, b, 0.02 * np.ones(frames)], axis=1), **entry)


def summary(*episodes, **options):
    return summarise(dataset_of(CONTRACT, list(episodes)), 'set', **options)


def stream(found, key):
    return next(s for s in found.streams if s.key == key)


def test_what_is_in_it_at_a_glance():
    found = summary(*(wave(i) for i in range(3)), wave(3, 21, outcome='failure', task=''))
    assert (found.name, found.contract, found.rate) == ('set', 'made', 20.0)
    assert found.frames == 201
    assert found.duration == pytest.approx(3 * 59 / 20 + 1.0)
    assert found.outcomes == {'success': 3, 'failure': 1}
    assert found.tasks == {'swing': 3, '': 1}
    assert found.sources == {'policy': pytest.approx(1.0)}
    assert len(found.data_hash) == len(found.contract_hash) == 64


def test_suspicious_episodes_come_first_with_their_reasons():
    episodes = [wave(i) for i in range(12)]
    episodes[5] = dataclasses.replace(wave(5, 80).take(np.r_[0:30, 50:80]), entry=episodes[5].entry)
    episodes[7] = wave(7, flagged=True, notes='slipped')
    episodes.append(wave(3, id='twin'))
    found = summary(*episodes)
    reasons = {e.id: e.reasons for e in found.episodes if e.reasons}
    assert list(reasons) == ['e7', 'e5', 'e3', 'twin']
    assert reasons['e7'] == ('flagged by the operator',)
    assert reasons['e3'] == ('near-duplicate of twin',)
    assert reasons['e5'] == ('1 gap in time', 'unusually long: 4.0 s', 'unlike any other')
    assert found.episodes[0].notes == 'slipped'


def test_streams_say_rate_age_and_validity():
    episode = wave(0, 61, invalid=[('goal', slice(0, 15))])
    # The goal comes at 5 Hz: a new sample every fourth frame of 50 ms.
    age = (np.arange(61) % 4 * 0.05).astype(np.float32)
    age[:4] = np.nan
    episode = dataclasses.replace(episode, age={**episode.age, 'goal': age})
    found = summary(episode, wave(1, 61, id='other'))
    goal, arm = stream(found, 'goal'), stream(found, 'arm')
    assert goal.valid == pytest.approx(1 - 15 / 122)
    assert goal.age_p95 == pytest.approx(0.15, abs=1e-6)
    # 14 samples after the first four frames of the first episode, one a frame in the second:
    # its first frame has none before it to be newer than.
    assert goal.rate * found.duration == pytest.approx(14 + 60)
    assert arm.rate == pytest.approx(20.0)
    assert arm.age_median == 0.0
    assert np.isnan(arm.bag_rate)
    assert np.isnan(arm.lost)
    assert (goal.required, arm.required, goal.kind) == (False, True, 'observation')


def test_losses_and_rates_come_from_the_bags_that_counted_them(tmp_path):
    def bag(name, *, goal, state='complete', version=2):
        topic = {'type': 'T', 'messages': 9, 'lost': goal, 'rate': 4.5 + goal}
        info = {
            'format': version,
            'episode_id': name,
            'contract': '',
            'contract_hash': '',
            'namespace': '/left',
            'topics': {'/left/goal': topic},
            'state': state,
        }
        (tmp_path / name).mkdir()
        (tmp_path / name / 'episode.json').write_text(json.dumps(info))
        return str(tmp_path / name)

    broken = tmp_path / 'broken'
    broken.mkdir()
    (broken / 'episode.json').write_text('{')
    bags = [
        bag('a', goal=0),
        bag('b', goal=3),
        bag('c', goal=5),
        bag('d', goal=0, state='recovered'),
        bag('e', goal=0, version=1),
        str(broken),
        str(tmp_path / 'gone'),
    ]
    found = summary(*(wave(i, bag=path) for i, path in enumerate(bags)))
    lost = {e.id: e.lost for e in found.episodes}
    assert (lost['e0'], lost['e1'], lost['e2']) == (0.0, 3.0, 5.0)
    assert np.isnan([lost[f'e{i}'] for i in (3, 4, 5, 6)]).all()
    assert stream(found, 'goal').lost == 8.0
    assert stream(found, 'goal').bag_rate == 7.5
    assert any('those of 3 of 7 episodes' in note for note in found.notes)


def test_commands_are_counted_against_their_limits():
    action = np.zeros((30, 3))
    action[:3, 0] = 1.0
    action[3:8, 0] = 1.5
    action[:, 2] = np.float32(0.04)
    action[29] = np.nan
    a, b, finger = summary(made(action, np.zeros((30, 3)))).joints
    assert [j.counts.sum() for j in (a, b, finger)] == [29, 29, 29]
    assert (a.outside, b.outside, finger.outside) == (5, 0, 0)
    assert a.counts[-1] == 5
    assert (finger.lower, finger.upper) == (0.0, 0.04)
    assert finger.edges[0] < 0.0
    assert finger.edges[-1] > 0.04


def test_features_have_names_and_the_statistics_of_the_manifest():
    found = summary(wave(0), wave(1))
    by_name = {(f.key, f.name): f for f in found.features}
    assert list(by_name)[:3] == [('arm', 'a'), ('arm', 'b'), ('hand', 'finger')]
    assert ('goal', 'point z') in by_name
    action = np.concatenate([wave(0).action, wave(1).action])
    joint = by_name['action', 'b']
    assert joint.mean == pytest.approx(action[:, 1].mean(), rel=1e-5)
    assert joint.max == pytest.approx(action[:, 1].max())
    assert set(joint.quantiles) >= {'0.01', '0.5', '0.99'}


def test_statistics_that_the_manifest_lacks_are_computed():
    dataset = dataset_of(CONTRACT, [wave(0), wave(1)])
    bare = dataclasses.replace(
        dataset, manifest=dataclasses.replace(dataset.manifest, statistics={})
    )
    told = summarise(dataset, 'set').features
    assert summarise(bare, 'set').features == told
    few = summarise(bare, 'set', frames=60)
    assert any('Statistics that the manifest lacks' in note for note in few.notes)


def test_what_was_left_out_and_what_the_steps_did():
    dataset = dataset_of(CONTRACT, [wave(0)])
    left = (LeftOut(bag='/bags/x', reason='damaged'), LeftOut(bag='/b', id='y', reason='short'))
    steps = {'filter': {'rms_change': 0.1}}
    manifest = dataclasses.replace(dataset.manifest, left_out=left, steps=steps)
    found = summarise(dataclasses.replace(dataset, manifest=manifest))
    assert found.left_out == (('/bags/x', 'damaged'), ('y', 'short'))
    assert found.steps == steps


def test_it_is_the_same_every_time_and_says_what_it_left_out():
    episodes = [wave(i) for i in range(20)]
    options = {'frames': 300, 'compared': 8, 'seed': 3}
    one, same = summary(*episodes, **options), summary(*episodes, **options)
    assert one.episodes == same.episodes
    np.testing.assert_array_equal(one.coverage.points, same.coverage.points)
    assert [joint.counts.sum() for joint in one.joints] == [300] * 3
    assert one.notes[0] == ('Streams and actions are those of 5 of 20 episodes, chosen by seed 3.')
    assert '8 of 20 episodes were compared' in one.notes[1]


def test_one_episode_of_one_frame():
    found = summary(wave(0, 1))
    assert found.duration == 0.0
    assert found.coverage is None
    assert np.isnan(stream(found, 'arm').rate)
    assert len(found.episodes) == 1


def test_nothing_valid_and_no_commands():
    episode = made(
        np.full((20, 3), np.nan), np.full((20, 3), np.nan), invalid=[('goal', slice(20))]
    )
    valid = {key: np.zeros(20, bool) for key in episode.valid}
    age = {key: np.full(20, np.nan, np.float32) for key in episode.age}
    values = {key: np.full_like(array, np.nan) for key, array in episode.values.items()}
    found = summary(dataclasses.replace(episode, valid=valid, age=age, values=values))
    assert found.coverage is None
    assert found.episodes[0].invalid == 1.0
    assert np.isnan(found.episodes[0].jerk)
    assert stream(found, 'arm').valid == 0.0
    assert np.isnan(stream(found, 'arm').age_median)
    assert all(np.isnan(f.mean) for f in found.features if f.key != 'speed')


def test_jerk_is_measured_now_if_the_build_did_not():
    rough = wave(0)
    noise = np.random.default_rng(0).normal(0, 0.05, rough.action.shape).astype(np.float32)
    rough = dataclasses.replace(rough, action=rough.action + noise)
    known = wave(1, measures={'jerk': 0.25, 'saturated_fraction': 0.5})
    by_id = {e.id: e for e in summary(rough, known, wave(2)).episodes}
    assert by_id['e0'].jerk > 10 * by_id['e2'].jerk
    assert (by_id['e1'].jerk, by_id['e1'].saturated) == (0.25, 0.5)
    assert by_id['e1'].reasons[0] == 'at a limit in 50% of it'
    assert by_id['e2'].saturated == 0.0


def test_thumbnails_are_small_and_of_three_moments(camera_contract, camera_episode):
    episodes = [camera_episode(i, 6) for i in range(4)]
    episodes[2] = camera_episode(2, 6, flagged=True)
    dataset = dataset_of(camera_contract, episodes)
    images = summarise(dataset, thumbnails=2).thumbnails
    assert [image.episode for image in images[:6]] == [2] * 6
    assert len({image.episode for image in images}) == 2
    assert [image.moment for image in images[:3]] == ['first', 'middle', 'last']
    by_camera = {(i.camera, i.moment): i.jpeg for i in images[:6]}
    assert by_camera['depth', 'last'] == b''  # its sixth image is missing
    wrist = cv2.imdecode(np.frombuffer(by_camera['wrist', 'first'], np.uint8), cv2.IMREAD_COLOR)
    assert wrist.shape == (24, 32, 3)
    np.testing.assert_allclose(
        wrist[12, 16, ::-1].astype(int), dataset.images['wrist'][12][12, 16].astype(int), atol=8
    )
    assert by_camera['depth', 'middle'][:2] == b'\xff\xd8'


def test_large_images_are_scaled_down():
    large = [np.zeros((480, 640, 3), np.uint8)]
    shape = cv2.imdecode(np.frombuffer(_small(large, 0), np.uint8), cv2.IMREAD_COLOR).shape
    assert shape == (150, WIDTH, 3)


def test_bounded_by_what_is_looked_at():
    """A thousand episodes: only as many frames as asked for are read of streams and actions."""
    episodes = [wave(i, 20, measures={'jerk': 0.1}) for i in range(1000)]
    found = summary(*episodes, frames=2000, compared=200)
    assert len(found.episodes) == 1000
    assert found.joints[0].counts.sum() == 2000
    assert len(found.coverage.episodes) == 200
    assert found.duration == pytest.approx(1000 * 19 * (NS // 20) / NS)
