"""Commands that are late before they are sent: the arm keeps its limits, and comes to rest."""

import numpy as np
import pytest

from benchmarks.late_commands import CONTRACT, LATEST, Episode, Lateness, Robot
from il_ros.core.contract import load_contract


def outcomes(episodes, lateness, robot, seed=1):
    contract = load_contract(CONTRACT)
    for i in range(episodes):
        yield Episode(contract, lateness, robot, np.random.default_rng([seed, i])).run()


@pytest.mark.parametrize('replacement', [False, True])
def test_a_starved_monitor_keeps_speed_and_acceleration(replacement):
    ways = []
    for outcome in outcomes(3, Lateness(sending=True), Robot(replacement=replacement)):
        assert outcome.speed <= 1.0
        assert outcome.acceleration <= 1.1
        assert outcome.at_rest
        ways.append(outcome.way)
    assert max(ways) > 0.3  # it does move


# The arm rests within the lead; a point is a moment before the next trajectory leaves; a lead is
# shorter than half a period.
@pytest.mark.parametrize('episode', [44, 308, 413])
def test_a_trajectory_that_comes_in_time_changes_no_spline_before(episode):
    rng = np.random.default_rng([0, episode])
    outcome = Episode(load_contract(CONTRACT), Lateness(sending=True), Robot(), rng).run()
    assert outcome.acceleration <= 1.0


def test_punctual_commands_are_followed_near_the_limits():
    for outcome in outcomes(1, Lateness(), Robot()):
        assert 0.7 < outcome.speed <= 1.0
        assert 0.8 < outcome.acceleration <= 1.0
        assert outcome.at_rest


def test_limits_of_the_controller_manager_hold_in_transit():
    for outcome in outcomes(3, Lateness(transit=True), Robot(limits=True)):
        assert outcome.speed <= 1.0 + 1e-9
        assert outcome.at_rest


@pytest.mark.parametrize('robot', [Robot(reports=False), Robot(replacement=True)])
def test_a_lead_as_long_as_commands_are_late_keeps_all_limits_without_the_controller(robot):
    ways = []
    for outcome in outcomes(2, Lateness(transit=True, lead=LATEST), robot):
        assert outcome.speed <= 1.0
        assert outcome.acceleration <= 1.25
        assert robot.replacement or outcome.off < 2e-3  # rad, of any joint from its plan
        assert outcome.at_rest
        ways.append(outcome.way)
    assert max(ways) > 0.3


def test_episodes_on_a_graph_sum_up():
    pytest.importorskip('rclpy')
    from benchmarks.late_live import KINDS, LIMITED, PROMISED, summary

    def line(speed, **changes):
        violations = {**dict.fromkeys(LIMITED, 0), **changes}
        return {'violations': violations, 'speed': speed, 'at_rest': not changes, 'driven': 3.0}

    found = summary([line(0.5), line(1.2, velocity=4), line(0.7, acceleration=1)])
    assert (found['velocity'], found['acceleration'], found['position']) == (4, 1, 0)
    assert (found['unrested'], found['speed'], found['driven']) == (2, 1.2, 9.0)
    assert set(PROMISED) < set(KINDS)


class Stops(Episode):
    """Notes after each tick how far the joints go before they rest, as a share of the bound."""

    def run(self):
        self.share = 0.0
        return super().run()

    def _tick(self, frame, present):
        sent = super()._tick(frame, present)
        motion = self._monitor._motion
        if motion.plan is not None:
            turns = motion.plan.at(np.linspace(present, motion.plan.end_time, 200))[0]
            way = np.abs(np.diff(turns, axis=0)).sum(axis=0)
            self.share = max(self.share, (way / motion._stopping.bound).max())
        return sent


def test_however_late_commands_are_all_joints_rest_within_the_bound():
    contract, shares = load_contract(CONTRACT), []
    for seed, transit in ((38, False), (17, True)):  # those that came nearest, of 60
        lateness = Lateness(sending=not transit, transit=transit)
        episode = Stops(contract, lateness, Robot(limits=True), np.random.default_rng([9, seed]))
        assert episode.run().at_rest
        shares.append(episode.share)
    assert 0.9 < max(shares) <= 1.0
