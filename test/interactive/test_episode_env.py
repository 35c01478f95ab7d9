import gymnasium
import numpy as np
import pytest
from coaching import PointMass, point_expert

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
