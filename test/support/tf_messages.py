"""Nodes that publish transforms, and one that asks for them."""

import time

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from tf2_msgs.msg import TFMessage

from il_ros.core.errors import IlRosError
from il_ros.ros.spin import make_executor
from il_ros.ros.tf_transforms import TfTransforms

NS = 10**9
STATIC = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def moved(parent, child, stamp, *, x=0.0, turn=(0.0, 0.0, 0.0, 1.0)):
    """Where `child` is in `parent` at `stamp` [ns]: `x` ahead [m], turned by a quaternion xyzw."""
    made = TransformStamped(child_frame_id=child)
    made.header.frame_id = parent
    made.header.stamp.sec, made.header.stamp.nanosec = divmod(stamp, NS)
    made.transform.translation.x = float(x)
    rotation = made.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = turn
    return made


class Graph:
    """Nodes in one executor."""

    def __enter__(self):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.executor, self.nodes = make_executor(), []
        self.says_who = hasattr(rclpy.subscription, 'MessageInfo')
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.destroy_node()
        rclpy.shutdown()

    def node(self, name, **options):
        self.nodes.append(node := Node(name, **options))
        self.executor.add_node(node)
        return node

    def asked(self, **options):
        return Asked(self.node('asked', **options))

    def speaker(self, name, namespace=''):
        return Speaker(self, self.node(name, namespace=namespace), namespace)

    def until(self, *happened):
        deadline = time.monotonic() + 20
        while not all(each() for each in happened) and time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)
        assert all(each() for each in happened)


class Asked:
    """A node's transforms, asked once, so that it listens."""

    def __init__(self, node):
        self.node, self.transforms = node, TfTransforms(node)
        self.knows('nothing', NS)()

    def at(self, source, stamp):
        """How far ahead of `base` a frame is [m]."""
        return self.transforms.transform('base', source, stamp)[0, 3]

    def knows(self, source, stamp):
        def known():
            try:
                self.at(source, stamp)
            except IlRosError:
                return False
            return True

        return known

    def listens_to(self, frame):
        return frame in self.transforms._listener._parents


class Speaker:
    """A node that publishes transforms once somebody listens."""

    def __init__(self, graph, node, namespace):
        self.graph = graph
        self.moving = node.create_publisher(TFMessage, f'{namespace}/tf', 100)
        self.fixed = node.create_publisher(TFMessage, f'{namespace}/tf_static', STATIC)

    def __call__(self, *transforms):
        self.moving.publish(TFMessage(transforms=transforms))

    def static(self, *transforms):
        self.fixed.publish(TFMessage(transforms=transforms))
