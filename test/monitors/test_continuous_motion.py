"""A joint that turns without end under the monitor, whose driver goes back by a turn at pi."""

import math

import numpy as np
import pytest

from il_ros.core.contract import parse_contract
from il_ros.core.frames import NS, Frame
from il_ros.monitors.handover import Trail, fallback_motion
from il_ros.monitors.mode import Mode, ModeRefused
from il_ros.monitors.monitor_assembly import make_monitor, monitor_input
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk

DT = 0.05
TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [turn, lean], rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [turn, lean], rate: 20.0}
action:
  names: [turn, lean]
  continuous: [turn]
  position: [position]
  velocity: [speed]
  limits: {position_min: [-3.14, -2], position_max: [3.14, 2], velocity: [1.5, 1.5],
           acceleration: [10, 10], jerk: [200, 200]}
fallback: {kind: posture, posture: [-2.9, 0.5], speed: 0.5}
"""


def wrapped(angle):
    return math.remainder(angle, 2 * math.pi)


class Turntable:
    """The monitor with two joints that do what the plan says, the first of them at `start` [rad].

    What it sees goes on beyond pi, as frames do, and begins in the driver's turn.
    """

    def __init__(self, start):
        self.contract = parse_contract(TEXT)
        self.monitor = make_monitor(self.contract, None, MonitorConfig(chunk_blend=0.5))
        self.now, self.true, self.speed = 100.0, np.array([start, 0.0]), np.zeros(2)
        self.plan = self.reference = None
        self.begin, self.fastest = start, 0.0

    def tick(self):
        self.now += DT
        if self.plan is not None:
            position, self.speed, _ = self.plan.at(self.now)
            # The joint itself does not know of turns.
            step = wrapped(position[0] - self.true[0])
            assert abs(step) < 1.5 * DT * 1.01
            self.true = np.array([self.true[0] + step, position[1]])
        seen = self.true + np.array([wrapped(self.begin) - self.begin, 0.0])
        frame = Frame(
            stamp=round(self.now * NS),
            values={'position': seen, 'speed': self.speed},
            valid={'position': True, 'speed': True},
            age={},
        )
        given = monitor_input(self.contract, frame, self.now, invalid=(), reference=self.reference)
        verdict = self.monitor.tick(given, self.now)
        self.plan = verdict.plan
        self.fastest = max(self.fastest, float(np.abs(self.speed).max()))
        return verdict

    def drive(self, targets):
        """Let an expert that says angles within pi lead the joint through `targets` [rad]."""
        self.tick()
        self.monitor.request(Mode.EXPERT)
        for target in targets:
            positions = np.zeros((8, 2))
            # Steps to and fro around pi: each is a short one, though the numbers are far apart.
            positions[:, 0] = [wrapped(target + 0.01 * (-1) ** i) for i in range(8)]
            chunk = Chunk(
                stamp=self.now,
                step_dt=DT,
                names=('turn', 'lean'),
                positions=positions,
                contract_hash=self.contract.hash,
                policy_id='',
                source='expert',
            )
            self.monitor.offer(chunk, 'expert')
            verdict = self.tick()
            assert verdict.fault is None, verdict.fault
            assert verdict.mode is Mode.EXPERT
        return verdict


@pytest.mark.parametrize(('start', 'way'), [(3.0, 1.0), (-3.0, -1.0), (9.3, 1.0)])
def test_an_arm_is_led_through_pi_and_on_for_more_than_a_turn(start, way):
    rig = Turntable(start)
    path = start + way * np.concatenate([np.arange(0, 6.5, DT), np.full(20, 6.5)])
    rig.drive(path)
    assert rig.true[0] == pytest.approx(path[-1], abs=0.02)
    assert rig.fastest <= 1.5


def test_there_and_back_across_pi_is_no_alarm():
    rig = Turntable(3.1)
    rig.drive(3.1 + 0.2 * np.sin(np.arange(0, 12, 3 * DT)))


def test_a_motion_begins_where_the_controller_is_though_it_counts_other_turns():
    rig = Turntable(3.1)
    rig.reference = np.array([3.1 - 4 * math.pi, 0.0])
    rig.drive(np.full(20, 3.2))
    assert rig.true[0] == pytest.approx(3.2, abs=0.02)


def test_an_ordinary_joint_is_still_refused_a_reference_a_turn_away():
    rig = Turntable(0.0)
    rig.reference = np.array([0.0, 2 * math.pi])
    rig.tick()
    with pytest.raises(ModeRefused, match=r'lean: its controller wants it at 6\.2832'):
        rig.monitor.request(Mode.HOLD)


@pytest.mark.parametrize(
    ('turn', 'way'), [(3.0, 0.383), (9.4, 0.266), (-2.5, -0.4), (-9.0, -0.183)]
)
def test_the_fallback_goes_to_its_posture_by_the_short_way(turn, way):
    contract = parse_contract(TEXT)
    motion = fallback_motion(
        contract.fallback,
        trail=Trail(1.0),
        start=np.array([turn, 0.0]),
        limits=contract.limits,
        move=np.array([True, True]),
    )
    position, speed = motion.at(motion.duration)
    np.testing.assert_allclose(position, [turn + way, 0.5], atol=1e-3)
    assert motion.duration == pytest.approx(1.875 * 0.5 / 0.75)  # the other joint's way is longer
    assert not speed.any()
