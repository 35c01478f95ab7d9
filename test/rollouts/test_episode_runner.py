import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.frames import NS
from il_ros.evaluation.episode_result import AFTER_ALARM
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.safety_filters import NoFilter
from il_ros.sim.perturbations import Perturbation

CONTRACT = load_contract(Path('config/contracts/franka_reach.yaml'))


@pytest.fixture(scope='module')
def runner():
    return EpisodeRunner(CONTRACT, 'reach', ExpertDriver('reach', CONTRACT), NoFilter())


def test_the_expert_reaches_its_goal(runner):
    rollout = runner.run(7)
    assert rollout.outcome == 'success'
    assert rollout.duration == pytest.approx(len(rollout.frames) * CONTRACT.period)
    assert [frame.stamp for frame in rollout.frames[:2]] == [NS, NS + NS // 20]
    assert rollout.times[1] == pytest.approx(0.05)
    assert {chunk.shape for chunk in rollout.chunks} == {(4, 8)}
    assert rollout.alarm is None
    assert rollout.violated == 0


def test_a_seed_gives_one_episode(runner):
    first, other, again = runner.run(7), runner.run(8), runner.run(7)
    np.testing.assert_array_equal(first.actions, again.actions)
    for a, b in zip(first.frames, again.frames, strict=True):
        for key, value in a.values.items():
            np.testing.assert_array_equal(value, b.values[key])
    assert not np.array_equal(first.frames[0].values['goal_position'],
                              other.frames[0].values['goal_position'])  # fmt: skip


def test_what_was_commanded_is_the_first_step_of_the_answer(runner):
    rollout = runner.run(7)
    for chunk, action in zip(rollout.chunks, rollout.actions, strict=True):
        np.testing.assert_array_equal(chunk[0], action)


def test_noise_moves_the_arm_off_the_commands_and_not_the_commands(runner):
    noise = [Perturbation(kind='command_noise', value=(0.01,))]
    quiet, noisy = runner.run(7), runner.run(7, noise, name='noise')
    assert noisy.perturbation == 'noise'
    np.testing.assert_array_equal(noisy.actions[0], quiet.actions[0])
    a, b = (rollout.frames[1].values['joint_position'] for rollout in (quiet, noisy))
    assert 1e-4 < np.abs(a - b).max() < 0.04


def test_without_an_answer_the_last_command_stays(runner):
    lost = [Perturbation(kind='sensor_dropout', target='goal_position', start=0.5)]
    rollout = runner.run(7, lost)
    assert rollout.outcome == 'time limit'
    silent = [i for i, chunk in enumerate(rollout.chunks) if chunk is None]
    # lost from 0.5 s on, older than 0.2 s from the tick at 0.7 s on (0.45 s + 0.2 s < 0.7 s)
    assert silent[0] == 14
    assert np.isnan(rollout.actions[14:]).all()
    still = [frame.values['joint_position'] for frame in rollout.frames[-20:]]
    assert np.ptp(np.array(still), axis=0).max() < 1e-3


class Halting(NoFilter):
    """Stops the driver at the third tick and holds."""

    def reset(self, posture):
        super().reset(posture)
        self.ticks, self.stopped = 0, ''

    def tick(self, frame, chunk, now, invalid):
        self.ticks += 1
        if self.ticks < 3:
            return super().tick(frame, chunk, now, invalid)
        self.stopped = 'seen enough'
        return super().tick(frame, None, now, invalid)


def test_a_stop_ends_the_episode_when_the_arm_has_come_to_rest():
    runner = EpisodeRunner(CONTRACT, 'reach', ExpertDriver('reach', CONTRACT), Halting())
    rollout = runner.run(7)
    assert (rollout.outcome, rollout.reason, rollout.success) == ('stopped', 'seen enough', False)
    assert rollout.alarm == pytest.approx(0.1)  # the third tick
    assert rollout.duration == rollout.alarm
    # from 0.1 s on, another second
    assert len(rollout.frames) == round((0.1 + AFTER_ALARM) / CONTRACT.period)


def test_a_heuristic_can_drive():
    runner = EpisodeRunner(CONTRACT, 'reach', ExpertDriver('hold', CONTRACT, horizon=2), NoFilter())
    rollout = runner.run(7)
    assert rollout.outcome == 'time limit'
    assert {chunk.shape for chunk in rollout.chunks} == {(2, 8)}


def test_an_unknown_expert_is_named():
    with pytest.raises(UnknownNameError, match="unknown expert 'wipe'"):
        ExpertDriver('wipe', CONTRACT)


def test_the_watcher_gets_every_frame(runner):
    seen = []
    rollout = runner.run(7, watch=lambda frame, chunk: seen.append((frame, chunk)))
    assert seen == list(zip(rollout.frames, rollout.chunks, strict=True))


def test_demonstrations_are_a_dataset():
    dataset = demonstrate(CONTRACT, 'reach', range(3))
    assert [entry.seed for entry in dataset.episodes] == [0, 1, 2]
    assert {entry.outcome for entry in dataset.episodes} == {'success'}
    assert dataset.frames == sum(entry.length for entry in dataset.episodes)
    assert np.isfinite(dataset.action).all()
    assert dataset.action.shape[1] == 8
    # disturbed, the arm is not quite where it was told to be: that is what is learned from
    i = dataset.episodes[1].start
    lag = np.abs(dataset.action[i : i + 10, :7] - dataset.values['joint_position'][i + 1 : i + 11])
    assert 1e-4 < lag.max() < 0.1
    assert math.isclose(float(dataset.stamp[i]), NS)


def short(runner, seed=7, perturbations=(), periods=20, **others):
    """The first periods of an episode."""
    left = iter(range(periods))
    return runner.run(seed, perturbations, over=lambda: next(left, None) is None, **others)


def test_an_episode_that_is_over_at_once_has_no_frame_and_ends_without_success(runner):
    rollout = short(runner, periods=0)
    assert (rollout.frames, rollout.chunks, rollout.actions.shape) == ((), (), (0, 8))
    assert (rollout.outcome, rollout.duration, rollout.violated) == ('time limit', 0.0, 0)
    assert rollout.times.shape == (0,)


LOST = st.builds(
    Perturbation,
    kind=st.just('sensor_dropout'),
    target=st.sampled_from(['joint_position', 'goal_position', 'wrench']),
    start=st.integers(0, 15).map(lambda tick: tick * 0.05),
    duration=st.integers(1, 9).map(lambda ticks: ticks * 0.05 - 0.01),
)


@settings(max_examples=12)
@given(st.lists(LOST, max_size=4))
def test_whatever_is_lost_each_tick_with_joints_has_a_frame_and_what_was_commanded(runner, lost):
    rollout = short(runner, perturbations=lost)
    heard = [
        tick
        for tick in range(20)
        if not any(p.target == 'joint_position' and p.active(tick * 0.05) for p in lost)
    ]
    assert [frame.stamp for frame in rollout.frames] == [NS + tick * NS // 20 for tick in heard]
    assert len(rollout.chunks) == len(rollout.actions) == len(heard)
    for frame, chunk, action in zip(rollout.frames, rollout.chunks, rollout.actions, strict=True):
        assert (chunk is None) == (not frame.all_valid(runner.driver.keys))
        np.testing.assert_array_equal(action, np.full(8, np.nan) if chunk is None else chunk[0])
    assert rollout.elapsed == pytest.approx(1.0)
    assert rollout.alarm is None


class BrokenError(Exception):
    """Something that nobody foresaw."""


@pytest.mark.parametrize('place', ['driver', 'watcher', 'over', 'filter'])
def test_an_episode_that_was_broken_off_leaves_nothing_to_the_next(monkeypatch, place):
    runner = EpisodeRunner(CONTRACT, 'reach', ExpertDriver('reach', CONTRACT), NoFilter())
    expected = short(runner)
    count = iter(range(100))

    def breaks(*_):
        if next(count) == 7:
            raise BrokenError
        return None if place in ('driver', 'filter') else False

    with monkeypatch.context() as patch:
        if place == 'driver':
            patch.setattr(runner.driver, 'act', breaks)
        if place == 'filter':
            patch.setattr(runner.safety_filter, 'tick', breaks)
        callbacks = {'watcher': {'watch': breaks}, 'over': {'over': breaks}}
        with pytest.raises(BrokenError):
            runner.run(3, **callbacks.get(place, {}))
    again = short(runner)
    np.testing.assert_array_equal(again.actions, expected.actions)
    for frame, other in zip(again.frames, expected.frames, strict=True):
        np.testing.assert_equal(frame.values, other.values)
        assert frame.age == other.age


def test_a_perturbation_that_the_task_lacks_is_refused_and_the_runner_goes_on(runner):
    expected = short(runner)
    for wrong in (
        Perturbation(kind='sensor_dropout', target='weather'),
        Perturbation(kind='mass_scale', target='object', value=(2.0,)),
        Perturbation(kind='camera_offset', target='roof', value=(0.0,) * 6),
    ):
        with pytest.raises(IlRosError, match=f'perturbation {wrong.kind}'):
            runner.run(7, [wrong])
        np.testing.assert_array_equal(short(runner).actions, expected.actions)


def test_an_answer_that_is_no_number_is_not_sent(runner):
    class Confused(ExpertDriver):
        def act(self, frame):
            chunk = super().act(frame)
            return chunk * np.nan if frame.stamp > NS + NS // 4 else chunk

    confused = EpisodeRunner(CONTRACT, 'reach', Confused('reach', CONTRACT), NoFilter())
    rollout = short(confused)
    assert np.isfinite(rollout.actions[:6]).all()
    assert np.isnan(rollout.actions[6:]).all()
    still = [frame.values['joint_position'] for frame in rollout.frames[-4:]]
    assert np.ptp(still, axis=0).max() < 1e-2
