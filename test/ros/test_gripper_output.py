"""A gripper with an action, on the graph: the simulator serves it, the monitor sends goals."""

import time

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('control_msgs.action')

from il_ros.msg import ActionChunk  # noqa: E402
from rclpy.node import Node  # noqa: E402

from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.monitors.mode import Mode  # noqa: E402
from il_ros.nodes.monitor_node import MonitorNode  # noqa: E402
from il_ros.nodes.simulator_node import SimulatorNode  # noqa: E402
from il_ros.ros.message_conversion import chunk_message  # noqa: E402
from il_ros.ros.qos import CHUNKS  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 60.0  # s
ADAPTERS = ['gripper_command', 'parallel_gripper_command']


@pytest.fixture(params=ADAPTERS)
def contract(request, tmp_path):
    data = yaml.safe_load(load_contract('config/contracts/franka_reach.yaml').text)
    action = data['action']
    del action['output']
    *arm, finger = action['names']
    action['outputs'] = [
        {'joints': arm, 'topic': 'arm_controller/joint_trajectory'},
        {'joints': [finger], 'adapter': request.param, 'topic': 'hand/gripper_cmd'},
    ]
    path = tmp_path / 'contract.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


class Graph:
    """Simulator, monitor and an expert in one process, in real time."""

    def __init__(self, path):
        given = {'contract': path, 'task': 'reach', 'monitor:use_sim_time': True}
        words = [word for key, value in given.items() for word in ('-p', f'{key}:={value}')]
        rclpy.init(args=['--ros-args', *words])
        self.contract = load_contract(path)
        self.simulator, self.monitor, self.expert = SimulatorNode(), MonitorNode(), Node('expert')
        self.chunks = self.expert.create_publisher(ActionChunk, 'expert/action_chunk', CHUNKS)
        self.executor = make_executor()
        for node in (self.simulator, self.monitor, self.expert):
            self.executor.add_node(node)
        self.target, self.why = None, ''
        self.expert.create_timer(0.02, self.speak)

    def speak(self):
        frame = self.monitor._frame if self.monitor.active else None
        if frame is not None and self.target is not None:
            positions = np.tile(self.target, (12, 1))
            self.chunks.publish(
                chunk_message(self.contract, positions, stamp=frame.stamp, source='expert')
            )

    def until(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, self.why or self.monitor._verdict.reason
            self.executor.spin_once(timeout_sec=0.02)

    def enters(self, mode):
        def granted():
            try:
                self.monitor._require_source(mode)
                self.monitor._require_graph(mode)
                self.monitor._monitor.request(mode)
            except IlRosError as refusal:
                self.why = str(refusal)
                return False
            self.why = ''
            return True

        self.until(granted)

    def posture(self):
        frame = self.monitor._frame
        return frame.vector(self.contract.action.position)

    def close(self):
        for node in (self.simulator, self.monitor, self.expert):
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown()


@pytest.fixture
def graph(domain, contract):
    graph = Graph(contract)
    yield graph
    graph.close()


@pytest.mark.slow
@pytest.mark.real_time
def test_the_gripper_goes_where_an_expert_wants_it_and_stops_all_when_its_server_goes(graph):
    monitor = graph.monitor
    graph.until(lambda: graph.simulator.active and monitor.active and monitor._frame)
    here = graph.posture()
    graph.target = here + np.array([*[0.0] * 7, 0.02 - here[7]])
    graph.enters(Mode.EXPERT)
    graph.until(lambda: abs(graph.posture()[7] - 0.02) < 0.002)
    graph.until(lambda: not monitor._sender._grippers[0]._busy)  # the goals have ended
    assert monitor._monitor.mode is Mode.EXPERT
    (served,) = graph.simulator._robot._grippers
    served.server.destroy()
    graph.until(lambda: monitor._monitor.mode is Mode.ALARM)
    assert '/hand/gripper_cmd: nobody serves it' in monitor._verdict.reason
