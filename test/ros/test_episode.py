"""Whole episodes on a real graph: every node, every topic, in lock-step."""

import json
from pathlib import Path

import numpy as np
import pytest

from il_ros.bags.bag_reader import EpisodeReader
from il_ros.core.errors import IlRosError
from il_ros.core.frames import FrameBuilder
from il_ros.datasets.bag_conversion import convert, frames_of
from il_ros.ros.message_conversion import to_seconds
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import load_randomisation

RANDOMISATION = Path(__file__).parents[2] / 'config/randomisation/default.yaml'


@pytest.fixture(scope='module')
def recorded(client):
    """One demonstration, recorded."""
    return client.episode(7, 'expert', record=True, notes='a test')


def conversion(episode):
    with EpisodeReader(Path(episode.bag)) as reader:
        return convert(reader).arrays


def test_the_expert_reaches_the_goal_within_every_limit(recorded):
    assert recorded.state.success
    assert set(recorded.state.violation_counts) == {0}


def test_the_bag_says_what_it_holds(recorded, contract):
    info = json.loads((Path(recorded.bag) / 'episode.json').read_text())
    assert (info['outcome'], info['seed'], info['notes']) == ('success', 7, 'a test')
    assert info['contract_hash'] == contract.hash
    assert info['state'] == 'complete'


def test_the_bag_holds_every_tick_and_its_action(recorded, contract):
    arrays = conversion(recorded)
    steps = round(to_seconds(recorded.state.elapsed) * contract.rate)
    assert steps <= arrays.frames <= steps + 1
    assert all(arrays.valid[key].all() for key in contract.observations)
    np.testing.assert_array_equal(np.diff(arrays.stamp), 50_000_000)
    assert np.isfinite(arrays.action).all(axis=1).sum() >= steps


def test_one_seed_gives_one_episode(client, recorded):
    again = client.episode(7, 'expert')
    # Stamps differ between episodes, and with them the last digit of a time; contacts make a tick
    # of that.
    elapsed = to_seconds(recorded.state.elapsed)
    assert to_seconds(again.state.elapsed) == pytest.approx(elapsed, abs=0.11)
    times = sorted(recorded.trace.joints)
    for time in times[: len(times) // 3]:
        np.testing.assert_allclose(
            again.trace.joints[time], recorded.trace.joints[time], rtol=0, atol=1e-6
        )


def test_another_seed_gives_another(client, recorded):
    other = client.episode(8, 'expert')
    assert other.state.success
    first = min(recorded.trace.joints)
    assert not np.array_equal(other.trace.joints[first], recorded.trace.joints[first])


def test_a_lost_sensor_stops_the_arm_and_says_which(client):
    lost = [Perturbation(kind='sensor_dropout', target='object_pose', start=1.0)]
    episode = client.episode(9, 'expert', lost)
    assert not episode.state.success
    assert episode.trace.alarm == pytest.approx(1.25, abs=0.15)
    assert 'object_pose (object_pose)' in episode.trace.reason
    assert set(episode.state.violation_counts) == {0}


@pytest.mark.real_time  # without joints the simulator waits for nobody
def test_lost_joints_stop_the_arm_too(client):
    lost = [Perturbation(kind='sensor_dropout', target='joint_position', start=1.0, duration=2.0)]
    episode = client.episode(9, 'expert', lost)
    assert episode.trace.alarm == pytest.approx(1.3, abs=0.3)
    assert episode.trace.reason
    assert set(episode.state.violation_counts) == {0}


def test_the_policy_does_not_get_the_arm_without_a_bundle(client):
    stamp = client.reset(1)
    with pytest.raises(IlRosError, match=r'/monitor/set_mode: /policy/action_chunk: no chunk'):
        client.enter('policy', stamp)


def test_a_randomised_episode_travels_by_message(client):
    draw = load_randomisation(RANDOMISATION).draw(9)
    episode = client.episode(9, 'expert', draw, record=True)
    assert episode.state.success
    place = conversion(episode).values['object_pose'][:8, :3]
    # The object does not move yet, but every reading of it has a noise of its own.
    assert len(np.unique(place[:, 0])) == len(place)
    assert np.ptp(place, axis=0).max() < 0.03


def test_an_unknown_perturbation_is_refused_by_name(client):
    class Sham:
        kind, target, start, duration, value = 'earthquake', '', 0.0, 0.0, ()

    with pytest.raises(IlRosError, match=r"unknown perturbation 'earthquake'; allowed: .*push"):
        client.reset(1, [Sham()])


def test_stopping_a_recording_that_never_began_is_refused(client):
    with pytest.raises(IlRosError, match='no episode is being recorded; to fix: start one first'):
        client.stop_recording(0, '')


def test_nothing_is_published_to_the_robot_in_idle(client, contract):
    """A sentinel sent after a reset proves that no command came before it."""
    from std_msgs.msg import String
    from trajectory_msgs.msg import JointTrajectory

    seen = []
    node, topic = client.node, contract.action.output.topic
    node.create_subscription(JointTrajectory, topic, seen.append, 10)
    node.create_subscription(String, 'sentinel', seen.append, 10)
    sentinel = node.create_publisher(String, 'sentinel', 10)
    for seed in range(3):
        client.reset(seed)
    client.set_mode('idle')  # answered by the monitor after it has had the observations
    sentinel.publish(String(data='now'))
    while not seen:
        client.spin(0.1)
    assert [type(message) for message in seen] == [String]


def test_a_monitor_that_is_activated_again_begins_in_idle(client):
    """Whatever it did before: an arm that was moved meanwhile must not be commanded back."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    stamp = client.reset(3)
    client.enter('expert', stamp)
    client.step(5)
    change = client.node.create_client(ChangeState, 'monitor/change_state')
    assert change.wait_for_service(10)
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request()
        request.transition.id = transition
        future = change.call_async(request)
        while not future.done():
            client.spin(0.1)
        assert future.result().success
    with pytest.raises(IlRosError, match=r'no chunk from the expert yet|no frame has been seen'):
        client.set_mode('expert')
    assert client.episode(3, 'expert').state.success


def test_live_frames_and_frames_of_the_bag_are_identical(client, recorded, contract):
    """What the bag holds, played over ROS into the live frame source, gives the bag's frames."""
    from il_ros.ros.frame_source import FrameSource
    from il_ros.ros.message_types import message_type
    from il_ros.ros.qos import SENSOR_OUT

    with EpisodeReader(Path(recorded.bag)) as reader:
        wanted = dict.fromkeys(stream.topic for stream in contract.observations.values())
        expected = frames_of(reader.messages(wanted), contract)
    node, live = client.node, []
    replayed = {stream.topic: stream.type for stream in contract.observations.values()}
    # Names of their own, so that the simulator's do not mix in.
    prefix = 'replay'
    renamed = type(contract)(**{**vars_of(contract), 'observations': moved(contract, prefix)})
    publishers = {
        topic: node.create_publisher(message_type(kind), f'{prefix}/{topic}', SENSOR_OUT)
        for topic, kind in replayed.items()
    }
    FrameSource(node, renamed, live.append)
    while any(publisher.get_subscription_count() == 0 for publisher in publishers.values()):
        client.spin(0.05)
    for topic, data in raw_messages(Path(recorded.bag), replayed):
        publishers[topic].publish(data)
        client.spin(0.0)
    while len(live) < len(expected):
        client.spin(0.5)
    assert [frame.stamp for frame in live] == [frame.stamp for frame in expected]
    for ours, theirs in zip(live, expected, strict=True):
        assert (ours.valid, ours.age) == (theirs.valid, theirs.age)
        for key in contract.observations:
            np.testing.assert_array_equal(ours.values[key], theirs.values[key])


def vars_of(contract):
    from dataclasses import fields

    return {f.name: getattr(contract, f.name) for f in fields(contract) if f.init}


def moved(contract, prefix):
    from dataclasses import replace

    return {
        key: replace(stream, topic=f'{prefix}/{stream.topic}')
        for key, stream in contract.observations.items()
    }


def raw_messages(bag, topics):
    """The bytes of these topics, in the order in which they were recorded."""
    from rosbags.rosbag2 import Reader

    with Reader(bag) as reader:
        for connection, _, data in reader.messages():
            topic = connection.topic.lstrip('/')
            if topic in topics:
                yield topic, bytes(data)


def test_the_builder_of_the_bag_and_of_the_live_source_are_one_class(contract):
    import il_ros.datasets.bag_conversion as offline
    import il_ros.ros.frame_source as live

    assert offline.FrameBuilder is live.FrameBuilder is FrameBuilder
