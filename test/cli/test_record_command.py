"""Recording asks for episodes as it was told to, seed by seed."""

from __future__ import annotations

from contextlib import nullcontext
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from il_ros.cli.record_command import _say_where, run_recording
from il_ros.core.errors import IlRosError
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import NOTHING, Randomisation, Range


class Asked:
    """Stands for the graph's client and keeps what it was asked for."""

    def __init__(self, success=True, alarms=()):
        self.episodes, self._success, self._alarms = [], success, alarms

    def watching(self, *, novelty):
        return nullcontext()

    def episode(self, seed, mode, perturbations, *, record, notes):
        self.episodes.append((seed, tuple(perturbations), notes))
        return SimpleNamespace(
            state=SimpleNamespace(success=self._success),
            trace=SimpleNamespace(reason='stopped', alarm=1.0 if seed in self._alarms else None),
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


def test_a_goal_counts_as_in_the_bag_if_the_monitor_did_not_stop_the_policy():
    out = StringIO()
    client, console = Asked(alarms=[4]), Console(file=out, width=100)
    run_recording(client, [3, 4, 5], source='policy', noise=0.0, console=console)
    assert '2 of 3 episodes reached the goal; the monitor stopped 1' in out.getvalue()


@pytest.mark.parametrize('same', [True, False])
def test_bags_of_a_running_graph_that_are_elsewhere_are_named(tmp_path, same):
    out, text = tmp_path / 'out', StringIO()
    folder = out if same else tmp_path / 'other'
    _say_where([folder / 'a', folder / 'b'], out, Console(file=text, width=500))
    assert text.getvalue() == '' if same else f'are in {folder}, not in {out}' in text.getvalue()
