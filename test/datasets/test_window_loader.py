"""Windows for training: what they hold, and what they never cross."""

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_episodes import observation_matrix

from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.memory_dataset import dataset_of
from il_ros.datasets.window_loader import FrameIndex, WindowConfig, WindowLoader


@pytest.fixture
def dataset(camera_contract, camera_episode):
    """Frames 0-6, 7-18 (a gap before 12), 19-22."""
    episodes = [camera_episode(1, 7), camera_episode(2, 12, gap=5), camera_episode(3, 4)]
    return dataset_of(camera_contract, episodes)


def test_a_window_holds_what_was_seen_and_what_was_done_next(dataset):
    with WindowLoader(dataset, WindowConfig(observation_horizon=3, action_horizon=4)) as windows:
        sample = windows.at([3])
    state = observation_matrix(dataset)
    np.testing.assert_array_equal(sample.state[0], state[[1, 2, 3]])
    np.testing.assert_array_equal(sample.actions[0], dataset.action[[3, 4, 5, 6]])
    assert sample.mask.tolist() == [[True] * 4]
    assert sample.images['wrist'].shape == (1, 3, 24, 32, 3)
    assert sample.images['depth'].shape == (1, 3, 12, 16, 1)
    for step, frame in enumerate((1, 2, 3)):
        np.testing.assert_array_equal(
            sample.images['wrist'][0, step], dataset.images['wrist'][frame]
        )


def test_beyond_the_ends_and_beyond_a_gap_the_nearest_step_is_repeated(dataset):
    with WindowLoader(dataset, WindowConfig(observation_horizon=3, action_horizon=4)) as windows:
        first, last, before, behind = (windows.at([frame]) for frame in (7, 6, 10, 13))
    action, state = dataset.action, observation_matrix(dataset)
    np.testing.assert_array_equal(first.state[0], state[[7, 7, 7]])
    np.testing.assert_array_equal(last.actions[0], action[[6, 6, 6, 6]])
    assert last.mask.tolist() == [[True, False, False, False]]
    np.testing.assert_array_equal(before.actions[0], action[[10, 11, 11, 11]])
    assert before.mask.tolist() == [[True, True, False, False]]
    np.testing.assert_array_equal(behind.state[0], state[[12, 12, 13]])


def test_a_missing_image_is_black_and_said_to_be_missing(dataset):
    with WindowLoader(dataset, WindowConfig(images=('depth',))) as windows:
        sample = windows.at([4, 5])
    assert sample.seen['depth'].tolist() == [[True], [False]]
    assert sample.images['depth'][0].max() == 400
    assert sample.images['depth'][1].max() == 0


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_window_leaves_its_episode_or_crosses_a_gap(camera_contract, camera_episode, data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    gaps = [data.draw(st.none() | st.integers(1, n - 1)) if n > 1 else None for n in lengths]
    episodes = [
        camera_episode(i, n, gap=gap) for i, (n, gap) in enumerate(zip(lengths, gaps, strict=True))
    ]
    dataset = dataset_of(camera_contract, episodes)
    # Every action says which stretch without a gap it belongs to, and where in it.
    stretch = np.concatenate([
        [[2 * i + (gap is not None and k >= gap), k] for k in range(n)]
        for i, (n, gap) in enumerate(zip(lengths, gaps, strict=True))
    ]).astype(np.float32)  # fmt: skip
    dataset.action[:] = stretch
    dataset.values['position'][:] = stretch
    config = WindowConfig(
        observation_horizon=data.draw(st.integers(1, 4)),
        action_horizon=data.draw(st.integers(1, 12)),
        keys=('position',),
        images=(),
        batch=data.draw(st.integers(1, 7)),
    )
    seen = []
    with WindowLoader(dataset, config) as windows:
        for sample in windows.epoch(shuffle=False):
            seen += sample.frames.tolist()
            own = stretch[sample.frames]
            assert (sample.actions[..., 0] == own[:, None, 0]).all()
            assert (sample.state[..., 0] == own[:, None, 0]).all()
            ahead = sample.actions[..., 1] - own[:, None, 1]
            steps = np.arange(config.action_horizon)
            assert (ahead[sample.mask] == np.broadcast_to(steps, ahead.shape)[sample.mask]).all()
            assert (np.diff(ahead) >= 0).all()
    assert seen == list(range(dataset.frames))


def test_an_epoch_takes_every_window_once_in_an_order_of_its_own(dataset):
    config = WindowConfig(batch=5)

    def orders(seed):
        with WindowLoader(dataset, config, seed=seed) as windows:
            return [[s.frames.tolist() for s in windows.epoch(n)] for n in range(2)]

    first, second = orders(1)
    assert orders(1) == [first, second] != orders(2)
    assert first != second
    assert [len(batch) for batch in first] == [5, 5, 5, 5, 3]
    assert sorted(frame for batch in first for frame in batch) == list(range(23))


def test_batches_that_are_made_ahead_are_what_single_access_gives(dataset, tmp_path):
    opened = save_dataset(dataset, tmp_path / 'out')
    config = WindowConfig(observation_horizon=2, action_horizon=3, batch=2, threads=3)
    with WindowLoader(opened, config, episodes=[0, 2]) as windows:
        assert len(windows) == 11
        for sample in windows.epoch(3):
            time.sleep(0.001)  # lets the threads run ahead, as training would
            alone = windows.at(sample.frames)
            for name in ('state', 'actions', 'mask'):
                np.testing.assert_array_equal(getattr(sample, name), getattr(alone, name))
            for key in ('wrist', 'depth'):
                np.testing.assert_array_equal(sample.images[key], alone.images[key])


def test_raw_images_give_the_same_windows(dataset, tmp_path, camera_contract, camera_episode):
    from il_ros.datasets.dataset_writer import DatasetWriter

    with DatasetWriter(tmp_path / 'raw', camera_contract, image_format='raw') as writer:
        for i in range(3):
            writer.copy(dataset, i)
        raw = writer.finish()
    config = WindowConfig(observation_horizon=2)
    with WindowLoader(dataset, config) as one, WindowLoader(raw, config) as other:
        for key in ('wrist', 'depth'):
            frames = list(range(dataset.frames))
            np.testing.assert_array_equal(one.at(frames).images[key], other.at(frames).images[key])


@pytest.mark.parametrize(
    ('config', 'error'),
    [
        (WindowConfig(batch=0), r'windows\.batch: got 0; allowed: 1 or more'),
        (WindowConfig(keys=('hand',)), r"windows\.keys: no key 'hand'; allowed: position, speed"),
        (WindowConfig(images=('eye',)), r"windows\.images: no key 'eye'; allowed: wrist, depth"),
    ],
)
def test_what_cannot_be_is_refused(dataset, config, error):
    with pytest.raises(DatasetError, match=error):
        WindowLoader(dataset, config)


def test_a_damaged_image_stops_the_epoch(dataset, tmp_path):
    opened = save_dataset(dataset, tmp_path / 'out')
    path = tmp_path / 'out' / 'wrist.images'
    with path.open('r+b') as file:
        file.write(bytes(path.stat().st_size))
    error = pytest.raises(DatasetError, match=r'wrist\.images: frame \d+: not an encoded image')
    with WindowLoader(opened, WindowConfig()) as windows, error:
        list(windows.epoch())


def test_a_rate_that_is_off_by_a_little_leaves_every_step_known(camera_contract, camera_episode):
    episode = camera_episode(1, frames=60)
    slow = episode.stamp[0] + (episode.stamp - episode.stamp[0]) * 103 // 100
    dataset = dataset_of(camera_contract, [dataclasses.replace(episode, stamp=slow)])
    steps = FrameIndex(dataset).following(np.array([0, 20]), 40)
    assert steps.known.all()
    slow[30:] += 30_000_000  # a step of 1.6 periods
    dataset = dataset_of(camera_contract, [dataclasses.replace(episode, stamp=slow)])
    assert dataset.episodes[0].gaps == 1
    steps = FrameIndex(dataset).following(np.array([0, 20]), 40)
    assert steps.known.sum(axis=1).tolist() == [30, 10]
