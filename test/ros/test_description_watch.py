"""A robot's description that is not the contract's forbids motion; so does one that changes."""

import struct
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from made_urdf import ODD, write_contract

from il_ros.core.contract import load_contract
from il_ros.ros.description_watch import DescriptionWatch


def message(text):
    """A std_msgs/String in CDR, little-endian."""
    data = text.encode() + b'\0'
    return b'\0\1\0\0' + struct.pack('<I', len(data)) + data


class Listener:
    """A node that only subscribes."""

    def __init__(self):
        self.heard = None

    def resolve_topic_name(self, name):
        return f'/left/{name}'

    def create_subscription(self, kind, topic, callback, qos, raw):
        assert raw
        self.heard = SimpleNamespace(kind=kind, topic=topic, qos=qos, callback=callback)


class Rig:
    def __init__(self, contract):
        self.node = Listener()
        self.watch = DescriptionWatch(self.node, contract)

    def hear(self, text):
        self.node.heard.callback(message(text), {})
        return '; '.join(self.watch.problems())


@pytest.fixture
def rig(tmp_path):
    return Rig(load_contract(write_contract(tmp_path)))


def test_none_is_fine_and_so_is_the_contracts_own(rig):
    assert [*rig.watch.problems()] == []
    assert rig.hear(ODD) == ''
    assert rig.hear(ODD) == ''  # as a robot_state_publisher sends it again


@pytest.mark.parametrize(
    ('own', 'other', 'text'),
    [
        ('xyz="0.05 0 0.1"', 'xyz="0.052 0 0.1"', 'lean is 2.000 mm from where the contract'),
        ('rpy="0.1 0 0"', 'rpy="0.11 0 0"', 'turn is turned by 0.010000 rad'),
        ('xyz="1 2 -2"', 'xyz="-1 -2 2"', 'lean has the axis'),
        ('name="rise" type="prismatic"', 'name="rise" type="revolute"', 'rise is revolute, not'),
        ('name="turn"', 'name="roll"', 'the joints to tip are roll, lean, rise, nod, not turn'),
        ('multiplier="-0.5"', 'multiplier="0.5"', 'nod follows Mimic'),
        ('xyz="0 0 0.1" rpy="0 1.5 0"', 'xyz="0 0 0.2" rpy="0 1.5 0"', 'the tool tip is 100.0'),
        ('upper="2.5"', 'upper="2.4"', 'the upper limit of lean is 2.4, the contract has 2.5'),
        ('velocity="0.25"', 'velocity="0.2"', 'the velocity limit of rise is 0.2'),
        ('link="tip"', 'link="hand"', "cannot be compared: URDF: joint flange: no link 'hand'"),
        ('<?xml version="1.0"?>', '<!DOCTYPE robot>', 'a document type declaration'),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_what_to_do(rig, own, other, text):
    assert own in ODD
    problem = rig.hear(ODD.replace(own, other))
    assert problem.startswith('/left/robot_description: ')
    assert text in problem
    assert 'to fix: ' in problem or 'cannot be compared' in problem


def test_what_moves_nothing_may_differ(rig):
    wider = ODD.replace('upper="2.5"', 'upper="2.6"').replace('name="odd"', 'name="other"')
    assert rig.hear(wider.replace('<mass value="1"/>', '<mass value="2"/>')) == ''


def test_a_change_at_run_time_stops_until_the_first_one_is_back(rig):
    assert rig.hear(ODD) == ''
    assert 'it changed while the monitor ran' in rig.hear(ODD + ' ')
    assert rig.hear(ODD) == ''


def test_one_that_differed_at_first_forbids_motion_whatever_comes_then(rig):
    other = ODD.replace('xyz="0.05 0 0.1"', 'xyz="0.052 0 0.1"')
    assert 'lean is 2.000 mm' in rig.hear(other)
    assert 'it changed' in rig.hear(ODD)


def test_what_is_no_description_forbids_motion(rig):
    rig.node.heard.callback(b'\0\1\0\0\xff\xff\xff\xff', {})
    assert 'cannot be compared' in '; '.join(rig.watch.problems())


def test_a_message_beyond_the_limit_is_not_looked_at(rig):
    assert 'bytes, at most 4194304 are read' in rig.hear(' ' * (4 << 20))


def test_a_built_in_arm_is_not_compared(contract):
    rig = Rig(contract)
    assert rig.node.heard is None
    assert [*rig.watch.problems()] == []
