"""Whatever is published or asked on a live graph, the nodes stay, name it, and do not move.

Subscriptions and services are taken from the graph itself, so that a new one is tried as well.
"""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.msg import Takeover  # noqa: E402
from il_ros.srv import SetMode  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from odd_messages import broken, generator, mutated, odd_message, type_of, with_surrogates  # noqa: E402
from rclpy._rclpy_pybind11 import RCLError  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from il_ros.launching import packages  # noqa: E402
from il_ros.ros.qos import CHUNKS, EVENTS, LATCHED, SENSOR_IN  # noqa: E402
from il_ros.ros.raw_callback import RawCallback  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
CONTRACT = Path('config/contracts/franka_reach.yaml').resolve()
GAMEPAD = Path('config/teleop/gamepad.yaml').resolve()
NODES = {
    'simulator': {'task': 'reach', 'use_sim_time': False},
    'expert': {'expert': 'reach'},
    'policy': {'device': 'cpu'},
    'monitor': {},
    'recorder': {},
    'flight_recorder': {},
    'teleop': {'config': GAMEPAD},
    'coach': {'task': 'reach'},
    'trainer': {},
}
ANSWER = 2.0  # s in which a node answers, whatever came before
# A request or an answer that is lost on its way is sent again after 3 s, Fast DDS's heartbeat.
AGAIN = 3.5
WAITS = {'/simulator/step': 5.0}  # s more: it waits for a command, as it is asked
PATIENCE = 120.0
MOVED = 0.005  # rad; a servo gives way a little
# It is there to end a node's work, and the test would not go on.
LEFT_OUT = {'change_state'}


def patient(seconds):
    """As long, and longer where others keep the machine busy."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Graph:
    """All nodes of the package, an attacker, and somebody who looks on."""

    def __init__(self, folder):
        self.folder, self.processes = folder, {}
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('attacker')
        self.executor = make_executor()
        self.executor.add_node(self.node)
        self.truth, self.joints = None, None  # the simulator's publisher, and what it says
        self.newest = {}
        heard = RawCallback(self._on_joints)
        self.node.create_subscription(JointState, 'joint_states', heard, SENSOR_IN, raw=True)
        for name, parameters in NODES.items():
            self._start(name, parameters)
        self._states = {
            name: self.node.create_client(GetState, f'{name}/get_state') for name in NODES
        }
        self._mode = self.node.create_client(SetMode, 'monitor/set_mode')

    def _start(self, name, parameters):
        folders = {'directory': self.folder / name} if name not in ('simulator', 'teleop') else {}
        given = {'use_sim_time': True, **parameters}
        if name != 'trainer':
            given['contract'] = CONTRACT
        if name in ('recorder', 'flight_recorder', 'coach'):
            given |= folders
        words = [w for key, value in given.items() for w in ('-p', f'{key}:={value}')]
        path = packages.executable('il_ros', name, os.environ, 'test')
        with self.log(name).open('w') as log:
            self.processes[name] = subprocess.Popen(
                [str(path), '--ros-args', *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _on_joints(self, data, info):
        source = bytes(info['publisher_gid']['data'])
        self.truth = self.truth or source
        if source == self.truth:
            self.joints = np.array(deserialize_message(data, JointState).position)

    def log(self, name):
        return self.folder / f'{name}.log'

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.01)

    def call(self, client, request, patience=ANSWER):
        """The answer, or None where none comes in time."""
        future = client.call_async(request)
        end = time.monotonic() + patient(patience)
        while not future.done() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return future.result() if future.done() else None

    def ready(self):
        """Wait until every node is active."""
        end = time.monotonic() + PATIENCE
        for name, client in self._states.items():
            while True:
                assert time.monotonic() < end, f'{name}: {self.log(name).read_text()}'
                answer = (
                    self.call(client, GetState.Request()) if client.service_is_ready() else None
                )
                if answer is not None and answer.current_state.label == 'active':
                    break
                self.spin(0.05)

    def mode(self, mode, patience=PATIENCE):
        """Ask for a mode until it is given."""
        end = time.monotonic() + patience
        while True:
            answer = self.call(self._mode, SetMode.Request(mode=mode, resume=True))
            if answer is not None and answer.success:
                return
            assert time.monotonic() < end, answer
            self.spin(0.1)

    def unwell(self):
        """Which nodes have ended, do not answer, or have printed a traceback."""
        texts = []
        for name, process in self.processes.items():
            said = self.log(name).read_text(errors='replace')
            if process.poll() is not None:
                texts.append(f'{name} ended with {process.poll()}: {said[-3000:]}')
            elif (answer := self.call(self._states[name], GetState.Request())) is None:
                texts.append(f'{name} does not answer within {ANSWER} s')
            elif answer.current_state.label != 'active':
                texts.append(f'{name} is {answer.current_state.label}: {said[-3000:]}')
            if 'Traceback' in said:
                texts.append(f'{name} printed: {said[said.index("Traceback") :][:3000]}')
        return texts

    def topics(self):
        """Every topic that a node of ours subscribes to, and its type."""
        return self._named(self.node.get_subscriber_names_and_types_by_node)

    def services(self):
        """Every service that a node of ours offers, and its type."""
        return self._named(self.node.get_service_names_and_types_by_node)

    def _named(self, look):
        hidden = {name for name, _ in self.node.get_node_names_and_namespaces()}
        names = [name for name in hidden if name.removesuffix('_intake') in NODES]
        return sorted({(name, types[0]) for node in names for name, types in look(node, '/')})

    def listen(self):
        """Keep the newest message of each topic, to change a part of it."""
        for name, type_name in self.topics():

            def keep(message, name=name):
                self.newest[name] = message

            self.node.create_subscription(type_of(type_name), name, keep, SENSOR_IN)

    def close(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20.0)
            except subprocess.TimeoutExpired:
                process.kill()
        self.node.destroy_node()
        rclpy.shutdown()
        self.executor.shutdown()


@pytest.fixture(scope='module')
def live(domain, tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('odd'))
    try:
        graph.ready()
        graph.listen()
        graph.spin(1.0)
        yield graph
    finally:
        graph.close()


def attacks(rng, kind, good):
    """Messages, most of them odd in every way, some broken on the wire, one of them huge."""
    for _ in range(12):
        yield odd_message(rng, kind)
    for _ in range(12 if good is not None else 0):
        yield mutated(
            rng, type(good)(**{n: getattr(good, n) for n in good.get_fields_and_field_types()})
        )
    for _ in range(6):
        yield with_surrogates(serialize_message(odd_message(rng, kind)))
    for _ in range(8):
        yield broken(rng, serialize_message(odd_message(rng, kind)))
    yield odd_message(rng, kind, large=True)


def send(live, topic, kind):
    """Publish all attacks on a topic, as a latched publisher that everybody hears."""
    rng = generator(topic)
    publisher = live.node.create_publisher(kind, topic, LATCHED)
    volatile = live.node.create_publisher(kind, topic, CHUNKS)
    live.spin(0.3)
    for message in attacks(rng, kind, live.newest.get(topic)):
        for each in (publisher, volatile):
            with suppress(RCLError):  # this one's middleware does not send it
                each.publish(message)
        live.spin(0.02)
    live.spin(0.3)
    for each in (publisher, volatile):
        live.node.destroy_publisher(each)


@pytest.mark.timeout(600)
def test_every_topic(live):
    topics = live.topics()
    assert len(topics) >= 12, topics
    command = '/arm_controller/joint_trajectory'
    problems = []
    for topic, type_name in topics:
        live.mode(0)
        if topic != command:
            live.mode(1)  # HOLD: the monitor commands, and nobody asked for more
        before = live.joints
        send(live, topic, type_of(type_name))
        problems += [f'after {topic}: {text}' for text in live.unwell()]
        moved = np.abs(live.joints - before).max()
        if topic != command and moved > MOVED:
            problems.append(f'after {topic}: the arm moved by {moved:.4f} rad')
        if any(process.poll() is not None for process in live.processes.values()):
            break
    assert not problems, '\n\n'.join(problems)


def ask(live, name, type_name):
    """Ask odd things of a service; gives what was not answered, or late."""
    rng, kind, own = generator(name), type_of(type_name), type_name.startswith('il_ros')
    client, most = live.node.create_client(kind, name), patient(AGAIN + WAITS.get(name, 0.0))
    end, problems = time.monotonic() + PATIENCE, []
    while not client.service_is_ready() and time.monotonic() < end:
        live.spin(0.02)
    live.spin(0.1)  # the server has found the client, too
    for k in range(8 if own else 2):
        request = odd_message(rng, kind.Request, large=k == 1)
        begin = time.monotonic()
        try:
            answer = live.call(client, request, patience=10.0)
        except RuntimeError:  # too large for the middleware to be sent
            continue
        took = time.monotonic() - begin
        if answer is None or took > most:
            said = 'no answer' if answer is None else 'an answer'
            problems.append(f'{name}: {said} after {took:.1f} s to {str(request)[:300]}')
    live.node.destroy_client(client)
    return problems


@pytest.mark.timeout(600)
def test_every_service(live):
    services = [each for each in live.services() if each[0].split('/')[-1] not in LEFT_OUT]
    assert len(services) >= 40, services
    problems = []
    for node in NODES:
        live.mode(0)
        for name, type_name in services:
            if name.split('/')[1] == node:
                problems += ask(live, name, type_name)
        problems += [f'after the services of {node}: {text}' for text in live.unwell()]
        if any(process.poll() is not None for process in live.processes.values()):
            break
    assert not problems, '\n\n'.join(problems)


def resident(process):
    """Memory of a process [MB]."""
    text = Path(f'/proc/{process.pid}/status').read_text()
    return int(text.split('VmRSS:')[1].split()[0]) / 1e3


@pytest.mark.timeout(300)
def test_fresh_device_names_fill_no_memory(live):
    publisher = live.node.create_publisher(Takeover, 'expert/takeover', EVENTS)
    live.mode(0)
    live.spin(0.5)
    grown = {}
    for part in range(3):  # the first fills buffers of the middleware
        before = {name: resident(process) for name, process in live.processes.items()}
        for k in range(10_000):
            message = Takeover(device=f'/operator_{part}_{k}/' + 'x' * 200, held=bool(k % 2))
            message.header.stamp = live.node.get_clock().now().to_msg()
            publisher.publish(message)
            if k % 50 == 0:
                live.spin(0.01)
        live.spin(0.5)
        grown = {name: resident(live.processes[name]) - mb for name, mb in before.items()}
    live.node.destroy_publisher(publisher)
    assert grown['monitor'] < 5.0, grown  # 10,000 names of 0.2 kB in tables were 10 MB and more
    assert grown['coach'] < 5.0, grown
    assert not live.unwell()
