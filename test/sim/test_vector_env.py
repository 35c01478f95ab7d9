"""The vector environment is what Gymnasium makes of so many single ones, number for number."""

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.experts import make_expert
from il_ros.sim.env import environment_id
from il_ros.sim.randomisation import load_randomisation
from il_ros.sim.tasks import TASKS
from il_ros.sim.vector_env import VectorTaskEnv

RANDOMISATION = Path(__file__).parents[2] / 'config/randomisation'


def both(task, count, **settings):
    """The vector environment, and as many single ones in Gymnasium's own vector."""
    name = environment_id(task)
    many = gymnasium.make_vec(name, count, vectorization_mode='vector_entry_point', **settings)
    mode = {'autoreset_mode': AutoresetMode.SAME_STEP}
    singles = gymnasium.make_vec(
        name, count, vectorization_mode='sync', vector_kwargs=mode, **settings
    )
    return many, singles


def same(one, other, where=''):
    """The same to the last bit, through dictionaries and arrays of dictionaries."""
    if isinstance(one, dict):
        assert set(one) == set(other), where
        for key, value in one.items():
            same(value, other[key], f'{where}/{key}')
    elif isinstance(one, tuple) or one.dtype == object:
        assert len(one) == len(other)
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            assert (left is None) == (right is None), f'{where}/{i}'
            if left is not None:
                same(left, right, f'{where}/{i}')
    else:
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)


def experts_action(env, expert, observation):
    """What the expert does in row 0, as a share of the speed limits."""
    world = env._worlds._world
    seen = {key: value[0] for key, value in observation.items()}
    target = expert.act(seen, horizon=1, dt=world.period)[0]
    return (target - env._actions.target[0]) / (world.limits.velocity * world.period)


@pytest.mark.parametrize('task', list(TASKS))
def test_rows_are_single_environments_bit_for_bit(task):
    """Row 0 succeeds with the expert and goes on; row 1 flails until its time is up."""
    many, singles = both(task, 2)
    assert isinstance(many, VectorTaskEnv)
    expert, rng = make_expert(task), np.random.default_rng(0)
    observation, info = many.reset(seed=3)
    same((observation, info), singles.reset(seed=3))
    succeeded = ended = False
    while not ended:
        actions = rng.normal(0.0, 0.3, many.action_space.shape)
        if not succeeded:
            actions[0] = experts_action(many, expert, observation)
        observation, *outcome = step = many.step(actions)
        same(step, singles.step(actions))
        _, terminated, truncated, info = outcome
        succeeded, ended = succeeded or terminated[0], truncated[1]
    assert succeeded
    assert info['final_info']['violations'][1] > 0
    same(many.step(actions), singles.step(actions))


@pytest.mark.parametrize(
    ('task', 'file'), [('reach', 'reach.yaml'), ('pick_place', 'default.yaml')]
)
def test_randomised_rows_are_single_environments_bit_for_bit(task, file):
    settings = {'randomisation': load_randomisation(RANDOMISATION / file), 'reward': 'sparse'}
    many, singles = both(task, 2, **settings)
    rng = np.random.default_rng(0)
    same(many.reset(seed=[7, 40]), singles.reset(seed=[7, 40]))
    plain = gymnasium.make_vec(environment_id(task), 2)
    assert (plain.reset(seed=[7, 40])[0]['wrench'] != many.reset(seed=[7, 40])[0]['wrench']).any()
    same(many.reset(seed=[7, 40]), singles.reset(seed=[7, 40]))
    for _ in range(15):
        actions = rng.uniform(-0.3, 0.3, many.action_space.shape)
        same(many.step(actions), singles.step(actions))


def test_a_mask_resets_its_rows_alone_and_what_was_given_out_stays():
    many, singles = both('reach', 3)
    same(many.reset(seed=0), singles.reset(seed=0))
    actions = np.full(many.action_space.shape, 0.1)
    observation, *_ = step = many.step(actions)
    same(step, singles.step(actions))
    kept = {key: value.copy() for key, value in observation.items()}
    mask = np.array([False, True, False])
    same(
        many.reset(seed=8, options={'reset_mask': mask}),
        singles.reset(seed=8, options={'reset_mask': mask}),
    )
    same(kept, observation)
    same(many.step(actions), singles.step(actions))


def test_without_a_seed_every_row_goes_on_with_episodes_of_its_own():
    env = VectorTaskEnv(2, task='reach')
    fresh = env.reset()[1]['scene_seed']
    seeds = [env.reset(seed=0)[1]['scene_seed'], *(env.reset()[1]['scene_seed'] for _ in range(2))]
    assert len({*np.ravel(seeds), *fresh}) == 8
    np.testing.assert_array_equal(env.reset(seed=0)[1]['scene_seed'], [0, 1])
    np.testing.assert_array_equal(env.reset()[1]['scene_seed'], seeds[1])


def test_gymnasium_is_told_how_it_resets_and_its_wrappers_work():
    env = gymnasium.make_vec(environment_id('reach'), num_envs=2)  # the vector one by default
    assert env.metadata['autoreset_mode'] is AutoresetMode.SAME_STEP
    single = gymnasium.make(environment_id('reach'))
    assert env.single_observation_space == single.observation_space
    assert env.single_action_space == single.action_space
    env = RecordEpisodeStatistics(env)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    for _ in range(100):
        *_, truncated, info = env.step(np.zeros((2, 8)))
    assert truncated.all()
    np.testing.assert_array_equal(info['episode']['l'], 100)
    env.close()


def test_it_is_registered_with_the_single_ones():
    code = (
        'import gymnasium, il_ros.sim.env\n'
        "print(gymnasium.make_vec('il_ros/push-v0', num_envs=2, arm='ur5e').action_space.shape)"
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == '(2, 7)'


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'reward': 'shaped'}, "environment: reward 'shaped'; allowed: progress, sparse"),
        ({'render_mode': 'rgb_array'}, "environment: render_mode 'rgb_array'; allowed: None"),
        ({'num_envs': 0}, 'environment: num_envs 0; allowed: at least 1'),
    ],
)
def test_unknown_settings_are_named(change, text):
    with pytest.raises(IlRosError) as caught:
        VectorTaskEnv(**{'num_envs': 2, 'task': 'reach'} | change)
    assert str(caught.value).startswith(text)


def test_bad_input_is_named():
    with pytest.raises(UnknownNameError, match="unknown task 'juggle'; allowed: "):
        VectorTaskEnv(2, task='juggle')
    env = VectorTaskEnv(2, task='reach')
    with pytest.raises(
        IlRosError, match=r'action: shape \(8,\), .* allowed: finite, shape \(2, 8\)'
    ):
        env.step(np.zeros(8))
    with pytest.raises(IlRosError, match='not finite'):
        env.step(np.full((2, 8), np.nan))
    with pytest.raises(IlRosError, match=r"options \['box'\]; allowed: reset_mask: 2 booleans"):
        env.reset(options={'box': 1})
    with pytest.raises(IlRosError, match='reset_mask: 2 booleans'):
        env.reset(options={'reset_mask': np.ones(3, bool)})
    with pytest.raises(IlRosError, match='reset: 3 seeds; allowed: 2'):
        env.reset(seed=[1, 2, 3])
