"""How a controller replaces trajectories is asked on a real graph."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.signals import SignalHandlerOptions  # noqa: E402

from il_ros.ros import replacement_watch  # noqa: E402
from il_ros.ros.replacement_watch import LANDMARK, PARAMETER, ReplacementWatch  # noqa: E402
from il_ros.ros.shielded_node import ShieldedNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402


@pytest.fixture
def graph(domain, monkeypatch):
    monkeypatch.setattr(replacement_watch, 'PERIOD', 100.0)  # the test asks
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    executor, nodes = make_executor(context), []

    def node(name, **parameters):
        nodes.append(ShieldedNode(name, context=context))
        executor.add_node(nodes[-1])
        for parameter, value in parameters.items():
            nodes[-1].declare_parameter(parameter, value)
        return nodes[-1]

    yield node, executor
    for each in nodes:
        each.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown(context=context)


def wait(watch, executor, text):
    deadline = time.monotonic() + 20.0
    while not str(watch.values()['trajectory replacement']).startswith(text):
        assert time.monotonic() < deadline, watch.values()
        watch.look()
        executor.spin_once(timeout_sec=0.01)


@pytest.mark.parametrize(
    ('parameters', 'found'),
    [
        ({PARAMETER: False, LANDMARK: False}, 'at once'),
        ({PARAMETER: True, LANDMARK: False}, 'blended'),
        ({LANDMARK: False}, 'at once'),  # older than the parameter
        ({PARAMETER: 'no'}, 'not known (it has no parameter'),
        ({}, 'not known (it has no parameter'),  # another kind of controller
    ],
)
def test_a_controller_says_what_it_does_or_nothing_is_known(graph, parameters, found):
    node, executor = graph
    watch = ReplacementWatch(node('monitor'), '/arm/joint_trajectory')
    assert not watch.at_once
    assert 'not asked yet' in str(watch.values())
    node('arm', **parameters)
    wait(watch, executor, found)
    assert watch.at_once is (found == 'at once')


@pytest.mark.parametrize('parameters', [{PARAMETER: True}, {LANDMARK: False}, {}, None], ids=str)
def test_nothing_begins_before_the_answer_which_is_not_waited_for_for_long(
    graph, monkeypatch, parameters
):
    monkeypatch.setattr(replacement_watch, 'FIRST', 0.01)
    node, executor = graph
    if parameters is not None:
        node('arm', **parameters)
    watch = ReplacementWatch(node('monitor'), '/arm/joint_trajectory')
    assert 'arm: not known yet how' in ' '.join(watch.problems())
    deadline = time.monotonic() + 20.0
    while list(watch.problems()):
        known = watch.at_once or 'blended' in str(watch.values())
        assert not known
        assert time.monotonic() < deadline
        executor.spin_once(timeout_sec=0.01)
    if parameters:
        assert watch.at_once or 'blended' in str(watch.values())


def test_a_controller_that_comes_back_otherwise_does_not_stop_what_moves(graph, monkeypatch):
    monkeypatch.setattr(replacement_watch, 'FIRST', 0.01)
    node, executor = graph
    watch = ReplacementWatch(node('monitor'), '/arm/joint_trajectory')
    wait(watch, executor, 'not known (there is no such node')
    node('arm', **{LANDMARK: False})
    while not watch.at_once:
        assert not list(watch.problems())
        watch.look()
        executor.spin_once(timeout_sec=0.01)


def test_what_changes_is_noticed(graph):
    node, executor = graph
    watch = ReplacementWatch(node('monitor'), '/arm/joint_trajectory')
    arm = node('arm', **{PARAMETER: False})
    wait(watch, executor, 'at once')
    arm.set_parameters([rclpy.parameter.Parameter(PARAMETER, value=True)])
    wait(watch, executor, 'blended')
    assert not watch.at_once


def test_of_another_topic_nobody_is_asked(graph):
    node, _ = graph
    monitor = node('monitor')
    watch = ReplacementWatch(monitor, '/arm/commands')
    watch.look()
    assert not [client for client in monitor.clients if 'arm' in client.srv_name]
    assert not watch.at_once
    assert not list(watch.problems())
    assert 'no controller is known' in str(watch.values())
