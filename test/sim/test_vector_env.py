"""Environments stepped by threads: the same episodes as one after the other."""

import gymnasium
import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.sim.env import TaskEnv, environment_id
from il_ros.sim.vector_env import TaskVectorEnv


def test_threads_change_nothing():
    envs = TaskVectorEnv(3, threads=3, task='push')
    singles = [TaskEnv('push') for _ in range(3)]
    seen, _ = envs.reset(seed=4)
    for i, env in enumerate(singles):
        first, _ = env.reset(seed=4 + i)
        np.testing.assert_array_equal(seen['object_pose'][i], first['object_pose'])
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = rng.uniform(-0.3, 0.3, (3, 8))
        seen, rewards, *_ = envs.step(actions)
        for i, env in enumerate(singles):
            observation, reward, *_ = env.step(actions[i])
            assert rewards[i] == reward
            for key, value in observation.items():
                np.testing.assert_array_equal(seen[key][i], value)
    envs.close()


def test_an_episode_that_is_over_begins_anew_by_itself():
    envs = TaskVectorEnv(2, task='reach')
    _, info = envs.reset(seed=[1, 2])
    assert info['scene_seed'].tolist() == [1, 2]
    for _ in range(100):
        *_, terminated, truncated, info = envs.step(np.zeros((2, 8)))
    assert truncated.all()
    assert not terminated.any()
    seen, rewards, *_, truncated, info = envs.step(np.zeros((2, 8)))
    assert not truncated.any()
    assert rewards.tolist() == [0.0, 0.0]
    assert not set(info['scene_seed']) & {1, 2}
    single = TaskEnv('reach')
    first, _ = single.reset(seed=int(info['scene_seed'][1]))
    np.testing.assert_array_equal(seen['joint_position'][1], first['joint_position'])
    envs.close()


def test_gymnasium_makes_it_of_the_tasks_id():
    envs = gymnasium.make_vec(environment_id('reach'), num_envs=2, reward='sparse')
    assert isinstance(envs, TaskVectorEnv)
    assert envs.single_action_space.shape == (8,)
    envs.close()


def test_a_bad_action_is_an_error_here_too():
    envs = TaskVectorEnv(2, task='reach')
    envs.reset(seed=0)
    with pytest.raises(IlRosError, match='not finite'):
        envs.step(np.full((2, 8), np.nan))
    envs.close()
