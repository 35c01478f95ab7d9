"""Demonstrations without a graph, for what needs frames but no ROS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from il_ros.core.contract import Contract, load_contract
from il_ros.datasets.dataset import Dataset
from il_ros.rollouts.demonstrations import demonstrate

CONTRACT = Path(__file__).parents[1] / 'config/contracts/franka_pick_place.yaml'


def in_process(seeds: Iterable[int], contract: Contract | None = None) -> Dataset:
    """Make a dataset of the expert's undisturbed pick_place episodes, one for each seed."""
    return demonstrate(contract or load_contract(CONTRACT), 'pick_place', seeds, noise=0.0)
