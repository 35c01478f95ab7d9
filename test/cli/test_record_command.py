"""Recording asks for episodes as it was told to, seed by seed."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from rich.console import Console

from il_ros.cli.record_command import run_recording
from il_ros.core.errors import IlRosError
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import NOTHING, Randomisation, Range


class Asked:
    """Stands for the graph's client and keeps what it was asked for."""

    def __init__(self, success=True):
        self.episodes, self._success = [], success

    def watching(self, *, novelty):
        return nullcontext()

    def episode(self, seed, mode, perturbations, *, record, notes):
        self.episodes.append((seed, tuple(perturbations), notes))
        return SimpleNamespace(
            state=SimpleNamespace(success=self._success),
            trace=SimpleNamespace(reason='stopped'),
            bag=f'bag_{seed}',
        )


def recorded(client, **settings):
    console = Console(quiet=True)
    return run_recording(client, [3, 4], source='expert', console=console, **settings)


def test_every_episode_gets_the_draw_of_its_seed():
    ranges = Randomisation(latency=Range(distribution='uniform', low=0.0, high=0.1))
    client = Asked()
    assert [bag.name for bag in recorded(client, noise=0.002, randomisation=ranges)] == [
        'bag_3', 'bag_4',
    ]  # fmt: skip
    noise = Perturbation(kind='command_noise', value=(0.002,))
    for seed, perturbations, notes in client.episodes:
        assert perturbations == (*ranges.draw(seed), noise)
        assert notes == f'expert in lock-step, randomised (sha256 {ranges.hash})'
    assert client.episodes[0][1] != client.episodes[1][1]


def test_without_a_randomisation_nothing_is_drawn():
    client = Asked()
    recorded(client, noise=0.0, randomisation=NOTHING)
    assert client.episodes == [(3, (), 'expert in lock-step'), (4, (), 'expert in lock-step')]


def test_not_one_good_episode_is_an_error():
    with pytest.raises(IlRosError, match=r'none of 2 episodes reached the goal; .*stopped'):
        recorded(Asked(success=False), noise=0.0)
