"""Every sample is compared with the limits, by the contract's keys and joint names."""

import time
from dataclasses import replace

import numpy as np
import pytest

from il_ros.core.contract import load_contract
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.sample_checks import SampleChecks

CONTRACT = load_contract('config/contracts/franka_reach.yaml')
CONFIG = MonitorConfig()
LIMITS = CONTRACT.limits
HOME = (LIMITS.position_min + LIMITS.position_max) / 2


@pytest.fixture
def samples():
    return SampleChecks(CONTRACT, CONFIG)


def test_a_wrench_within_its_limits_is_fine_and_a_peak_is_a_fault(samples):
    most = CONFIG.wrench_share * LIMITS.force
    assert samples.judge('wrench', np.array([0, 0, 0.99 * most, 0, 0, 0])) is None
    fault = samples.judge('wrench', np.array([0, 0, 1.01 * most, 0, 0, 0]))
    text = f'wrist force: {1.01 * most:.2f} N, limit {most:.2f} N (in one sample)'
    assert (fault.kind, fault.text) == ('force', text)
    turned = np.array([0, 0, 0, 1.01 * CONFIG.wrench_share * LIMITS.torque, 0, 0])
    assert samples.judge('wrench', turned).text.startswith('wrist torque: ')


@pytest.mark.parametrize(
    ('value', 'kind'), [(np.nan, 'frame'), (np.inf, 'frame'), (1e308, 'force')]
)
def test_a_wrench_that_is_no_number_is_a_fault_but_no_contact_to_give_way_to(samples, value, kind):
    with np.errstate(over='ignore'):
        assert samples.judge('wrench', np.array([value, 0, 0, 0, 0, 0])).kind == kind


def test_joints_are_judged_each_by_its_own_limits(samples):
    names = CONTRACT.observations['joint_position'].names
    for i, name in enumerate(names):
        at = LIMITS.names.index(name)
        sample = HOME[: len(names)].copy()
        sample[i] = LIMITS.position_max[at] + 1.1 * CONFIG.joint_tolerance
        fault = samples.judge('joint_position', sample)
        assert (fault.kind, fault.text.split(':')[0]) == ('joint_limit', name)
        sample = np.zeros(len(names))
        assert samples.judge('joint_velocity', sample) is None
        sample[i] = -1.01 * (1 + CONFIG.speed_tolerance) * LIMITS.velocity[at]
        fault = samples.judge('joint_velocity', sample)
        assert (fault.kind, fault.text.split(':')[0]) == ('speed', name)


def test_the_limits_follow_the_names_of_a_stream(samples):
    stream = CONTRACT.observations['joint_position']
    turned = replace(stream, names=stream.names[::-1])
    contract = replace(CONTRACT, observations={**CONTRACT.observations, 'joint_position': turned})
    sample = HOME[: len(stream.names)][::-1].copy()
    at = LIMITS.names.index(stream.names[0])
    sample[-1] = LIMITS.position_max[at] + 1.1 * CONFIG.joint_tolerance
    fault = SampleChecks(contract, CONFIG).judge('joint_position', sample)
    assert fault.text.startswith(f'{stream.names[0]}: ')


def test_joints_that_are_no_numbers_and_other_streams_are_left_to_the_frame(samples):
    size = len(CONTRACT.observations['joint_position'].names)
    assert samples.judge('joint_position', np.full(size, np.nan)) is None
    assert samples.judge('goal_position', np.full(3, 1e9)) is None


def test_a_look_costs_little(samples):
    wrench = np.array([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    begin = time.process_time()
    for _ in range(1_000):  # a second of a force-torque sensor at 1 kHz
        samples.judge('wrench', wrench)
    assert time.process_time() - begin < 0.1  # 8 ms on an AMD EPYC
