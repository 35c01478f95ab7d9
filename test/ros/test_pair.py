"""Two arms on a real graph: one JointState, one trajectory, one monitor, one bag."""

from pathlib import Path

import numpy as np
import pytest

from il_ros.bags.bag_reader import EpisodeReader
from il_ros.cli.running_graph import graph
from il_ros.core.contract import load_contract
from il_ros.datasets.bag_conversion import convert
from il_ros.ros.message_conversion import to_seconds

PAIR = Path(__file__).parents[2] / 'config/contracts/viperx_pair_bimanual_handover.yaml'


@pytest.fixture(scope='module')
def episode(domain, tmp_path_factory):
    """One demonstration of the expert, through the monitor, recorded."""
    folder = tmp_path_factory.mktemp('pair')
    with graph(PAIR, start=True, task='bimanual_handover', directory=folder) as client:
        client.wait_for('recorder/start')
        yield client.episode(7, 'expert', record=True)


def test_a_bar_is_handed_over_within_every_limit(episode):
    assert episode.state.success
    assert 'separation' in episode.state.violation_kinds
    assert set(episode.state.violation_counts) == {0}


def test_the_bag_holds_both_arms_and_what_both_were_commanded(episode):
    contract = load_contract(PAIR)
    with EpisodeReader(Path(episode.bag)) as reader:
        arrays = convert(reader).arrays
    assert arrays.frames >= round(to_seconds(episode.state.elapsed) * contract.rate)
    assert all(arrays.valid[key].all() for key in contract.observations)
    commanded = np.isfinite(arrays.action).all(axis=1)
    assert commanded.sum() >= arrays.frames - 2
    moved = np.ptp(arrays.action[commanded], axis=0)
    assert moved.shape == (14,)
    assert np.all(moved[[6, 13]] > 0.02)  # each hand closes, and one opens again
    assert np.all(moved[[1, 8]] > 0.1)
