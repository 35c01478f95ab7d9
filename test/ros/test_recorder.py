"""The recorder as a process, with real publishers that misbehave."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.action import RecordEpisode  # noqa: E402
from il_ros.msg import EpisodeEvent, MonitorStatus  # noqa: E402
from il_ros.srv import StartEpisode, StopEpisode  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.duration import Duration  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_msgs.msg import Float64, String  # noqa: E402

from il_ros.bags.bag_check import check  # noqa: E402
from il_ros.bags.bag_recovery import recover  # noqa: E402
from il_ros.launching import packages  # noqa: E402
from il_ros.ros.message_conversion import to_duration  # noqa: E402
from il_ros.ros.qos import STATUS  # noqa: E402

pytestmark = pytest.mark.real_time
ROOT = Path(__file__).parents[2]

CONTRACT = """
version: 1
name: recorder_test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], names: [a]}
  velocity: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity], names: [a]}
images:
  camera: {topic: camera/image, type: sensor_msgs/msg/Image, encoding: rgb8, size: [8, 8],
           rate: 0.0, required: false, record: jpeg, source_size: [8, 8]}
  depth: {topic: depth/image, type: sensor_msgs/msg/Image, encoding: 16UC1, size: [8, 8],
          rate: 0.0, required: false}
action:
  names: [a]
  position: [position]
  velocity: [velocity]
  limits: {position_min: [-1], position_max: [1], velocity: [1], acceleration: [1], jerk: [1]}
  demonstration: {}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""
RELIABLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
LOSSY = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


def line_of(executable, rules, parameters):
    path = packages.executable('il_ros', executable, os.environ, 'test')
    words = [word for rule in rules for word in ('-r', rule)]
    words += [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    return [str(path), '--ros-args', *words]


class Bench:
    """A recorder of its own, and what a test needs to talk to it."""

    executable = 'recorder'

    def __init__(self, folder):
        self.folder, self.process, self._clients = folder, None, {}
        self.out = folder / 'episodes'
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('bench', namespace=f'bench{random.SystemRandom().randrange(10**9)}')
        (folder / 'contract.yaml').write_text(CONTRACT)

    def launch(self, *, remap=(), **parameters):
        given = {'contract': self.folder / 'contract.yaml', 'directory': self.out} | parameters
        rules = (f'__ns:={self.node.get_namespace()}', *remap)
        self.process = subprocess.Popen(line_of(self.executable, rules, given))
        return self

    def publisher(self, kind, topic, qos=RELIABLE):
        """A publisher that the recorder has found."""
        publisher = self.node.create_publisher(kind, topic, qos)
        deadline = time.monotonic() + 20
        while not publisher.get_subscription_count():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return publisher

    def call(self, kind, name, **request):
        # One a service: a server loses its answer to a client that it has not found yet.
        client = self._clients.get(name) or self.node.create_client(kind, f'recorder/{name}')
        self._clients[name] = client
        assert client.wait_for_service(20)
        future = client.call_async(kind.Request(**request))
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=20)
        return future.result()

    def start(self, **request):
        answer = self.call(StartEpisode, 'start', **request)
        assert answer.success, answer.message
        return Path(answer.path)

    def stop(self, **request):
        answer = self.call(StopEpisode, 'stop', **request)
        assert answer.success, answer.message
        return answer, read(Path(answer.path))

    def name(self, topic):
        return f'{self.node.get_namespace()}/{topic}'

    def close(self):
        try:
            self.end()
        finally:
            self.node.destroy_node()
            rclpy.shutdown()

    def end(self):
        """As an operator would; for what a kill can do see support/numbered_joints.py."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            assert self.process.wait(20) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture
def bench(domain, tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def read(path):
    """`episode.json` and, by topic without the namespace, the messages (stamp, bytes)."""
    from rosbags.rosbag2 import Reader

    info = json.loads((path / 'episode.json').read_text())
    found = {}
    with Reader(path) as reader:
        for connection, stamp, data in reader.messages():
            topic = connection.topic.removeprefix(info['namespace']).lstrip('/')
            found.setdefault(topic, []).append((stamp, bytes(data)))
    infos = {
        name.removeprefix(info['namespace']).lstrip('/'): t for name, t in info['topics'].items()
    }
    return info | {'topics': infos}, found


def joints(number, position=0.0, stamp=0):
    message = JointState(name=['a'], position=[position], velocity=[0.0], effort=[float(number)])
    message.header.stamp.sec = stamp
    return message


def image(size, encoding='bgr8'):
    message = Image(height=size, width=size, encoding=encoding, step=3 * size)
    message.data.frombytes(bytes(3 * size * size))
    return message


def require_taken(*publishers):
    """Wait until the recorder has all that these reliable publishers sent."""
    assert all(each.wait_for_all_acked(Duration(seconds=20)) for each in publishers)


def test_a_publisher_that_restarts_jumps_back_in_time_and_sends_nan(bench):
    bench.launch(fresh=0.0)
    first, sent = bench.publisher(JointState, 'joint_states'), []

    def send(publisher, count, **fields):
        for _ in range(count):
            sent.append(serialize_message(joints(len(sent), **fields)))
            publisher.publish(sent[-1])

    bench.start(task='restart', notes='at the start')
    send(first, 300, stamp=1000)
    require_taken(first)  # it takes with it what is on its way
    bench.node.destroy_publisher(first)
    second = bench.publisher(JointState, 'joint_states')
    send(second, 200, stamp=10)
    send(second, 100, position=math.nan, stamp=2000)
    third = bench.publisher(JointState, 'joint_states')
    for _ in range(50):
        send(second, 1)
        send(third, 1)
    require_taken(second, third)
    answer, (info, found) = bench.stop(
        outcome=StopEpisode.Request.FAILURE, reason='why', notes='at the end', flagged=True
    )
    arrived = [data for _, data in found['joint_states']]
    assert sorted(arrived) == sorted(sent)
    topic = info['topics']['joint_states']
    # Jazzy does not say whose a message is, so only those at the start are known.
    publishers = 1 if version('rclpy').startswith('7.') else 3
    assert (topic['messages'], topic['lost'], topic['publishers']) == (700, 0, publishers)
    assert (answer.lost, answer.message) == (0, '')
    assert (info['outcome'], info['reason'], info['flagged']) == ('failure', 'why', True)
    assert info['notes'] == 'at the start\nat the end'
    events = [deserialize_message(data, EpisodeEvent) for _, data in found['events']]
    assert [event.kind for event in events] == [EpisodeEvent.START, EpisodeEvent.STOP]
    assert 'in control: not known, no monitor' in events[0].text
    assert events[1].text == 'failure; why'


def test_what_is_lost_on_the_way_is_counted_to_the_last_message(bench):
    bench.launch(fresh=0.0)
    camera = bench.publisher(Image, 'depth/image', LOSSY)
    bench.start()
    large, small = (bytearray(serialize_message(image(size))) for size in (600, 8))
    # A large one is more than the shared memory of a process holds: most of them are lost.
    for number, data in enumerate([*[small] * 20, *[large] * 60, *[small] * 60]):
        data[-4:] = number.to_bytes(4, 'little')
        camera.publish(bytes(data))
        time.sleep(0.02 if data is small else 0.0)
    answer, (info, found) = bench.stop()
    numbers = [int.from_bytes(data[-4:], 'little') for _, data in found['depth/image']]
    lost = numbers[-1] - numbers[0] + 1 - len(numbers)
    topic = info['topics']['depth/image']
    assert (topic['messages'], topic['lost'], answer.lost) == (len(numbers), lost, lost)
    assert topic['qos'][0]['reliability'] == 'best_effort'
    assert (f'{lost} lost on the way' in answer.message) == (lost > 0)


def test_an_image_that_changes_its_size_is_stored_as_it_came_and_marked(bench):
    bench.launch(fresh=0.0)
    camera = bench.publisher(Image, 'camera/image')
    bench.start()
    for size in (8, 8, 12, 8):
        camera.publish(image(size))
    camera.publish(image(8, 'nv24'))
    answer, (_, found) = bench.stop()
    assert len(found['camera/image/compressed']) == 3
    strange = [deserialize_message(data, Image) for _, data in found['camera/image']]
    assert [(m.height, m.encoding) for m in strange] == [(12, 'bgr8'), (8, 'nv24')]
    assert '2 stored raw, not converted' in answer.message


def test_latched_topics_are_in_every_episode_and_extra_ones_find_their_type(bench):
    bench.launch(fresh=0.0, topics="['description','extra']")
    latched = bench.node.create_publisher(String, 'description', LATCHED)
    latched.publish(String(data='a robot'))
    extra = bench.publisher(Float64, 'extra')
    for number in range(2):
        bench.start()
        extra.publish(Float64(data=float(number)))
        _, (info, found) = bench.stop()
        texts = [deserialize_message(data, String).data for _, data in found['description']]
        assert texts == ['a robot']
        assert info['topics']['description']['latched']
        assert info['topics']['description']['qos'][0]['durability'] == 'transient_local'
        values = [deserialize_message(data, Float64).data for _, data in found['extra']]
        assert values == [float(number)]


def test_an_episode_has_its_pre_roll_with_the_stamps_it_came_with(bench):
    bench.launch(fresh=0.0, pre_roll=60.0, pre_roll_bytes=10_000_000)
    publisher = bench.publisher(JointState, 'joint_states')
    bench.start()
    bench.stop()  # so that the quality of service is settled
    for number in range(20):
        publisher.publish(joints(number))
    bench.start()
    for number in range(20, 30):
        publisher.publish(joints(number))
    _, (info, found) = bench.stop()
    numbers = [deserialize_message(d, JointState).effort[0] for _, d in found['joint_states']]
    assert numbers == [float(n) for n in range(30)]
    before = [stamp for stamp, _ in found['joint_states'] if stamp < info['start_ns']]
    assert len(before) == 20
    assert info['topics']['joint_states']['lost'] == 0


def test_the_gate_names_what_is_not_fresh_and_why(bench):
    bench.launch()
    refused = bench.call(StartEpisode, 'start')
    name = bench.name('joint_states')
    assert not refused.success
    assert refused.message == (
        f'not fresh: {name} (position, velocity): nobody publishes it; '
        'to fix: start what publishes them, or set fresh to 0'
    )
    wrong = bench.node.create_publisher(String, 'joint_states', RELIABLE)
    refused = bench.call(StartEpisode, 'start')
    assert (
        'published, but as std_msgs/msg/String, not sensor_msgs/msg/JointState' in refused.message
    )
    bench.node.destroy_publisher(wrong)
    publisher = bench.publisher(JointState, 'joint_states')
    # The reader may find the writer later than the writer finds it.
    answer, deadline = refused, time.monotonic() + 20
    while not answer.success and time.monotonic() < deadline:
        publisher.publish(joints(0))
        answer = bench.call(StartEpisode, 'start')
    assert answer.success, answer.message
    bench.stop()
    assert not list(bench.out.glob('.*.part'))


def test_the_gate_waits_for_the_monitor_that_tells_what_was_commanded(bench):
    (bench.folder / 'contract.yaml').write_text(CONTRACT.replace('  demonstration: {}\n', ''))
    bench.launch(fresh=10.0)
    arm = bench.publisher(JointState, 'joint_states')
    name = bench.name('monitor/status')
    answer, deadline = bench.call(StartEpisode, 'start'), time.monotonic() + 20
    assert f'{name} (action): nobody publishes it; to fix: ' in answer.message
    monitor = bench.publisher(MonitorStatus, 'monitor/status')
    while not answer.success and time.monotonic() < deadline:
        arm.publish(joints(0))
        monitor.publish(MonitorStatus(mode=MonitorStatus.EXPERT))
        answer = bench.call(StartEpisode, 'start')
    assert answer.success, answer.message
    monitor.publish(MonitorStatus(mode=MonitorStatus.EXPERT))
    _, (info, _) = bench.stop()
    assert info['topics']['monitor/status']['messages'] == 1


def test_limits_end_an_episode_and_say_which(bench):
    bench.launch(fresh=0.0, max_size=100_000)
    camera = bench.publisher(Image, 'depth/image')
    client = ActionClient(bench.node, RecordEpisode, 'recorder/record')
    assert client.wait_for_server(20)
    told = []
    sending = client.send_goal_async(RecordEpisode.Goal(task='large'), told.append)
    rclpy.spin_until_future_complete(bench.node, sending, timeout_sec=20)
    result = sending.result().get_result_async()
    while not told:  # it has begun
        rclpy.spin_once(bench.node, timeout_sec=1)
    for _ in range(3):
        camera.publish(image(200))
    rclpy.spin_until_future_complete(bench.node, result, timeout_sec=20)
    answer = result.result().result
    assert (answer.success, answer.reason) == (True, 'size limit of the recording')
    assert answer.outcome == StopEpisode.Request.UNKNOWN
    refused = bench.call(StopEpisode, 'stop')
    assert 'the last one ended by itself' in refused.message
    bench.start(max_duration=to_duration(0.1))
    while True:
        done = sorted(bench.out.glob('[!.]*/episode.json'))
        if len(done) == 2:
            break
        time.sleep(0.05)
    assert json.loads(done[-1].read_text())['reason'] == 'time limit of the recording'


def test_a_disk_without_room_is_refused(bench):
    bench.launch(fresh=0.0, min_free=1 << 50)
    refused = bench.call(StartEpisode, 'start')
    assert (
        'MiB of room left; allowed: 1073741824 MiB or more (parameter min_free)' in refused.message
    )


def test_a_disk_that_fills_up_ends_the_episode(bench):
    """Room is measured, so that a limit just below it is met by what is recorded."""
    bench.out.mkdir()
    free = shutil.disk_usage(bench.out).free
    bench.launch(fresh=0.0, min_free=free - (40 << 20), max_size=200 << 20)
    camera = bench.publisher(Image, 'depth/image')
    bench.start()
    large = serialize_message(image(500))
    while not (done := list(bench.out.glob('[!.]*/episode.json'))):
        camera.publish(large)
        time.sleep(0.005)
    info = json.loads(done[0].read_text())
    assert info['outcome'] == 'unknown'
    assert 'the disk is nearly full' in info['reason']


def test_ctrl_c_ends_the_episode_within_three_seconds(bench):
    bench.launch(fresh=0.0)
    publisher = bench.publisher(JointState, 'joint_states')
    path = bench.start()
    for number in range(100):
        publisher.publish(joints(number))
    require_taken(publisher)  # they are there, but nothing else has happened
    begin = time.monotonic()
    bench.process.send_signal(signal.SIGINT)
    assert bench.process.wait(3.0) == 0
    assert time.monotonic() - begin < 3.0
    info, found = read(path)
    assert (info['outcome'], info['reason']) == ('unknown', 'the recorder was stopped')
    assert len(found['joint_states']) == 100


class DiskProbe:
    """How long the disk of a folder makes a writer wait, at the worst [s]."""

    def __init__(self, folder):
        self._file, self._end, self.worst = (folder / 'probe').open('wb'), threading.Event(), 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._end.wait(0.05):
            begin = time.monotonic()
            self._file.write(bytes(1 << 16))
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self.worst = max(self.worst, time.monotonic() - begin)

    def stop(self):
        self._end.set()
        self._thread.join()
        self._file.close()
        return self.worst


def killed_and_recovered(folder, domain, seconds):
    """Kill a recording after so long; what was on the disk for a second must come back.

    While a disk stalls, what comes waits in memory: that is no loss of the recorder's.
    """
    (folder / 'contract.yaml').write_text(CONTRACT)
    out = folder / 'episodes'
    # A domain of its own: what a kill leaves in shared memory harms nobody else.
    environment = os.environ | {'ROS_DOMAIN_ID': str(int(domain) + 101)}
    given = {'contract': folder / 'contract.yaml', 'directory': out, 'fresh': 0.0}
    recorder = subprocess.Popen(line_of('recorder', (), given), env=environment)
    publisher = subprocess.Popen(
        [sys.executable, ROOT / 'test/support/numbered_joints.py'],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    disk = DiskProbe(folder)
    try:
        assert publisher.stdout.readline() == 'recording\n'
        time.sleep(seconds)
    finally:
        recorder.kill()
        died = time.monotonic()
        recorder.wait()
        sent, _ = publisher.communicate()
        stalled = disk.stop()
    (part,) = out.glob('.*.part')
    (finding,) = check([out])
    assert finding.state == 'orphan'
    info, found = read(recover(part))
    assert (info['state'], info['task']) == ('recovered', 'killed')
    arrived = [deserialize_message(d, JointState) for _, d in found.get('joint_states', ())]
    numbers = [int(message.effort[0]) for message in arrived]
    assert numbers == list(range(len(numbers)))
    on_disk = died - 1.5 - 2.0 * stalled
    assert len(numbers) >= sum(float(stamp) < on_disk for stamp in sent.split())
    shutil.rmtree(out)


@pytest.mark.parametrize('seconds', [0.3, 2.5])
def test_a_killed_recording_is_recovered(domain, tmp_path, seconds):
    killed_and_recovered(tmp_path, domain, seconds)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_killed_recordings_are_recovered(domain, tmp_path):
    moments = random.Random(0)
    for _ in range(20):
        killed_and_recovered(tmp_path, domain, moments.uniform(0.05, 3.0))


@pytest.mark.slow
def test_four_cameras_and_fast_joints_without_a_loss(bench, monkeypatch):
    """With the profile that the launch files set; the last bytes of every message number it."""
    from benchmarks.camera_load import Load, contract_text, count_of

    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(ROOT / 'config/fastdds.xml'))
    (bench.folder / 'contract.yaml').write_text(contract_text(Load()))
    bench.launch()
    line = ['-m', 'benchmarks.camera_load', '--namespace', bench.node.get_namespace()]
    generator = subprocess.Popen([sys.executable, *line, '--duration', '12'], cwd=ROOT)
    while not bench.call(StartEpisode, 'start').success:
        assert generator.poll() is None
    assert generator.wait(60) == 0
    answer, (_, found) = bench.stop()
    for topic in ('joint_states', 'wrench', *(f'camera{i}/image' for i in range(4))):
        numbers = [count_of(data) for _, data in found[topic]]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert answer.lost == 0


def test_what_no_time_limit_can_be_is_refused(bench):
    bench.launch(fresh=0.0)
    for limit in (-1.0, 1e9):
        answer = bench.call(StartEpisode, 'start', max_duration=to_duration(limit))
        assert not answer.success
        assert answer.message.startswith(f'max_duration: got {limit}; allowed: 0 (the parameter')


def test_a_topic_that_is_named_twice_is_recorded_once(bench):
    names = f"['joint_states', '{bench.name('joint_states')}', 'extra', 'extra']"
    bench.launch(fresh=0.0, topics=names)
    arm = bench.publisher(JointState, 'joint_states')
    extra = bench.publisher(String, 'extra')
    bench.start()
    for number in range(5):
        arm.publish(joints(number))
        extra.publish(String(data=str(number)))
    require_taken(arm, extra)
    _, (_, found) = bench.stop()
    assert 0 < len(found['extra']) <= 5
    assert 0 < len(found['joint_states']) <= 5


def test_the_mode_that_was_latched_is_known_at_the_start(bench):
    """The monitor said it once, before there was a recorder; it is in the bag and in its event.

    An episode that begins before the recorder has discovered the monitor cannot have it.
    """
    monitor = bench.node.create_publisher(MonitorStatus, 'monitor/status', STATUS)
    monitor.publish(MonitorStatus(mode=MonitorStatus.HOLD))
    bench.launch(fresh=0.0)
    for _ in range(40):  # the recorder looks again from time to time at what its topics offer
        bench.start()
        _, (_, found) = bench.stop()
        text = deserialize_message(found['events'][0][1], EpisodeEvent).text
        if 'monitor/status' in found and 'in control: the monitor (hold)' in text:
            return
    raise AssertionError(f'{sorted(found)}: {text}')


def test_the_last_word_of_a_monitor_that_is_gone_is_in_no_episode(bench):
    monitor = bench.node.create_publisher(MonitorStatus, 'monitor/status', STATUS)
    monitor.publish(MonitorStatus(mode=MonitorStatus.POLICY))
    bench.launch(fresh=0.0)

    def first_words():
        bench.start()
        _, (_, found) = bench.stop()
        text = deserialize_message(found['events'][0][1], EpisodeEvent).text
        return 'in control: the policy' in text, 'monitor/status' in found

    deadline = time.monotonic() + 20
    while first_words() != (True, True):
        assert time.monotonic() < deadline, 'it was never heard'
    bench.node.destroy_publisher(monitor)
    while first_words() != (False, False):
        assert time.monotonic() < deadline, 'it was never forgotten'


def test_what_was_latched_before_the_recorder_knew_is_in_the_episode(bench):
    """A driver publishes once, as soon as it is up: the recorder is not subscribed as latched."""
    bench.launch(fresh=0.0, topics="['calibration']")
    bench.publisher(JointState, 'joint_states')
    publisher = bench.publisher(String, 'calibration', LATCHED)
    publisher.publish(String(data='once'))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        bench.start()
        _, (_, found) = bench.stop()
        if found.get('calibration'):
            return
    raise AssertionError('the latched message is in no episode')


def test_swapped_names_are_remapped_once(bench):
    bench.launch(fresh=0.0, topics="['one', 'two']", remap=('one:=two', 'two:=one'))
    one, two = bench.publisher(String, 'one'), bench.publisher(String, 'two')
    bench.start()
    for _ in range(5):
        one.publish(String(data='from one'))
        two.publish(String(data='from two'))
    require_taken(one, two)
    _, (_, found) = bench.stop()
    for name in ('one', 'two'):
        held = {deserialize_message(data, String).data for _, data in found[name]}
        assert held == {f'from {name}'}
