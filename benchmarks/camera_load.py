"""The load of a robot with cameras, from one lean process: prepared bytes, published on time."""

from __future__ import annotations

import argparse
import heapq
import json
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState

from il_ros.ros.spin import share_profile

JOINTS = tuple(f'joint{i + 1}' for i in range(7))


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is published.

    Attributes:
        cameras: How many cameras, on `camera0/image`, `camera1/image` and so on.
        height: Rows of an image.
        width: Columns of an image.
        camera_rate: Images a second of each camera [Hz].
        joint_rate: Rate of `joint_states` [Hz].
        wrench_rate: Rate of `wrench` [Hz].
        duration: How long [s].
        reliable: Whether cameras are published reliable, too; joints and wrench always are.
        factor: Multiplies every rate.
    """

    cameras: int = 4
    height: int = 480
    width: int = 640
    camera_rate: float = 30.0
    joint_rate: float = 1000.0
    wrench_rate: float = 500.0
    duration: float = 10.0
    reliable: bool = False
    factor: float = 1.0


@dataclass(kw_only=True, order=True)
class _Source:
    """A topic in the queue: when it is due, and its message, with stamp and count to fill in."""

    due: float
    topic: str = field(compare=False)
    period: float = field(compare=False)
    publisher: Any = field(compare=False)
    data: bytearray = field(compare=False)
    sent: int = field(default=0, compare=False)

    def publish(self) -> None:
        """Publish the message with its stamp (now) and its count (the last eight bytes)."""
        struct.pack_into('<iI', self.data, 4, *divmod(time.time_ns(), 1_000_000_000))
        struct.pack_into('<q', self.data, len(self.data) - 8, self.sent)
        self.publisher.publish(bytes(self.data))
        self.sent += 1
        self.due += self.period


def count_of(data: bytes | memoryview) -> int:
    """Which message of its topic this is, from 0; read from the end of its bytes."""
    return int(struct.unpack_from('<q', data, len(data) - 8)[0])


def contract_text(load: Load) -> str:
    """A contract of this load's topics, for a recorder."""
    images = ''.join(
        f"""
  camera{i}:
    topic: camera{i}/image
    type: sensor_msgs/msg/Image
    encoding: rgb8
    size: [{load.height}, {load.width}]
    rate: {load.camera_rate * load.factor}"""
        for i in range(load.cameras)
    )
    return f"""version: 1
name: camera_load
base_frame: base
rate: 20.0
clock: position
observations:
  position: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: &joints [{', '.join(JOINTS)}], rate: {load.joint_rate * load.factor}}}
  velocity: {{topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
             names: *joints, rate: {load.joint_rate * load.factor}}}
  wrench: {{topic: wrench, type: geometry_msgs/msg/WrenchStamped,
           fields: [wrench.force, wrench.torque], rate: {load.wrench_rate * load.factor}}}
{f'images:{images}' if load.cameras else ''}
action:
  names: *joints
  position: [position]
  velocity: [velocity]
  limits: {{position_min: {[-1] * 7}, position_max: {[1] * 7}, velocity: {[1] * 7},
           acceleration: {[1] * 7}, jerk: {[1] * 7}}}
  demonstration: {{}}
workspace: {{min: [0, 0, 0], max: [1, 1, 1]}}
"""


def publish(
    load: Load, *, namespace: str = '/', wait_for: int = 1, timeout: float = 30.0
) -> dict[str, object]:
    """Publish the load; gives how many messages of each topic, and what it cost.

    Args:
        load: What to publish.
        namespace: Of the topics.
        wait_for: Subscriptions that every topic must have before the first message.
        timeout: How long to wait for them [s].
    """
    share_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('camera_load', namespace=namespace)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    try:
        sources = list(_sources(node, load))
        _await_readers(sources, wait_for, timeout)
        before = time.process_time()
        begin, latest = _run(sources, load.duration, stopped)
        elapsed = time.monotonic() - begin
        time.sleep(1.0)  # the middleware's last fragments
        return {
            'sent': {source.topic: source.sent for source in sources},
            'elapsed': elapsed,
            'cpu_cores': (time.process_time() - before) / elapsed,
            'latest': latest,
            'max_rss_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _await_readers(sources: list[_Source], wanted: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while any(source.publisher.get_subscription_count() < wanted for source in sources):
        if time.monotonic() > deadline:
            raise SystemExit(f'fewer than {wanted} subscriptions a topic after {timeout} s')
        time.sleep(0.05)
    time.sleep(0.5)  # the readers must have found the writers, too


def _run(sources: list[_Source], duration: float, stopped: list[int]) -> tuple[float, float]:
    begin = time.monotonic()
    latest = 0.0
    for source in sources:
        source.due += begin
    heapq.heapify(sources)
    while not stopped and (source := sources[0]).due < begin + duration:
        early = source.due - time.monotonic()
        if early > 0:
            time.sleep(early)
        latest = max(latest, -early)
        source.publish()
        heapq.heapreplace(sources, source)
    return begin, latest


def _sources(node: Node, load: Load) -> Iterator[_Source]:
    reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    sensor = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    named = {
        'joint_states': (_joints(), load.joint_rate, reliable),
        'wrench': (WrenchStamped(), load.wrench_rate, reliable),
    }
    for i in range(load.cameras):
        qos = reliable if load.reliable else sensor
        named[f'camera{i}/image'] = (_image(load, i), load.camera_rate, qos)
    for i, (topic, (message, rate, qos)) in enumerate(named.items()):
        period = 1.0 / (rate * load.factor)
        yield _Source(
            due=period * i / len(named),
            topic=node.resolve_topic_name(topic),
            period=period,
            publisher=node.create_publisher(type(message), topic, qos),
            data=bytearray(serialize_message(message)),
        )


def _joints() -> JointState:
    message = JointState(name=list(JOINTS), position=[0.0] * 7, velocity=[0.0] * 7)
    message.effort = [0.0] * 7
    message.header.frame_id = 'base'
    return message


def _image(load: Load, seed: int) -> Image:
    """Smooth shapes with some noise: what a compressor finds in a real image."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[: load.height, : load.width]
    waves = [np.sin(x / (20 + 9 * c) + seed) * np.cos(y / (30 + 7 * c)) for c in range(3)]
    pixels = 127 + 90 * np.stack(waves, axis=-1) + generator.normal(0, 4, (*x.shape, 3))
    message = Image(height=load.height, width=load.width, encoding='bgr8', step=3 * load.width)
    message.header.frame_id = f'camera{seed}'
    message.data.frombytes(pixels.clip(0, 255).astype(np.uint8).tobytes())
    return message


def main() -> int:
    """Publish a load given on the command line; prints what was sent as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Load()).items():
        if isinstance(value, bool):
            parser.add_argument(f'--{name}', action='store_true')
        else:
            parser.add_argument(f'--{name.replace("_", "-")}', type=type(value), default=value)
    parser.add_argument('--wait-for', type=int, default=1)
    parser.add_argument('--namespace', default='/')
    given = vars(parser.parse_args())
    how = {name: given.pop(name) for name in ('namespace', 'wait_for')}
    print(json.dumps(publish(replace(Load(), **given), **how)), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
