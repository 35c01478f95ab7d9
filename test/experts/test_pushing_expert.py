"""Pushing and hooking: from which side, and what happens where the tool stands badly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from il_ros.experts import make_expert

TURNED = 0.3


@pytest.fixture
def hook():
    return make_expert('drawer_open')


def scene_of(expert, tool, *, gripper=0.0, turn=TURNED):
    """The handle at (0.5, 0, 0.07), to be pulled by 0.1 m; `tool` ahead of it, left of it, up."""
    out = -np.array([math.cos(turn), math.sin(turn), 0.0])
    left = np.array([-out[1], out[0], 0.0])
    handle = np.array([0.5, 0.0, 0.07])
    scene = expert.read(
        {
            'gripper_position': np.array([gripper]),
            'goal_position': handle + 0.1 * out,
            'object_pose': np.array([*handle, 0, 0, math.sin(turn / 2), math.cos(turn / 2)]),
        }
    )
    scene.tool = handle + tool[0] * out + tool[1] * left + (0.0, 0.0, tool[2])
    return scene, out, left


def test_behind_the_handle_it_pulls_along_the_drawer(hook):
    scene, out, left = scene_of(hook, (-0.0155, 0.0, -0.01))
    wish = hook.decide(scene)
    assert wish.linear @ out > 0.08
    assert wish.linear @ left == pytest.approx(0.0, abs=1e-9)
    assert wish.yaw == pytest.approx(TURNED)
    assert wish.gripper == 0.0


def test_it_pulls_out_straight_where_the_goal_lies_to_the_side(hook):
    scene, _, left = scene_of(hook, (-0.0155, 0.0, -0.01))
    scene.goal = scene.goal + 0.05 * left
    assert hook.decide(scene).linear @ left == pytest.approx(0.0, abs=1e-9)
    assert hook.way(scene)[1] == pytest.approx(0.1)


@pytest.mark.parametrize(
    'tool',
    [(0.03, 0.0, -0.01), (-0.0325, 0.07, -0.01), (-0.12, 0.0, -0.02)],
    ids=['in front', 'beside', 'inside the drawer'],
)
def test_from_a_wrong_place_it_first_goes_up(hook, tool):
    scene, *_ = scene_of(hook, tool)
    wish = hook.decide(scene)
    assert wish.linear[2] > 0.1
    assert np.linalg.norm(wish.linear[:2]) < 0.01


def test_open_fingers_do_not_come_down_into_the_handle(hook):
    place = (-0.0325, 0.0, 0.03)
    assert hook.decide(scene_of(hook, place)[0]).linear[2] < -0.1
    assert hook.decide(scene_of(hook, place, gripper=0.03)[0]).linear[2] > 0.1


@pytest.mark.parametrize('turn', [-1.5, -0.4, 0.0, 0.4, 1.5])
def test_the_tool_turns_by_less_than_a_quarter_for_a_drawer(hook, turn):
    scene, *_ = scene_of(hook, (-0.0155, 0.0, -0.01), turn=turn)
    assert hook.decide(scene).yaw == pytest.approx(turn)


def test_a_rolled_out_pull_takes_the_handle_along(hook):
    scene, out, _ = scene_of(hook, (-0.0155, 0.0, -0.01))
    before = scene.cube
    hook.roll(scene, 0.006 * out, 0.0)
    np.testing.assert_allclose(scene.cube - before, 0.006 * out, atol=1e-9)
    hook.roll(scene, -0.006 * out, 0.0)  # going back leaves it there
    np.testing.assert_allclose(scene.cube - before, 0.006 * out, atol=1e-9)


def test_open_far_enough_it_stands_still(hook):
    for opened in (0.1, 0.12):
        scene, out, _ = scene_of(hook, (-0.0155, 0.0, -0.01))
        scene.cube, scene.tool = scene.cube + opened * out, scene.tool + opened * out
        assert not hook.decide(scene).linear.any()


def test_between_coming_down_and_pushing_there_is_no_step():
    expert = make_expert('push')
    observation = {
        'gripper_position': np.array([0.0]),
        'goal_position': np.array([0.5, 0.2, 0.02]),
        'object_pose': np.array([0.5, 0.0, 0.02, 0, 0, 0, 1.0]),
    }
    scene, found = expert.read(observation), []
    for height in (0.0299, 0.0301):  # on either side of where it counts as low
        scene.tool = np.array([0.503, -0.08, height])
        found.append(expert.decide(scene).linear[:2])
    np.testing.assert_allclose(found[0], found[1], atol=0.02)
