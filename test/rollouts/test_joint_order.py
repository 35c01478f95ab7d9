"""A contract whose joints are in another order means the same robot, and moves it alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.arm_geometry import Geometry
from il_ros.core.arms import get_arm
from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Zone
from il_ros.experts import expert_of
from il_ros.experts.teleop.device_reading import DeviceReading
from il_ros.experts.teleop.jog import Jog
from il_ros.experts.teleop.setpoint_limiter import MotionConfig
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import limits_monitor
from il_ros.sim.perturbations import Perturbation

CONTRACTS = Path(__file__).parents[2] / 'config/contracts'
ARMS = {
    'franka': load_contract(CONTRACTS / 'franka_reach.yaml'),
    'ur5e': load_contract(CONTRACTS / 'ur5e_reach.yaml'),
    'viperx_pair': load_contract(CONTRACTS / 'viperx_pair_bimanual_handover.yaml'),
}


def reordered(contract, order, single=False):
    """The contract with its action's joints in this order; `single`: all in one observation."""
    data = yaml.safe_load(contract.text)
    action, observations = data['action'], data['observations']
    names = [action['names'][i] for i in order]
    action['names'] = names
    action['limits'] = {k: [v[i] for i in order] for k, v in action['limits'].items()}
    for part in ('position', 'velocity'):
        own = [observations[key] for key in action[part]]
        if single:
            data['clock'] = 'all_position'
            for key in action[part]:
                del observations[key]
            observations[f'all_{part}'] = {**own[0], 'fields': [part], 'names': names}
            action[part] = [f'all_{part}']
        else:  # group by group, as far as the order allows
            for stream in own:
                stream['names'] = [name for name in names if name in stream['names']]
            ends = [names.index(stream['names'][0]) for stream in own]
            action[part] = [action[part][i] for i in np.argsort(ends)]
    return parse_contract(yaml.safe_dump(data, sort_keys=False))


def orders(arm):
    return st.permutations(range(len(ARMS[arm].action.names)))


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from(list(ARMS)))
def test_tools_links_and_distances_are_the_same_whatever_the_order(data, name):
    arm, order = get_arm(name), data.draw(orders(name))
    q = np.random.default_rng(0).uniform(arm.position_min, arm.position_max, (5, len(order)))
    own, other = Geometry.of_arm(arm), Geometry.of_arm(arm, [arm.names[i] for i in order])
    np.testing.assert_array_equal(other.tools(q[:, order]), own.tools(q))
    np.testing.assert_array_equal(other.outline(q[:, order]), own.outline(q))
    np.testing.assert_array_equal(other.moves, own.moves[order])
    for side, moves in own.sides.items():
        np.testing.assert_array_equal(other.sides[side], moves[order])
    if own.clearance:
        np.testing.assert_array_equal(other.clearance.gaps(q[:, order]), own.clearance.gaps(q))


def told(whole, goals, order):
    """What a monitor with a post in the way says of an arm that is led to these goals (K, N)."""
    low, high = whole.workspace.min, whole.workspace.max
    post = Zone(name='post', min=(low[0], high[1] - 0.1, low[2]), max=high)
    workspace = replace(whole.workspace, keep_out=(post,))
    contract = replace(whole, workspace=workspace)
    object.__setattr__(contract, 'text', whole.text)
    monitor = make_monitor(contract, None, MonitorConfig(jump=0.0, handover=0.0))
    home, verdicts, now, plan = get_arm(contract.arm).home[order], [], 0.0, None
    for i, goal in enumerate(goals):
        now += contract.period
        late = now - contract.command_delay
        here = (home, 0 * home) if plan is None or plan.begin > late else plan.at(late)[:2]
        monitor.offer(
            Chunk(
                stamp=now,
                step_dt=contract.period,
                names=contract.action.names,
                positions=np.tile(goal[order], (4, 1)),
                contract_hash=contract.hash,
                policy_id='',
                source='expert',
            ),
            'expert',
        )
        contact = np.zeros(3) if contract.wrench else None
        verdict = monitor.tick(
            MonitorInput(
                stamp=now, position=here[0], velocity=here[1], force=contact, torque=contact
            ),
            now,
        )
        if i == 0:
            monitor.request(Mode.EXPERT)
        plan = verdict.plan
        end = None if verdict.target_end is None else np.empty(len(order))
        if end is not None:
            end[order] = verdict.target_end
        verdicts.append((verdict.mode, verdict.reason, end))
    return verdicts


@settings(max_examples=8, deadline=None)
@given(st.data(), st.sampled_from(list(ARMS)), st.integers(0, 1000))
def test_the_monitor_says_and_commands_the_same_whatever_the_order(data, name, seed):
    order, arm = data.draw(orders(name)), get_arm(name)
    random = np.random.default_rng(seed)
    goals = arm.home + random.uniform(-1.5, 1.5, (4, len(order)))
    goals = np.repeat(np.clip(goals, arm.position_min, arm.position_max), 8, axis=0)
    contract = ARMS[name]
    own = told(contract, goals, np.arange(len(order)))
    other = told(reordered(contract, order, single=True), goals, np.array(order))
    for (mode, reason, end), (same_mode, same_reason, same_end) in zip(own, other, strict=True):
        assert (same_mode, same_reason) == (mode, reason)
        if end is not None:
            np.testing.assert_allclose(same_end, end, atol=1e-12)


@pytest.mark.parametrize(
    ('name', 'task', 'order', 'single'),
    [
        ('ur5e', 'reach', [2, 1, 0, 3, 4, 5, 6], False),  # as its driver lists them
        ('franka', 'reach', [7, 6, 5, 4, 3, 2, 1, 0], False),  # the gripper first
        ('franka', 'reach', [3, 7, 0, 6, 1, 5, 2, 4], True),  # the gripper amid the arm
        ('viperx_pair', 'bimanual_handover', [*range(7, 14), *range(7)], False),
        ('viperx_pair', 'bimanual_handover', [*range(0, 14, 2), *range(1, 14, 2)], True),
    ],
)
def test_an_episode_in_process_moves_the_same_joints_alike(name, task, order, single):
    """Expert, monitor, controller and simulator, with a noisy sensor and a disturbed command."""
    noise = [
        Perturbation(kind='sensor_noise', target='goal_position', value=(1e-4,)),
        Perturbation(kind='command_noise', value=(1e-3,)),
    ]
    rollouts = []
    for contract in (ARMS[name], reordered(ARMS[name], order, single)):
        driver = ExpertDriver(task, contract)
        runner = EpisodeRunner(contract, task, driver, limits_monitor(contract, 'expert'))
        steps = iter(range(60))
        rollouts.append(runner.run(3, noise, over=lambda steps=steps: next(steps, 60) >= 50))
    own, other = rollouts
    assert (other.success, other.reason, other.violations) == (
        own.success, own.reason, own.violations
    )  # fmt: skip
    assert len(own.actions) == len(other.actions) >= 15
    np.testing.assert_allclose(other.actions, own.actions[:, order], atol=1e-9)
    assert np.nanmax(np.abs(own.actions - own.actions[1])) > 0.05  # it moves


@pytest.mark.parametrize('order', [[2, 1, 0, 3, 4, 5, 6], [6, 0, 5, 1, 4, 2, 3]])
def test_a_gamepad_moves_the_same_joints_alike(order):
    reading = DeviceReading(read=0.0, held=True, twist=np.array([0.1, 0.05, -0.05, 0, 0, 0.3]))
    ways = []
    for contract, place in (
        (ARMS['ur5e'], range(7)),
        (reordered(ARMS['ur5e'], order, True), order),
    ):
        jog, home = Jog(contract, MotionConfig(), 4), get_arm('ur5e').home[list(place)]
        jog.begin(home, reading)
        ways.append(np.array([jog.chunk(home, reading, 1)[-1] for _ in range(20)]))
    np.testing.assert_allclose(ways[1], ways[0][:, order], atol=1e-12)
    assert np.abs(ways[0][-1] - ways[0][0]).max() > 0.01


def test_no_expert_commands_what_its_arm_has_not():
    data = yaml.safe_load(ARMS['franka'].text)
    data['action']['names'][-1] = 'robotiq_85_left_knuckle_joint'
    for key in ('gripper_position', 'gripper_velocity'):
        if key in data['observations']:
            data['observations'][key]['names'] = ['robotiq_85_left_knuckle_joint']
    contract = parse_contract(yaml.safe_dump(data))
    make_monitor(contract, None, MonitorConfig())  # a gripper of another name moves no link
    with pytest.raises(IlRosError, match='no expert commands robotiq_85_left_knuckle_joint'):
        expert_of('reach', contract)
