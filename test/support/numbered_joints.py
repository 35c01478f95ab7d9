"""Start a recording and publish numbered joints until standard input closes; say when each went.

A process by itself, because the recorder is killed meanwhile: one that held a lock in the shared
memory of Fast DDS 3.2 then makes its peers renew their ports, and a peer that ends in that moment
crashes (SharedMemChannelResource::release). So this one ends without a word to the middleware.
"""

import os
import sys
import threading
import time

import rclpy
from il_ros.srv import StartEpisode
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState


def main():
    rclpy.init()
    node = Node('numbered_joints')
    qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(JointState, 'joint_states', qos)
    client = node.create_client(StartEpisode, 'recorder/start')
    assert client.wait_for_service(20)
    deadline = time.monotonic() + 20
    while not publisher.get_subscription_count():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    future = client.call_async(StartEpisode.Request(task='killed'))
    rclpy.spin_until_future_complete(node, future, timeout_sec=20)
    assert future.result().success, future.result().message
    print('recording', flush=True)
    over = threading.Thread(target=sys.stdin.read)
    over.start()
    sent = []
    while over.is_alive():
        joints = JointState(name=['a'], position=[0.0], velocity=[0.0], effort=[float(len(sent))])
        publisher.publish(joints)
        sent.append(time.monotonic())
        time.sleep(0.001)
    print(*sent, flush=True)
    os._exit(0)


if __name__ == '__main__':
    main()
