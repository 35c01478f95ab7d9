from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from il_ros.core.contract import load_contract
from il_ros.evaluation.suites import SEEDS
from il_ros.interactive.arm_episode_env import ArmEpisodeEnv

CONTRACT = load_contract(Path('config/contracts/franka_reach.yaml'))
DEMONSTRATION, CORRECTION, NOMINAL = (
    SEEDS[part][3] for part in ('demonstrations', 'corrections', 'nominal')
)


@pytest.fixture(scope='module')
def env():
    return ArmEpisodeEnv(CONTRACT, 'reach', horizon=4)


class Acting:
    """An action source: a function of the context, and who drives by it."""

    def __init__(self, function, driver='policy'):
        self._function, self.driver = function, driver

    def __call__(self, context):
        return self._function(context)


ask = Acting(lambda context: context.ask(), 'expert')


def joints(rollout):
    return np.array([frame.values['joint_position'] for frame in rollout.frames])


def test_the_expert_succeeds_through_the_monitor(env):
    for seed in (DEMONSTRATION, CORRECTION, NOMINAL):
        outcome = env.run(seed, ask)
        assert (outcome.ending, outcome.gain) == ('success', 1.0)
    assert env.period == CONTRACT.period
    assert env.low.shape == env.high.shape == (4 * 8,)
    np.testing.assert_array_equal(env.low[8:16], CONTRACT.limits.position_min)


def test_one_seed_and_one_source_are_one_episode(env):
    first, other = env.rollout(CORRECTION, ask), env.rollout(CORRECTION + 1, ask)
    again = env.rollout(CORRECTION, ask)
    np.testing.assert_array_equal(joints(first), joints(again))
    assert not np.array_equal(joints(first)[:5], joints(other)[:5])


def test_only_what_is_learned_from_is_disturbed(env):
    quiet = ArmEpisodeEnv(CONTRACT, 'reach', horizon=4, noise=0.0)
    for seed, same in ((DEMONSTRATION, False), (CORRECTION, False), (NOMINAL, True)):
        disturbed, still = joints(env.rollout(seed, ask)), joints(quiet.rollout(seed, ask))
        assert np.array_equal(disturbed[:10], still[:10]) is same


def test_the_learner_does_not_see_what_the_expert_sees():
    observations = dict(CONTRACT.observations)
    hidden = {'goal_position': observations.pop('goal_position')}
    contract = replace(CONTRACT, observations=observations, privileged=hidden)
    sizes = set()

    def source(context):
        sizes.add(len(context.observation))
        return context.ask()

    outcome = ArmEpisodeEnv(contract, 'reach', horizon=4).run(NOMINAL, Acting(source))
    assert outcome.gain == 1.0
    assert sizes == {sum(stream.size for stream in observations.values())}


def test_a_source_that_leaves_ends_the_episode(env):
    seen = []

    def source(context):
        seen.append(context)
        return context.ask() if len(seen) < 4 else None

    rollout = env.rollout(NOMINAL, Acting(source))
    assert len(seen) == len(rollout.frames) == 4
    seen.clear()
    assert env.run(NOMINAL, Acting(source)).ending == 'cut'


def test_an_arm_that_holds_runs_into_the_time_limit(env):
    here = slice(0, 7)

    def hold(context):
        return np.tile(np.append(context.observation[here], 0.04), 4)

    outcome = env.run(NOMINAL, Acting(hold))
    assert (outcome.ending, outcome.gain) == ('cut', 0.0)


def test_what_the_monitor_stops_has_failed_and_nobody_is_asked_on(env):
    asked = []

    def wild(context):
        asked.append(1)
        return context.ask() if len(asked) < 5 else np.full(32, np.nan)

    rollout = env.rollout(NOMINAL, Acting(wild))
    assert rollout.alarm is not None
    assert len(rollout.frames) == len(asked) < 15
    asked.clear()
    assert env.run(NOMINAL, Acting(wild)).ending == 'failure'


class Counting:
    """Scores that say which tick it is."""

    def begin(self):
        self.ticks = 0

    def ratios(self, frame):
        self.ticks += 1
        return {'monitor': float(self.ticks)}


def test_steps_that_are_learned_from_have_scores():
    env, scores = ArmEpisodeEnv(CONTRACT, 'reach', horizon=4), []
    env.scorer = Counting()

    def source(context):
        scores.append(dict(context.scores))
        return context.ask() if len(scores) < 3 else None

    for seed, expected in (
        (CORRECTION, [{'monitor': 1.0}, {'monitor': 2.0}, {'monitor': 3.0}]),
        (NOMINAL, [{}, {}, {}]),
    ):
        scores.clear()
        env.run(seed, Acting(source))
        assert scores == expected


def test_it_does_not_matter_in_whose_mode_one_source_drives(env):
    by_expert = env.rollout(NOMINAL, ask)
    by_learner = env.rollout(NOMINAL, Acting(lambda context: context.ask()))
    np.testing.assert_array_equal(joints(by_expert), joints(by_learner))


class Turns:
    """The expert drives `first` steps, then the learner, who wants the posture of its begin."""

    def __init__(self, first):
        self.first, self.step, self.driver = first, 0, 'expert'

    def __call__(self, context):
        self.driver = 'expert' if self.step < self.first else 'policy'
        if self.step == self.first:
            self.here = np.tile(np.append(context.observation[:7], 0.04), 4)
        self.step += 1
        return context.ask() if self.driver == 'expert' else self.here


def test_the_learner_takes_the_arm_over_in_motion_and_brings_it_to_rest(env):
    rollout = env.rollout(NOMINAL, Turns(6))
    assert rollout.alarm is None
    commands = rollout.actions[6:]
    speeds = np.abs(np.diff(commands, axis=0)).max(axis=1) / CONTRACT.period
    assert np.abs(np.diff(rollout.actions[3:6], axis=0)).max() / CONTRACT.period > 0.2
    # A handover of 0.5 s, and the way the arm needs to brake and come back.
    assert speeds[12:].max() < 0.01
