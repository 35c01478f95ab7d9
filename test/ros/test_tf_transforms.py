"""Coordinate frames by tf2, where it is installed, and what is said where it is not."""

import importlib.util

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.ros.tf_transforms import TfTransforms  # noqa: E402

HAS_TF2 = importlib.util.find_spec('tf2_ros') is not None


@pytest.fixture
def node(domain):
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('frames')
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.mark.skipif(HAS_TF2, reason='tf2_ros is installed')
def test_without_tf2_the_reason_is_told_and_nothing_is_subscribed(node):
    before = len(list(node.subscriptions))
    with pytest.raises(IlRosError, match='tf2_ros, which could tell, is not installed'):
        TfTransforms(node).transform('base', 'camera', 0)
    assert len(list(node.subscriptions)) == before


@pytest.mark.skipif(not HAS_TF2, reason='tf2_ros is not installed')
def test_a_static_transform_and_a_moving_one_are_found_and_an_old_one_is_refused(node):
    from geometry_msgs.msg import TransformStamped

    transforms = TfTransforms(node)
    with pytest.raises(IlRosError, match='tf2 knows no transform'):
        transforms.transform('base', 'camera', 10**9)

    def told(child, stamp):
        message = TransformStamped(child_frame_id=child)
        message.header.frame_id = 'base'
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        message.transform.translation.x, message.transform.rotation.w = 2.0, 1.0
        return message

    transforms._buffer.set_transform_static(told('camera', 0), 'test')
    found = transforms.transform('base', 'camera', 5 * 10**9)
    np.testing.assert_allclose(found[:3, 3], [2, 0, 0])
    transforms._buffer.set_transform(told('tool0', 5 * 10**9), 'test')
    np.testing.assert_allclose(transforms.transform('base', 'tool0', 5_050_000_000)[0, 3], 2.0)
    with pytest.raises(IlRosError, match=r'that tf2 knows is 1\.000 s older'):
        transforms.transform('base', 'tool0', 6 * 10**9)
