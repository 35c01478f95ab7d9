import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cdr_messages import cdr, joints, make, plain, xyz
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core import decoders
from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.frames import NS, FrameBuilder, TopicDecoder, describe_invalid, gaps

MS = 1_000_000
START = NS  # the first tick's stamp

TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
grace: 0.02
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a, b], rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b], rate: 20.0}
  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped, fields: [wrench.force],
           rate: 20.0}
  goal: {topic: goal, type: geometry_msgs/msg/PointStamped, fields: [point], required: false,
         align: {strategy: hold}}
  touch: {topic: touch, type: geometry_msgs/msg/PointStamped, fields: [point], required: false,
          align: {strategy: drop}}
action:
  names: [a, b]
  position: [position]
  velocity: [speed]
  limits: {position_min: [-1, -1], position_max: [1, 1], velocity: [1, 1],
           acceleration: [1, 1], jerk: [1, 1]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""
CONTRACT = parse_contract(TEXT)
SIZES = {key: stream.size for key, stream in CONTRACT.observations.items()}


def feed(builder, key, stamp, *, receive=None, value=None):
    value = np.full(SIZES[key], stamp / NS) if value is None else np.asarray(value, float)
    return builder.add(key, value, header=stamp, receive=stamp if receive is None else receive)


def tick(builder, stamp, keys=('speed', 'wrench', 'position'), receive=None):
    return [frame for key in keys for frame in feed(builder, key, stamp, receive=receive)]


def test_a_complete_tick_is_given_at_once_with_values_validity_and_ages():
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'goal', START - 300 * MS, value=[1, 2, 3])
    (frame,) = tick(builder, START)
    assert frame.stamp == START
    assert frame.valid == {
        'position': True, 'speed': True, 'wrench': True, 'goal': True, 'touch': False
    }  # fmt: skip
    assert frame.age['wrench'] == 0.0
    assert frame.age['goal'] == pytest.approx(0.3)  # held, however old
    assert math.isnan(frame.age['touch'])
    assert np.isnan(frame.values['touch']).all()  # never zero-filled
    assert frame.vector(['goal', 'position']).tolist() == [1, 2, 3, 1, 1]
    assert frame.all_valid(['goal', 'position'])
    assert not frame.all_valid(['goal', 'touch'])


def test_a_tick_waits_for_a_stream_that_is_due_and_uses_it():
    builder = FrameBuilder(CONTRACT)
    assert tick(builder, START, ['speed', 'position']) == []
    assert builder.waiting
    assert builder.poll(START + 19 * MS) == []
    (frame,) = feed(builder, 'wrench', START, receive=START + 10 * MS)
    assert frame.age['wrench'] == 0.0
    assert not builder.waiting


def test_after_the_grace_the_frame_is_given_without_it():
    builder = FrameBuilder(CONTRACT)
    tick(builder, START, ['speed', 'position'])
    (frame,) = builder.poll(START + 20 * MS)
    assert not frame.valid['wrench']


def test_what_comes_after_the_grace_is_not_seen_even_if_nobody_polled():
    """A bag has no timers: the next message stands in for the poll of a live node."""
    builder = FrameBuilder(CONTRACT)
    tick(builder, START, ['speed', 'position'])
    (frame,) = feed(builder, 'wrench', START, receive=START + 21 * MS)
    assert not frame.valid['wrench']


def test_the_newest_sample_at_or_before_the_tick_counts_not_a_later_one():
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'wrench', START - 20 * MS)
    feed(builder, 'wrench', START + 5 * MS, receive=START)
    (frame,) = tick(builder, START, ['speed', 'position'])
    assert frame.age['wrench'] == pytest.approx(0.02)
    assert frame.values['wrench'][0] == pytest.approx((START - 20 * MS) / NS)


def test_asof_gives_up_beyond_max_age_and_drop_beyond_a_period():
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'wrench', START)
    feed(builder, 'touch', START)
    frames = []
    for i in range(1, 7):
        frames += tick(builder, START + i * 50 * MS, ['speed', 'position'])
        frames += builder.poll(START + i * 50 * MS + 25 * MS)
    assert [frame.valid['touch'] for frame in frames] == [True] + 5 * [False]
    assert [frame.valid['wrench'] for frame in frames] == 4 * [True] + 2 * [False]
    assert frames[-1].age['wrench'] == pytest.approx(0.3)
    assert np.isnan(frames[-1].values['wrench']).all()


def test_a_sample_that_is_not_finite_is_invalid_and_nothing_of_it_is_shown():
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'wrench', START, value=[1.0, math.inf, 0.0])
    (frame,) = tick(builder, START, ['speed', 'position'])
    assert not frame.valid['wrench']
    assert np.isnan(frame.values['wrench']).all()


def test_a_lost_stream_is_not_waited_for_for_ever():
    builder = FrameBuilder(CONTRACT)
    tick(builder, START)
    at_once = []
    for i in range(1, 8):
        now = START + i * 50 * MS
        at_once.append(bool(tick(builder, now, ['speed', 'position'])))
        builder.poll(now + 20 * MS)
    assert at_once == [False, False, False, True, True, True, True]
    feed(builder, 'wrench', START + 8 * 50 * MS)
    tick(builder, START + 8 * 50 * MS, ['speed', 'position'])
    assert not tick(builder, START + 9 * 50 * MS, ['speed', 'position'])  # waited for again


def test_a_lost_stream_is_not_waited_for_for_ever_where_ticks_overtake_the_grace():
    builder = FrameBuilder(CONTRACT)
    receive = START
    delays = []
    for i in range(8):
        receive += MS  # lock-step: far faster than real time
        frames = tick(builder, START + i * 50 * MS, ['speed', 'position'], receive=receive)
        delays.append([frame.stamp != START + i * 50 * MS for frame in frames])
    assert delays == [[], [True], [True], [True, False], [False], [False], [False], [False]]


def test_a_faster_clock_is_thinned_to_the_contracts_rate():
    text = TEXT.replace('names: [a, b], rate: 20.0', 'names: [a, b], rate: 100.0')
    builder = FrameBuilder(parse_contract(text))
    stamps = []
    for i in range(41):
        stamps += [f.stamp for f in tick(builder, START + i * 10 * MS)]
    assert np.diff(stamps).tolist() == 8 * [50 * MS]


@pytest.mark.parametrize('hz', [30, 50, 125, 1000])
def test_a_clock_of_another_rate_than_was_declared_is_thinned_as_well(hz):
    builder = FrameBuilder(CONTRACT)
    stamps = [START + round(i / hz * NS) for i in range(10 * hz)]
    frames = [frame for stamp in stamps for frame in tick(builder, stamp)]
    assert len(frames) == pytest.approx(200, abs=1)


def test_a_jittering_clock_loses_no_tick():
    builder = FrameBuilder(CONTRACT)
    jitter = [0, 5, -5, 6, -6, 3, 0, -6]
    stamps = [START + i * 50 * MS + j * MS for i, j in enumerate(jitter)]
    assert [f.stamp for s in stamps for f in tick(builder, s)] == stamps


def test_time_that_goes_back_begins_anew():
    builder = FrameBuilder(CONTRACT)
    tick(builder, START + 30 * NS)
    (frame,) = tick(builder, START, receive=START + 31 * NS)
    assert frame.stamp == START
    assert frame.age['wrench'] == 0.0


def test_reset_forgets_every_sample():
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'goal', START)
    builder.reset()
    (frame,) = tick(builder, START)
    assert not frame.valid['goal']


@pytest.mark.parametrize(
    ('stamp', 'reason'),
    [(0, 'its header stamp is zero'), (START, 'its header stamp does not advance')],
)
def test_a_stamp_that_makes_no_sense_is_refused_and_named(stamp, reason):
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'wrench', START)
    feed(builder, 'wrench', stamp, receive=START + MS)
    assert builder.rejected == {'wrench': reason}
    (frame,) = tick(builder, START + 300 * MS, ['speed', 'position']) + builder.poll(2 * NS)
    assert describe_invalid(CONTRACT, frame, builder.rejected) == [
        f'wrench (wrench): 0.300 s old, allowed 0.200 s ({reason})'
    ]
    feed(builder, 'wrench', START + 400 * MS)
    assert builder.rejected == {}


def test_a_stream_that_never_came_is_said_so():
    builder = FrameBuilder(CONTRACT)
    tick(builder, START, ['speed', 'position'])
    (frame,) = builder.poll(START + NS)
    assert describe_invalid(CONTRACT, frame, {}) == ['wrench (wrench): never received']


@pytest.mark.parametrize(
    ('align', 'allowed'), [('strategy: drop', '0.050'), ('strategy: asof, max_age: 0.06', '0.060')]
)
def test_a_late_sample_is_reported_with_the_bound_of_its_strategy(align, allowed):
    contract = parse_contract(TEXT.replace('rate: 20.0}\n  goal', f'align: {{{align}}}}}\n  goal'))
    builder = FrameBuilder(contract)
    feed(builder, 'wrench', START)
    (frame,) = tick(builder, START + 75 * MS, ['speed', 'position'])
    assert describe_invalid(contract, frame, {}) == [
        f'wrench (wrench): 0.075 s old, allowed {allowed} s'
    ]


def test_a_sample_that_is_not_finite_is_reported_as_such():
    builder = FrameBuilder(CONTRACT)
    feed(builder, 'wrench', START, value=[1.0, math.inf, 0.0])
    (frame,) = tick(builder, START, ['speed', 'position'])
    assert describe_invalid(CONTRACT, frame, {}) == ['wrench (wrench): not finite']


def test_only_the_chosen_keys_and_the_clock_are_built():
    builder = FrameBuilder(CONTRACT, ['goal'])
    assert builder.keys == ('position', 'goal')
    (frame,) = feed(builder, 'position', START)
    assert set(frame.values) == {'position', 'goal'}


def test_gaps_counts_steps_of_more_than_one_and_a_half_periods():
    assert gaps([0, 50 * MS, 100 * MS, 176 * MS, 226 * MS, 500 * MS], CONTRACT) == 2


def as_data(frames):
    return [
        (f.stamp, {k: v.tolist() for k, v in f.values.items()}, dict(f.valid), dict(f.age))
        for f in frames
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_arrival_order_within_the_grace_does_not_change_the_frames(data):
    """Every order in which the samples of a tick come gives the same frames."""
    keys = ('position', 'speed', 'wrench')
    plain, shuffled = FrameBuilder(CONTRACT), FrameBuilder(CONTRACT)
    expected, found, last_wrench = [], [], 0
    for i in range(4):
        stamp = START + i * 50 * MS
        phase = data.draw(st.integers(0, 40)) * MS  # of the wrench, before the tick
        stamps = {'position': stamp, 'speed': stamp, 'wrench': stamp - phase}
        delays = {key: data.draw(st.integers(0, 19)) * MS for key in keys}
        if stamps['wrench'] <= last_wrench:
            stamps['wrench'] = stamp
        last_wrench = stamps['wrench']
        for key in keys:
            expected += feed(plain, key, stamps[key], receive=stamp)
        for key in sorted(keys, key=lambda key: delays[key]):
            found += feed(shuffled, key, stamps[key], receive=stamp + delays[key])
        expected += plain.poll(stamp + 45 * MS)
        found += shuffled.poll(stamp + 45 * MS)
    assert len(expected) == 4
    for mine, theirs in zip(as_data(expected), as_data(found), strict=True):
        np.testing.assert_equal(mine, theirs)


SAMPLES = st.lists(
    st.tuples(
        st.sampled_from(list(SIZES)),
        st.integers(-300, 100),  # stamp, relative to the time of arrival [ms]
        st.integers(0, 60),  # time since the last arrival [ms]
        st.sampled_from([0.5, math.nan]),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(SAMPLES)
def test_whatever_comes_frames_are_honest(samples):
    """Stamps advance; valid means finite, of the right size, and fresh; invalid means NaN."""
    builder, frames, now = FrameBuilder(CONTRACT), [], 10 * NS
    for key, offset, wait, number in samples:
        now += wait * MS
        frames += feed(builder, key, now + offset * MS, receive=now, value=SIZES[key] * [number])
    frames += builder.poll(now + NS)
    assert not builder.waiting
    stamps = [frame.stamp for frame in frames]
    assert all(b - a >= 22 * MS for a, b in pairwise(stamps))
    for frame in frames:
        for key, size in SIZES.items():
            value, age = frame.values[key], frame.age[key]
            assert value.shape == (size,)
            assert np.isfinite(value).all() if frame.valid[key] else np.isnan(value).all()
            if frame.valid[key]:
                strategy = CONTRACT.observations[key].align.strategy
                bound = {'asof': 0.2, 'drop': 0.05, 'hold': math.inf}[strategy]
                assert 0 <= age <= bound


def aligned(text, key='wrench'):
    """A contract whose `key` is aligned in another way."""
    return parse_contract(TEXT.replace(f'  {key}: {{', f'  {key}: {{align: {{{text}}}, '))


def test_interpolation_waits_for_the_sample_behind_the_tick_and_takes_what_lies_between():
    builder = FrameBuilder(aligned('strategy: interpolate, max_age: 0.06'))
    feed(builder, 'wrench', START - 10 * MS, value=[1, 0, 0])
    assert tick(builder, START, ['speed', 'position']) == []
    (frame,) = feed(builder, 'wrench', START + 30 * MS, receive=START + 1, value=[5, 0, 8])
    # A quarter of the way from -10 ms to 30 ms.
    np.testing.assert_allclose(frame.values['wrench'], [2, 0, 2])
    assert frame.age['wrench'] == pytest.approx(0.01)


def test_interpolation_does_not_reach_over_a_gap_and_does_not_wait_for_ever():
    contract = aligned('strategy: interpolate, max_age: 0.06')
    builder = FrameBuilder(contract)
    feed(builder, 'wrench', START - 40 * MS, value=[1, 0, 0])
    tick(builder, START, ['speed', 'position'])
    (frame,) = feed(builder, 'wrench', START + 21 * MS, receive=START + 1, value=[5, 0, 0])
    assert frame.values['wrench'].tolist() == [1, 0, 0]  # 61 ms apart: the one before
    builder = FrameBuilder(contract)
    feed(builder, 'wrench', START - 70 * MS, value=[1, 0, 0])
    tick(builder, START, ['speed', 'position'])
    (frame,) = builder.poll(START + 20 * MS)
    assert not frame.valid['wrench']
    assert frame.age['wrench'] == pytest.approx(0.07)


def test_a_device_that_measures_late_is_put_where_it_measured():
    builder = FrameBuilder(aligned('latency: 0.03'))
    feed(builder, 'wrench', START + 20 * MS, receive=START, value=[1, 0, 0])
    feed(builder, 'wrench', START + 40 * MS, receive=START, value=[2, 0, 0])
    (frame,) = tick(builder, START, ['speed', 'position'])
    assert frame.values['wrench'].tolist() == [1, 0, 0]  # measured at -10 ms, not at 10 ms
    assert frame.age['wrench'] == pytest.approx(0.01)


def test_an_image_is_handed_on_as_it_came_and_never_made_up():
    camera = 'images: {front: {topic: front, size: [2, 2], rate: 10.0}}\naction:\n'
    contract = parse_contract(TEXT.replace('action:\n', camera))
    builder = FrameBuilder(contract, [*contract.observations, 'front'])
    first = tick(builder, START) + builder.poll(START + 20 * MS)
    assert [(f.images, f.valid['front']) for f in first] == [({'front': None}, False)]
    builder.add('front', b'pixels', header=START + 40 * MS, receive=START + 40 * MS)
    (frame,) = tick(builder, START + 50 * MS)
    assert frame.images == {'front': b'pixels'}
    assert (frame.valid['front'], frame.age['front']) == (True, pytest.approx(0.01))
    assert 'front' not in frame.values
    # Live nodes that do not ask for images do not wait for them.
    assert len(tick(FrameBuilder(contract), START)) == 1


def test_a_device_that_measures_late_does_not_hold_ticks_back():
    builder = FrameBuilder(aligned('latency: 0.06'))
    for i in range(4):
        stamp = START + i * 50 * MS
        frames = tick(builder, stamp)
        assert [frame.stamp for frame in frames] == [
            stamp
        ]  # at once, the sample being old by design


def test_interpolation_with_a_sample_that_is_not_finite_takes_the_one_before():
    builder = FrameBuilder(aligned('strategy: interpolate, max_age: 0.06'))
    feed(builder, 'wrench', START - 10 * MS, value=[1, 0, 0])
    tick(builder, START, ['speed', 'position'])
    (frame,) = feed(builder, 'wrench', START + 30 * MS, receive=START + 1, value=[math.nan, 0, 0])
    assert frame.values['wrench'].tolist() == [1, 0, 0]


class CountingDecoder(decoders.JointState):
    """Counts how often it reads the bytes of a message."""

    reads = 0

    def read(self, data):
        CountingDecoder.reads += 1
        return super().read(data)


def joint_topic(monkeypatch, keys=('speed', 'position')):
    monkeypatch.setattr(CountingDecoder, 'reads', 0)
    monkeypatch.setitem(decoders.DECODERS, 'sensor_msgs/msg/JointState', CountingDecoder())
    return TopicDecoder({key: CONTRACT.streams[key] for key in keys}, 'base')


def test_a_message_is_read_once_for_all_keys_of_its_topic(monkeypatch):
    decoder = joint_topic(monkeypatch)
    message = joints('ba', [1, 2], [3, 4], stamp=START)
    header_stamp, values, errors = decoder.decode(message, received=7)
    assert (header_stamp, errors, CountingDecoder.reads) == (START, {}, 1)
    assert {key: value.tolist() for key, value in values.items()} == {
        'speed': [4.0, 3.0], 'position': [2.0, 1.0]
    }  # fmt: skip


def test_a_key_that_a_message_lacks_leaves_the_others_their_values(monkeypatch):
    decoder = joint_topic(monkeypatch)
    message = joints('ab', [1, 2], stamp=START)
    _, values, errors = decoder.decode(message, received=7)
    assert list(values) == ['position']
    assert str(errors['speed']).startswith('0 velocity values for 2 joints')


def test_damaged_bytes_are_an_error_of_every_key(monkeypatch):
    decoder = joint_topic(monkeypatch)
    received, values, errors = decoder.decode(b'', received=7)
    assert (received, values, list(errors)) == (7, {}, ['speed', 'position'])
    assert all(isinstance(error, IlRosError) for error in errors.values())


ARM_AND_GRIPPER = parse_contract(
    TEXT.replace("""[position],
             names: [a, b], rate: 20.0""", """[position],
             names: [a], rate: 20.0""")
    .replace("""[velocity],
          names: [a, b], rate: 20.0}""", """[velocity],
          names: [a], rate: 20.0}
  opening: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
            names: [b], rate: 20.0, publishers: 2}
  closing: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
            names: [b], rate: 20.0}""")
    .replace('position: [position]', 'position: [position, opening]')
    .replace('velocity: [speed]', 'velocity: [speed, closing]')
)  # fmt: skip


def test_arm_and_gripper_publish_their_own_joints_in_messages_of_their_own():
    """Each key takes the messages that hold its joints; those of the other are no error."""
    keys = ('speed', 'position', 'closing', 'opening')
    streams = {key: replace(ARM_AND_GRIPPER.streams[key], publishers=2) for key in keys}
    decoder, builder = TopicDecoder(streams, 'base'), FrameBuilder(ARM_AND_GRIPPER, keys)
    frames = []
    for i in range(4):
        for name, value, late in (('b', 0.02, -7), ('a', 0.5, 0)):
            stamp = START + (50 * i + late) * MS
            message = joints(name, [value], [0.1 * value], stamp=stamp)
            header, values, errors = decoder.decode(message, received=stamp)
            assert bool(errors) == (i == 0 and name == 'b')  # nobody has spoken of `a` yet
            for key, each in values.items():
                frames += builder.add(key, each, header=header, receive=stamp)
    assert [frame.stamp for frame in frames] == [START + 50 * i * MS for i in range(4)]
    for frame in frames:
        assert all(frame.valid.values())
        assert [float(frame.values[key][0]) for key in keys] == [0.05, 0.5, 0.002, 0.02]
        assert frame.age['opening'] == pytest.approx(0.007)


def test_joints_of_another_are_an_error_where_one_publisher_is_allowed_and_until_they_come():
    streams = {'position': ARM_AND_GRIPPER.streams['position']}
    decoder = TopicDecoder(streams, 'base')
    other, own = joints('b', [0.02], [0.0], stamp=START), joints('a', [0.5], [0.0], stamp=START)
    for message in (other, own, other):
        errors = decoder.decode(message, received=7)[2]
        assert bool(errors) == (message is other)
    assert 'no joint a in the message' in str(errors['position'])
    # Some of a key's joints, but not all, are an error whoever sends them.
    pair = {'position': replace(CONTRACT.streams['position'], publishers=2)}
    both = TopicDecoder(pair, 'base')
    assert not both.decode(joints('ab', [1, 2], stamp=START), received=7)[2]
    assert not both.decode(joints('c', [1], stamp=START), received=7)[2]
    half = both.decode(joints('a', [1], stamp=START), received=7)[2]
    assert 'no joint b in the message' in str(half['position'])


TEXTS = ('open', 'close')
EXTRA = """
  instruction: {topic: instruction, type: std_msgs/msg/String, fields: [data], names: [open, close],
                required: false, latched: true, align: {strategy: hold, time: receive}}
  cup: {topic: tracked, type: geometry_msgs/msg/TransformStamped, fields: [pose.position],
        child_frame_id: cup, required: false}
action:
"""


def test_an_unknown_instruction_makes_the_one_before_void():
    contract = parse_contract(TEXT.replace('\naction:\n', EXTRA))
    decoder = TopicDecoder({'instruction': contract.streams['instruction']}, 'base')
    builder = FrameBuilder(contract)

    def send(words, at):
        stamp, values, errors = decoder.decode(plain('std_msgs/msg/String', data=words), at)
        assert stamp == at  # it has no header: it counts from when it was received
        for key, problem in errors.items():
            builder.reject(key, problem, now=at)
        for key, value in values.items():
            builder.add(key, value, header=stamp, receive=at)

    def at(stamp):
        (frame,) = tick(builder, stamp)
        return frame.values['instruction'].tolist() if frame.valid['instruction'] else None

    send('close', START - 900 * MS)
    assert at(START) == [0, 1]
    send('stop', START + 10 * MS)
    assert at(START + 50 * MS) is None
    assert "text 'stop'; allowed: 'open', 'close'" in builder.rejected['instruction']
    send('open', START + 60 * MS)
    assert at(START + 100 * MS) == [1, 0]


def test_transforms_of_other_things_are_left_out():
    contract = parse_contract(TEXT.replace('\naction:\n', EXTRA))
    decoder = TopicDecoder({'cup': contract.streams['cup']}, 'base')

    def tracked(child, frame_id='base'):
        kind = 'geometry_msgs/msg/TransformStamped'
        transform = make(
            'geometry_msgs/msg/Transform',
            translation=xyz('Vector3', [1, 2, 3]),
            rotation=xyz('Quaternion', [0, 0, 0, 1]),
        )
        data = cdr(kind, stamp=START, frame_id=frame_id, child_frame_id=child, transform=transform)
        return decoder.decode(data, START + MS)

    _, values, errors = tracked('spoon')  # nobody has seen a cup yet: it may be a mistake
    assert not values
    assert str(errors['cup']) == (
        "a transform of 'spoon'; allowed: 'cup'; "
        'to fix: correct child_frame_id in the contract, or its driver'
    )
    stamp, values, errors = tracked('cup')
    assert (stamp, values['cup'].tolist(), errors) == (START, [1, 2, 3], {})
    assert tracked('spoon')[1:] == ({}, {})
    assert 'in frame' in str(tracked('cup', frame_id='camera')[2]['cup'])


@pytest.mark.parametrize(
    ('line', 'problem'),
    [
        (
            'child_frame_id: cup, ',
            r"cup.child_frame_id: got ''; allowed: the frame whose pose it is",
        ),
        ('', r"speed.child_frame_id: got 'b'; allowed: none for this type"),
    ],
)
def test_a_transform_says_of_what_and_nothing_else_does(line, problem):
    text = TEXT.replace('\naction:\n', EXTRA)
    text = (
        text.replace(line, '') if line else text.replace('speed: {', 'speed: {child_frame_id: b, ')
    )
    with pytest.raises(ContractError, match=problem):
        parse_contract(text)
