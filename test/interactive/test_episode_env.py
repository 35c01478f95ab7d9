import gymnasium
import numpy as np
import pytest
from coaching import PointMass, point_expert
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import IlRosError
from il_ros.interactive.episode_env import GymEpisodeEnv, SimulatedOperator, SimulatedOperatorConfig


def still(sight):
    return np.zeros(2)


def expert(sight):
    return sight.ask()


def test_an_episode_adds_up_its_rewards():
    seen = []

    def watching(sight):
        seen.append(sight.observation)
        return sight.ask()

    outcome = GymEpisodeEnv(PointMass(), point_expert).run(3, watching)
    assert (outcome.ending, len(seen)) == ('cut', PointMass.horizon)
    states = [*seen[1:]]
    rewards = [1 - min(1.0, np.linalg.norm(state[:2])) for state in states]
    last = outcome.gain - sum(rewards)
    assert 0 <= last <= 1


def test_the_same_seed_gives_the_same_episode():
    env = GymEpisodeEnv(PointMass(), point_expert)
    gains = [env.run(seed, expert).gain for seed in (1, 1, 2)]
    assert gains[0] == gains[1] != gains[2]


def test_how_an_episode_ended():
    assert GymEpisodeEnv(PointMass(), point_expert).run(0, still).ending == 'failure'
    lasting = GymEpisodeEnv(PointMass(), point_expert, limit='success')
    assert lasting.run(0, expert).ending == 'success'
    assert lasting.run(0, lambda sight: None).ending == 'cut'


def test_a_step_takes_what_the_environment_says():
    assert GymEpisodeEnv(PointMass(), point_expert).period == PointMass.dt
    assert GymEpisodeEnv(PointMass(), point_expert, period=0.5).period == 0.5


def test_other_spaces_are_refused():
    class Buttons(PointMass):
        action_space = gymnasium.spaces.Discrete(2)

    with pytest.raises(
        IlRosError, match=r'environment: .*Discrete.*; to fix: wrap it in gymnasium'
    ):
        GymEpisodeEnv(Buttons(), point_expert)


def test_a_person_takes_over_after_a_moment_and_lets_go_again():
    watching = SimulatedOperator(
        lambda seen: np.ones(1), SimulatedOperatorConfig(worried=0.5, reaction=3, least=2)
    )
    held = []
    for executed in (0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0):
        watching.see(np.zeros(1), np.array([executed]))
        held.append(watching.drives)
    # means of three: 2/3 of (0, 0, 1) after the third step; then two of the operator, then none
    assert held == [False, False, True, True, False, False, False, False, False]
    watching.see(np.zeros(1), np.zeros(1))
    watching.reset()
    assert not watching.drives


def test_an_env_says_when_the_person_wants_to_drive():
    person = SimulatedOperator(
        point_expert, SimulatedOperatorConfig(worried=0.1, reaction=2, least=3)
    )
    humans = []

    def watching(sight):
        humans.append(sight.human)
        return sight.ask() if sight.human else np.zeros(2)

    GymEpisodeEnv(PointMass(), point_expert, person=person).run(0, watching)
    assert humans[:6] == [False, False, True, True, True, False]


@given(
    st.lists(st.floats(-1, 1), max_size=60), st.integers(1, 6), st.integers(1, 8), st.floats(0, 1)
)
def test_an_operator_drives_whole_turns_and_looks_before_each(actions, reaction, least, worried):
    config = SimulatedOperatorConfig(worried=worried, reaction=reaction, least=least)
    operator, drives = SimulatedOperator(lambda seen: np.zeros(1), config), []
    for action in actions:
        drives.append(operator.drives)
        operator.see(np.zeros(1), np.array([action]))
    edges = np.flatnonzero(np.diff([False, *drives]))
    turns = [edges[i : i + 2] for i in range(0, len(edges), 2)]
    last = 0
    for turn in turns:
        begin = turn[0]
        assert begin - last >= reaction  # it has watched the learner for so long
        assert np.mean(np.abs(actions[begin - reaction : begin])) > worried
        if len(turn) == 2:
            last = turn[1]
            assert last - begin == least
    for end in range(reaction, len(actions)):
        if not any(drives[end - reaction : end + 1]):
            assert np.mean(np.abs(actions[end - reaction : end])) <= worried + 1e-12


@pytest.mark.parametrize(
    ('setting', 'text'),
    [
        ({'reaction': 0}, 'operator.reaction: got 0; allowed: 1 or more'),
        ({'least': 0}, 'operator.least: got 0; allowed: 1 or more'),
        ({'worried': -0.1}, 'operator.worried: got -0.1; allowed: 0 to inf'),
    ],
)
def test_an_operator_who_never_could_take_over_is_refused(setting, text):
    with pytest.raises(IlRosError) as caught:
        SimulatedOperatorConfig(**setting)
    assert str(caught.value) == text
