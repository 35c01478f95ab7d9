"""Which statement of a policy counts, where messages say who sent them and where they do not."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from il_ros.ros.heard_policy import HeardPolicy

OWN, OTHER = 'a' * 64, 'b' * 64
SILENT = '/policy/hash: the policy does not say which one it is'


class Graph:
    """The monitor's node, and who publishes there."""

    def __init__(self, *, told):
        self.present, self.told = [], told
        self.heard = HeardPolicy(self, lambda: None)

    def create_subscription(self, kind, topic, callback, qos):
        self.callback = callback
        count = lambda: len(self.present)  # noqa: E731
        return SimpleNamespace(topic_name='/policy/hash', get_publisher_count=count)

    def create_timer(self, period, callback, clock):
        self.look = callback

    def get_publishers_info_by_topic(self, topic):
        return [
            SimpleNamespace(node_namespace='/', node_name=name, endpoint_gid=name.encode())
            for name in self.present
        ]

    def state(self, name, policy_hash):
        info = {'publisher_gid': {'data': name.encode()}} if self.told else {}
        self.callback(SimpleNamespace(data=policy_hash), info)

    def problem(self):
        return self.heard.problem(OWN, stated=True)


@pytest.fixture(params=[True, False], ids=['told', 'not told'])
def graph(request):
    return Graph(told=request.param)


def test_what_was_stated_is_forgotten_with_its_publisher(graph):
    graph.present = ['before']
    graph.state('before', OWN)
    graph.look()
    assert graph.problem() == ''
    graph.present = []
    assert graph.problem() == SILENT
    graph.look()
    graph.present = ['after']
    graph.look()
    assert graph.problem() == SILENT
    graph.state('after', OWN)
    assert graph.problem() == ''


def test_one_that_says_nothing_does_not_inherit_what_a_killed_one_stated(graph):
    graph.present = ['killed']
    graph.state('killed', OWN)
    graph.present = ['killed', 'after']  # as long as DDS takes to notice
    graph.look()
    graph.present = ['after']
    graph.look()
    assert graph.problem() == SILENT


def test_the_one_that_speaks_counts_while_another_goes(graph):
    graph.present = ['killed']
    graph.state('killed', OTHER)
    graph.present = ['killed', 'after']
    graph.state('after', OWN)
    graph.look()
    graph.present = ['after']
    graph.look()
    assert graph.problem() == ''


def test_who_sent_it_need_not_be_on_the_graph_as_with_cyclone():
    graph = Graph(told=True)
    graph.present = ['endpoint']
    graph.state('otherwise named', OWN)
    graph.look()
    assert graph.problem() == ''
    graph.present = ['after']
    graph.look()
    assert graph.problem() == SILENT


def test_a_node_that_has_answered_is_believed_until_it_is_gone(graph):
    graph.present = ['loaded']
    graph.heard.expect(OWN)
    graph.look()
    assert graph.problem() == ''
    graph.present = ['after']
    graph.look()
    assert graph.problem() == SILENT
