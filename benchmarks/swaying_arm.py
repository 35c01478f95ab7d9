"""An arm that sways for as long as one likes: what it measures, and a policy's lessons from it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.frames import NS, Frame
from il_ros.datasets.dataset import Dataset
from il_ros.monitors.monitor_input import Source
from il_ros.rollouts.demonstrations import dataset_of_rollouts
from il_ros.rollouts.episode_runner import EpisodeRunner
from il_ros.rollouts.safety_filters import NoFilter

Array = NDArray[np.float64]
Values = dict[str, Array]

PERIOD = 4.0  # of the sway [s]
AMPLITUDE = 0.1  # of the first and the last joint of the arm [rad]


class SwayDriver:
    """Swings base and wrist a quarter of a period apart, so that the joints show the phase.

    Args:
        contract: Of one arm.
        horizon: Steps of a chunk.
    """

    source: Source = 'expert'
    policy_id = ''

    def __init__(self, contract: Contract, *, horizon: int = 4) -> None:
        self.keys = tuple(contract.streams)
        self._position = contract.action.position
        self._steps = np.arange(1, horizon + 1) * contract.period
        self.reset()

    def reset(self) -> None:
        """The next frame says around which posture the arm sways, and when it begins."""
        self._middle: Array | None = None
        self._begin = 0

    def act(self, frame: Frame) -> Array:
        """The next steps, shape (horizon, N) [rad, m]."""
        if self._middle is None:
            self._middle = np.concatenate([frame.values[key] for key in self._position])
            self._begin = frame.stamp
        angle = 2 * math.pi / PERIOD * ((frame.stamp - self._begin) / NS + self._steps)
        chunk = np.tile(self._middle, (len(angle), 1))
        chunk[:, 0] += AMPLITUDE * np.sin(angle)
        chunk[:, -2] += AMPLITUDE * (1.0 - np.cos(angle))
        return chunk


def sway(contract: Contract, seeds: range) -> tuple[Dataset, list[Values]]:
    """Let the simulated arm sway in some scenes of `pick_place`.

    Args:
        contract: Of `pick_place`, at any rate.
        seeds: Of the scenes; an episode each.

    Returns:
        Its episodes as demonstrations, and every observation of one period of the first of them,
        a step each: played again and again, they are an arm that never stops.
    """
    runner = EpisodeRunner(contract, 'pick_place', SwayDriver(contract), NoFilter())
    seen: list[Values] = []
    rollouts = [runner.run(seed, watch=lambda *_: seen.append(runner.truth())) for seed in seeds]
    steps = round(PERIOD / contract.period)
    return dataset_of_rollouts(contract, 'pick_place', rollouts), seen[steps : 2 * steps]
