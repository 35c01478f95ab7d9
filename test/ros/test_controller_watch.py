"""The state of a joint_trajectory_controller: read from its bytes, compared, and named."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('control_msgs')

from control_msgs.msg import JointTrajectoryControllerState
from rclpy.serialization import serialize_message
from trajectory_msgs.msg import JointTrajectoryPoint

from il_ros.monitors.followed_plans import FollowedPlans
from il_ros.monitors.plan import Plan
from il_ros.monitors.punctuality import Punctuality
from il_ros.ros import controller_watch
from il_ros.ros.controller_watch import ControllerWatch, state_topic
from il_ros.ros.message_conversion import to_duration, to_stamp

NS = 1_000_000_000
NAMES = ('a', 'b')


class Node:
    def __init__(self):
        self.errors, self.publishers, self.looks = [], 1, []

    def count_publishers(self, topic):
        assert topic == self.topic
        return self.publishers

    def resolve_topic_name(self, topic):
        return topic

    def get_publishers_info_by_topic(self, topic):
        assert topic == self.topic
        return [SimpleNamespace(node_namespace='/', node_name=f'node_{each}', endpoint_gid=[each])
                for each in range(self.publishers)]  # fmt: skip

    def create_timer(self, period, callback, clock):
        self.looks.append(callback)

    def create_subscription(self, kind, topic, callback, *_, raw):
        assert raw
        self.kind, self.topic, self.hear = kind, topic, callback

    def get_logger(self):
        return SimpleNamespace(error=lambda text, **_: self.errors.append(text))


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def followed():
    return FollowedPlans(Punctuality(0.025), np.full(2, 0.01), 0.025)


def watch(node, followed, topic='/arm/joint_trajectory', **more):
    return ControllerWatch(
        node, topic, NAMES, followed, most=0.1, seconds=lambda stamp: (stamp - NS) / NS, **more
    )


def message(positions, stamp, *, start=0.0, names=NAMES):
    made = JointTrajectoryControllerState(joint_names=list(names))
    made.header.stamp = to_stamp(round((stamp + 1.0) * NS))
    made.header.frame_id = 'x' * 3
    made.reference = JointTrajectoryPoint(
        positions=positions, velocities=[0.0] * 2, time_from_start=to_duration(stamp - start)
    )
    return serialize_message(made)


def test_the_topic_belongs_to_that_of_the_commands():
    assert state_topic('/arm_controller/joint_trajectory') == '/arm_controller/controller_state'
    assert state_topic('/arm_controller/commands') == ''


def test_joints_are_found_by_name_and_times_are_the_monitors(node, followed):
    made = watch(node, followed)
    assert node.topic == '/arm/controller_state'
    node.hear(message([1.0, 2.0], 0.5, start=0.25, names=('b', 'a')), {})
    state = made.state(0.6)
    np.testing.assert_array_equal(state.position, [2.0, 1.0])
    assert (state.stamp, state.start) == pytest.approx((0.5, 0.25))
    assert made.state(0.8) is None  # it says nothing of the present any more
    assert made.values() == {'controller state': '/arm/controller_state'}
    made.forget()
    assert made.state(0.6) is None


def test_a_controller_that_comes_back_with_other_joints_is_read_anew(node, followed):
    made = watch(node, followed)
    for names in (('a', 'b'), ('b', 'a'), ('bb', 'a'), ('a', 'b')):
        node.hear(message([1.0, 2.0], 0.5, names=names), {})
    np.testing.assert_array_equal(made.state(0.5).position, [1.0, 2.0])
    node.hear(message([1.0, 2.0], 0.5, names=('b', 'a')), {})
    np.testing.assert_array_equal(made.state(0.5).position, [2.0, 1.0])


def test_joints_that_the_controller_has_not_are_not_known(node, followed):
    made = watch(node, followed)
    node.hear(message([1.0, 2.0], 0.5, names=('b', 'c')), {})
    np.testing.assert_array_equal(made.state(0.5).position, [np.nan, 1.0])


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (message([1.0, 2.0], 0.5)[:-300], 'the message ends early'),
        (b'', 'not plain CDR'),
        (message([1.0, 2.0], 0.5, names=('c', 'd')), r'joints c, d; allowed: a, b'),
    ],
)
def test_a_state_that_cannot_be_read_is_named_and_ends_nothing(node, followed, data, text):
    made = watch(node, followed)
    node.hear(data, {})
    assert made.state(0.5) is None
    assert text in node.errors[0]


@pytest.mark.parametrize('positions', [[], [1.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_state_without_positions_is_left_alone(node, followed, positions):
    made = watch(node, followed)
    node.hear(message(positions, 0.5), {})
    assert made.state(0.5) is None
    assert node.errors == []


def test_a_reference_that_stays_away_from_what_was_sent_is_a_problem(node, followed):
    made = watch(node, followed)
    assert list(made.problems(0.0)) == []
    followed.sent(rest([0.0, 0.0]), 0.0, 0.0)
    for stamp in (0.1, 0.2, 0.3):
        node.hear(message([0.0, 0.3], stamp), {})
        assert list(made.problems(stamp)) == []
    node.hear(message([0.0, 0.3], 0.35), {})
    assert list(made.problems(0.35)) == [
        '/arm/controller_state: the reference of b is 0.300 rad or m from what was sent, '
        'allowed 0.1: commands are lost, late or not the only ones'
    ]
    node.hear(message([0.0, 0.05], 0.45), {})
    assert list(made.problems(0.45)) == []


def test_a_controller_that_falls_silent_is_a_problem_until_it_speaks(node, followed):
    made = watch(node, followed)
    assert list(made.problems(9.0)) == []  # it never said anything
    followed.sent(rest([0.0, 0.0]), 0.0, 0.0)
    node.hear(message([0.0, 1.0], 0.5), {})
    for now in (0.6, 0.69, 0.72, 0.76):
        assert list(made.problems(now)) == []
    lost = '/arm/controller_state: the newest state is stamped 0.3 s ago, allowed 0.2 s: '
    inactive = 'the controller is not active, or its clock differs'
    assert list(made.problems(0.8)) == [f'{lost}{inactive}']
    node.hear(message([], 0.8), {})
    assert list(made.problems(0.8)) == [f'{lost}the reference has no positions']
    node.hear(message([0.0, 0.0], 0.85), {})
    assert list(made.problems(0.85)) == []
    assert list(made.problems(1.1)) == []  # a leap of simulated time, as at a reset,
    node.hear(message([0.0, 0.0], 1.1), {})  # and what follows it
    assert list(made.problems(1.15)) == []
    made.forget()
    assert list(made.problems(9.0)) == []


@pytest.mark.parametrize(('interval', 'refused'), [(0.1, False), (0.2, False), (0.4, True)])
def test_a_controller_that_speaks_too_rarely_is_a_problem_with_what_to_set(
    node, followed, interval, refused
):
    made, texts = watch(node, followed), set()
    for tick in range(40):
        now = 1.0 + 0.05 * tick
        if round(now / 0.05) % round(interval / 0.05) == 0:
            node.hear(message([0.0, 0.0], now), {})
        if now > 1.9:  # its interval is known
            texts |= set(made.problems(now))
    assert bool(texts) is refused
    for text in texts:
        assert text.startswith('/arm/controller_state: the newest state is stamped 0.')
        assert text.endswith('they come every 0.40 s, set state_publish_rate to 10 or more')


@pytest.mark.parametrize('off', [-0.3, 0.3])
def test_a_controller_of_another_clock_is_a_problem(node, followed, off):
    made, problems = watch(node, followed), []
    for now in (1.0, 1.05, 1.1):
        node.hear(message([0.0, 0.0], now + off), {})
        problems = list(made.problems(now))
    (text,) = problems
    assert f'stamped 0.3 s {"ago" if off < 0 else "ahead"}, allowed 0.2 s' in text


def test_a_state_in_each_slow_period_of_lock_step_is_of_the_present(node, followed):
    made = watch(node, followed, period=0.5)
    for tick in range(10):  # it comes after the tick of its instant
        assert list(made.problems(0.5 * tick)) == []
        node.hear(message([0.0, 0.0], 0.5 * tick), {})


def test_a_foreign_trajectory_is_a_problem_at_its_third_state(node, followed):
    made = watch(node, followed)
    followed.sent(rest([0.0, 0.0]), 0.0, 0.0)
    for stamp, problems in ((0.7, 0), (0.75, 0), (0.75, 0), (0.8, 1), (0.85, 1)):
        node.hear(message([0.0, 0.05], stamp, start=0.6), {})
        assert len(list(made.problems(stamp))) == problems
    (text,) = made.problems(0.85)
    assert text.startswith('/arm/controller_state: the controller follows nothing that was sent')
    followed.clear()  # it is nothing to an arm that is released
    node.hear(message([0.0, 0.05], 0.9, start=0.6), {})
    assert list(made.problems(0.9)) == []


@pytest.mark.parametrize(
    ('data', 'why'),
    [
        (message([1.0, 2.0], 0.5, names=('c', 'd')), 'joints c, d; allowed: a, b'),
        (message([], 0.5), 'the reference has no positions'),
    ],
)
def test_a_topic_without_one_message_that_can_be_read_is_a_problem(node, followed, data, why):
    made = watch(node, followed)
    for expected in (0, 0, 1, 1):
        node.hear(data, {})
        assert len(list(made.problems(0.5))) == expected
    assert list(made.problems(0.5)) == [f'/arm/controller_state: no message can be read: {why}']
    node.publishers = 0
    assert list(made.problems(0.5)) == []
    node.publishers = 1
    node.hear(message([1.0, 2.0], 0.5), {})
    assert list(made.problems(0.5)) == []


def test_a_state_of_another_publisher_is_a_problem_at_once(node, followed, monkeypatch):
    now, origin = [5.0], lambda each: {'publisher_gid': {'data': bytes([each])}}
    monkeypatch.setattr(controller_watch.time, 'monotonic', lambda: now[0])
    made = watch(node, followed)
    for publisher in (1, 0):
        assert list(made.problems(0.5)) == []
        node.hear(message([1.0, 2.0], 0.5), origin(publisher))
    (text,) = made.problems(0.5)
    assert text == (
        '/arm/controller_state: from 2 publishers, /node_0, one that is gone: '
        'end the other node, and wait 1 s'
    )
    now[0] += 1.1  # the controller began again
    assert list(made.problems(0.5)) == []


def test_a_second_publisher_that_says_nothing_is_a_problem(node, followed):
    made = watch(node, followed)
    (look,) = node.looks
    for node.publishers, known in ((1, 0), (2, 1), (2, 1), (1, 0), (0, 0)):
        look()
        assert len(list(made.problems(0.5))) == known
    node.publishers = 2
    look()
    (text,) = made.problems(0.5)
    assert (
        text == '/arm/controller_state: 2 publishers (/node_0, /node_1), allowed 1: end the other'
    )


def test_a_controller_that_never_said_anything_is_a_warning(node, followed):
    made = watch(node, followed)
    assert list(made.warnings()) == ['controller state: nothing on /arm/controller_state']
    node.hear(message([1.0, 2.0], 0.5), {})
    assert list(made.warnings()) == []


def test_where_the_joints_are_wanted_is_known_while_a_state_is_of_the_present(node, followed):
    made = watch(node, followed)
    assert made.reference(0.5) is None
    node.hear(message([0.4, 0.3], 0.5, names=('b', 'c')), {})
    np.testing.assert_array_equal(made.reference(0.55, since=0.5), [np.nan, 0.4])
    assert made.reference(0.55, since=0.51) is None  # of a world before
    assert made.reference(0.8) is None  # what it was is of no use any more


def rest(position):
    pieces = np.zeros((5, 1, 2))
    pieces[1] = position
    return Plan(begin=0.0, pieces=pieces)


def test_without_control_msgs_or_such_a_topic_nothing_is_watched(node, followed, monkeypatch):
    made = watch(node, followed, '/arm/commands')
    assert made.values() == {'controller state': 'none known for the command topic'}
    monkeypatch.setattr(controller_watch, 'STATE', 'no_such_msgs/msg/State')
    made = watch(node, followed)
    assert made.values() == {'controller state': 'control_msgs is not installed'}
    assert not hasattr(node, 'hear')
    assert list(made.problems(0.0)) == []
    assert list(made.warnings()) == ['controller state: control_msgs is not installed']
