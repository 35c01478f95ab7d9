"""A joint that turns without end is commanded in its driver's own count of turns."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from turning_joint import TEXT, decoder, message, wrapped

from il_ros.core.contract import parse_contract
from il_ros.core.frames import NS
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.plan import Planner
from il_ros.ros.command_sender import CommandSender

DT = 0.05
LEAN = 1.0  # rad; the other joint, which has a stop


def make(adapter='forward_command', rate=0.0):
    data = yaml.safe_load(TEXT)
    data.pop('workspace')
    data['action']['output'] = {'adapter': adapter, 'topic': 'commands', 'rate': rate}
    return parse_contract(yaml.safe_dump(data))


class Driver:
    """Holds what it was sent, as it is, and says where it is in a count of turns of its own."""

    def __init__(self, angle):
        self.contract = make()
        self.decode, self.now = decoder('turn_alone', 'lean_alone'), 10.0
        self.angle = self.zero = 0.0  # where it is, and what it says at 0
        self.sent = []
        node = SimpleNamespace(
            create_publisher=lambda *_: SimpleNamespace(publish=self._take, topic_name='commands'),
        )
        self.sender = CommandSender(
            node,
            self.contract,
            settings=MonitorConfig(),
            present=lambda: round(self.now * NS),
            seconds=lambda stamp: stamp / NS,
            said=self._said,
        )
        self.angle = angle
        self.tell()

    def _said(self):
        parts = [self.decode.said(key) for key in self.contract.action.position]
        return np.concatenate([[np.nan] if part is None else part for part in parts])

    def _take(self, command):
        lean, turn = command.data
        self.sent.append((lean, turn, self.says))
        self.angle += turn - self.says  # it does not look for the short way

    @property
    def says(self):
        return self.count(self.angle)

    count = staticmethod(wrapped)

    def tell(self):
        """A message; gives where the monitor has the joint."""
        stamp = round(self.now * NS)
        values = self.decode.decode(message(self.says, lean=LEAN, stamp=stamp), stamp)[1]
        return values['turn_alone'][0]


def turned(driver, speeds, silence):
    """Drive it at about these speeds, a tick each [rad/s]; `silence` [s] after each of them."""
    planner = Planner(driver.contract.limits)
    plan = planner.hold(np.array([LEAN, driver.tell()]), driver.now)
    for speed, pause in zip(speeds, silence, strict=True):
        driver.now += DT
        seen = driver.tell()
        if abs(seen - plan.at(driver.now)[0][1]) > 1.0:  # counted anew: a new motion begins there
            plan = planner.hold(np.array([LEAN, seen]), driver.now)
            driver.sender.reset()
        here = plan.at(driver.now)[0]
        goal = here + np.array([0.0, 0.3 * speed])
        plan = planner.towards(plan, driver.now, goal, 0 * goal, DT)
        before = driver.angle
        driver.sender.go_on(plan, driver.now, round(driver.now * NS))
        assert abs(driver.angle - before) < 0.3
        if pause:
            plan = planner.hold(np.array([LEAN, plan.at(driver.now + DT)[0][1]]), driver.now)
            driver.now += pause
    return plan


@pytest.mark.parametrize('pause', [0.0, 3.0])
@pytest.mark.parametrize('speed', [1.5, -1.5])
def test_it_does_not_turn_back_what_its_driver_left_out(speed, pause):
    """Two turns and a half, and then a silence after which nothing is known of them."""
    driver = Driver(0.3)
    count = round(2.5 * 2 * math.pi / (1.0 * DT))
    turned(driver, [speed] * count, [0.0] * (count - 3) + [pause] * 3)
    assert abs(driver.angle) > 4 * math.pi
    assert all(abs(turn - said) <= math.pi for _, turn, said in driver.sent)
    assert {lean for lean, _, _ in driver.sent} == {LEAN}


@settings(max_examples=15, deadline=None)
@given(
    speeds=st.lists(st.floats(-1.9, 1.9), min_size=3, max_size=40),
    start=st.floats(-20.0, 20.0),
    data=st.data(),
)
def test_whatever_turn_a_driver_counts_it_is_sent_no_further_than_half_of_one(speeds, start, data):
    driver = Driver(start)
    recounts = st.sampled_from([0.0] * 6 + [2 * math.pi, -8 * math.pi])
    shifts = np.cumsum([data.draw(recounts) for _ in speeds])
    ticks = iter(shifts)
    kind = data.draw(st.sampled_from(['wraps', 'counts', 'counts anew']))
    shift = [0.0]
    if kind != 'wraps':
        driver.count = lambda angle: angle + shift[0]
    tell = driver.tell

    def anew():
        if kind == 'counts anew':
            shift[0] = next(ticks, shift[0])
        return tell()

    driver.tell = anew
    turned(driver, speeds, [data.draw(st.sampled_from([0.0, 0.0, 0.0, 2.0])) for _ in speeds])
    assert all(abs(turn - said) <= math.pi for _, turn, said in driver.sent)


def test_where_nothing_was_said_a_set_point_is_that_of_the_plan():
    driver = Driver(0.0)
    driver.sender._setpoints[0]._said = lambda: np.full(2, np.nan)
    driver.angle = 0.0
    plan = Planner(driver.contract.limits).hold(np.array([LEAN, 9.0]), driver.now)
    driver.sender.go_on(plan, driver.now, 0)
    assert driver.sent[-1][:2] == (LEAN, 9.0)


def test_one_number_that_is_none_does_not_forget_the_turn():
    driver = Driver(3.0)
    driver.decode.decode(message(math.nan, lean=LEAN, stamp=NS), round(driver.now * NS))
    assert driver._said()[1] == 3.0
