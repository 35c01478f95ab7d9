"""The tasks as Gymnasium environments: the checker's rules, the simulator's physics."""

from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.experts import make_expert
from il_ros.sim.env import JointVelocityActions, TaskEnv, environment_id
from il_ros.sim.tasks import TASKS
from il_ros.sim.world import World

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'


@pytest.mark.parametrize('task', list(TASKS))
@pytest.mark.filterwarnings('ignore:.*infinity.*:UserWarning')
def test_gymnasium_finds_nothing_wrong(task):
    env = gymnasium.make(environment_id(task))
    assert env.spec.id == f'il_ros/{task}-v0'
    check_env(env.unwrapped, skip_render_check=True)


def act(env, target):
    """The action that brings the set-points to `target` (N,) in one step."""
    stride = env.world.limits.velocity * env.world.period
    return (target - env._actions.target) / stride


@pytest.mark.parametrize('task', list(TASKS))
def test_an_expert_succeeds_in_it(task):
    env, expert = TaskEnv(task), make_expert(task)
    observation, info = env.reset(seed=3)
    assert info['scene_seed'] == 3
    rewards, terminated, truncated = [], False, False
    while not (terminated or truncated):
        target = expert.act(observation, horizon=1, dt=env.world.period)[0]
        observation, reward, terminated, truncated, info = env.step(act(env, target))
        rewards.append(reward)
    assert terminated
    assert not truncated
    assert info['is_success']
    assert info['violations'] == 0
    assert 1.5 < sum(rewards) <= 2.0
    assert rewards[-1] >= 1.0


def test_another_arm_is_an_argument():
    env = gymnasium.make(environment_id('reach'), arm='ur5e')
    observation, _ = env.reset(seed=0)
    assert observation['joint_position'].shape == (6,)
    assert env.action_space.shape == (7,)


def test_it_is_the_simulator():
    env, world = TaskEnv('pick_place'), World('pick_place')
    env.reset(seed=5)
    world.reset(5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        before = env._actions.target
        observation, *_ = env.step(rng.uniform(-0.3, 0.3, 8))
        share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
        world.step(before + share * (env._actions.target - before))
        for key, value in world.observe().items():
            np.testing.assert_array_equal(observation[key], value)


def test_without_a_seed_every_episode_is_another_and_the_order_repeats():
    def scenes():
        env = TaskEnv('reach')
        env.reset(seed=0)
        return [env.reset()[1]['scene_seed'] for _ in range(3)]

    assert scenes() == scenes()
    assert len(set(scenes())) == 3


def test_set_points_stay_inside_the_limits_whatever_is_asked():
    limits = load_contract(CONTRACTS / 'franka_reach.yaml').limits
    env = TaskEnv('reach', limits=limits)
    env.reset(seed=0)
    last, fastest = env._actions.target, np.zeros(8)
    for _ in range(60):
        *_, info = env.step(np.full(8, 50.0))
        fastest = np.maximum(fastest, np.abs(env._actions.target - last) / env.world.period)
        last = env._actions.target
        assert (last <= limits.position_max).all()
    np.testing.assert_allclose(fastest[:7], limits.velocity[:7])
    assert info['violations'] > 0  # nobody eased the start: it is counted


def test_limits_of_other_joints_are_refused():
    limits = load_contract(CONTRACTS / 'franka_reach.yaml').limits
    with pytest.raises(IlRosError, match='limits for joints a, b'):
        TaskEnv('reach', limits=replace(limits, names=('a', 'b')))


@pytest.mark.filterwarnings('ignore:.*GLFW')
@pytest.mark.filterwarnings('ignore:.*X11')
def test_images():
    assert TaskEnv('reach').render() is None
    env = TaskEnv('push', render_mode='rgb_array', width=32, height=24, renderer='rays')
    assert env.render().shape == (24, 32, 3)
    env.close()
    with pytest.raises(UnknownNameError, match="unknown renderer 'pencil'; allowed: auto, opengl"):
        TaskEnv('push', renderer='pencil')


def test_an_episode_without_success_is_truncated_at_the_time_limit():
    env = TaskEnv('reach', reward='sparse')
    env.reset(seed=0)
    steps, total, truncated = 0, 0.0, False
    while not truncated:
        _, reward, terminated, truncated, _ = env.step(np.zeros(8))
        assert not terminated
        steps, total = steps + 1, total + reward
    assert (steps, total) == (100, 0.0)


def test_many_at_once():
    envs = gymnasium.make_vec(environment_id('reach'), num_envs=3, vectorization_mode='sync')
    observation, info = envs.reset(seed=7)
    assert observation['joint_position'].shape == (3, 7)
    np.testing.assert_array_equal(info['scene_seed'], [7, 8, 9])
    envs.step(np.zeros((3, 8)))
    envs.close()


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'reward': 'shaped'}, "environment: reward 'shaped'; allowed: progress, sparse"),
        ({'render_mode': 'human'}, "environment: render_mode 'human'; allowed: None, rgb_array"),
    ],
)
def test_unknown_settings_are_named(change, text):
    with pytest.raises(IlRosError) as caught:
        TaskEnv('reach', **change)
    assert str(caught.value).startswith(text)


def test_bad_input_is_named():
    with pytest.raises(UnknownNameError, match="unknown task 'juggle'; allowed: "):
        TaskEnv('juggle')
    env = TaskEnv('reach')
    with pytest.raises(IlRosError, match=r'action: shape \(3,\), or not finite; allowed: finite'):
        env.step(np.zeros(3))
    with pytest.raises(IlRosError, match='not finite'):
        env.step(np.full(8, np.nan))
    with pytest.raises(IlRosError, match=r"reset: options \['box'\]; allowed: none"):
        env.reset(options={'box': 1})


@pytest.fixture(scope='module')
def reach_world():
    return World('reach')


@settings(max_examples=40)
@given(st.lists(arrays(np.float64, 8, elements=st.floats(-9, 9)), max_size=12), st.data())
def test_whatever_the_actions_the_set_points_keep_to_speed_and_range(reach_world, actions, data):
    reach_world.reset(0)
    limits, moves = reach_world.limits, JointVelocityActions(reach_world)
    moves.target = path = reach_world.posture()
    for action in actions:
        wrong = action.copy()
        wrong[data.draw(st.integers(0, 7))] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        for refused in (wrong, action[:7], np.stack([action] * 2)):
            with pytest.raises(IlRosError, match=r'action: shape .*, or not finite'):
                moves.moved(refused)
            np.testing.assert_array_equal(moves.target, path)
        way = np.concatenate([path[None], moves.moved(action)])
        assert way.shape == (1 + reach_world.substeps, 8)
        assert (way[1:] >= limits.position_min - 1e-12).all()
        assert (way[1:] <= limits.position_max + 1e-12).all()
        speed = np.abs(np.diff(way, axis=0)) * reach_world.substeps / reach_world.period
        assert (speed <= limits.velocity * (1 + 1e-6)).all()
        np.testing.assert_allclose(way[-1], path := moves.target)
