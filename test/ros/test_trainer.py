import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import KeyValue

from il_ros.nodes.trainer_node import augmentation_files


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
