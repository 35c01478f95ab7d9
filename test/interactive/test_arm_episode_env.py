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
def field():
    return ArmEpisodeEnv(CONTRACT, 'reach', horizon=4)


def ask(sight):
    return sight.ask()


def joints(rollout):
    return np.array([frame.values['joint_position'] for frame in rollout.frames])


def test_the_expert_succeeds_through_the_gate(field):
    for seed in (DEMONSTRATION, CORRECTION, NOMINAL):
        outcome = field.run(seed, ask)
        assert (outcome.ending, outcome.gain) == ('success', 1.0)
    assert field.period == CONTRACT.period
    assert field.low.shape == field.high.shape == (4 * 8,)
    np.testing.assert_array_equal(field.low[8:16], CONTRACT.limits.position_min)


def test_one_seed_and_one_hand_are_one_episode(field):
    first, other = field.rollout(CORRECTION, ask), field.rollout(CORRECTION + 1, ask)
    again = field.rollout(CORRECTION, ask)
    np.testing.assert_array_equal(joints(first), joints(again))
    assert not np.array_equal(joints(first)[:5], joints(other)[:5])


def test_only_what_is_learned_from_is_disturbed(field):
    quiet = ArmEpisodeEnv(CONTRACT, 'reach', horizon=4, noise=0.0)
    for seed, same in ((DEMONSTRATION, False), (CORRECTION, False), (NOMINAL, True)):
        disturbed, still = joints(field.rollout(seed, ask)), joints(quiet.rollout(seed, ask))
        assert np.array_equal(disturbed[:10], still[:10]) is same


def test_the_learner_does_not_see_what_the_expert_sees():
    observations = dict(CONTRACT.observations)
    hidden = {'goal_position': observations.pop('goal_position')}
    contract = replace(CONTRACT, observations=observations, privileged=hidden)
    sizes = set()

    def hand(sight):
        sizes.add(len(sight.observation))
        return sight.ask()

    outcome = ArmEpisodeEnv(contract, 'reach', horizon=4).run(NOMINAL, hand)
    assert outcome.gain == 1.0
    assert sizes == {sum(stream.size for stream in observations.values())}


def test_a_hand_that_leaves_ends_the_episode(field):
    seen = []

    def hand(sight):
        seen.append(sight)
        return sight.ask() if len(seen) < 4 else None

    rollout = field.rollout(NOMINAL, hand)
    assert len(seen) == len(rollout.frames) == 4
    seen.clear()
    assert field.run(NOMINAL, hand).ending == 'cut'


def test_an_arm_that_holds_runs_into_the_time_limit(field):
    here = slice(0, 7)

    def hold(sight):
        return np.tile(np.append(sight.observation[here], 0.04), 4)

    outcome = field.run(NOMINAL, hold)
    assert (outcome.ending, outcome.gain) == ('cut', 0.0)


def test_what_the_gate_stops_has_failed_and_nobody_is_asked_on(field):
    asked = []

    def wild(sight):
        asked.append(1)
        return sight.ask() if len(asked) < 5 else np.full(32, np.nan)

    rollout = field.rollout(NOMINAL, wild)
    assert rollout.alarm is not None
    assert len(rollout.frames) == len(asked) < 15
    asked.clear()
    assert field.run(NOMINAL, wild).ending == 'failure'


class Counting:
    """Scores that say which tick it is."""

    def begin(self):
        self.ticks = 0

    def ratios(self, frame):
        self.ticks += 1
        return {'monitor': float(self.ticks)}


def test_steps_that_are_learned_from_have_scores():
    field, scores = ArmEpisodeEnv(CONTRACT, 'reach', horizon=4), []
    field.scorer = Counting()

    def hand(sight):
        scores.append(dict(sight.scores))
        return sight.ask() if len(scores) < 3 else None

    for seed, expected in (
        (CORRECTION, [{'monitor': 1.0}, {'monitor': 2.0}, {'monitor': 3.0}]),
        (NOMINAL, [{}, {}, {}]),
    ):
        scores.clear()
        field.run(seed, hand)
        assert scores == expected


def test_overlapping_chunks_are_blended_as_the_policy_would(field):
    newest = ArmEpisodeEnv(CONTRACT, 'reach', horizon=4, blend=0.0)
    blended, plain = joints(field.rollout(NOMINAL, ask)), joints(newest.rollout(NOMINAL, ask))
    np.testing.assert_array_equal(blended[:2], plain[:2])  # one chunk, and the first command
    assert not np.array_equal(blended[:10], plain[:10])
