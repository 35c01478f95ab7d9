"""Images of the simulator: as the contract says them, on time, and known by their renderer."""

import random
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from il_ros.core.contract import load_contract, parse_contract  # noqa: E402
from il_ros.core.errors import ContractError  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.core.images import ImageDecoder, renderer_of  # noqa: E402
from il_ros.ros.camera_publishers import CameraPublishers  # noqa: E402
from il_ros.ros.qos import SENSOR_OUT  # noqa: E402
from il_ros.sim.world import World  # noqa: E402

REACH = load_contract(Path('config/contracts/franka_reach.yaml')).text
FRONT = 'front: {topic: front/image_raw, size: [24, 32], rate: 10.0}'
WRIST = """wrist: {topic: wrist/jpeg, type: sensor_msgs/msg/CompressedImage, size: [12, 16],
          source_size: [24, 32], rate: 0.0}"""


def contract_with(*cameras):
    return parse_contract(REACH + '\nimages:\n' + ''.join(f'  {text}\n' for text in cameras))


@pytest.fixture(scope='module')
def world():
    return World('reach', renderer='rays')


@pytest.fixture
def node(domain):
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('cameras', namespace=f'n{random.SystemRandom().randrange(10**9)}')
    yield node
    node.destroy_node()
    rclpy.shutdown()


def listen(node, kind, topic):
    """What comes on a topic, from when its publisher has been found."""
    taken = []
    subscription = node.create_subscription(kind, topic, taken.append, SENSOR_OUT)
    deadline = time.monotonic() + 20
    while not subscription.get_publisher_count() or not node.count_subscribers(topic):
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.01)
    return taken


def wait_for(node, taken, count):
    deadline = time.monotonic() + 20
    while len(taken) < count:
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.1)


def test_images_are_what_the_world_renders_and_say_by_whom(node, world):
    contract = contract_with(FRONT, WRIST)
    cameras = CameraPublishers(node, contract, world)
    front = listen(node, Image, 'front/image_raw')
    wrist = listen(node, CompressedImage, 'wrist/jpeg')
    cameras.publish(NS)
    wait_for(node, front, 1)
    wait_for(node, wrist, 1)
    raw, jpeg = serialize_message(front[0]), serialize_message(wrist[0])
    assert renderer_of(raw) == renderer_of(jpeg) == 'rays'
    assert front[0].header.frame_id == 'rendered/rays/front'
    assert front[0].header.stamp.sec == 1
    pixels = ImageDecoder(contract.images['front']).pixels(raw)
    np.testing.assert_array_equal(pixels, world.render('front', 32, 24))
    small = ImageDecoder(contract.images['wrist']).pixels(jpeg)
    assert small.shape == (12, 16, 3)
    assert abs(small.mean() - world.render('wrist', 32, 24).mean()) < 3


def test_each_camera_keeps_its_rate(node, world):
    cameras = CameraPublishers(node, contract_with(FRONT, WRIST), world)
    front = listen(node, Image, 'front/image_raw')
    wrist = listen(node, CompressedImage, 'wrist/jpeg')
    for tick in range(20):  # of 50 ms
        cameras.publish(NS + tick * NS // 20)
        wait_for(node, wrist, tick + 1)  # it has no rate: it comes with each tick
    wait_for(node, front, 10)
    times = [round(m.header.stamp.sec * 1e3 + m.header.stamp.nanosec / 1e6) for m in front]
    # 10 Hz; the first one starts the clock.
    assert np.diff(times[1:]).tolist() == [100] * (len(times) - 2)


@pytest.mark.parametrize(
    ('camera', 'text'),
    [
        ('side: {topic: side, size: [4, 4]}', 'images.side: the simulator has no such camera; '
         'allowed: front, wrist'),
        ('front: {topic: front, size: [4, 4], encoding: 16UC1}', 'images.front.encoding: the '
         'simulator renders no depth; allowed: rgb8, mono8'),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_refused_at_once(node, world, camera, text):
    with pytest.raises(ContractError) as caught:
        CameraPublishers(node, contract_with(camera), world)
    assert text in str(caught.value)
