"""Samples of two publishers contradict one another; those of one driver, however poor, do not."""

import math

import numpy as np
import pytest

from il_ros.core.contract import parse_contract
from il_ros.monitors.joint_consistency import CONFIRMED, HOLD, JointConsistency

NS = 10**9
START = 1_700_000_000 * NS  # nothing of this time fits a float with its nanoseconds
JOINT, GRIPPER = 2.0, 0.2  # velocity limits of `a` [rad/s] and `g` [m/s]
RATES = (20.0, 30.0, 100.0, 125.0, 500.0, 1000.0)
TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a], rate: 20.0, align: {{time: {time}}}}}
  speed: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity], names: [a],
          rate: 20.0, align: {{time: {time}}}}}
  opening: {{topic: {topic}, type: sensor_msgs/msg/JointState, fields: [position], names: [g],
            rate: 20.0, align: {{time: {time}}}}}
  gripper_speed: {{topic: {topic}, type: sensor_msgs/msg/JointState, fields: [velocity],
                  names: [g], rate: 20.0, align: {{time: {time}}}}}
action:
  names: [a, g]
  position: [position, opening]
  velocity: [speed, gripper_speed]
  limits: {{position_min: [-3, 0], position_max: [3, 0.04], velocity: [2.0, 0.2],
           acceleration: [10, 4], jerk: [4000, 1500]}}
workspace: {{min: [0, 0, 0], max: [1, 1, 1]}}
"""


class Bench:
    """A consistency check with a clock that is moved by hand; times in seconds since `START`."""

    def __init__(self, time='header', topic='joint_states'):
        contract = parse_contract(TEXT.format(time=time, topic=topic))
        self.now = 0.0
        self.joints = JointConsistency(contract, lambda: self.now)
        self.values = {}

    def say(self, stamp, a=None, g=None, speed=0.0, receive=None):
        """One message; a joint that is None is not in it."""
        header = START + round(stamp * NS)
        received = header if receive is None else START + round(receive * NS)
        self.now = max(self.now, stamp)
        for key, value in (('position', a), ('speed', speed), ('opening', g)):
            if value is not None and (key != 'speed' or a is not None):
                self.values[key] = np.array([value], float)
                self.joints.add(key, self.values[key], header, received)

    def stand(self, begin, seconds, a=0.5, g=0.02, rate=20.0):
        """Stand still for so long; gives when the next sample would come."""
        count = math.ceil(seconds * rate)
        for i in range(count):
            self.say(begin + i / rate, a, g)
        return begin + count / rate

    @property
    def problem(self):
        return ' '.join(self.joints.problems())

    @property
    def unconfirmed(self):
        return self.joints.unconfirmed(self.values)


def pair(bench, seconds, ahead, off, rate=20.0):
    """A true publisher and one whose samples come just before, stamped ahead and off."""
    for i in range(round(seconds * rate)):
        stamp = i / rate
        bench.say(stamp + ahead, 0.5 + off, 0.02)
        bench.say(stamp, 0.5, 0.02)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('ahead', [0.0, 1e-6, 0.001, 0.024, 0.025, 0.026, 0.049, 0.051, 0.3, -5.0])
def test_a_second_publisher_that_is_off_contradicts(rate, ahead):
    bench = Bench()
    pair(bench, 1.0, ahead, 1.0, rate)
    assert bench.problem
    assert bench.unconfirmed


def test_the_text_says_which_joint_what_was_seen_and_what_to_do():
    bench = Bench()
    bench.say(1.0, 0.0)
    bench.say(1.025, 1.0)
    assert bench.problem == (
        # 1.5 * 2 rad/s * 0.025 s, 5 ms at 2 rad/s, and 5 mrad
        'joint_states: a at 0.0000, then at 1.0000, stamps 0.025 s apart: it moves by 0.0900 rad '
        'or m at most; two nodes publish these joints, or their driver is at fault: see '
        '"ros2 topic info -v", end the other node, and wait 1 s'
    )


def test_one_sample_of_another_is_enough_and_holds_for_a_second():
    bench = Bench()
    at = bench.stand(0.0, 2.0)
    assert not bench.problem
    bench.say(at, 1.5, 0.02)
    begun = at
    assert 'a at 0.5000, then at 1.5000' in bench.problem
    at = bench.stand(at + 0.05, 0.9)
    assert 'a at 0.5000, then at 1.5000' in bench.problem  # the first of them, not the way back
    at = bench.stand(at, HOLD)
    assert at > begun + 0.05 + HOLD
    assert not bench.problem
    assert not bench.unconfirmed


def test_a_publisher_now_and_then_keeps_the_arm_for_as_long_as_it_is_there():
    bench, at = Bench(), 0.0
    for _ in range(5):
        at = bench.stand(at, 0.8)
        bench.say(at - 0.02, -0.5, 0.02)
        at = bench.stand(at, 0.1)
        assert bench.problem


def test_the_same_values_stamped_otherwise_go_back_in_time():
    bench = Bench()
    pair(bench, 0.2, 0.01, 0.0)
    assert 'joint_states: stamped 0.010000 s before the last sample' in bench.problem


def test_the_same_stamp_with_another_value():
    bench = Bench()
    bench.say(1.0, 0.0)
    bench.say(1.0, 1.0)
    assert 'a at 0.0000, then at 1.0000, stamps 0.000 s apart' in bench.problem


def test_the_same_message_twice_is_no_contradiction():
    """Two publishers of the same are counted on the graph; their samples harm nothing."""
    bench = Bench()
    for i in range(40):
        bench.say(i / 20, 0.01 * i, 0.02, speed=0.2)
        bench.say(i / 20, 0.01 * i, 0.02, speed=0.2)
    assert not bench.problem


def test_zeros_of_a_joint_state_publisher_between():
    bench = Bench()
    for i in range(40):
        bench.say(i / 100, 0.5, 0.02)
        if i % 10 == 3:
            bench.say(i / 100 + 0.004, 0.0, 0.0)
    assert 'a at 0.5000, then at 0.0000' in bench.problem


def test_a_frozen_publisher_contradicts_once_the_arm_has_moved():
    bench = Bench()
    for i in range(60):
        bench.say(i / 20, min(0.05 * i, 1.0), 0.02, speed=1.0)
        bench.say(i / 20 + 0.02, 0.0, 0.02)
        assert bool(bench.problem) == (i >= 2)  # 0.10 rad within 0.02 s


def test_arm_and_gripper_may_publish_their_own_joints():
    bench = Bench()
    for i in range(40):
        bench.say(i / 20, a=0.5)
        bench.say(i / 20 - 0.013, g=0.02)  # by another clock, and stamped earlier
    assert not bench.problem
    assert not bench.unconfirmed
    bench.say(1.95, g=0.04)  # 0.013 s after the last
    assert 'g at 0.0200, then at 0.0400' in bench.problem


def test_each_topic_has_its_own_word():
    bench = Bench(topic='gripper_states')
    bench.stand(0.0, 0.5)
    bench.say(0.46, a=1.0)
    bench.say(0.46, g=0.04)
    assert [text.split(':')[0] for text in bench.joints.problems()] == [
        'joint_states',
        'gripper_states',
    ]


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('jitter', [0.0, 1e-6, 1e-3, 5e-3])
def test_a_driver_at_the_velocity_limit_is_believed(rate, jitter):
    """Stamps may come early or late, as long as they go on; encoders are coarse and noisy."""
    bench, rng = Bench(), np.random.default_rng(1)
    stamp = 0.0
    for i in range(round(1.0 * rate)):
        time = i / rate
        stamp = max(stamp + 1e-6, time + rng.uniform(-jitter, jitter) / 2)
        a = -1.0 + JOINT * time + rng.normal(0.0, 0.0005)
        quantum = 2 * math.pi / 4096
        bench.say(stamp, round(a / quantum) * quantum, 0.04 - GRIPPER * min(time, 0.2))
        assert not bench.problem


def republish(bench, rate, source, *, seconds=10.0, jitter=0.0, share=0.9, seed=0):
    """Messages at `rate`, of joints measured at `source` [1/s] that go to and fro with rests."""
    rng = np.random.default_rng(seed)
    polls = np.arange(-0.5, seconds, 1 / source)
    polls = np.sort(polls + rng.uniform(-jitter, jitter, len(polls)))
    stamps = np.arange(0.0, seconds, 1 / rate) + rng.uniform(0.0, 1 / rate)
    stamps = np.sort(stamps + rng.uniform(-jitter, jitter, len(stamps)))
    turns = np.cumsum(rng.choice([0.15, 0.2, 0.3, 0.7], round(20 * seconds)))
    ways = rng.integers(-1, 2, len(turns))
    ways = np.where(np.abs(np.cumsum(ways)) > 3, 0, ways)
    places = np.append(0.0, np.cumsum(ways * np.diff(turns, prepend=0.0)))
    grid = np.arange(-0.5, seconds, 0.001)  # at full speed after 0.05 s, as the gripper can be
    sharp = np.interp(grid, np.append(0.0, turns), places)
    course = np.convolve(sharp, np.full(50, 0.02))[: len(grid)]
    for stamp in stamps:
        measured = polls[np.searchsorted(polls, stamp, side='right') - 1]
        place = share * float(np.interp(measured, grid, course))
        bench.say(stamp, JOINT * place, GRIPPER * place)
        assert not bench.problem


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    ('rate', 'source', 'jitter'),
    [
        (125.0, 30.0, 0.002),
        (500.0, 30.0, 0.0005),
        (500.0, 10.0, 0.0005),
        (125.0, 10.0, 0.002),
        (500.0, 50.0, 0.0005),
        (1000.0, 50.0, 0.0004),
        (30.0, 30.0, 0.0),
        (30.0, 30.0, 0.003),
        (30.0, 30.3, 0.0),
        (30.0, 31.0, 0.002),
        (30.0, 29.0, 0.002),
        (50.0, 50.0, 0.003),
    ],
)
def test_joints_that_are_measured_less_often_than_published(rate, source, jitter, seed):
    """At nine tenths of their limit, from rest and back, and with samples that are left out."""
    bench = Bench()
    republish(bench, rate, source, jitter=jitter, seed=seed)


def test_a_lost_poll_of_a_gripper_that_moves():
    bench = Bench()
    for i in range(400):
        poll = i // 50 - (i // 50 == 5)  # 10 Hz in 500 Hz
        bench.say(i / 500, g=0.9 * GRIPPER * poll / 10)
        assert not bench.problem


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('seconds', [0.2, 5.0])
def test_standing_for_long_excuses_no_other_sample(rate, seconds):
    bench = Bench()
    at = bench.stand(0.0, seconds, rate=rate)
    bench.say(at, 1.5, 0.02)
    assert 'a at 0.5000, then at 1.5000' in bench.problem


@pytest.mark.parametrize('rate', [100.0, 125.0, 500.0, 1000.0])
def test_a_small_offset_after_a_rest_contradicts_on_the_way_back(rate):
    """A first sample may be a joint's that began to move; none comes back that fast."""
    bench = Bench()
    at = bench.stand(0.0, 1.0, rate=rate)
    bench.say(at, 0.6, 0.02)
    assert not bench.problem
    bench.say(at + 1 / rate, 0.5, 0.02)
    assert 'a at 0.6000, then at 0.5000' in bench.problem


def test_moments_of_reception_scatter():
    """Two samples that waited together came at once, though a period lies between them."""
    bench = Bench(time='receive')
    for i in range(40):
        received = 0.1 * (i // 2) + 0.001 * (i % 2)
        bench.say(0.0, -1.0 + JOINT * i / 20, 0.02, receive=received)
        assert not bench.problem
    bench.say(0.0, -1.0, 0.02, receive=2.0)
    assert bench.problem


def test_a_simulation_that_is_reset_is_no_contradiction_but_has_to_stand_a_moment():
    bench = Bench()
    at = bench.stand(0.0, 1.0, a=1.0)
    assert not bench.unconfirmed
    seen = []
    for i in range(4):
        bench.say(at + 0.25 + i / 20, -1.0, 0.0)
        assert not bench.problem
        seen.append(bool(bench.unconfirmed))
    assert seen == [True, True, False, False]


def test_a_simulation_that_begins_anew_is_believed_a_second_later():
    bench = Bench()
    at = bench.stand(100.0, 1.0)
    bench.now = 1.0  # its clock begins anew, too
    bench.joints.add('position', np.array([0.5]), START + NS, 0)
    assert 'stamped 99.950000 s before the last sample' in bench.problem
    assert at > 100.0
    bench.now = 1.0 + HOLD + 0.01
    assert not bench.problem


@pytest.mark.parametrize('rate', RATES)
def test_a_posture_is_confirmed_by_several_samples_over_a_moment(rate):
    bench = Bench()
    bench.say(0.0, 0.5, 0.02)
    assert '3 samples in a row that agree, over 0.10 s' in bench.unconfirmed
    at = 0.0
    while bench.unconfirmed:
        at += 1 / rate
        bench.say(at, 0.5, 0.02)
    assert CONFIRMED - 1e-9 <= at <= CONFIRMED + 1 / rate


def test_a_single_sample_after_a_silence_confirms_nothing():
    """The driver has died, and somebody publishes one message by hand."""
    bench = Bench()
    at = bench.stand(0.0, 1.0)
    assert not bench.unconfirmed
    bench.say(at + 0.5, 1.5, 0.02)
    assert not bench.problem
    assert 'not confirmed yet' in bench.unconfirmed


def test_an_arm_that_moves_confirms_no_posture():
    bench = Bench()
    for i in range(40):
        bench.say(i / 20, 0.2 * i / 20, 0.02, speed=0.2)
    assert 'it does not stand there' in bench.unconfirmed
    bench.stand(2.0, 0.25, a=0.39)
    assert not bench.unconfirmed


def test_a_frame_that_differs_from_the_samples_confirms_nothing():
    bench = Bench()
    bench.stand(0.0, 1.0)
    bench.values['position'] = np.array([0.55])
    assert 'a at 0.5500, in the last 0.1' in bench.unconfirmed
    bench.values['position'] = np.array([math.nan])
    assert bench.unconfirmed


def test_an_offset_below_what_a_joint_can_move_confirms_nothing():
    """Within half a period a joint may have moved by 0.05 rad, but then it does not stand."""
    bench = Bench()
    pair(bench, 1.0, -0.025, 0.05)
    assert bench.unconfirmed


def test_what_is_not_finite_is_left_to_the_frames():
    bench = Bench()
    bench.stand(0.0, 1.0)
    bench.say(1.0, math.nan, 0.02)
    assert not bench.problem
    bench.say(1.05, 1.5, 0.02)
    assert bench.problem
