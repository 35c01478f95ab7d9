"""Parts of the recorder that need no graph: losses, pre-roll, latched topics, gate, JPEG."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from benchmarks.camera_load import Load, contract_text
from il_ros.bags.episode_writer import EpisodeWriter
from il_ros.bags.jpeg_message import jpeg_message
from il_ros.bags.mcap_file import DiskError, DiskFullError
from il_ros.core.contract import parse_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.core.images import decode
from il_ros.core.streams import ImageStream
from il_ros.ros import disk_space
from il_ros.ros.disk_space import DiskSpace
from il_ros.ros.kept_samples import CLOCK, ClockInstant, LatchedSamples, PreRoll
from il_ros.ros.message_loss import MessageCounts, PublisherSequences, RawSample, sample_of
from il_ros.ros.raw_subscriptions import SubscriptionProfile, best_match
from il_ros.ros.recorded_topics import RecordedTopic
from il_ros.ros.recording import Recording
from il_ros.ros.recording_preconditions import RequiredTopic, not_fresh, required_topics

CONTRACT = parse_contract(contract_text(Load(cameras=1)))


def sample(sequence=0, publisher=b'', topic='/a', receive=0, size=1):
    return RawSample(topic, b'x' * size, receive, 0, sequence, publisher)


def missing(*numbers, publishers=1):
    """What each of these sequence numbers tells; a pair names the publisher, too."""
    sequences = PublisherSequences()
    pairs = [n if isinstance(n, tuple) else (n, b'') for n in numbers]
    return [sequences.missing(sample(n, who), publishers) for n, who in pairs]


def test_gaps_are_counted_and_the_first_number_is_none():
    assert missing((7, b'p'), (8, b'p'), (11, b'p'), (12, b'p')) == [0, 0, 2, 0]


def test_what_comes_twice_is_told():
    assert missing((7, b'p'), (8, b'p'), (7, b'p'), (8, b'p'), (9, b'p')) == [0, 0, None, None, 0]


def test_what_comes_late_is_not_missing_any_more():
    assert missing((1, b'p'), (5, b'p'), (3, b'p'), (3, b'p'), (6, b'p')) == [0, 3, -1, None, 0]


def test_several_publishers_are_no_loss():
    assert missing((1, b'p'), (500, b'q'), (2, b'p'), (501, b'q'), (4, b'p')) == [0, 0, 0, 0, 1]


def test_a_publisher_that_starts_again_is_no_loss():
    assert missing((900, b'old'), (901, b'old'), (1, b'new'), (2, b'new')) == [0, 0, 0, 0]


def test_interleaved_numbers_without_a_publishers_identity():
    assert missing(1, 500, 2, 501, 4, 502, publishers=2) == [0, 0, 0, 0, 1, 0]


def test_a_restart_without_a_publishers_identity():
    assert missing(900, 901, 1, 2, 4) == [0, 0, 0, 0, 1]


def test_without_numbers_nothing_is_said():
    assert missing(0, 0, 0) == [0, 0, 0]


@given(st.sets(st.integers(1, 200), min_size=2))
def test_all_that_is_missing_between_first_and_last_is_counted(arrived):
    numbers = sorted(arrived)
    expected = numbers[-1] - numbers[0] + 1 - len(numbers)
    assert sum(missing(*[(n, b'p') for n in numbers])) == expected


def test_without_identity_what_comes_twice_is_told():
    assert missing(5, 5, 6, 7, 6, 8) == [0, None, 0, 0, None, 0]


def test_without_identity_what_comes_late_is_not_missing_any_more():
    assert missing(1, 5, 3, 3, 6) == [0, 3, -1, None, 0]


def test_a_publisher_that_joins_unseen_is_no_loss():
    numbers = [n for pair in zip(range(5000, 5050), range(1, 51), strict=True) for n in pair]
    assert missing(*numbers) == [0] * 100


def test_with_two_publishers_the_higher_may_start_again():
    before = [n for pair in zip(range(100, 150), range(5000, 5050), strict=True) for n in pair]
    again = [n for pair in zip(range(150, 190), range(1, 41), strict=True) for n in pair]
    assert missing(*before, *again, publishers=2) == [0] * 180


def test_a_far_jump_without_identity_is_another_publisher():
    assert missing(5, 6, 20_000, 7, 20_001) == [0] * 5


def at(number, receive, publisher=b'p', source=0):
    return RawSample('/a', b'x', receive, source, number, publisher)


@pytest.mark.parametrize('publisher', [b'p', b''])
def test_what_was_due_before_the_episode_is_not_missing_in_it(publisher):
    sequences = PublisherSequences()
    assert sequences.missing(at(1, 0, publisher)) == 0
    sequences.since_ns = 60
    # 2 to 10 were due at 10, 20, ... 90.
    assert sequences.missing(at(11, 100, publisher)) == 4
    assert sequences.missing(at(3, 101, publisher)) == 0
    assert sequences.missing(at(7, 102, publisher)) == -1
    assert sequences.missing(at(14, 103, publisher)) == 2
    sequences.since_ns = 200
    assert sequences.missing(at(13, 201, publisher)) == 0  # of the episode before
    assert sequences.missing(at(15, 202, publisher)) == 0


def test_what_is_remembered_is_bounded():
    sequences = PublisherSequences()
    for number in range(1, 60_000, 2):
        assert sequences.missing(at(number, number)) == (number > 1)
    for number in range(3_000):
        assert sequences.missing(at(7, number, b'%d' % number)) == 0
        assert sequences.missing(at(20_000 * number + 9, number, b'', number)) == 0
    assert sequences.missing(at(59_998, 60_001)) == -1
    assert sequences.missing(at(2, 60_002)) is None
    assert len(sequences._named) <= 1_000
    assert len(sequences._unnamed) <= 16
    assert len(sequences._seen) <= 2_000
    assert len(sequences._named[b'p']._awaited) <= 10_000


class OfPublishers:
    """What several publishers send: gaps, restarts, late and doubled samples, and the truth."""

    def __init__(self, named):
        self.named, self.time, self.told = named, 0, []
        self.numbers, self.gone, self.runs = {}, {}, {}

    def step(self, who, kind):
        self.time += 1
        number, missed = self.numbers.get(who, 20_000 * (who + 1)), self.gone.setdefault(who, [])
        if kind == 'restart':
            self.runs[who] = self.runs.get(who, 0) + 1
            number, self.gone[who] = 0, []
        elif kind == 'late' and missed:
            self.told.append((self._sample(who, *missed.pop()), -1))
            return
        elif kind == 'gap' and who in self.numbers:
            missed += [(number + 1, self.time), (number + 2, self.time)]
            number += 2
        elif kind == 'twice' and self.told:
            self.told.append((self.told[-1][0], None))
            return
        first = who not in self.numbers or kind == 'restart'
        self.numbers[who] = number + 1
        lost = 0 if first or kind != 'gap' else 2
        self.told.append((self._sample(who, number + 1, self.time), lost))

    def _sample(self, who, number, source):
        name = b'%d.%d' % (who, self.runs.get(who, 0)) if self.named else b''
        return RawSample('/a', b'x', self.time, source * 10 + who + 1, number, name)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(['next', 'next', 'gap', 'late', 'twice', 'restart'])
    ),
    max_size=120,
)


@given(STEPS)
def test_every_publisher_with_identity_is_followed(steps):
    model, sequences = OfPublishers(named=True), PublisherSequences()
    for who, kind in steps:
        model.step(who, kind)
    for sample, expected in model.told:
        assert sequences.missing(sample) == expected, sample


@given(STEPS, st.integers(0, 4))
def test_without_identity_nothing_is_doubled_and_no_loss_made_up(steps, counted):
    # Two publishers that count over the same numbers cannot be told apart: one begins again.
    model, sequences, again = OfPublishers(named=False), PublisherSequences(), False
    for who, kind in steps:
        model.step(who, 'next' if kind == 'restart' and (again or not who) else kind)
        again = again or (kind == 'restart' and who > 0)
    told = [sequences.missing(sample, counted) for sample, _ in model.told]
    assert [n is None for n in told] == [n is None for _, n in model.told]
    assert sum(n or 0 for n in told) <= sum(n or 0 for _, n in model.told)


def test_a_middleware_that_says_little_is_not_trusted_with_more():
    bare = sample_of('/a', b'x', {'source_timestamp': None}, now_ns=5)
    assert bare == RawSample('/a', b'x', 5, 0, 0, b'')


def test_what_is_lost_is_told_by_where():
    counts = MessageCounts(missing=3, overflow=4)
    assert counts.lost == 7
    assert str(counts) == '3 lost on the way, 4 lost in the full queue'
    assert str(MessageCounts(received=9)) == ''


def test_the_pre_roll_keeps_its_seconds():
    ring = PreRoll(1.0, 1000)
    for second in range(5):
        ring.add(sample(receive=second * NS))
    assert [s.receive_ns // NS for s in ring.take(4 * NS)] == [3, 4]
    assert ring.take(4 * NS) == []


def test_the_pre_roll_keeps_within_its_bytes_and_says_so():
    ring = PreRoll(100.0, 25)
    for i in range(4):
        ring.add(sample(receive=i, size=10))
        assert ring.bytes <= 25
    assert ring.cut
    assert [s.receive_ns for s in ring.take(3)] == [2, 3]


def test_without_a_pre_roll_nothing_is_kept():
    ring = PreRoll(0.0, 1000)
    ring.add(sample())
    assert ring.take(0) == []


def test_what_publishers_that_are_gone_have_latched_is_forgotten():
    latched = LatchedSamples()
    latched.follow('/status')
    for name in (b'p', b'q', b''):
        latched.add(sample(1, name, '/status', 10))
    latched.keep_only('/status', {b'q', b'r'})
    latched.keep_only('/other', set())
    assert {found.publisher for found in latched.before(100)} == {b'q', b''}
    latched.keep_only('/status', set())
    assert latched.before(100) == []


def test_latched_topics_give_the_last_sample_of_each_publisher():
    latched = LatchedSamples()
    latched.follow('/tf_static')
    latched.add(sample(1, b'p', '/tf_static', 10))
    latched.add(sample(2, b'p', '/tf_static', 20))
    latched.add(sample(1, b'q', '/tf_static', 15))
    latched.add(sample(1, b'p', '/wrench', 16))
    found = latched.before(100)
    assert [(s.publisher, s.sequence, s.receive_ns) for s in found] == [
        (b'q', 1, 100),
        (b'p', 2, 100),
    ]
    assert latched.before(15) == []  # what came later is among the pre-roll


def test_the_instant_of_a_clock_that_stands_still():
    def said(topic, source, receive=None):
        return RawSample(topic, b'', receive or source, source)

    instant = ClockInstant()
    for item in (said('/old', 5), said('/joints', 11), said(CLOCK, 10), said('/wrench', 12)):
        instant.add(item)
    assert [s.topic for s in instant.samples(0)] == ['/joints', '/wrench']
    assert [s.topic for s in instant.samples(12)] == ['/wrench']  # no further back than that
    for i in range(100):  # a clock that stands for long does not fill the memory
        instant.add(said('/camera', 20 + i))
    assert [s.source_ns for s in instant.samples(0)] == [11, 12, 119]
    instant.add(said(CLOCK, 10))  # a second look at the same instant
    assert len(instant.samples(0)) == 3
    instant.add(said(CLOCK, 200))
    assert instant.samples(0) == []


def test_publishers_that_come_and_go_fill_no_table():
    instant, counts = ClockInstant(), MessageCounts()
    instant.add(RawSample(CLOCK, b'', 10, 10))
    for i in range(5_000):
        publisher = i.to_bytes(16, 'big')
        instant.add(RawSample('/joints', b'', 11 + i, 11 + i, 1, publisher))
        counts.hear(publisher)
    assert len(instant.samples(0)) == len(counts.publishers) == 1_000
    assert instant.samples(0)[-1].source_ns == 11 + 4_999  # the newest stay


def test_the_gate_takes_the_fastest_stream_of_a_topic_and_leaves_the_optional_out():
    names = {'joint_states': '/joint_states', 'wrench': '/wrench', 'camera0/image': '/cam'}
    names['monitor/status'] = '/monitor/status'
    needed = {need.topic: need for need in required_topics(CONTRACT, names, 0.5)}
    assert needed['/joint_states'].keys == ('position', 'velocity')
    assert set(needed) == {'/joint_states', '/wrench', '/cam'}
    assert needed['/cam'].max_age == 0.5


def test_the_gate_wants_a_monitor_that_ticks_and_not_one_that_was_there_once():
    names = {'joint_states': '/joint_states', 'wrench': '/wrench', 'camera0/image': '/cam'}
    names['monitor/status'] = '/monitor/status'
    action = replace(CONTRACT.action, demonstration=None)
    needed = required_topics(replace(CONTRACT, action=action), names, 0.2)
    (monitor,) = (need for need in needed if need.topic == '/monitor/status')
    assert (monitor.keys, monitor.max_age) == (('action',), 0.3)
    assert not_fresh([monitor], {'/monitor/status': 5 * NS}, 5 * NS + NS // 5) == {}
    assert not_fresh([monitor], {'/monitor/status': 5 * NS}, 6 * NS) == {'/monitor/status': 1.0}


def test_the_gate_names_what_never_came_and_what_is_old():
    needed = [RequiredTopic(topic=name, keys=(name,), max_age=1.0) for name in 'abc']
    needed.append(RequiredTopic(topic='now and then', keys=('d',), max_age=None))
    seen = {'a': 5 * NS, 'b': 3 * NS, 'now and then': 0}
    assert not_fresh(needed, seen, 5 * NS + 1) == {'b': pytest.approx(2.0), 'c': None}


def test_a_clock_that_was_set_back_makes_nothing_fresh():
    needed = [RequiredTopic(topic='a', keys=('a',), max_age=1.0)]
    assert not_fresh(needed, {'a': 500 * NS}, 1 * NS) == {'a': -499.0}


RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@pytest.mark.parametrize(
    ('offered', 'expected'),
    [
        ([], None),
        ([RELIABLE], SubscriptionProfile(reliable=True)),
        ([RELIABLE, BEST_EFFORT], SubscriptionProfile()),
        ([LATCHED, LATCHED], SubscriptionProfile(reliable=True, latched=True)),
        ([LATCHED, RELIABLE], SubscriptionProfile(reliable=True)),
    ],
)
def test_qos_is_the_most_that_all_publishers_offer(offered, expected):
    assert best_match(offered) == expected


def image(height=4, width=6, encoding='bgr8', value=(10, 200, 30)):
    pixels = np.tile(np.array(value, np.uint8), (height, width, 1))
    message = Image(height=height, width=width, encoding=encoding, step=width * len(value))
    message.header.frame_id, message.header.stamp.sec = 'camera', 77
    message.data.frombytes(pixels.tobytes())
    return RawSample('/cam', serialize_message(message), 5, 6, 7, b'p')


STREAM = ImageStream(topic='cam', size=(4, 6), record='jpeg', source_size=(4, 6))


@pytest.mark.parametrize(('encoding', 'rgb'), [('bgr8', (30, 200, 10)), ('rgb8', (10, 200, 30))])
def test_a_raw_image_becomes_a_jpeg_with_its_header(encoding, rgb):
    data = jpeg_message(image(encoding=encoding).data, STREAM)
    message = deserialize_message(data, CompressedImage)
    assert (message.header.frame_id, message.header.stamp.sec) == ('camera', 77)
    assert message.format == f'{encoding}; jpeg compressed bgr8'
    np.testing.assert_allclose(decode(bytes(message.data)), np.full((4, 6, 3), rgb), atol=6)


@pytest.mark.parametrize(
    ('sample', 'text'),
    [
        (image(height=5), r'an image of 5 x 6; allowed: \(4, 6\)'),
        (image(encoding='nv24'), "image encoding 'nv24'; allowed: rgb8"),
        (image(encoding='rgba8'), '72 bytes for an image of 4 x 6 rgba8, step 18'),
        (RawSample('/cam', b'\0\1', 0), 'ends early'),
        (RawSample('/cam', b'\0\0\0\0', 0), 'little endian'),
    ],
)
def test_an_image_that_is_not_as_it_should_be_is_refused(sample, text):
    with pytest.raises(IlRosError, match=text):
        jpeg_message(sample.data, STREAM)


def described(name):
    if name == '/cam':
        return RecordedTopic(type='sensor_msgs/msg/Image', image=STREAM)
    return RecordedTopic(type='std_msgs/msg/String', rate=10.0)


def begun(tmp_path, before=(), queue=10_000):
    recording = Recording(queue, described, before)
    writer = EpisodeWriter(tmp_path, 'one', CONTRACT, start_ns=50)
    recording.begin(writer, ['/a', '/cam'])
    return recording


def stored(path):
    from rosbags.rosbag2 import Reader

    with Reader(path) as reader:
        return [(c.topic, stamp, bytes(data)) for c, stamp, data in reader.messages()][1:]


def test_a_recording_keeps_order_bytes_and_faults(tmp_path):
    recording = begun(tmp_path, [sample(receive=1)])
    raw = image(height=5)
    for item in (sample(receive=60), image(), raw):
        recording.take(item)
    path = recording.close('success', 'a test')
    found = stored(path)
    assert [(topic, stamp) for topic, stamp, _ in sorted(found, key=lambda m: m[1])] == [
        ('/a', 1), ('/cam/compressed', 5), ('/cam', 5), ('/a', 60)
    ]  # fmt: skip
    assert ('/cam', 5, raw.data) in found
    assert recording.counts['/cam'].faults == 1
    assert recording.complaints(0.0) == ['/cam: 1 stored raw, not converted']


def test_a_full_queue_is_counted_and_written(tmp_path):
    recording = Recording(100, described)
    for number in range(5):
        recording.take(sample(size=60, receive=number + 1), missing=1)
    writer = EpisodeWriter(tmp_path, 'one', CONTRACT)
    recording.begin(writer, ['/a'])
    path = recording.close('unknown', '')
    assert len(stored(path)) == 2
    assert writer.info.topics['/a'].lost == 3 + 5
    assert recording.lost == 8
    assert recording.complaints(0.0) == ['/a: 5 lost on the way, 3 lost in the full queue']


def test_a_topic_that_is_too_slow_is_named(tmp_path):
    recording = begun(tmp_path)
    for number in range(8):
        recording.take(sample(receive=number + 1))
    recording.close('unknown', '')
    assert recording.complaints(1.0) == []  # too short to judge
    assert recording.complaints(4.0) == ['/a: 2.0 Hz instead of 10 Hz']


def test_what_comes_after_the_disk_is_full_is_counted(tmp_path, monkeypatch):
    recording = begun(tmp_path)
    written = threading.Event()

    def full(*_, **__):
        written.set()
        raise DiskFullError('the disk is full', where='here')

    monkeypatch.setattr(recording.writer, 'write', full)
    recording.take(sample())
    assert written.wait(10)
    recording.take(sample())
    recording.close('unknown', 'full')
    assert 'the disk is full' in str(recording.problem)
    assert recording.counts['/a'].overflow == 2


def test_a_disk_that_refuses_an_optional_topic_ends_the_recording(tmp_path, monkeypatch):
    """A topic of a type nobody can store is left out; a disk that fails is no such topic."""
    optional = RecordedTopic(type='std_msgs/msg/String', optional=True)
    recording = Recording(10, lambda _: optional, ())
    writer = EpisodeWriter(tmp_path, 'one', CONTRACT, start_ns=50)

    def refused(*_, **__):
        raise DiskError('Input/output error', where='here')

    monkeypatch.setattr(writer, 'add_topic', refused)
    with pytest.raises(DiskError):
        recording.begin(writer, ['/a'])
    assert not recording.remarks


def test_a_disk_that_does_not_answer_has_no_room_and_says_why(tmp_path, monkeypatch):
    def no_answer(_):
        raise OSError('stale file handle')

    monkeypatch.setattr(disk_space, 'free_space', no_answer)
    disk = DiskSpace(tmp_path, 0)
    assert (disk.free, disk.gone()) == (0, 'stale file handle')
    with pytest.raises(OSError, match='stale file handle'):
        disk.require()


def test_orphans_are_those_that_nobody_records(tmp_path):
    recording = begun(tmp_path)
    (tmp_path / '.two.part').mkdir()
    assert [path.name for path in DiskSpace(tmp_path, 0).orphans()] == ['.two.part']
    recording.close('success', '')
