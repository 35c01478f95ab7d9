"""The trainer node."""

import os
import subprocess
import time

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import KeyValue  # noqa: E402
from il_ros.action import TrainPolicy  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.launching import packages  # noqa: E402
from il_ros.nodes.trainer_node import augmentation_files  # noqa: E402


def test_augmentation_files_are_parted_from_the_settings():
    given = {'epochs': '3', 'policy.horizon': '4'}
    files = ['a.yaml', 'b/c.yaml']
    settings = [KeyValue(key=key, value=value) for key, value in given.items()]
    settings += [KeyValue(key='augmentation', value=file) for file in files]
    assert augmentation_files(settings) == (
        ['a.yaml', 'b/c.yaml'],
        ['epochs=3', 'policy.horizon=4'],
    )
    assert augmentation_files([]) == ([], [])


@pytest.fixture
def training(domain, tmp_path):
    """The trainer as a process, and what a goal comes to."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node, path = Node('client'), packages.executable('il_ros', 'trainer', os.environ, 'test')
    process = subprocess.Popen(
        [str(path), '--ros-args', '-p', f'root:={tmp_path}'], stdin=subprocess.DEVNULL
    )
    client = ActionClient(node, TrainPolicy, 'trainer/train')

    def wait(future, timeout_s):
        rclpy.spin_until_future_complete(node, future, timeout_sec=timeout_s)
        assert process.poll() is None
        return future.result()

    def train(**goal):
        assert client.wait_for_server(30)
        deadline = time.monotonic() + 60
        handle = None
        # Refused: it is not active yet. Unanswered: the server did not know the client's reader.
        while handle is None or not handle.accepted:
            assert time.monotonic() < deadline
            handle = wait(client.send_goal_async(TrainPolicy.Goal(**goal)), 5)
        return wait(handle.get_result_async(), 30).result

    yield train
    process.kill()
    process.wait()
    client.destroy()
    node.destroy_node()
    rclpy.shutdown()


def test_a_goal_that_makes_no_sense_is_answered_with_the_reason(training):
    told = training(algorithm='bc', dataset='missing', output='out')
    assert not told.success
    assert 'missing' in told.message
    told = training(algorithm='magic', dataset='missing', output='out')
    assert told.message.startswith("algorithm: unknown algorithm 'magic'; allowed: bc")
