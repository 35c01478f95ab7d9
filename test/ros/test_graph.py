"""The client of a graph where answers are lost or late."""

import time

import pytest
from small_policies import REACH

pytest.importorskip('rclpy')

from std_srvs.srv import Trigger

from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.ros import graph
from il_ros.ros.graph import Graph


class Answer:
    def __init__(self, after):
        self.due = time.monotonic() + after

    def done(self):
        return time.monotonic() >= self.due

    def result(self):
        return Trigger.Response(success=True)


class Server:
    """Takes every question and answers each after so long; the last delay is that of all others."""

    def __init__(self, *delays):
        self.delays, self.asked = delays, 0

    def wait_for_service(self, _):
        return True

    def call_async(self, _):
        self.asked += 1
        return Answer(self.delays[min(self.asked, len(self.delays)) - 1])


@pytest.fixture
def ask(domain, monkeypatch):
    """Asks a service that answers like that, with another question after 0.2, 0.4, ... s."""
    monkeypatch.setattr(graph, '_FIRST', 0.2)
    with Graph(load_contract(REACH), timeout=1.0) as client:

        def one(name, *delays):
            server = client._clients[name] = Server(*delays)
            client._call(name, Trigger.Request())
            return server.asked

        yield one


NEVER = 1e9


def test_lost_answers_are_asked_for_again(ask):
    assert ask('policy/reset', NEVER, NEVER, 0.0) == 3


def test_an_answer_that_is_late_counts(ask):
    assert ask('policy/reset', 0.5, NEVER) == 2


def test_who_never_answers_is_named(ask):
    with pytest.raises(IlRosError, match='/policy/reset: no answer within 1 s'):
        ask('policy/reset', NEVER)


@pytest.mark.parametrize('name', ['simulator/step', 'recorder/start', 'recorder/stop'])
def test_what_must_not_be_done_twice_is_asked_for_once(ask, name):
    assert ask(name, 0.6) == 1
