"""The client of a graph where answers are lost or late."""

import time
from threading import Timer
from types import SimpleNamespace

import pytest
from small_policies import REACH

pytest.importorskip('rclpy')

from il_ros.msg import MonitorStatus

from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.ros import service_client as client_module
from il_ros.ros.graph_client import GraphClient


class Answer:
    def __init__(self, after):
        self.due = time.monotonic() + after

    def done(self):
        return time.monotonic() >= self.due

    def result(self):
        return SimpleNamespace(success=True, mode=MonitorStatus.HOLD)


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
    monkeypatch.setattr(client_module, '_FIRST', 0.2)
    with GraphClient(load_contract(REACH), timeout=2.0) as client:

        def one(name, *delays):
            server = client._clients[name] = Server(*delays)
            client._call(name)
            return server.asked

        one.client = client

        yield one


NEVER = 1e9


def test_lost_answers_are_asked_for_again(ask):
    assert ask('policy/reset', NEVER, NEVER, 0.0) == 3


def test_an_answer_that_is_late_counts(ask):
    assert ask('policy/reset', 0.5, NEVER) == 2


def test_who_never_answers_is_named(ask):
    with pytest.raises(IlRosError, match='/policy/reset: no answer within 2 s'):
        ask('policy/reset', NEVER)


def test_only_the_newest_answer_to_a_reset_counts(ask):
    # What the first question began is over when the second is answered.
    begin = time.monotonic()
    assert ask('simulator/reset', 0.3, 0.3) == 2
    assert time.monotonic() - begin > 0.45


def test_a_mode_is_not_asked_for_twice_but_the_monitors_status_is_believed(ask):
    server = ask.client._clients['monitor/set_mode'] = Server(NEVER)
    said = Timer(0.4, lambda: ask.client._on_status(MonitorStatus(mode=MonitorStatus.POLICY)))
    said.start()
    ask.client.set_mode('policy')
    assert server.asked == 1
    server = ask.client._clients['monitor/set_mode'] = Server(NEVER, 0.0)
    ask.client.set_mode('hold')  # stopping twice is stopping
    assert server.asked == 2


@pytest.mark.parametrize('name', ['simulator/step', 'recorder/start', 'recorder/stop'])
def test_what_must_not_be_done_twice_is_asked_for_once(ask, name):
    assert ask(name, 0.6) == 1
