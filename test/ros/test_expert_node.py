"""The expert node's service, without an executor."""

from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

from il_ros.srv import QueryExpert  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.nodes.expert_node import ExpertNode  # noqa: E402

CONTRACT = Path(__file__).parents[2] / 'config/contracts/franka_reach.yaml'


@pytest.fixture
def node(domain):
    arguments = ['-p', f'contract:={CONTRACT}', '-p', 'expert:=reach', '-p', 'autostart:=false']
    rclpy.init(args=['--ros-args', *arguments], signal_handler_options=SignalHandlerOptions.NO)
    node = ExpertNode()
    node.trigger_configure()
    node.trigger_activate()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_nobody_asks_for_a_chunk_without_an_end(node):
    def ask(horizon):
        node._on_query(QueryExpert.Request(horizon=horizon), QueryExpert.Response())

    with pytest.raises(IlRosError, match='horizon: got 4294967295; allowed: up to 1000 steps'):
        ask(2**32 - 1)
    with pytest.raises(IlRosError, match='seen no observation'):
        ask(1000)
