"""The faults that are thrown at a graph: they have names, and change messages as they say."""

from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip('rclpy')

import numpy as np  # noqa: E402
from geometry_msgs.msg import WrenchStamped  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from benchmarks import fault_kinds  # noqa: E402
from benchmarks.fault_kinds import FAULTS  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp, to_ns  # noqa: E402

RNG = np.random.default_rng(0)


def joints(step):
    names = [f'j{i}' for i in range(8)]
    message = JointState(name=names, position=[float(i) for i in range(8)], velocity=[0.0] * 8)
    return fill_stamp(message, NS + step * NS // 20)


def stamps(messages):
    return [(to_ns(message.header.stamp) - NS) * 20 // NS for message in messages]


def test_each_has_a_name_of_its_own():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


def test_a_sample_that_contradicts_comes_before_each_true_one():
    change, true = fault_kinds._contradicted(RNG), joints(3)
    false, same = change(true)
    assert same is true
    assert abs(false.position[0] - true.position[0]) == 1.0
    assert false.position[1:] == true.position[1:]
    assert to_ns(true.header.stamp) - to_ns(false.header.stamp) == NS // 50


def test_positions_are_permuted_and_names_are_not():
    message = fault_kinds._permuted(joints(0))
    assert list(message.position) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 7.0]
    assert message.name[0] == 'j0'


def test_each_sample_comes_after_the_one_that_follows_it():
    change, sent = fault_kinds._out_of_order(RNG), []
    for step in range(4):
        sent += change(joints(step)) or []
    assert stamps(sent) == [1, 0, 3, 2]


def test_a_peak_is_in_one_sample_alone():
    change, sent = fault_kinds._peak_between(RNG), []
    for step in range(3):
        found = change(fill_stamp(WrenchStamped(), NS + step * NS // 20))
        sent += found if isinstance(found, list) else [found]
    assert [message.wrench.force.z for message in sent] == [200.0, 0.0, 0.0, 0.0]
    assert np.all(np.diff([to_ns(message.header.stamp) for message in sent]) > 0)


def test_another_frame_changes_nothing_but_the_header():
    fault = next(fault for fault in FAULTS if fault.name == 'wrench in another frame')
    changes = {}
    rig = SimpleNamespace(relay=SimpleNamespace(changes=changes))
    fault.inject(rig, RNG)
    message = fill_stamp(WrenchStamped(), NS, 'base')
    message.wrench.force.z = 3.0
    sent = changes['wrench'](message)
    assert (sent.header.frame_id, sent.wrench.force.z) == ('camera_link', 3.0)
    assert to_ns(sent.header.stamp) == NS
