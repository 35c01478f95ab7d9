"""Set-points never leave a limit, whatever is wished."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.robots.franka import FRANKA
from il_ros.experts.teleop.setpoint_limiter import MotionConfig, SetpointLimiter, arm_joints

from .conftest import CONFIG

CONTRACT = load_contract(CONFIG / 'contracts/franka_reach.yaml')
LIMITS, DT = CONTRACT.limits, CONTRACT.period
MOVES = arm_joints(CONTRACT, FRANKA)
WISHES = st.lists(
    st.lists(st.floats(-8.0, 8.0), min_size=8, max_size=8), min_size=1, max_size=40
)  # fmt: skip


def guard(config=None, arm=FRANKA):
    return SetpointLimiter(LIMITS, arm, MOVES, config or MotionConfig(), DT)


@settings(max_examples=40, deadline=None)
@given(wishes=WISHES, each=st.integers(1, 5))
def test_no_wish_leaves_a_limit(wishes, each):
    it, position, speed = guard(), FRANKA.home.copy(), np.zeros(8)
    for wish in np.repeat(np.array(wishes), each, axis=0):
        there, speed = it.step(position, speed, wish)
        np.testing.assert_allclose(there, position + speed * DT, atol=1e-12)
        assert (np.abs(speed) <= 0.5 * LIMITS.velocity + 1e-9).all()
        assert (there >= LIMITS.position_min - 1e-12).all()
        assert (there <= LIMITS.position_max + 1e-12).all()
        tool = FRANKA.chain.forward(there[:7])[0]
        assert (tool >= LIMITS.workspace_min + 0.02 - 1e-6).all()
        assert (tool <= LIMITS.workspace_max - 0.02 + 1e-6).all()
        position = there


@settings(deadline=None)
@given(wish=st.lists(st.floats(-8.0, 8.0), min_size=8, max_size=8))
def test_the_arm_is_slowed_all_alike_and_the_gripper_by_itself(wish):
    wish = np.array(wish)
    _, speed = guard(arm=None).step(FRANKA.home, np.zeros(8), wish)
    direction = np.outer(speed[:7], wish[:7])
    np.testing.assert_allclose(direction, direction.T, atol=1e-12)
    assert speed[7] <= 0.0  # it is fully open
    assert (np.abs(speed) <= 0.4 * LIMITS.acceleration * DT + 1e-12).all()


def test_a_joint_comes_to_rest_before_its_limit_without_a_jerk():
    it, position, speed = guard(arm=None), FRANKA.home.copy(), np.zeros(8)
    wish = np.array([3.0, 0, 0, 0, 0, 0, 0, 0])
    speeds = [0.0]
    for _ in range(120):
        position, speed = it.step(position, speed, wish)
        speeds.append(speed[0])
    assert position[0] == pytest.approx(LIMITS.position_max[0], abs=0.01)
    assert max(speeds) == pytest.approx(1.0)
    assert np.abs(np.diff(speeds)).max() <= 0.4 * 10.0 * DT * 1.05


def test_the_leash_draws_the_arm_back_but_not_a_gripper():
    measured, ahead = FRANKA.home.copy(), FRANKA.home.copy()
    ahead[:2] += [0.6, -0.2]  # the leash of joint 1 is 0.15 s of 2 rad/s
    ahead[7] = 0.0
    drawn = guard().drawn_back(ahead, measured)
    np.testing.assert_allclose((drawn - measured)[:2], [0.3, -0.1])
    assert drawn[7] == 0.0
    np.testing.assert_array_equal(guard().drawn_back(measured, measured), measured)


def test_an_arm_outside_the_box_may_come_back_but_not_go_on():
    small = replace(LIMITS, workspace_max=np.array([0.4, 0.5, 0.8]))
    it = SetpointLimiter(small, FRANKA, MOVES, MotionConfig(), DT)
    tool = FRANKA.chain.forward(FRANKA.home[:7])[0]
    assert tool[0] > 0.4
    stretch = np.array([0, 0, 0, 0.5, 0, 0, 0, 0])  # the elbow
    _, speed = it.step(FRANKA.home, np.zeros(8), stretch)
    assert not speed[:7].any()
    there, _ = it.step(FRANKA.home, np.zeros(8), -stretch)
    assert FRANKA.chain.forward(there[:7])[0][0] < tool[0]


def test_an_arm_whose_joints_are_not_commanded_is_refused():
    names = ('fr3_joint2', 'shoulder', *LIMITS.names[2:])
    wrong = replace_names(names)
    with pytest.raises(IlRosError, match=r'contract franka_reach.action.names: it commands fr3_jo'):
        arm_joints(wrong, FRANKA)


def replace_names(names):
    changed = replace_init(CONTRACT.action, names=names)
    return replace_init(CONTRACT, action=changed)


def replace_init(thing, **changes):
    given = {f: getattr(thing, f) for f in thing.__dataclass_fields__ if f != 'text'}
    return type(thing)(**{**given, **changes})
