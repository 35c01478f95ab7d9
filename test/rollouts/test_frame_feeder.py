from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.contract import load_contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import NS
from il_ros.rollouts.episode_runner import FrameFeeder
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.world import World

CONTRACT = load_contract(Path('config/contracts/franka_pick_place.yaml'))
PERIOD = NS // 20


@pytest.fixture(scope='module')
def world():
    world = World('pick_place', limits=CONTRACT.limits)
    world.reset(3)
    return world


def looks(world, count, *lost, since=0):
    feeder = FrameFeeder(CONTRACT)
    readings = world.observe()
    frames = []
    for tick in range(count):
        gone = lost if tick >= since else ()
        delivered = {key: None if key in gone else value for key, value in readings.items()}
        frames.append(feeder.feed(delivered, NS + tick * PERIOD))
    return feeder, frames


def test_a_frame_holds_what_the_sensors_say(world):
    _, (frame,) = looks(world, 1)
    truth = world.privileged()
    assert frame.stamp == NS
    assert frame.all_valid(CONTRACT.observations)
    for key in CONTRACT.observations:
        np.testing.assert_array_equal(frame.values[key], truth[key])
        assert frame.age[key] == 0.0


def test_a_lost_sample_is_the_one_before_until_it_is_too_old(world):
    feeder, frames = looks(world, 7, 'object_pose', since=1)
    # 0.2 s are allowed: four periods of 0.05 s
    assert [frame.valid['object_pose'] for frame in frames] == [True] * 5 + [False] * 2
    assert [round(frame.age['object_pose'], 6) for frame in frames[:5]] == [
        0.0, 0.05, 0.1, 0.15, 0.2,
    ]  # fmt: skip
    assert np.isnan(frames[5].values['object_pose']).all()
    (text,) = feeder.invalid(frames[5])
    assert text.startswith('object_pose (object_pose): 0.250 s old, allowed 0.200 s')


def test_every_tick_has_a_frame_although_a_stream_is_lost(world):
    _, frames = looks(world, 6, 'wrench', since=2)
    assert [frame.stamp for frame in frames] == [NS + i * PERIOD for i in range(6)]


def test_a_topic_is_silent_with_all_that_it_carries(world):
    # joint_velocity comes with joint_position, which paces the ticks
    _, frames = looks(world, 3, 'joint_velocity', since=1)
    assert frames[0] is not None
    assert frames[1:] == [None, None]


def test_a_key_that_the_simulator_lacks_is_named(world):
    stream = replace(CONTRACT.observations['wrench'], topic='scale')
    contract = replace(CONTRACT, observations={**CONTRACT.observations, 'weight': stream})
    with pytest.raises(ContractError, match='weight: the simulator has no such observation'):
        FrameFeeder(contract).feed(world.observe(), NS)


def test_a_bias_reaches_the_frame(world):
    bias = Perturbation(kind='sensor_bias', target='goal_position', value=(0.1, 0.0, 0.0))
    world.reset(3, [bias])
    frame = FrameFeeder(CONTRACT).feed(world.observe(), NS)
    wrong = frame.values['goal_position'] - world.privileged()['goal_position']
    np.testing.assert_allclose(wrong, [0.1, 0.0, 0.0])
    world.reset(3)


KEYS = sorted(CONTRACT.observations)


@settings(max_examples=40)
@given(st.lists(st.sets(st.sampled_from(KEYS), max_size=3), max_size=12))
def test_in_any_order_of_losses_a_frame_says_how_old_each_reading_is(losses):
    feeder, heard = FrameFeeder(CONTRACT), dict.fromkeys(KEYS, -np.inf)
    topics = CONTRACT.by_topic(KEYS).values()
    for tick, lost in enumerate(losses):
        stamp = NS + tick * PERIOD
        silent = {key for keys in topics if lost & {*keys} for key in keys}
        heard |= {key: stamp for key in KEYS if key not in silent}
        sizes = {key: CONTRACT.streams[key].size for key in KEYS}
        readings = {k: None if k in lost else np.full(n, tick + 1.0) for k, n in sizes.items()}
        frame = feeder.feed(readings, stamp)
        assert (frame is None) == (CONTRACT.clock in silent)
        if frame is None:
            continue
        assert frame.stamp == stamp
        for key in KEYS:
            age = (stamp - heard[key]) / NS
            assert frame.valid[key] == (age <= 0.2 + 1e-9)
            if frame.valid[key]:
                assert frame.age[key] == pytest.approx(age)
                assert (frame.values[key] == (heard[key] - NS) // PERIOD + 1).all()
        invalid = [key for key in CONTRACT.observations if not frame.valid[key]]
        assert len(feeder.invalid(frame)) == len(invalid)


def test_an_episode_hears_nothing_of_the_one_before(world):
    feeder, _ = looks(world, 3)
    feeder.reset()
    readings = {**world.observe(), 'object_pose': None}
    frame = feeder.feed(readings, NS)
    assert not frame.valid['object_pose']
    (text,) = feeder.invalid(frame)
    assert text.startswith('object_pose (object_pose): ')
