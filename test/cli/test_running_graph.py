"""A graph of one's own has a domain in which nothing else runs."""

import os
import random
import socket

import pytest

from il_ros.cli import running_graph
from il_ros.cli.running_graph import isolate
from il_ros.core.errors import ContractError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, '0')


def test_a_domain_in_which_something_runs_is_passed_over(monkeypatch):
    isolate()
    used = int(os.environ['ROS_DOMAIN_ID'])
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    monkeypatch.setattr(random.SystemRandom, 'sample', lambda *_: [used, *range(1, 102)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * used + 10))
        isolate()
        assert os.environ['ROS_DOMAIN_ID'] != str(used)
    isolate()
    assert os.environ['ROS_DOMAIN_ID'] == str(used)


def test_a_node_is_seen_as_one(monkeypatch):
    rclpy = pytest.importorskip('rclpy')
    isolate()
    used = int(os.environ['ROS_DOMAIN_ID'])
    monkeypatch.setattr(random.SystemRandom, 'sample', lambda *_: [used, *range(1, 102)])
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('somebody', context=context)
    isolate()
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert os.environ['ROS_DOMAIN_ID'] != str(used)


def test_no_node_is_started_by_a_contract_that_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(running_graph, '_start', lambda *_: pytest.fail('nodes were started'))
    path = tmp_path / 'wrong.yaml'
    path.write_text('version: 1\nname: wrong\n')
    with (
        pytest.raises(ContractError, match=r'wrong\.yaml'),
        running_graph.graph(path, start=True),
    ):
        pass
