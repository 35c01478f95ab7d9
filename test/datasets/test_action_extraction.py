import numpy as np
import pytest
from cdr_messages import STORE, cdr, joints, make
from episode_fixtures import TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.bags.bag_reader import BagMessage
from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS, Frame
from il_ros.datasets.action_extraction import (
    CommandedActions,
    ExecutedActions,
    MeasuredActions,
    action_extractor,
)
from il_ros.datasets.episode_arrays import SOURCES

MS = 1_000_000


def frame(stamp, a=0.0, valid=True):
    return Frame(
        stamp=stamp,
        values={'position': np.array([a, -a])},
        valid={'position': valid},
        age={'position': 0.0},
    )


def frames(*stamps):
    return [frame(stamp) for stamp in stamps]


def filled(source, *given):
    for message in given:
        source.add(message)
    return source


@pytest.fixture
def command(messages):
    def make_command(stamp, position, source='expert', names=('a', 'b')):
        data = bytes(messages.chunk(stamp, [position, 0.0], names=names, source=source))
        return BagMessage(
            topic='monitor/executed', type='il_ros/msg/ActionChunk', receive=stamp, data=data
        )

    return make_command


def test_a_command_belongs_to_the_nearest_frame_within_half_a_period(contract, command):
    source = filled(
        ExecutedActions(contract),
        command(NS + 10 * MS, 1.0),
        command(NS + 4 * MS, 2.0, 'policy'),  # nearer to the same frame
        command(NS + 70 * MS, 3.0, 'somebody'),
        command(NS + 130 * MS, 4.0),  # too far from the last
    )
    actions, codes = source.actions(frames(NS, NS + 50 * MS, NS + 100 * MS))
    np.testing.assert_equal(actions[:, 0], [2.0, 3.0, np.nan])
    assert [SOURCES[code] for code in codes] == ['policy', 'demonstrator', 'none']
    assert source.actions([])[0].shape == (0, 2)


@pytest.mark.parametrize('name', ['none', 'hold', 'alarm', 'fallback'])
def test_what_the_monitor_did_by_itself_is_no_demonstration(contract, command, name):
    actions, codes = filled(ExecutedActions(contract), command(NS, 1.0, name)).actions(frames(NS))
    assert np.isnan(actions).all()
    assert codes.tolist() == [0]


def test_a_command_of_other_joints_is_refused(contract, command):
    with pytest.raises(DatasetError, match=r"monitor/executed: got joints \['b', 'a'\] and 2 pos"):
        ExecutedActions(contract).add(command(NS, 1.0, names=('b', 'a')))


def with_demonstration(contract, text):
    return parse_contract(
        contract.text.replace(
            '  velocity: [speed]\n', f'  velocity: [speed]\n  demonstration: {text}\n'
        )
    )


def message(topic, kind, data, receive):
    return BagMessage(topic=topic, type=kind, receive=receive, data=data)


def test_the_source_is_what_the_bag_has(contract):
    assert isinstance(action_extractor(contract, ['monitor/executed']), ExecutedActions)
    with pytest.raises(DatasetError) as caught:
        action_extractor(contract, ['joint_states'])
    assert str(caught.value) == (
        'no topic monitor/executed in the bag: nothing says what was commanded; allowed: '
        'joint_states; to fix: name the topic of the commands in the contract, at '
        'action.demonstration'
    )
    by_hand = with_demonstration(contract, '{}')
    assert isinstance(action_extractor(by_hand, ['joint_states']), MeasuredActions)
    leader = with_demonstration(contract, '{topic: leader/joint_states}')
    assert isinstance(action_extractor(leader, ['leader/joint_states']), CommandedActions)
    with pytest.raises(DatasetError, match='no topic monitor/executed or leader/joint_states in'):
        action_extractor(leader, ['joint_states'])


def test_a_leader_arm_commands_by_its_newest_position_before_the_next_tick(contract):
    leader = with_demonstration(
        contract, '{topic: leader/joint_states, names: [la, lb], max_age: 0.06, latency: 0.01}'
    )
    kind = 'sensor_msgs/msg/JointState'

    def at(receive, position):
        data = joints(name=('lb', 'la'), position=(0.0, position))
        return message('leader/joint_states', kind, data, receive)

    source = filled(
        action_extractor(leader, ['leader/joint_states']),
        at(NS + 30 * MS, 1.0),
        at(NS + 39 * MS, 2.0),  # takes effect at 49 ms, before the tick at 50 ms
        at(NS + 41 * MS, 3.0),  # and this one behind it
    )
    actions, codes = source.actions(frames(NS, NS + 50 * MS, NS + 100 * MS))
    # The last frame's next tick is at 150 ms; the newest command took effect at 51 ms: too old.
    np.testing.assert_equal(actions[:, 0], [2.0, 3.0, np.nan])
    assert [SOURCES[code] for code in codes] == ['demonstrator', 'demonstrator', 'none']
    with pytest.raises(DatasetError, match='type std_msgs/msg/String; allowed: sensor_msgs/msg/J'):
        source.add(message('leader/joint_states', 'std_msgs/msg/String', b'', NS))


def test_a_trajectory_commands_what_it_has_at_the_next_tick(contract):
    kind = 'trajectory_msgs/msg/JointTrajectory'
    planned = with_demonstration(contract, f'{{topic: goal, type: {kind}, time: header}}')

    def point(time, *positions):
        none = np.zeros(0)
        return make(
            'trajectory_msgs/msg/JointTrajectoryPoint',
            positions=np.array(positions),
            velocities=none,
            accelerations=none,
            effort=none,
            time_from_start=make(
                'builtin_interfaces/msg/Duration', sec=time // NS, nanosec=time % NS
            ),
        )

    data = cdr(
        kind,
        stamp=NS,
        joint_names=['b', 'a'],
        points=[point(0, 0.0, 0.0), point(100 * MS, -1.0, 1.0)],
    )
    source = filled(action_extractor(planned, ['goal']), message('goal', kind, data, 5 * NS))
    stamps = [NS, NS + 50 * MS, NS + 200 * MS, NS + 300 * MS]
    actions, _ = source.actions(frames(*stamps))
    # Half of the way at 50 ms, the end from 100 ms on; it counts until 0.2 s after its end.
    np.testing.assert_allclose(actions[:, 0], [0.5, 1.0, 1.0, np.nan])
    np.testing.assert_allclose(actions[:, 1], [-0.5, -1.0, -1.0, np.nan])
    empty = cdr(kind, stamp=NS, joint_names=['a'], points=[])
    bad = filled(
        CommandedActions(planned, planned.action.demonstration), message('goal', kind, empty, NS)
    )
    assert np.isnan(bad.actions(frames(NS))[0]).all()
    assert bad.why_nothing() == (
        '1 of 1 messages of goal were skipped: a trajectory without a position for each joint; '
        'allowed: a'
    )


LEADER = 'sensor_msgs/msg/JointState'


@pytest.fixture
def leader(contract):
    found = with_demonstration(contract, '{topic: leader, max_age: 0.06}')
    return action_extractor(found, ['leader'])


def led(receive, **positions):
    data = joints(name=tuple(positions), position=tuple(positions.values()))
    return message('leader', LEADER, data, receive)


def test_arm_and_trigger_in_messages_of_their_own_are_one_command(leader):
    filled(
        leader,
        led(NS, a=1.0, other=9.0),
        led(NS + 10 * MS, b=2.0),
        led(NS + 20 * MS, b=3.0),
        led(NS + 60 * MS, a=4.0),
        led(NS + 120 * MS, a=5.0),
    )
    stamps = [NS - 50 * MS, NS, NS + 20 * MS, NS + 70 * MS]
    actions, codes = leader.actions(frames(*stamps))
    # Before the first tick b has no command; at the last one its newest is 100 ms old.
    np.testing.assert_equal(actions, [[np.nan] * 2, [1.0, 3.0], [4.0, 3.0], [np.nan] * 2])
    assert [SOURCES[code] for code in codes] == ['none', 'demonstrator', 'demonstrator', 'none']
    assert leader.findings() == {}
    assert leader.why_nothing().startswith('no command of every joint on leader is younger than')


def test_strays_are_counted_and_skipped_and_what_is_nan_is_not_a_command(leader):
    filled(
        leader,
        led(NS, a=1.0, b=2.0),
        led(NS + 10 * MS, finger=0.0),
        led(NS + 20 * MS, a=np.nan, b=4.0),
        message('leader', LEADER, b'\0\1\0\0', NS + 30 * MS),
        message('leader', LEADER, joints(name=('a', 'b'), position=()), NS + 40 * MS),
    )
    np.testing.assert_equal(leader.actions(frames(NS))[0], [[1.0, 4.0]])
    assert leader.findings() == {
        'rejected.action': '3 of 5 messages of leader were skipped: 0 positions for 2 joints'
    }


def test_a_joint_that_is_always_nan_is_named_with_the_way_out(leader):
    filled(leader, led(NS, a=1.0, b=np.nan))
    actions, codes = leader.actions(frames(NS))
    assert np.isnan(actions).all()
    assert not codes.any()
    assert leader.why_nothing() == (
        'no command of b on leader: not in its messages, or NaN; to fix: correct '
        'action.demonstration.names, or have its driver publish them'
    )


@settings(max_examples=40)
@given(
    parts=st.lists(
        st.tuples(st.integers(0, 300), st.sets(st.sampled_from('abc'), min_size=1)), max_size=12
    ),
    ticks=st.lists(st.integers(0, 300), min_size=1, max_size=5, unique=True),
)
def test_each_joint_has_its_newest_command_however_they_are_divided(parts, ticks):
    text = with_demonstration(parse_contract(TEXT), '{topic: leader, max_age: 0.1}')
    source = action_extractor(text, ['leader'])
    for number, (at, names) in enumerate(parts):
        source.add(led(NS + at * MS, **dict.fromkeys(sorted(names), float(number))))
    actions, _ = source.actions(frames(*(NS + t * MS for t in sorted(ticks))))
    for tick, action in zip(sorted(ticks), actions, strict=True):
        newest = []
        for joint in 'ab':
            mine = [(at, n) for n, (at, names) in enumerate(parts) if joint in names]
            there = [(at, n) for at, n in mine if at <= tick + 50]
            at, number = max(there, default=(-1000, np.nan))
            newest.append(number if tick + 50 - at <= 100 else np.nan)
        wanted = newest if np.isfinite(newest).all() else [np.nan] * 2
        np.testing.assert_equal(action, np.array(wanted, float))


def test_numbers_without_names_are_taken_in_the_order_of_the_action(contract):
    kind = 'std_msgs/msg/Float64MultiArray'
    forward = with_demonstration(contract, f'{{topic: commands, type: {kind}}}')
    label = make('std_msgs/msg/MultiArrayDimension', label='joint', size=2, stride=2)
    layout = make('std_msgs/msg/MultiArrayLayout', dim=[label], data_offset=0)
    array = make(kind, layout=layout, data=np.array([0.25, 0.75]))
    data = bytes(STORE.serialize_cdr(array, kind))
    source = filled(action_extractor(forward, ['commands']), message('commands', kind, data, NS))
    np.testing.assert_equal(source.actions(frames(NS))[0], [[0.25, 0.75]])


def test_by_hand_the_action_is_where_the_arm_was_one_tick_later(contract):
    shown = [frame(NS, 0.0), frame(NS + 50 * MS, 0.1), frame(NS + 100 * MS, 0.2, valid=False),
             frame(NS + 150 * MS, 0.3), frame(NS + 300 * MS, 0.4)]  # fmt: skip
    actions, codes = MeasuredActions(contract).actions(shown)
    np.testing.assert_equal(actions[:, 0], [0.1, np.nan, 0.3, np.nan, np.nan])
    assert codes.tolist() == [3, 0, 3, 0, 0]
