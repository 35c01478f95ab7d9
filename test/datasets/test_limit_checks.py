"""Numbers that cannot be what the contract says are refused or named; others are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from episode_fixtures import MS, TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.contract import load_contract, parse_contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.limit_checks import LimitCheck
from il_ros.datasets.manifest import EpisodeEntry

CONTRACT = parse_contract(TEXT.replace('velocity: [1, 1]', 'velocity: [1, 2]'))
DEGREES = 180 / np.pi


def episode(frames=100, *, amplitude=0.3, action=1.0, measured=1.0, speed=1.0):
    """A slow sine of both joints, each column times a factor; the action is what comes next."""
    t = np.arange(frames + 1) / CONTRACT.rate
    path = amplitude * np.stack([np.sin(t), np.cos(t)], axis=1)
    rate = amplitude * np.stack([np.cos(t), -np.sin(t)], axis=1)
    streams = CONTRACT.streams
    values = {k: np.zeros((frames, s.size), np.float32) for k, s in streams.items()}
    values['position'] = (path[:-1] * measured).astype(np.float32)
    values['speed'] = (rate[:-1] * speed).astype(np.float32)
    command = (path[1:] * action).astype(np.float32)
    return EpisodeArrays(
        entry=EpisodeEntry(id='e', start=0, length=frames),
        values=values,
        valid={key: np.ones(frames, bool) for key in CONTRACT.inputs},
        age={key: np.zeros(frames, np.float32) for key in CONTRACT.inputs},
        stamp=NS + np.arange(frames, dtype=np.int64) * 50 * MS,
        action=command,
        action_raw=command,
        source=np.full(frames, 3, np.uint8),
    )


def checked(*episodes, contract=CONTRACT):
    check = LimitCheck(contract)
    for one in episodes:
        check.add(one)
    return check


def refusal(*episodes):
    with pytest.raises(DatasetError) as caught:
        checked(*episodes).require('take', 'tell it')
    return str(caught.value)


def test_a_plausible_episode_has_no_findings():
    check = checked(episode())
    check.require('take', 'tell it')
    assert check.findings() == {}


def test_commands_in_degrees_are_refused_also_within_the_limits():
    # 0.3 rad are 17 degrees, beyond 1 unless the sine is below 0.058: at 0.05, 3.1 and 3.15 s
    assert refusal(episode(action=DEGREES)).startswith(
        'take: action: 97 of 100 actions of a are out of limits: -17.19 to 17.19; '
    )
    assert ': degrees?; allowed: -1 to 1, -1 to 1; to fix: tell it, or correct its limits, or ' in (
        refusal(episode(action=DEGREES))
    )
    # 0.015 rad are 0.86 degrees
    assert refusal(episode(amplitude=0.015, action=DEGREES)) == (
        'take: action: actions of a, b are the measured radians in degrees; to fix: tell it, or '
        'take them with --beyond-limits'
    )


def test_measured_degrees_are_refused_and_speeds_in_degrees_named():
    text = 'measured positions of a, b are in degrees, and the actions in radians'
    assert text in refusal(episode(measured=DEGREES))
    check = checked(episode(speed=DEGREES))
    check.require('take', 'tell it')
    assert check.findings() == {'speed_units': 'measured speeds of a, b are in degrees a second'}


def test_a_few_frames_or_a_joint_that_stands_prove_no_unit():
    checked(episode(frames=19, amplitude=0.015, action=DEGREES)).require('take', 'tell it')
    still = episode(amplitude=0.0)
    noise = np.random.default_rng(0).normal(size=still.action.shape).astype(np.float32)
    moved = replace(still, action=noise * np.float32(1e-2 * DEGREES / 10))
    checked(moved).require('take', 'tell it')


def test_steps_beyond_the_velocity_limit_are_counted():
    one = episode()
    one.values['position'][40] = 0.0  # as a second publisher's zeros: b jumps and comes back
    one.action[10:] += np.float32(0.12)  # 2.4 rad/s, where a may do 1 and b 2
    check = checked(one)
    found = check.findings()
    # there and back; the first is 0.3 sin(1.95) = 0.279 rad of a in 0.05 s
    assert found['measured_speed'] == (
        '2 of 99 steps of measured positions are faster than the velocity limit: a up to 5.57 per '
        'second, limit 1'
    )
    assert found['action_speed'].startswith('1 of 99 steps of actions are faster than the velocity')
    check.require('take', 'tell it')


def test_a_step_over_a_gap_is_none():
    one = episode()
    late = np.where(np.arange(100) < 50, 0, 10 * NS)
    one.action[50:] += np.float32(0.5)
    assert 'action_speed' not in checked(replace(one, stamp=one.stamp + late)).findings()


def test_only_a_joint_that_turns_without_end_may_pass_pi():
    one, other = episode(), episode()
    one.values['position'][50:, 0] += np.float32(2 * np.pi)
    other.values['position'][50:, 1] += np.float32(2 * np.pi)
    text = TEXT.replace('velocity: [speed]', 'velocity: [speed]\n  continuous: [a]')
    wide = text.replace('position_min: [-1, -1], position_max: [1, 1]',
                        'position_min: [-3.1416, -1], position_max: [3.1416, 1]')  # fmt: skip
    endless = parse_contract(wide)
    assert checked(one, contract=endless).findings() == {}
    assert 'b up to 125 per second' in checked(other, contract=endless).findings()['measured_speed']
    assert 'a up to 125 per second' in checked(one).findings()['measured_speed']


def test_a_joint_of_two_turns_with_stops_may_not_jump_by_a_turn():
    one = episode()
    one.values['position'][50:, 0] += np.float32(2 * np.pi)
    one.action[20:, 1] -= np.float32(2 * np.pi)
    turns = TEXT.replace('[-1, -1], position_max: [1, 1]',
                         '[-6.2832, -6.2832], position_max: [6.2832, 6.2832]')  # fmt: skip
    assert turns != TEXT
    found = checked(one, contract=parse_contract(turns)).findings()
    assert 'a up to 125 per second' in found['measured_speed']
    assert 'b up to 126 per second' in found['action_speed']


def test_a_joint_at_its_stop_is_not_out_of_the_limits():
    one = episode()
    one.values['position'][3] = [1.03, -1.03]  # 2 % of the range of 2 rad are 0.04
    assert checked(one).findings().keys() == {'measured_speed'}
    one.values['position'][3] = [1.05, 0.0]
    assert 'measured_limits' in checked(one).findings()


def test_what_was_measured_out_of_the_limits_is_named():
    one = episode()
    one.values['position'][3] = [1.5, np.nan]
    found = checked(one).findings()['measured_limits']
    assert found == (
        '1 of 100 measured positions of a are out of limits: -0.3 to 1.5 (allowed: -1 to 1)'
    )


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_within_limits_and_speeds_nothing_is_found_of_actions(frames, seed):
    rng = np.random.default_rng(seed)
    one = episode(frames)
    limit = np.array([1.0, 2.0]) * 0.05
    steps = rng.uniform(-limit, limit, (frames, 2))
    path = np.clip(np.cumsum(steps, axis=0), -1, 1).astype(np.float32)
    check = checked(replace(one, action=path, action_raw=path))
    assert not {'action_limits', 'action_speed'} & check.findings().keys()


@settings(max_examples=30)
@given(st.integers(1, 30), st.floats(1.001, 1e6), st.booleans(), st.integers(0, 1))
def test_one_action_out_of_the_limits_is_refused(at, far, below, joint):
    one = episode(40)
    one.action[at, joint] = -far if below else far
    assert f'1 of 40 actions of {"ab"[joint]} are out of limits' in refusal(one)


def test_the_manifest_says_what_is_odd_of_how_many_and_what_never_changes(tmp_path):
    one, other = episode(), episode()
    other.values['position'][3] = [1.5, 0.0]
    contract = CONTRACT
    with DatasetWriter(tmp_path / 'set', contract) as writer:
        for name, arrays in (('one', one), ('other', other)):
            found = checked(arrays).findings()
            writer.add(replace(arrays, entry=replace(arrays.entry, id=name, findings=found)))
        manifest = writer.finish().manifest
    assert manifest.findings['constant'] == 'never change: wrench'
    assert manifest.findings['measured_limits'].startswith(
        '1 of 2 episodes, first other: 1 of 100 measured positions of a are out of limits'
    )
    assert dict(manifest.episodes[0].findings) == {}


def test_normalised_actions_are_held_against_minus_one_to_one():
    contract = load_contract(Path(__file__).parents[2] / 'config/contracts/metaworld.yaml')
    frames = 5
    action = np.zeros((frames, 4), np.float32)
    action[2] = [1.0, -1.0, 0.0, 1.00001]
    one = EpisodeArrays(
        entry=EpisodeEntry(id='e', start=0, length=frames),
        values={k: np.zeros((frames, s.size), np.float32) for k, s in contract.streams.items()},
        valid={key: np.ones(frames, bool) for key in contract.inputs},
        age={key: np.zeros(frames, np.float32) for key in contract.inputs},
        stamp=NS + np.arange(frames, dtype=np.int64) * 50 * MS,
        action=action,
        action_raw=action,
        source=np.full(frames, 3, np.uint8),
    )
    assert checked(one, contract=contract).findings() == {}
    action[3, 1] = -1.5
    assert checked(one, contract=contract).findings() == {
        'action_limits': '1 of 5 actions of dy are out of limits: -1.5 to 0 (allowed: -1 to 1)'
    }
