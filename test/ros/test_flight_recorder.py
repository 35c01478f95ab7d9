"""The flight recorder: what a snapshot holds, when it ends, and which ones are deleted."""

import json
import random
import signal
import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from il_ros.msg import EpisodeEvent  # noqa: E402
from lifecycle_msgs.msg import State  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rclpy.qos import ReliabilityPolicy  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402

from il_ros.bags.bag_check import check  # noqa: E402
from il_ros.bags.episode_writer import EpisodeWriter  # noqa: E402
from il_ros.bags.mcap_file import DiskFullError  # noqa: E402
from il_ros.core.contract import parse_contract  # noqa: E402
from il_ros.core.errors import DatasetError, IlRosError  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.ros.flight_recorder import FlightRecorder, FlightRecorderConfig, describe, event_codes  # noqa: E402
from il_ros.ros.kept_samples import PreRoll  # noqa: E402
from il_ros.ros.managed_node import ManagedNode  # noqa: E402
from il_ros.ros.message_loss import RawSample  # noqa: E402
from il_ros.ros.snapshot_rotation import MARKER, SnapshotRotation  # noqa: E402

from .test_recorder import CONTRACT, Bench, image, joints, read  # noqa: E402

pytestmark = pytest.mark.real_time
NODE = '/arm/flight_recorder'


class BoxBench(Bench):
    """A flight recorder of its own, and a robot that talks to it."""

    executable = 'flight_recorder'

    def up(self, **parameters):
        """Start it, and wait until it hears everything reliably."""
        self.launch(**parameters)
        self.sent = []  # when each number was sent [ns]
        self.arm = self.publisher(JointState, 'joint_states')
        self.events = self.publisher(EpisodeEvent, 'events')
        client = self.node.create_client(GetState, 'flight_recorder/get_state')
        deadline = time.monotonic() + 20
        while not (self._hears(2) and self._is_active(client)):
            assert time.monotonic() < deadline
        return self

    def _hears(self, listeners):
        topics = {'joint_states': 1, 'events': listeners}
        for topic, count in topics.items():
            ends = self.node.get_subscriptions_info_by_topic(self.name(topic))
            reliable = [e.qos_profile.reliability == ReliabilityPolicy.RELIABLE for e in ends]
            if len(reliable) != count or not all(reliable):
                return False
        return True

    def _is_active(self, client):
        if not client.wait_for_service(1.0):
            return False
        future = client.call_async(GetState.Request())
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=2)
        return future.done() and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE

    def move_arm(self, seconds):
        """Joints at 50 Hz, each with its number as stamp."""
        deadline = time.monotonic() + seconds
        while True:
            self.arm.publish(joints(len(self.sent), stamp=len(self.sent)))
            self.sent.append(time.time_ns())
            if time.monotonic() >= deadline:
                return
            time.sleep(0.02)

    def event(self, text, kind=EpisodeEvent.FALLBACK):
        """An event of the frame that was sent last."""
        message = EpisodeEvent(kind=kind, text=text)
        message.header.stamp.sec = max(0, len(self.sent) - 1)
        self.events.publish(message)

    def snapshots(self, count):
        """The snapshots, once there are so many and their marks are written."""
        deadline = time.monotonic() + 20
        while len(found := sorted(self.out.glob(f'[!.]*/{MARKER}'))) < count:
            assert time.monotonic() < deadline, found
            assert self.process.poll() is None
            time.sleep(0.02)
        return [path.parent for path in found]

    def report(self):
        """What it says of itself, once."""
        told, name = [], self.name('flight_recorder').lstrip('/') + ': snapshots'
        self.node.create_subscription(
            DiagnosticArray, '/diagnostics', lambda m: told.extend(m.status), 10
        )
        while not (mine := [status for status in told if status.name == name]):
            rclpy.spin_once(self.node, timeout_sec=5)
        return mine[0]


@pytest.fixture
def bench(domain, tmp_path):
    bench = BoxBench(tmp_path)
    yield bench
    bench.close()


def numbers(found):
    return [int(deserialize_message(d, JointState).effort[0]) for _, d in found['joint_states']]


def is_sound(*snapshots):
    return [finding.state for finding in check(snapshots)] == ['ok'] * len(snapshots)


def test_a_box_has_the_seconds_before_its_event_and_after_it(bench):
    bench.up(before=2.0, after=1.0)
    bench.move_arm(3.0)
    frame = len(bench.sent) - 1
    bench.event('POLICY to ALARM: the wrench is too large')
    bench.move_arm(2.0)
    (snapshot,) = bench.snapshots(1)
    info, found = read(snapshot)
    start, held = info['start_ns'], numbers(found)
    assert held == list(range(held[0], held[-1] + 1))
    assert held[0] <= frame < held[-1]
    assert abs(start - bench.sent[frame]) < NS / 2
    assert start - 2 * NS <= found['joint_states'][0][0] < start - 1.7 * NS
    assert 0.9 * NS < found['joint_states'][-1][0] - bench.sent[frame] < 1.7 * NS
    assert info['topics']['joint_states']['lost'] == 0
    assert (info['outcome'], info['reason']) == (
        'unknown', 'POLICY to ALARM: the wrench is too large'
    )  # fmt: skip
    assert info['notes'] == (
        f'frame {frame}.000000000: fallback: POLICY to ALARM: the wrench is too large'
    )
    events = [deserialize_message(data, EpisodeEvent) for _, data in found['events']]
    assert [event.text for event in events] == ['POLICY to ALARM: the wrench is too large']
    assert is_sound(snapshot)


def test_a_second_event_extends_the_tail(bench):
    bench.up(before=5.0, after=1.0)
    bench.event('first')
    bench.move_arm(0.7)
    bench.event('second')
    at = time.time_ns()
    bench.move_arm(2.0)
    (snapshot,) = bench.snapshots(1)
    info, found = read(snapshot)
    assert found['joint_states'][-1][0] > at + 0.9 * NS
    assert info['reason'] == 'first'
    assert [line.split(': ')[-1] for line in info['notes'].splitlines()] == ['first', 'second']
    assert len(bench.snapshots(1)) == 1


def test_a_box_ends_and_the_next_one_is_whole_by_itself(bench):
    bench.up(before=3.0, after=1.0, max_duration=1.2)
    for number in range(12):
        bench.event(str(number))
        bench.move_arm(0.2)
    first, second, *_ = bench.snapshots(2)
    one, other = read(first), read(second)
    for info, _ in (one, other):
        assert (info['stop_ns'] - info['start_ns']) * 1e-9 < 2.0
    assert one[0]['reason'] == '0'
    assert int(other[0]['reason']) > 3
    # What is in the first one came before the second one's event, and so is in that, too.
    assert set(numbers(one[1])) <= set(numbers(other[1]))
    assert is_sound(first, second)


def test_only_the_events_that_count_make_a_box(bench):
    bench.up(after=0.2, events="['perturbation']")
    bench.event('IDLE to POLICY', EpisodeEvent.MODE)
    bench.event('an episode begins', EpisodeEvent.START)
    assert bench.report().message == 'listening'
    assert not bench.out.exists()
    bench.event('a push', EpisodeEvent.PERTURBATION)
    (snapshot,) = bench.snapshots(1)
    info, found = read(snapshot)
    assert info['reason'] == 'a push'
    texts = [deserialize_message(data, EpisodeEvent).text for _, data in found['events']]
    assert texts == ['IDLE to POLICY', 'an episode begins', 'a push']
    assert snapshot.name.endswith('_perturbation')


def test_the_oldest_boxes_go(bench):
    bench.up(after=0.0, keep=2)
    seen, deadline = [], time.monotonic() + 40
    for number in range(4):
        bench.event(str(number))
        while not (new := [snapshot for snapshot in bench.snapshots(0) if snapshot not in seen]):
            assert time.monotonic() < deadline
        seen += new
    while (left := sorted(bench.out.iterdir())) != seen[-2:]:
        assert time.monotonic() < deadline, left
    assert [read(snapshot)[0]['reason'] for snapshot in left] == ['2', '3']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['SIGINT', 'SIGTERM'])
def test_the_end_of_the_node_ends_its_box(bench, number):
    bench.up(after=60.0)
    bench.event('ALARM')
    bench.move_arm(0.5)
    while not list(bench.out.glob('.*.part')):
        bench.move_arm(0.0)
    begin = time.monotonic()
    bench.process.send_signal(number)
    assert bench.process.wait(3.0) == 0
    assert time.monotonic() - begin < 3.0
    (snapshot,) = [path.parent for path in bench.out.glob(f'[!.]*/{MARKER}')]
    info, found = read(snapshot)
    assert (info['state'], info['reason']) == ('complete', 'ALARM')
    assert info['notes'].splitlines()[1] == 'ended early: the flight recorder was stopped'
    assert numbers(found)[0] == 0
    assert is_sound(snapshot)


def test_a_disk_without_room_is_reported_and_nothing_else(bench):
    bench.up(min_free=1 << 50)
    assert bench.report().level == DiagnosticStatus.WARN
    bench.event('ALARM')
    deadline = time.monotonic() + 20
    while not (status := bench.report()).message.startswith('no snapshot of "ALARM"'):
        assert time.monotonic() < deadline
    assert 'of room left; allowed: 1073741824 MiB or more (parameter min_free)' in status.message
    assert bench.process.poll() is None
    assert not list(bench.out.iterdir())


class Alone:
    """A flight recorder in this process; its node is not spun, the test says what it hears."""

    def __init__(self, out):
        self.out = out
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        space = f'alone{random.SystemRandom().randrange(10**9)}'
        self.node = ManagedNode('flight_recorder', namespace=space)
        self.snapshot = None

    def up(self, **config):
        given = {'directory': str(self.out), 'min_free': 0} | config
        self.snapshot = FlightRecorder(
            self.node, parse_contract(CONTRACT), FlightRecorderConfig(**given)
        )
        self.snapshot.listener.open()
        return self.snapshot

    def watch_until(self, what):
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline
            self.snapshot.watch()
            time.sleep(0.01)

    def close(self):
        if self.snapshot is not None:
            self.snapshot.finish('the test ended')
            self.snapshot.listener.close()
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def alone(domain, tmp_path):
    alone = Alone(tmp_path / 'snapshots')
    yield alone
    alone.close()


def fallback(text='ALARM', second=7):
    event = EpisodeEvent(kind=EpisodeEvent.FALLBACK, text=text)
    event.header.stamp.sec, event.header.stamp.nanosec = second, 5
    return event


def test_a_disk_that_fills_up_ends_the_box_and_is_told(alone, monkeypatch):
    snapshot = alone.up(after=60.0)
    snapshot.hear(fallback())
    path = snapshot.recording.writer.path

    def full(*_, **__):
        raise DiskFullError('the disk is full', where='here')

    monkeypatch.setattr(snapshot.recording.writer, 'flush', full)
    alone.watch_until(lambda: snapshot.recording is None)
    info, _ = read(path)
    assert info['notes'].splitlines() == [
        'frame 7.000000005: fallback: ALARM', 'ended early: here: the disk is full'
    ]  # fmt: skip
    assert snapshot.shortcoming() == f'{path.name} ended early: here: the disk is full'
    snapshot.hear(fallback('again'))
    assert (snapshot.shortcoming(), snapshot.written) == ('', 1)


def test_a_folder_that_cannot_be_made_costs_only_the_box(alone):
    alone.out.write_text('a file')
    snapshot = alone.up()
    snapshot.hear(fallback())
    assert snapshot.recording is None
    assert snapshot.shortcoming().startswith('no snapshot of "ALARM": ')
    assert 'File exists' in snapshot.shortcoming()


def test_an_event_while_the_disk_is_slow_gets_its_own_box(alone, monkeypatch):
    snapshot, slow = alone.up(after=0.0, before=1.0), threading.Event()
    snapshot.hear(fallback('first'))
    write = snapshot.recording.writer.write

    def wait_and_write(*given, **more):
        slow.wait(20)
        write(*given, **more)

    monkeypatch.setattr(snapshot.recording.writer, 'write', wait_and_write)
    arm = alone.node.create_publisher(JointState, 'joint_states', 10)
    while not snapshot.recording.waiting:
        arm.publish(joints(0))
        time.sleep(0.01)
    for _ in range(5):
        snapshot.watch()
    for number in range(30):
        snapshot.hear(fallback(f'late {number}'))
    assert snapshot.written == 0
    slow.set()
    alone.watch_until(lambda: snapshot.written == 2)
    reasons = [read(path.parent)[0] for path in sorted(alone.out.glob('*/episode.json'))]
    assert [info['reason'] for info in reasons] == ['first', 'late 0']


def test_notes_name_the_first_events_and_count_the_rest(alone):
    snapshot = alone.up(after=60.0)
    for number in range(25):
        snapshot.hear(fallback(str(number)))
    path = snapshot.recording.writer.path
    snapshot.finish('enough')
    lines = read(path)[0]['notes'].splitlines()
    assert lines[:2] == ['frame 7.000000005: fallback: 0', 'frame 7.000000005: fallback: 1']
    assert lines[19:] == [
        'frame 7.000000005: fallback: 19',
        'ended early: enough',
        '5 further events',
    ]


def test_memory_is_bounded_and_a_box_says_that_it_was_too_small(alone):
    snapshot = alone.up(memory=3 << 20)
    cameras = alone.node.create_publisher(Image, 'depth/image', 10)
    topic = alone.node.resolve_topic_name('depth/image')
    large = serialize_message(image(300))
    deadline = time.monotonic() + 20
    while not snapshot.shortcoming():
        assert time.monotonic() < deadline
        cameras.publish(large)
        assert snapshot.pre_roll.bytes <= 1 << 20
        time.sleep(0.01)
    told = f'memory is too small for all the seconds of {topic} before an event'
    assert snapshot.shortcoming() == told
    snapshot.hear(fallback())
    path = snapshot.recording.writer.path
    snapshot.finish('enough')
    assert read(path)[0]['notes'].splitlines()[1] == told
    assert 0 < read(path)[0]['topics']['depth/image']['bytes'] <= 1 << 20


def test_a_kind_of_event_that_does_not_exist_is_refused():
    with pytest.raises(IlRosError) as error:
        event_codes(('fallback', 'alarm'))
    assert str(error.value) == (
        'parameter events: got alarm; '
        'allowed: start, stop, mode, fallback, resume, perturbation, note'
    )
    names = ('start', 'stop', 'mode', 'fallback', 'resume', 'perturbation', 'note')
    for name in names:
        assert event_codes((name,)) == {getattr(EpisodeEvent, name.upper())}


def test_an_event_is_told_with_the_stamp_of_its_frame():
    assert describe(fallback('why', 12)) == 'frame 12.000000005: fallback: why'


def written(root, name, node=NODE, *, flagged=False):
    writer = EpisodeWriter(root, name, parse_contract(CONTRACT))
    path = writer.close('unknown', flagged=flagged)
    if node:
        SnapshotRotation(root, node).mark(path)
    return path


def left(root):
    return sorted(path.name for path in root.iterdir())


def test_only_the_boxes_of_the_node_go_and_none_that_somebody_took(tmp_path):
    for name in 'ab':
        written(tmp_path, name)
    written(tmp_path, 'an episode', node='')
    written(tmp_path, 'another node', node='/other/flight_recorder')
    written(tmp_path, 'flagged', flagged=True)
    written(tmp_path, 'renamed').rename(tmp_path / 'kept')
    (written(tmp_path, 'with a note') / 'note.txt').write_text('look at this')
    (written(tmp_path, 'damaged') / 'episode.json').write_text('{')
    (written(tmp_path, 'no mark') / MARKER).write_text('[')
    (tmp_path / 'link').symlink_to(tmp_path / 'b')
    (tmp_path / 'a file').write_text('')
    snapshots = SnapshotRotation(tmp_path, NODE)
    assert [path.name for path in snapshots.own()] == ['a', 'b']
    before, newest = left(tmp_path), written(tmp_path, 'c')
    snapshots.rotate(1, newest)
    assert left(tmp_path) == sorted({*before, 'c'} - {'a', 'b'})


def test_the_newest_box_stays_though_the_clock_was_set_back(tmp_path):
    for name in ('2027_a', '2027_b', '1970_new'):
        newest = written(tmp_path, name)
    SnapshotRotation(tmp_path, NODE).rotate(2, newest)
    assert left(tmp_path) == ['1970_new', '2027_b']
    SnapshotRotation(tmp_path, NODE).rotate(5, newest)
    assert left(tmp_path) == ['1970_new', '2027_b']


def test_a_deletion_that_was_cut_is_ended(tmp_path):
    cut = written(tmp_path, 'a')
    for name in ('a.mcap', 'metadata.yaml', 'episode.json'):
        (cut / name).unlink()
    snapshots = SnapshotRotation(tmp_path, NODE)
    assert snapshots.own() == [cut]
    snapshots.rotate(1, written(tmp_path, 'b'))
    assert left(tmp_path) == ['b']


def test_a_folder_that_is_not_there_holds_no_boxes(tmp_path):
    assert SnapshotRotation(tmp_path / 'nowhere', NODE).own() == []


def test_a_mark_names_node_and_box(tmp_path):
    snapshot = written(tmp_path, 'a')
    assert json.loads((snapshot / MARKER).read_text()) == {'node': NODE, 'snapshot': 'a'}
    with pytest.raises(DatasetError, match='exists already'):
        written(tmp_path, 'a')


def sample(second, size=1, topic='/a'):
    return RawSample(topic, b'x' * size, second * NS)


def test_a_lasting_pre_roll_gives_the_same_seconds_twice():
    ring = PreRoll(2.0, 1000, lasting=True)
    for second in range(5):
        ring.add(sample(second))
    for _ in range(2):
        assert [s.receive_ns // NS for s in ring.take(4 * NS)] == [2, 3, 4]
    assert [s.receive_ns // NS for s in ring.take(6 * NS)] == [4]
    assert ring.bytes == 1


def test_a_pre_roll_is_cut_as_long_as_what_went_would_not_be_too_old():
    ring = PreRoll(10.0, 5, lasting=True)
    for second in range(6):
        ring.add(sample(second))
    assert ring.cut == ['/a']
    ring.add(sample(9, size=0))
    assert ring.cut == ['/a']
    ring.add(sample(11, size=0))
    assert ring.cut == []


def test_images_go_before_what_tells_how_the_robot_moved():
    ring = PreRoll(10.0, 25)
    for second in range(5):
        ring.add(sample(second, topic='/joints'))
        ring.add(sample(second, size=10, topic='/camera'))
        assert ring.bytes <= 25
    assert ring.cut == ['/camera']
    kept = [(s.topic, s.receive_ns // NS) for s in ring.take(4 * NS)]
    assert [second for topic, second in kept if topic == '/joints'] == [0, 1, 2, 3, 4]
    assert [second for topic, second in kept if topic == '/camera'] == [3, 4]
    assert (ring.bytes, ring.cut, ring.take(4 * NS)) == (0, [], [])
