"""A node goes on whatever its callbacks make of what arrives."""

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from il_ros.ros.raw_callback import RawCallback  # noqa: E402
from il_ros.ros.shielded_node import ShieldedNode  # noqa: E402
from il_ros.ros.spin import make_executor  # noqa: E402

PATIENCE = 20.0


class Place:
    def __init__(self):
        self.context, self.heard = rclpy.Context(), []
        rclpy.init(context=self.context)
        self.node = ShieldedNode('shielded', context=self.context)
        self.executor = make_executor(self.context)
        self.executor.add_node(self.node)
        self.words = self.node.create_publisher(String, 'words', 10)

    def take(self, message):
        self.heard.append(message.data)
        raise ValueError(f'cannot take {message.data!r}')

    def wait(self, happened):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, 'it never happened'
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        self.wait(client.service_is_ready)
        future = client.call_async(request)
        self.wait(future.done)
        return future.result()

    def close(self):
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        self.executor.shutdown()


@pytest.fixture
def place(domain):
    place = Place()
    yield place
    place.close()


def test_a_message_that_a_callback_cannot_take_is_dropped_and_the_next_one_is_heard(place):
    place.node.create_subscription(String, 'words', place.take, 10)
    place.wait(place.words.get_subscription_count)
    for word in ('one', 'x' * 100_000):
        place.words.publish(String(data=word))
        place.wait(lambda word=word: place.heard[-1:] == [word])
    _, reason = place.node.dropped['/words']
    assert reason.startswith("ValueError: cannot take 'xxx")
    assert len(reason) < 300


def test_a_callback_for_bytes_is_shielded_too(place):
    raw = RawCallback(lambda data, info: place.heard.append(data) or 1 / 0)
    place.node.create_subscription(String, 'words', raw, 10, raw=True)
    place.wait(place.words.get_subscription_count)
    place.words.publish(String(data='one'))
    place.wait(lambda: '/words' in place.node.dropped)
    assert place.node.dropped['/words'][1] == 'ZeroDivisionError: division by zero'


def test_a_request_that_cannot_be_answered_gets_an_empty_answer(place):
    def fail(request, response):
        raise LookupError('nothing there')

    place.node.create_service(Trigger, 'do', fail)
    answer = place.call(Trigger, 'do', Trigger.Request())
    assert (answer.success, answer.message) == (False, '')
    assert place.node.dropped['/do'][1] == 'LookupError: nothing there'


def test_an_answer_that_a_callback_cannot_take_ends_no_process(place):
    def fail(future):
        place.heard.append(future.result().message)
        raise LookupError('nothing there')

    place.node.create_service(Trigger, 'do', lambda request, response: response)
    client = place.node.create_client(Trigger, 'do')
    place.wait(client.service_is_ready)
    for count in (1, 2):
        place.node.when_answered(client.call_async(Trigger.Request()), fail)
        place.wait(lambda count=count: len(place.heard) == count)
    ((_, reason),) = [place.node.dropped[name] for name in place.node.dropped if 'fail' in name]
    assert reason == 'LookupError: nothing there'


def test_parameter_services_survive_values_of_no_type_and_too_many_names(place):
    odd = Parameter(name='use_sim_time', value=ParameterValue(type=255))
    request = SetParameters.Request(parameters=[odd])
    answer = place.call(SetParameters, 'shielded/set_parameters', request)
    assert not any(result.successful for result in answer.results)
    request = ListParameters.Request(prefixes=['x'] * 100_000)
    answer = place.call(ListParameters, 'shielded/list_parameters', request)
    assert answer.result.names == []
    assert place.node.dropped['/shielded/list_parameters'][1] == (
        'IlRosError: 100000 prefixes; allowed: up to 1000'
    )
    request = GetParameters.Request(names=['use_sim_time'])
    answer = place.call(GetParameters, 'shielded/get_parameters', request)
    assert len(answer.values) == 1


def test_nobody_switches_the_clock_of_a_node_that_runs(place):
    before = place.node.get_clock().now().nanoseconds
    value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
    request = SetParameters.Request(parameters=[Parameter(name='use_sim_time', value=value)])
    answer = place.call(SetParameters, 'shielded/set_parameters', request)
    ((successful, reason),) = [(each.successful, each.reason) for each in answer.results]
    assert (successful, 'read-only' in reason) == (False, True)
    assert not place.node.get_parameter('use_sim_time').value
    assert place.node.get_clock().now().nanoseconds > before  # simulated time would be zero
