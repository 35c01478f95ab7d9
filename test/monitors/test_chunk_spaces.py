"""Chunks in other spaces than joints, through the monitor."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from il_ros.core.action_spaces import SPACES, ActionSpace
from il_ros.core.arms import arm_of
from il_ros.core.contract import load_contract
from il_ros.monitors.mode import Mode
from il_ros.monitors.monitor_assembly import make_monitor
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, MonitorInput

CONTRACT = load_contract(Path(__file__).parents[2] / 'config/contracts/ur5e.yaml')
DT, NAMES = CONTRACT.period, CONTRACT.action.names
CONFIG = MonitorConfig(allow_uncalibrated=True, novelty=False, overdue=0.0)


def home():
    arm = arm_of(CONTRACT)
    known = dict(zip(arm.names, arm.home, strict=True))
    return np.array([known[name] for name in NAMES])


def chunk_in(name, at, stamp, speed=0.1):
    space = ActionSpace(name, CONTRACT)
    joints = at + speed * DT * np.arange(1, 9)[:, None] * np.array([1, 0.5, -0.5, 0, 0.3, 0, 0])
    return Chunk(
        stamp=stamp, step_dt=DT, names=space.names, positions=space.of_joints(joints, at),
        contract_hash=CONTRACT.hash, policy_id='', source='policy',
        frame_id=CONTRACT.base_frame,
    )  # fmt: skip


class Run:
    """A monitor whose arm follows its plan exactly."""

    def __init__(self):
        self.monitor, self.q, self.now = make_monitor(CONTRACT, None, CONFIG), home(), 10.0
        self.velocity = np.zeros(len(NAMES))

    def tick(self, *chunks, early=False):
        frame = MonitorInput(stamp=self.now, position=self.q, velocity=self.velocity)
        if early:
            self.monitor.look_at(frame)
        for chunk in chunks:
            self.monitor.offer(chunk, 'policy')
        verdict = self.monitor.tick(frame, self.now)
        self.now += DT
        if verdict.plan is not None:
            self.q, self.velocity = verdict.plan.at(self.now)[:2]
        return verdict

    def drive(self):
        self.tick()
        self.tick(chunk_in('joints', self.q, self.now))
        self.monitor.request(Mode.POLICY)
        return self


@pytest.mark.parametrize('early', [False, True])
@pytest.mark.parametrize('name', SPACES)
def test_every_space_drives_as_joints_do(name, early):
    one, other = Run().drive(), Run().drive()
    for _ in range(12):
        one.tick(chunk_in('joints', one.q, one.now))
        verdict = other.tick(chunk_in(name, other.q, other.now), early=early)
        assert verdict.mode is Mode.POLICY, verdict.reason
        np.testing.assert_allclose(other.q, one.q, atol=1e-5)
    assert np.abs(one.q - home()).max() > 0.01


def broken(**changes):
    return lambda chunk: replace(chunk, **{key: make(chunk) for key, make in changes.items()})


def with_number(step, column, value):
    def make(chunk):
        positions = chunk.positions.copy()
        positions[step, column] = value
        return positions

    return broken(positions=make)


FAULTS = {
    'step 1 of tool_pose/tool.y is nan': with_number(1, 1, np.nan),
    'the quaternion of tool has length': with_number(2, 3, 2.0),
    'no joints bring tool nearer': with_number(3, 0, 5.0),
    "its poses are in the frame 'world', not in": broken(frame_id=lambda chunk: 'world'),
    'no joints were measured at its stamp': broken(stamp=lambda chunk: chunk.stamp - 5.0),
    'has samples, which have to be joints': broken(samples=lambda chunk: chunk.positions[None]),
    'positions have shape': broken(positions=lambda chunk: chunk.positions[:, :7]),
    'made for contract none': broken(contract_hash=lambda chunk: ''),
}


@pytest.mark.parametrize('text', FAULTS)
def test_what_no_joints_can_be_made_of_stops(text):
    run = Run().drive()
    run.tick(chunk_in('tool_pose', run.q, run.now))
    verdict = run.tick(FAULTS[text](chunk_in('tool_pose', run.q, run.now)))
    assert verdict.mode is Mode.ALARM
    assert verdict.fault.kind == 'chunk'
    assert text in verdict.fault.text


def test_a_chunk_waits_for_the_frame_that_it_answers():
    run = Run().drive()
    run.tick(chunk_in('tool_delta', run.q, run.now))
    ahead = chunk_in('tool_delta', run.q, run.now + DT, speed=50.0)
    assert run.tick(chunk_in('tool_delta', run.q, run.now), ahead).mode is Mode.POLICY
    verdict = run.tick()  # now its frame is there, and with it what is wrong
    assert verdict.mode is Mode.ALARM
    assert 'policy chunk: step 0' in verdict.fault.text


def test_of_chunks_that_wait_the_newest_counts():
    run = Run().drive()
    run.tick(chunk_in('joint_delta', run.q, run.now))
    ahead = chunk_in('joint_delta', run.q, run.now + DT)
    for chunk in (ahead, replace(ahead, stamp=run.now + DT / 2)):
        run.monitor.offer(chunk, 'policy')
    run.tick()
    run.tick()
    assert run.monitor._intakes['policy'].follower.chunk.stamp == ahead.stamp


def test_a_chunk_of_before_a_jump_of_the_clock_is_not_followed_when_its_time_comes_again():
    run = Run().drive()
    run.tick(chunk_in('tool_delta', run.q, run.now))
    ahead = chunk_in('tool_delta', run.q, run.now + DT)
    run.monitor.offer(ahead, 'policy')
    run.now -= 0.5
    assert run.tick().fault.kind == 'clock'
    while run.now < ahead.stamp + 2 * DT:
        run.tick()
        assert run.monitor._intakes['policy'].follower.chunk is None


def test_the_joints_between_two_frames_are_interpolated():
    run = Run().drive()
    run.tick(chunk_in('joint_delta', run.q, run.now))
    run.tick(chunk_in('joint_delta', run.q, run.now))
    between = replace(chunk_in('joint_delta', run.q, run.now), stamp=run.now - DT / 2)
    assert run.tick(between).mode is Mode.POLICY


def test_what_cannot_be_computed_stops(monkeypatch):
    def solve(*_):
        raise np.linalg.LinAlgError('Singular matrix')

    run = Run().drive()
    run.tick(chunk_in('tool_pose', run.q, run.now))
    monkeypatch.setattr(np.linalg, 'solve', solve)
    verdict = run.tick(chunk_in('tool_pose', run.q, run.now))
    assert verdict.mode is Mode.ALARM
    assert verdict.fault.text == 'policy chunk: LinAlgError: Singular matrix'


def test_a_space_that_is_not_known_is_a_fault():
    run = Run().drive()
    strange = replace(chunk_in('joints', run.q, run.now), names=tuple(f'twist/{n}' for n in NAMES))
    assert "joint 0 is 'twist/shoulder_pan_joint'" in run.tick(strange).fault.text


def test_the_workspace_holds_for_tool_poses():
    run = Run().drive()
    for _ in range(200):
        chunk = chunk_in('tool_pose', run.q, run.now)
        chunk.positions[:] = chunk.positions[0]
        chunk.positions[:, 2] -= 0.01 * np.arange(1, 9)
        if run.tick(chunk).mode is Mode.ALARM:
            break
    limits = CONTRACT.limits
    tool = arm_of(CONTRACT).chain.forward(run.q[arm_of(CONTRACT).columns(NAMES)])[0]
    assert (tool >= limits.workspace_min).all()
    assert tool[2] < limits.workspace_min[2] + 0.05
