import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from needs_metaworld import needs_metaworld

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.sim.metaworld_env import SCALAR_FIRST, MetaWorldEnv, named_parts, task_names
from il_ros.sim.world import World

TWO_OBJECTS = ('hammer-v3', 'stick-push-v3', 'stick-pull-v3')
INFO = {'is_success', 'progress', 'violations', 'scene_seed'}


def raw(quaternion, second=(0, 0, 0, 0)):
    """An observation of MetaWorld's, with two poses."""
    now = [0.1, 0.6, 0.2, 0.5, 1, 2, 3, *quaternion, 4, 5, 6, *second]
    return np.array([*now, *np.full(18, 9.0), 0.3, 0.7, 0.15])


def test_an_observation_is_taken_apart_by_its_keys():
    parts = named_parts(raw((0, 0, 0.6, 0.8), (0.6, 0, 0, 0.8)), 2, scalar_first=False)
    expected = {
        'hand_position': [0.1, 0.6, 0.2],
        'gripper_opening': [0.05],  # half of 10 cm
        'object_pose': [1, 2, 3, 0, 0, 0.6, 0.8],
        'second_object_pose': [4, 5, 6, 0.6, 0, 0, 0.8],
        'goal_position': [0.3, 0.7, 0.15],
    }
    assert list(parts) == list(expected)
    for key, values in expected.items():
        np.testing.assert_allclose(parts[key], values)


def test_a_second_pose_that_is_of_nothing_is_not_given():
    assert 'second_object_pose' not in named_parts(raw((0, 0, 0, 1)), 1, scalar_first=False)


@pytest.mark.parametrize(
    ('quaternion', 'scalar_first', 'xyzw'),
    [
        ((0.8, 0.6, 0, 0), True, (0.6, 0, 0, 0.8)),
        ((0.8, 0.6, 0, 0), False, (0.8, 0.6, 0, 0)),
        ((0, 0, 0.6, -0.8), False, (0, 0, -0.6, 0.8)),
        ((0, 0, 0, 0), True, (0, 0, 0, 1)),
    ],
)
def test_a_quaternion_is_xyzw_with_w_not_negative(quaternion, scalar_first, xyzw):
    parts = named_parts(raw(quaternion), 1, scalar_first=scalar_first)
    np.testing.assert_array_equal(parts['object_pose'][3:], xyzw)


@given(arrays(np.float64, 39, elements=st.floats(-1, 1)), st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_parts_outlive_the_array_that_they_came_from(numbers, scalar_first):
    parts = named_parts(numbers, 2, scalar_first=scalar_first)
    kept = {key: part.copy() for key, part in parts.items()}
    numbers[:] = 7.0
    for key, part in parts.items():
        np.testing.assert_array_equal(part, kept[key])


def played(env, seed, steps=20):
    """What the expert's first steps on a scene show."""
    seen, _ = env.reset(seed=seed)
    trace = [np.concatenate(list(seen.values()))]
    for _ in range(steps):
        seen, reward, *_ = env.step(env.expert_action())
        trace.append(np.concatenate([*seen.values(), [reward]]))
    return np.concatenate(trace)


@needs_metaworld
def test_a_seed_is_a_scene_whatever_was_before():
    env = MetaWorldEnv('pick-place-v3')
    first, other, again = played(env, 5), played(env, 6), played(env, 5)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, played(MetaWorldEnv('pick-place-v3'), 5))
    assert not np.array_equal(first, other)


@needs_metaworld
def test_an_experts_episode_ends_in_success_with_our_info():
    env = MetaWorldEnv('drawer-open-v3')
    _, info = env.reset(seed=1)
    assert info == {'is_success': False, 'progress': 0.0, 'violations': 0, 'scene_seed': 1}
    progress, ended, cut = [], False, False
    while not ended and not cut:
        _, _, ended, cut, info = env.step(env.expert_action())
        progress.append(info['progress'])
    assert ended
    assert info['is_success']
    assert set(info) == INFO
    assert min(progress) >= 0.0
    assert progress[-1] == 1.0
    assert 0.3 < progress[-2] < 1.0


@needs_metaworld
def test_whoever_does_nothing_is_stopped_at_the_time_limit():
    env = MetaWorldEnv('reach-v3')
    env.reset(seed=0)
    steps = [env.step(np.zeros(4)) for _ in range(500)]
    assert [step[3] for step in steps] == [False] * 499 + [True]
    assert not any(step[2] for step in steps)
    assert steps[-1][4]['progress'] < 0.1


@needs_metaworld
def test_every_task_gives_what_it_says_again_and_its_quaternions_are_understood():
    for task in task_names():
        env = MetaWorldEnv(task)
        first, _, again = played(env, 3), played(env, 4), played(env, 3)
        np.testing.assert_array_equal(first, again, err_msg=task)
        seen, _ = env.reset(seed=3)
        assert env.observation_space.contains(seen), task
        assert env.period == pytest.approx(1 / 80)
        assert np.linalg.norm(seen['object_pose'][3:]) == pytest.approx(1.0, abs=1e-6), task
        assert ('second_object_pose' in seen) == (task in TWO_OBJECTS)
        made = inspect.getsource(type(env._env).__mro__[1]._get_quat_objects)
        told = 'zeros(4)' not in made
        assert (task in SCALAR_FIRST) == (told and 'as_quat' not in made), task


@needs_metaworld
@pytest.mark.filterwarnings('ignore:.*Box observation space')
def test_gymnasium_makes_and_accepts_it():
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make('il_ros/metaworld-v0', task='push-v3')
    check_env(env.unwrapped, skip_render_check=True)


@needs_metaworld
def test_what_cannot_be_is_refused():
    with pytest.raises(
        UnknownNameError, match=r"unknown MetaWorld task 'reach'; allowed: assembly"
    ):
        MetaWorldEnv('reach')
    env = MetaWorldEnv('reach-v3')
    with pytest.raises(IlRosError, match=r'action: shape \(3,\), or not finite; allowed: finite'):
        env.step(np.zeros(3))
    with pytest.raises(IlRosError, match=r'action: shape \(4,\), or not finite'):
        env.step(np.array([0, 0, 0, np.nan]))
    with pytest.raises(IlRosError, match=r"reset: options \['goal'\]; allowed: none"):
        env.reset(options={'goal': 1})


@needs_metaworld
def test_our_simulator_is_not_started_beside_it():
    with pytest.raises(IlRosError, match=r'simulator: MuJoCo 3.3.0; allowed: 4 or newer'):
        World('reach')
