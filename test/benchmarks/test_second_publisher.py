"""What each kind of second publisher sends, and what counts as a failure."""

import copy
import inspect

import numpy as np
import pytest

pytest.importorskip('rclpy')

from sensor_msgs.msg import JointState

from benchmarks import second_publisher as bench
from benchmarks.fault_rig import Rig
from il_ros.core.contract import load_contract
from il_ros.monitors.joint_consistency import JointConsistency
from il_ros.ros.message_conversion import to_ns, to_stamp

NS = 10**9


def message(i, contract):
    made = JointState(name=list(contract.action.names), position=[0.1 * k for k in range(8)])
    made.velocity, made.header.stamp = [0.01] * 8, to_stamp(10 * NS + i * NS // 20)
    return made


@pytest.mark.parametrize('other', bench.OTHERS, ids=lambda other: other.name)
def test_all_but_the_harmless_contradict_the_true_samples(other):
    contract = load_contract(bench.CONTRACT)
    joints, rng = JointConsistency(contract, lambda: 0.0), np.random.default_rng(0)
    for i in range(10):
        true = message(i, contract)
        for each in (true, other.distort(copy.deepcopy(true), rng)):
            value = dict(zip(each.name, each.position, strict=True))
            for key in contract.action.position:
                names = contract.observations[key].names
                numbers = np.array([value[name] for name in names])
                joints.add(key, numbers, to_ns(each.header.stamp), 0)
    assert bool(joints.problems()) != other.harmless


def trial(**changes):
    given = {'other': 'jumping', 'publishers': 1, 'what': 'hold', 'granted': False, 'share': 0.0}
    given |= {'reason': 'joint_states: ...', 'violations': {}}
    return bench.Trial(**{**given, **changes})


@pytest.mark.parametrize(
    ('changes', 'failed'),
    [
        ({}, ''),
        ({'share': 1.06}, 'limits left'),
        ({'violations': {'velocity': 1}}, 'limits left'),
        ({'granted': True}, 'granted'),
        ({'granted': True, 'what': 'driving'}, 'not stopped'),
        ({'reason': 'the arm moves'}, 'another reason'),
        ({'granted': True, 'other': 'everything twice'}, 'granted'),
        ({'granted': True, 'other': 'everything twice', 'publishers': 2}, ''),
    ],
)
def test_a_trial_fails_by_its_speed_its_answer_or_its_reason(changes, failed, monkeypatch):
    monkeypatch.setattr(bench, '_IDENTIFIED', False)
    assert bench._Bench._failure(trial(**changes)) == failed


def test_who_says_the_same_is_a_second_publisher_all_the_same_where_it_is_known(monkeypatch):
    twice = {'granted': True, 'other': 'everything twice', 'publishers': 2}
    monkeypatch.setattr(bench, '_IDENTIFIED', True)
    assert bench._Bench._failure(trial(**twice)) == 'granted'


def test_the_rig_has_what_the_benchmark_uses():
    for name in ('drive', 'request', 'tidy', 'spin', 'wait'):
        assert inspect.isfunction(getattr(Rig, name))
        assert f'rig.{name}(' in inspect.getsource(bench)
