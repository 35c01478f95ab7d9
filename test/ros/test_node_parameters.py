"""Parameters come from one dataclass: type, range, description and default."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from il_ros.core.errors import IlRosError
from il_ros.nodes.monitor_node import MonitorNode
from il_ros.ros.node_parameters import declare, setting


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is declared.

    Attributes:
        spare: A spare, which takes
            two lines.
        rest: Another.

    Raises:
        Nothing: It only is.
    """

    renamed: ClassVar[dict[str, str]] = {'factor': 'gain'}

    gain: float = setting(0.5, 'A gain.', low=0.0, high=1.0)
    count: int = setting(3, 'A count.', low=1)
    name: str = setting('x', 'A name.')
    loose: bool = setting(False, 'May change.')
    spare: int = 0
    rest: int = 0


@dataclass(frozen=True, kw_only=True)
class Listed:
    names: tuple[str, ...] = setting(('a', 'b'), 'Some names.')


@pytest.fixture
def make(domain):
    rclpy.init()
    nodes = []

    def make(**overrides):
        parameters = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(Node('parameters', parameter_overrides=parameters))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()


def test_defaults_overrides_and_descriptors(make):
    node = make(gain=0.25)
    assert declare(node, Config, dynamic=('loose',)) == Config(gain=0.25)
    gain = node.describe_parameter('gain')
    assert (gain.description, gain.read_only) == ('A gain.', True)
    assert gain.floating_point_range[0].to_value == 1.0
    assert node.describe_parameter('count').integer_range[0].from_value == 1
    assert not node.describe_parameter('loose').read_only
    assert node.describe_parameter('spare').description == 'A spare, which takes two lines.'
    assert node.describe_parameter('rest').description == 'Another.'


@pytest.mark.parametrize(('given', 'value'), [('[]', ()), ("['c']", ('c',))])
def test_a_list_may_be_empty_though_ros_takes_that_for_no_value(make, given, value):
    node = Node('lists', cli_args=['--ros-args', '-p', f'names:={given}'])
    assert declare(node, Listed) == Listed(names=value)
    node.destroy_node()


@pytest.mark.parametrize('value', [0.25, 'x', [1, 2]])
def test_a_renamed_parameter_is_answered_with_its_new_name(make, value):
    text = "/parameters parameter factor: 'factor' is now 'gain'; to fix: write 'gain' instead"
    with pytest.raises(IlRosError, match=text):
        declare(make(factor=value), Config)


def test_a_parameter_has_no_old_name_when_nobody_uses_it(make):
    node = make()
    declare(node, Config)
    assert not node.has_parameter('factor')


@pytest.mark.parametrize(
    ('overrides', 'text'),
    [
        ({'gain': 2.0}, r'/parameters parameter gain: .*allowed: float, min 0.0, max 1.0'),
        ({'count': 0}, r'/parameters parameter count: .*allowed: int, min 1'),
        ({'name': 7}, r'/parameters parameter name: .*allowed: str'),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(make, overrides, text):
    with pytest.raises(IlRosError, match=text):
        declare(make(**overrides), Config)


def test_what_another_callback_refuses_changes_no_monitor(domain):
    """A monitor takes parameters when they are set, not while they are looked at."""
    rclpy.init()
    node = MonitorNode()
    try:
        refusal = SetParametersResult(successful=False, reason='not today')

        def refuse(_):
            return refusal

        node.add_on_set_parameters_callback(refuse)
        change = Parameter('novelty', value=not node._settings.novelty)
        before = node._settings
        assert node.set_parameters([change])[0].reason == 'not today'
        assert node._settings is before
        node.remove_on_set_parameters_callback(refuse)
        assert node.set_parameters([change])[0].successful
        assert node._settings.novelty == change.value
    finally:
        node.destroy_node()
        rclpy.shutdown()
