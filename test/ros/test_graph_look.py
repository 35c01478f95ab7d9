"""What is seen of a robot on a running graph."""

import itertools
import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy')

from cdr_messages import joints  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from seen_graphs import JTC, urdf  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from il_ros.contracts.contract_check import check_robot  # noqa: E402
from il_ros.contracts.contract_draft import draft_contract  # noqa: E402
from il_ros.contracts.contract_replay import ContractNames  # noqa: E402
from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.ros.graph_look import GraphLook  # noqa: E402
from il_ros.ros.message_conversion import to_stamp  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

NAMES = ('a', 'b')
URDF = urdf('made', *((name, 'revolute', f'l{i}', f'l{i + 1}', (-1, 1, 1))
                      for i, name in enumerate(NAMES)))  # fmt: skip
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def driver():
    """A driver in the namespace /arm: states at 50 Hz, a URDF, a controller and its manager."""
    managers = pytest.importorskip('controller_manager_msgs.srv')
    states = pytest.importorskip('controller_manager_msgs.msg')
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node('driver', namespace='/arm', context=context)
    publisher = node.create_publisher(JointState, 'joint_states', 10)
    text = node.create_publisher(String, 'robot_description', LATCHED)
    text.publish(String(data=URDF))
    node.create_subscription(JointTrajectory, 'controller/joint_trajectory', lambda _: None, 1)

    begin, count = time.time_ns(), itertools.count()

    def publish():
        message = JointState(name=list(NAMES[::-1]), position=[0.1, 0.2], velocity=[0.0, 0.0])
        message.header.stamp = to_stamp(begin + next(count) * 20_000_000)  # however late it is
        publisher.publish(message)

    def answer(_, response):
        claimed = [f'{name}/position' for name in NAMES]
        response.controller = [
            states.ControllerState(
                name='controller', type=JTC, state='active', claimed_interfaces=claimed
            )
        ]
        return response

    node.create_timer(0.02, publish)
    node.create_service(managers.ListControllers, 'controller_manager/list_controllers', answer)
    executor = make_executor(context)
    executor.add_node(node)
    ended = threading.Event()

    def spin():
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    yield node
    ended.set()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown(context=context)
    executor.shutdown()


def test_a_contract_is_written_from_a_driver_and_fits_it(domain, driver, tmp_path):
    with GraphLook(1.0, 30.0) as look:
        seen = look.look()
    topic = seen.topics['/arm/joint_states']
    assert [offer.node for offer in topic.publishers] == ['/arm/driver']
    assert topic.count > 20
    assert all(sample.data[:4] == joints()[:4] for sample in topic.samples)
    assert seen.descriptions() == {'/arm': URDF}
    (controller,) = seen.controllers
    assert (controller.name, controller.joints) == ('/arm/controller', NAMES)
    draft = draft_contract(seen, name='made')
    (tmp_path / 'made.urdf').write_text(draft.urdf)
    (tmp_path / 'made.yaml').write_text(draft.text)
    contract = load_contract(tmp_path / 'made.yaml')
    assert contract.action.names == NAMES
    assert contract.outputs[0].topic == 'arm/controller/joint_trajectory'
    findings = check_robot(contract, seen, ContractNames())
    assert [f for f in findings if f.state == 'wrong'] == []
    assert {f.subject for f in findings if f.state == 'ok'} >= {
        'observations.joint_position', 'rate', 'action.limits (URDF)', 'action.output',
        'action.output (controller)', 'one publisher a joint', 'use_sim_time',
    }  # fmt: skip


def test_a_graph_on_which_nothing_is_is_looked_at_for_a_bounded_time(domain):
    begin = time.monotonic()
    with GraphLook(1.0, 1.5) as look:
        seen = look.look()
    assert time.monotonic() - begin < 10.0
    assert seen.controllers is None
    assert seen.unasked == 'there is no controller manager'
