import numpy as np
import pytest
from cdr_messages import STORE, cdr, joints, make

from il_ros.bags.bag_reader import BagMessage
from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError, IlRosError
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
    other = cdr(kind, stamp=NS, joint_names=['a'], points=[])
    bad = filled(
        CommandedActions(planned, planned.action.demonstration), message('goal', kind, other, NS)
    )
    with pytest.raises(IlRosError, match='no joint b in the trajectory; allowed: a'):
        bad.actions(frames(NS))


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
