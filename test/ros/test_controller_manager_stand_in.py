"""What a stand-in's controller manager says of its controllers."""

from pathlib import Path

import numpy as np
import pytest

from il_ros.core.driver_description import read_driver
from il_ros.ros.controller_manager_stand_in import ControllerManagerStandIn
from il_ros.ros.stand_in_controllers import StandInControllers

srv = pytest.importorskip('controller_manager_msgs.srv')
DRIVERS = Path(__file__).parents[2] / 'config/drivers'


class Node:
    """As much of a node as it needs."""

    def create_service(self, _kind, name, answer):
        self.name, self.answer = name, answer

    def create_publisher(self, *_):
        return None


def listed(name):
    driver, node = read_driver(DRIVERS / f'{name}.yaml'), Node()
    controllers = StandInControllers(node, driver, [*driver.home], delay=0.0)
    ControllerManagerStandIn(node, driver, controllers.commanded)
    answer = node.answer(srv.ListControllers.Request(), srv.ListControllers.Response())
    return node, controllers, {one.name: one for one in answer.controller}


def test_it_tells_who_claims_the_joints():
    node, _, found = listed('ur')
    assert node.name == 'controller_manager/list_controllers'
    scaled = found['scaled_joint_trajectory_controller']
    assert scaled.state == 'active'
    assert scaled.claimed_interfaces[2] == 'elbow_joint/position'
    other = found['joint_trajectory_controller']
    assert (other.state, list(other.claimed_interfaces)) == ('inactive', [])
    assert other.required_command_interfaces == scaled.claimed_interfaces
    assert found['joint_state_broadcaster'].type == 'joint_state_broadcaster/JointStateBroadcaster'


def test_a_switch_is_seen_and_no_joint_is_claimed_twice():
    node, controllers, _ = listed('ur')
    controllers.begin(np.zeros(7))
    scaled, forward = 'scaled_joint_trajectory_controller', 'forward_position_controller'
    assert 'elbow_joint' in controllers.switch([forward], [])
    assert 'no controller' in controllers.switch(['nobody'], [])
    assert controllers.switch([forward], [scaled]) == ''
    answer = node.answer(None, srv.ListControllers.Response())
    states = {one.name: one.state for one in answer.controller}
    assert (states[scaled], states[forward]) == ('inactive', 'active')


def test_names_are_those_within_the_namespace():
    node, _, found = listed('so101')
    assert node.name == 'follower/controller_manager/list_controllers'
    assert found['forward_controller'].claimed_interfaces[-1] == 'gripper/position'
