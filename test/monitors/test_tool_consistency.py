"""The tool is where the joints put it, or the monitor says how far it is from there."""

import math
import timeit
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from il_ros.core.arms import get_arm
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import NS, Frame
from il_ros.core.geometry import matrix_about, pose
from il_ros.monitors.tool_consistency import ToolConsistency

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'
START = 1_700_000_000 * NS


def contract(name='franka', **changes):
    data = yaml.safe_load(load_contract(CONTRACTS / f'{name}.yaml').text)
    return parse_contract(yaml.safe_dump({**data, **changes}))


class Robot:
    """An arm whose joints and tool are measured by two devices."""

    def __init__(self, contract):
        self.contract, self.arm = contract, get_arm(contract.arm)
        self.home = np.array(self.arm.home, float)

    def pose(self, limb, joints):
        columns = [self.contract.action.names.index(name) for name in limb.joints]
        return pose(*limb.chain.forward(joints[columns]))

    def frame(self, time, joints, *, shown=None, age=0.0, valid=True, shift=None):
        """A frame whose poses are those of the joints `shown`, and `age` [s] old."""
        shown = joints if shown is None else shown
        values, at = {}, 0
        for key in self.contract.action.position:
            size = self.contract.observations[key].size
            values[key] = joints[at : at + size]
            at += size
        keys = list(values)
        for limb in self.arm.limbs:
            key = f'{limb.prefix}tcp_pose'
            values[key] = self.pose(limb, shown)
            if shift is not None:
                values[key] = values[key] + shift
        return Frame(
            stamp=START + round(time * NS),
            values=values,
            valid={key: valid or key in keys for key in values},
            age={key: 0.0 if key in keys else age for key in values},
        )


def found(tools, frame):
    tools.look(frame)
    return ' '.join(tools.problems())


@pytest.mark.parametrize('name', ['franka', 'ur5e', 'viperx_pair'])
def test_each_joint_of_each_arm_that_is_off_is_seen(name):
    robot = Robot(contract(name))
    tools = ToolConsistency(robot.contract)
    assert not found(tools, robot.frame(0.0, robot.home))
    for i, moves in enumerate(robot.arm.moves):
        shown = robot.home.copy()
        shown[i] += 0.5
        text = found(tools, robot.frame(0.05, robot.home, shown=shown))
        assert ('from where the joints put the tool' in text) == bool(moves), i


def test_the_text_says_which_pose_how_far_and_what_to_look_for():
    robot = Robot(contract())
    shift = np.array([0.0, 0.08, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert found(ToolConsistency(robot.contract), robot.frame(0.0, robot.home, shift=shift)) == (
        'tcp_pose: 0.080 m from where the joints put the tool, allowed 0.030 m: one of them is '
        'wrong, or the tool or its frame is another than the contract says (see `tool`)'
    )


def test_a_wrist_that_is_off_is_seen_by_the_orientation_alone():
    robot = Robot(contract())
    shown = robot.home.copy()
    shown[6] += 0.25
    assert 'tcp_pose: 0.250 rad' in found(
        ToolConsistency(robot.contract), robot.frame(0.0, robot.home, shown=shown)
    )


@pytest.mark.parametrize('rate', [20.0, 100.0])
@pytest.mark.parametrize('age', [0.0, 0.03, 0.15])
@pytest.mark.parametrize('delay', [0.0, 0.06])
def test_an_arm_at_its_velocity_limit_agrees_whenever_its_tool_was_measured(rate, age, delay):
    """The age is what the stamps say, the delay what they do not."""
    robot = Robot(contract())
    tools, limit = ToolConsistency(robot.contract), robot.contract.limits.velocity
    speed = limit * np.array([1.0, 0.4, -1.0, 0.4, 0.5, 0.5, -1.0, 0.0])

    def joints(time):
        return robot.home + speed * 0.4 * np.sin(time / 0.4)

    for i in range(round(1.5 * rate)):
        time = i / rate
        frame = robot.frame(time, joints(time), shown=joints(max(time - age - delay, 0)), age=age)
        text = found(tools, frame)
        # A pose of before the first frame can be compared with nothing.
        assert not text or i <= age * rate


def test_after_a_reset_of_a_simulation_the_motion_in_between_is_none():
    robot = Robot(contract())
    tools = ToolConsistency(robot.contract)
    for i in range(5):
        assert not found(tools, robot.frame(i / 20, robot.home))
    other = robot.home - 0.5
    assert not found(tools, robot.frame(0.2 + 0.75, other))
    assert found(tools, robot.frame(1.0, other, shown=robot.home))
    assert not found(tools, robot.frame(-50.0, robot.home))  # time begins anew


def test_a_pose_that_is_not_valid_or_not_finite():
    robot = Robot(contract())
    tools = ToolConsistency(robot.contract)
    other = robot.home + 0.5
    assert not found(tools, robot.frame(0.0, robot.home, shown=other, valid=False))
    broken = robot.frame(0.05, robot.home)
    broken = replace(broken, values={**broken.values, 'tcp_pose': np.full(7, math.nan)})
    assert 'nan m from where' in found(tools, broken)


def test_the_order_of_the_joints_is_the_contract_s():
    """Joints are known by name: a contract may list them as its driver does."""
    names = list(load_contract(CONTRACTS / 'franka.yaml').action.names)
    data = yaml.safe_load(load_contract(CONTRACTS / 'franka.yaml').text)
    order = [3, 1, 2, 0, 4, 5, 6]
    arm = [names[i] for i in order]
    for key in ('joint_position', 'joint_velocity'):
        data['observations'][key]['names'] = arm
    data['action']['names'] = [*arm, names[7]]
    for bound, values in data['action']['limits'].items():
        data['action']['limits'][bound] = [values[i] for i in [*order, 7]]
    robot = Robot(parse_contract(yaml.safe_dump(data)))
    home = robot.home[[*order, 7]]
    frame = robot.frame(0.0, home)
    np.testing.assert_allclose(
        frame.values['tcp_pose'][:3], robot.arm.chain.forward(robot.home[:7])[0]
    )
    tools = ToolConsistency(robot.contract)
    assert not found(tools, frame)
    assert found(tools, robot.frame(0.05, home, shown=robot.home))


def test_it_is_switched_off_or_widened_by_the_contract():
    robot = Robot(contract(tool={'position': 0.0, 'orientation': 0.0}))
    shown = robot.home + 0.5
    assert not found(ToolConsistency(robot.contract), robot.frame(0.0, robot.home, shown=shown))
    wide = Robot(contract(tool={'position': 0.1, 'orientation': 0.0}))
    shift = np.array([0.0, 0.08, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert not found(ToolConsistency(wide.contract), wide.frame(0.0, wide.home, shift=shift))
    turned = wide.frame(0.0, wide.home)
    at = turned.values['tcp_pose']
    turned.values['tcp_pose'] = pose(at[:3], matrix_about(2, 1.0))
    assert not found(ToolConsistency(wide.contract), turned)


def test_keys_that_cannot_be_are_refused():
    with pytest.raises(ContractError, match=r"tool.keys: got 'wrench'; allowed: observations that"):
        contract(tool={'keys': ['wrench']})
    with pytest.raises(ContractError, match=r'tool.position: got -1.0; allowed: 0 or more, finite'):
        contract(tool={'position': -1.0})
    two = contract(tool={'keys': ['tcp_pose', 'tcp_pose']})
    with pytest.raises(ContractError, match=r'tool.keys: .*allowed: one pose for each of 1 tools'):
        ToolConsistency(two)


def test_a_frame_is_compared_once_and_quickly():
    robot = Robot(contract())
    tools, frames = ToolConsistency(robot.contract), []
    for i in range(200):
        frames.append(robot.frame(i / 20, robot.home))
    waiting = iter(frames)
    cost = timeit.timeit(lambda: tools.look(next(waiting)), number=200) / 200
    assert cost < 2e-3  # 0.1 ms on an idle core
