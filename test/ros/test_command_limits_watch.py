"""Whether a controller manager enforces limits is asked on a real graph."""

import time
from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from rclpy.task import Future  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.ros import command_limits_watch, parameter_question  # noqa: E402
from il_ros.ros.command_limits_watch import PARAMETER, CommandLimitsWatch  # noqa: E402
from il_ros.ros.shielded_node import ShieldedNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402


class Graph:
    """A monitor, and controller managers that come and go."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.executor, self.nodes = make_executor(self.context), []
        self.monitor, self.told = self.node('monitor'), []

    def node(self, name):
        made = ShieldedNode(name, namespace='/left', context=self.context)
        self.nodes.append(made)
        self.executor.add_node(made)
        return made

    def manager(self, **parameters):
        made = self.node('controller_manager')
        for name, value in parameters.items():
            made.declare_parameter(name, value)
        return made

    def end(self, node):
        self.executor.remove_node(node)
        self.nodes.remove(node)
        node.destroy_node()

    def watch(self, demand='expected', name='controller_manager', **options):
        return CommandLimitsWatch(self.monitor, name, demand, self.told.append, **options)

    def wait(self, watch, happened):
        """Ask as often as answers come, and until something is so."""
        deadline = time.monotonic() + 20.0
        while not happened():
            assert time.monotonic() < deadline, watch.values()
            watch.look()
            self.executor.spin_once(timeout_sec=0.01)

    def close(self):
        for node in self.nodes:
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def graph(domain, monkeypatch):
    for name in ('PERIOD', '_FIRST'):  # the test asks
        monkeypatch.setattr(command_limits_watch, name, 100.0)
    made = Graph()
    yield made
    made.close()


def said(watch):
    return ' '.join([*watch.problems(), *watch.warnings()])


def test_limits_that_are_off_forbid_motion_until_the_manager_is_back_with_them(graph):
    watch = graph.watch()
    off = graph.manager(**{PARAMETER: False})
    graph.wait(watch, lambda: watch.enforced is False)
    (text,) = watch.problems()
    assert text.startswith('/left/controller_manager: enforce_command_limits is false')
    assert 'set it to true for the controller manager' in text
    assert 'on purpose, as ur_robot_driver does' in text
    assert 'command_limits:=optional least_command_lead:=0.1' in text
    assert graph.told[-1] == text
    assert not list(watch.warnings())
    graph.end(off)
    graph.manager(**{PARAMETER: True})
    graph.wait(watch, lambda: watch.enforced)
    assert said(watch) == ''
    assert graph.told[-1] == '/left/controller_manager: enforce_command_limits is true'


def test_a_manager_that_is_gone_or_silent_is_not_believed_for_long(graph, monkeypatch):
    watch, manager = graph.watch('required'), graph.manager(**{PARAMETER: True})
    assert 'not asked yet' in said(watch)
    assert list(watch.problems())
    graph.wait(watch, lambda: watch.enforced)
    assert said(watch) == ''
    assert graph.told == []
    monkeypatch.setattr(parameter_question, '_PATIENCE', 0.05)
    graph.executor.remove_node(manager)  # it hangs
    end = time.monotonic() + 0.2
    graph.wait(watch, lambda: time.monotonic() > end)
    assert watch.enforced  # only a restart changes it
    monkeypatch.setattr(parameter_question, '_AGE', 0.1)
    graph.wait(watch, lambda: watch.enforced is None)
    assert 'no answer within' in said(watch)
    assert list(watch.problems())
    graph.nodes.remove(manager)
    manager.destroy_node()
    graph.wait(watch, lambda: 'there is no such node' in said(watch))
    assert list(watch.problems())


@pytest.mark.parametrize('parameters', [{PARAMETER: True}, {}, None])
def test_nothing_moves_before_the_manager_was_asked(graph, parameters):
    watch, timers = graph.watch(), [*graph.monitor.timers]
    if parameters is not None:
        graph.manager(**parameters)
    (text,) = watch.problems()
    assert 'is not known (not asked yet)' in text
    assert not any(timer.is_canceled() for timer in timers)
    graph.wait(watch, lambda: not list(watch.problems()))
    assert 'not asked' not in said(watch)
    assert sum(timer.is_canceled() for timer in timers) == 1  # now it is asked once a period
    assert not list(graph.watch('optional').problems())


def test_a_manager_that_is_too_busy_to_answer_at_first_is_waited_for(graph, monkeypatch):
    monkeypatch.setattr(parameter_question, '_PATIENCE', 0.02)
    watch, manager = graph.watch(), graph.manager(**{PARAMETER: False})
    graph.executor.remove_node(manager)
    asked = []
    monkeypatch.setattr(watch._question, '_client', SimpleNamespace(
        service_is_ready=lambda: True,
        call_async=lambda request: asked.append(request) or Future(),
        remove_pending_request=lambda future: None,
    ))  # fmt: skip
    graph.wait(watch, lambda: len(asked) > 3)
    assert list(watch.problems())
    monkeypatch.setattr(parameter_question, '_AGE', 0.1)
    graph.wait(watch, lambda: 'no answer within' in said(watch))
    assert not list(watch.problems())


@pytest.mark.parametrize('after', [{PARAMETER: True}, {}])
def test_limits_that_are_off_stay_so_until_a_manager_answers_otherwise(graph, monkeypatch, after):
    watch, manager = graph.watch(), graph.manager(**{PARAMETER: False})
    graph.wait(watch, lambda: watch.enforced is False)
    monkeypatch.setattr(parameter_question, '_PATIENCE', 0.02)
    monkeypatch.setattr(parameter_question, '_AGE', 0.04)
    lost = []
    question = watch._question
    lose = question._lost
    monkeypatch.setattr(question, '_lost', lambda why: (lost.append(why), lose(why)))
    graph.executor.remove_node(manager)  # it is busy
    graph.wait(watch, lambda: 'no answer within 0 s' in lost)
    assert list(watch.problems())
    graph.nodes.remove(manager)
    manager.destroy_node()
    graph.wait(watch, lambda: 'there is no such node' in lost)
    assert list(watch.problems())
    monkeypatch.setattr(parameter_question, '_PATIENCE', 2.0)
    graph.manager(**after)
    graph.wait(watch, lambda: watch.enforced is not False)
    assert watch.enforced is after.get(PARAMETER)
    assert not list(watch.problems())


@pytest.mark.parametrize(
    ('demand', 'value', 'forbids'),
    [
        ('required', True, False),
        ('required', False, True),
        ('required', None, True),
        ('required', 'yes', True),
        ('expected', True, False),
        ('expected', False, True),
        ('expected', None, False),
        ('expected', 'yes', False),
        ('optional', False, False),
        ('optional', None, False),
    ],
)
def test_what_is_demanded_decides_and_what_is_not_enforced_is_always_said(
    graph, demand, value, forbids
):
    watch = graph.watch(demand)
    graph.manager(**({} if value is None else {PARAMETER: value}))
    graph.wait(watch, lambda: 'not asked' not in str(watch.values()))
    assert bool(list(watch.problems())) is forbids
    assert bool(said(watch)) is (value is not True)


def test_without_a_manager_or_a_trajectory_controller_nobody_is_asked(graph):
    alone, other = graph.watch(name=''), graph.watch('required', asked=False)
    clients = list(graph.monitor.clients)
    for watch in (alone, other):
        watch.look()
    assert not [c for c in clients if 'controller_manager' in c.srv_name]
    assert not list(alone.problems())
    assert 'no controller manager is named' in said(alone)
    assert said(other) == ''
    assert other.values() == {}


@pytest.mark.parametrize(('demand', 'name'), [('always', 'controller_manager'), ('required', '')])
def test_what_makes_no_sense_is_refused(graph, demand, name):
    with pytest.raises(IlRosError, match='command_limits'):
        graph.watch(demand, name)


def test_it_takes_no_answer_of_another_type_for_true(graph):
    watch = graph.watch()
    manager = graph.manager()
    manager.declare_parameter(PARAMETER, 1)
    graph.wait(watch, lambda: 'not asked' not in str(watch.values()))
    assert watch.enforced is None
    assert manager.get_parameter(PARAMETER).type_ is Parameter.Type.INTEGER
