"""The tool goes where the twist says, from where the arm stands, within every limit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.arms import arm_of
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import IlRosError
from il_ros.core.geometry import rotation_vector
from il_ros.core.robots.franka import FRANKA
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.jog import Jog
from il_ros.experts.teleop.setpoint_limiter import MotionConfig

from .conftest import CONFIG

CONTRACT = load_contract(CONFIG / 'contracts/franka_reach.yaml')
LIMITS, DT = CONTRACT.limits, CONTRACT.period


def wish(*twist, **more):
    return DeviceReading(read=0.0, held=True, twist=np.array(twist, dtype=float), **more)


STILL = wish(0, 0, 0, 0, 0, 0)


def begun(start=FRANKA.home, horizon=4):
    jog = Jog(CONTRACT, MotionConfig(), horizon)
    assert jog.begin(start, STILL) == ''
    return jog


def drive(jog, reading, ticks, position=FRANKA.home, first=0):
    """Where an arm that follows perfectly is after each tick, shape (ticks, N)."""
    way = []
    for tick in range(ticks):
        position = jog.chunk(position, reading, first if tick == 0 else 1)[0]
        way.append(position)
    return np.array(way)


def tool(position):
    return FRANKA.chain.forward(position[:7])


def test_the_tool_goes_straight_and_does_not_turn():
    start, turned = tool(FRANKA.home)
    way = drive(begun(), wish(0.1, 0, 0, 0, 0, 0), 40)
    moved = np.array([tool(row)[0] for row in way]) - start
    assert moved[-1, 0] == pytest.approx(0.2, abs=0.01)
    assert np.abs(moved[:, 1:]).max() < 2e-3
    assert np.linalg.norm(rotation_vector(tool(way[-1])[1] @ turned.T)) < 1e-3


def test_the_tool_turns_on_the_spot():
    start, before = tool(FRANKA.home)
    way = drive(begun(), wish(0, 0, 0, 0, 0, 0.5), 40)
    position, after = tool(way[-1])
    np.testing.assert_allclose(rotation_vector(after @ before.T), [0, 0, 1.0], atol=0.05)
    assert np.linalg.norm(position - start) < 2e-3


def test_a_twist_may_be_told_in_the_tools_own_axes():
    start, _ = tool(FRANKA.home)
    way = drive(begun(), wish(0, 0, 0.1, 0, 0, 0, frame='tool'), 20)
    moved = tool(way[-1])[0] - start
    assert moved[2] == pytest.approx(-0.1, abs=0.01)  # the tool points down
    assert np.abs(moved[:2]).max() < 1e-3


def test_nothing_asked_for_is_exactly_nothing_done():
    jog = begun()
    chunk = jog.chunk(FRANKA.home, STILL, 0)
    np.testing.assert_array_equal(chunk, np.tile(FRANKA.home, (4, 1)))


def test_letting_the_stick_go_stops_the_arm_and_it_stays():
    jog = begun()
    way = drive(jog, wish(0.2, 0, 0, 0, 0, 0), 20)
    rest = drive(jog, STILL, 20, way[-1], first=1)
    speeds = np.abs(np.diff(np.vstack([way[-2:], rest]), axis=0)).max(axis=1) / DT
    assert speeds[0] > 0.2
    assert (np.diff(speeds) <= 1e-9).all()
    np.testing.assert_array_equal(rest[6:], np.tile(rest[6], (14, 1)))


def test_a_chunk_goes_on_where_the_one_before_led():
    one, two = begun(), begun()
    reading = wish(0.1, 0.05, 0, 0, 0, 0.2)
    each = drive(one, reading, 6)
    two.chunk(FRANKA.home, reading, 0)
    two.chunk(each[0], reading, 1)
    # Three frames were lost: the arm has gone on as the last chunk said.
    np.testing.assert_allclose(two.chunk(each[4], reading, 4)[0], each[5], atol=2e-3)


def test_an_arm_that_does_not_follow_is_not_left_behind():
    jog = begun()
    for tick in range(60):
        chunk = jog.chunk(FRANKA.home, wish(0.25, 0, 0, 0, 0, 0), int(tick > 0))
    reach = 0.15 * LIMITS.velocity + 4 * 0.5 * LIMITS.velocity * DT  # leash and chunk
    assert (np.abs(chunk - FRANKA.home)[:, :7] <= reach[:7]).all()


def test_walls_are_slid_along():
    start = tool(FRANKA.home)[0]
    way = drive(begun(), wish(0.02, 0.2, 0, 0, 0, 0), 120)
    end = np.array([tool(row)[0] for row in way])
    assert end[:, 1].max() <= 0.48 + 1e-6
    assert end[-1, 1] == pytest.approx(0.48, abs=0.01)
    assert end[-1, 0] - start[0] == pytest.approx(0.02 * 6.0, abs=0.02)


TWISTS = st.lists(
    st.tuples(
        st.lists(st.floats(-0.6, 0.6), min_size=3, max_size=3),
        st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3),
        st.sampled_from(['base', 'tool']),
        st.sampled_from([-1.0, 0.0, 1.0]),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(parts=TWISTS)
def test_no_twist_leaves_a_limit(parts):
    jog, position, before, steps = begun(), FRANKA.home, FRANKA.home, 0
    for linear, angular, frame, gripper, ticks in parts:
        reading = wish(*linear, *angular, frame=frame, gripper=gripper)
        for _ in range(ticks):
            chunk = jog.chunk(position, reading, steps)
            rows = np.vstack([before, chunk])
            assert (np.abs(np.diff(rows, axis=0)) / DT <= 0.5 * LIMITS.velocity + 1e-9).all()
            assert (chunk >= LIMITS.position_min - 1e-12).all()
            assert (chunk <= LIMITS.position_max + 1e-12).all()
            tools = FRANKA.chain.frames(chunk[:, :7])[:, -1, :3, 3]
            assert (tools >= LIMITS.workspace_min + 0.02 - 1e-6).all()
            assert (tools <= LIMITS.workspace_max - 0.02 + 1e-6).all()
            position = before = chunk[0]
            steps = 1


def test_the_gripper_closes_while_asked_and_by_a_toggle_to_the_end():
    jog = begun()
    closing = drive(jog, wish(0, 0, 0, 0, 0, 0, gripper=-1.0), 4)
    assert 0.0 < closing[-1, 7] < 0.04
    stays = drive(jog, STILL, 4, closing[-1], first=1)
    assert stays[-1, 7] == pytest.approx(stays[-2, 7])
    np.testing.assert_array_equal(stays[-1, :7], FRANKA.home[:7])
    toggled = jog.chunk(stays[-1], replace(STILL, pressed=('gripper_toggle',)), 1)[0]
    closed = drive(jog, STILL, 30, toggled, first=1)[-1, 7]
    assert closed == pytest.approx(0.0, abs=1e-3) or closed == pytest.approx(0.04, abs=1e-3)
    jog.chunk(FRANKA.home, replace(STILL, pressed=('gripper_toggle',)), 1)
    again = drive(jog, STILL, 30, FRANKA.home, first=1)[-1, 7]
    assert again == pytest.approx(0.04 - closed, abs=2e-3)


def test_a_contract_without_an_arm_is_refused():
    text = CONTRACT.text.replace('arm: franka', "arm: ''")
    with pytest.raises(IlRosError, match=r'the contract names no arm.*use a leader arm'):
        Jog(parse_contract(text), MotionConfig(), 4)


@pytest.mark.parametrize('turns', [-1, 2])
def test_a_joint_without_end_is_drawn_home_by_the_short_way(turns):
    contract = load_contract(CONFIG / 'contracts/gen3_reach.yaml')
    turned = 2 * np.pi * turns * contract.endless
    assert turned.any()
    ways = []
    # A little off home, so that there is something to be drawn to.
    for start in (arm_of(contract).home + 0.05, arm_of(contract).home + 0.05 + turned):
        jog = Jog(contract, MotionConfig(), 8)
        jog.begin(start, STILL)
        ways.append(jog.chunk(start, wish(0, 0, 0.1, 0, 0, 0), 0) - start)
    assert np.abs(ways[0]).max() > 1e-3
    np.testing.assert_allclose(ways[1], ways[0], atol=1e-9)
