"""A driver wants joints beyond their limits: servos overshoot, and the limits hold for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from il_ros.core.contract import load_contract
from il_ros.rollouts.drivers import ExpertDriver
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.in_process_monitor import limits_monitor

REACH = load_contract(Path('config/contracts/franka_reach.yaml'))
CONTRACT = replace(
    REACH, workspace=replace(REACH.workspace, min=(-2.0, -2.0, -2.0), max=(2.0, 2.0, 2.0))
)


class Onwards(ExpertDriver):
    """Wants the base further than it is by a share of its fastest step, whatever is in the way."""

    way = 0.0

    def act(self, frame):
        chunk = np.tile(frame.vector(CONTRACT.action.position), (4, 1))
        chunk[:, 0] += self.way * np.arange(1, 5)
        return chunk


@pytest.mark.parametrize('share', [-2.0, 2.0])
def test_the_arm_stays_within_a_limit_that_it_is_driven_into(share):
    driver = Onwards('reach', CONTRACT)
    driver.way = share * CONTRACT.limits.velocity[0] * CONTRACT.period
    runner = EpisodeRunner(CONTRACT, 'reach', driver, limits_monitor(CONTRACT, 'expert'))
    rollout = runner.run(3)
    assert rollout.reason == ''
    assert rollout.violations['position'] == 0
    measured = np.array([frame.vector(CONTRACT.action.position)[0] for frame in rollout.frames])
    limit = CONTRACT.limits.position_max[0]
    assert limit - 0.006 < np.abs(measured).max() < limit  # all but the margin is there to be used
