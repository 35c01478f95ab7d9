"""What the steps of preprocessing did, in numbers, and how those of many episodes are taken as one.

The first part of a number's name, up to a dot, says how: `..._fraction`, `..._mean`, `..._p95` are
averaged over frames, `rms_...` likewise by their squares, of `max_...` the largest counts, and
everything else is a count that adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum, sqrt

import numpy as np

from il_ros.core.contract import Contract
from il_ros.core.frames import NS
from il_ros.datasets.episode_arrays import EpisodeArrays

Effect = dict[str, float]
Effects = Mapping[str, Mapping[str, float]]

# Two frames have one sample if its time differs by less [s]; ages are float32.
_SAME_SAMPLE = 1e-4


def alignment_effect(contract: Contract, episode: EpisodeArrays) -> Effect:
    """How well the streams met the ticks, by stream.

    `valid_fraction`; `age_mean` and `age_p95` of the valid samples [s]; `held_fraction`: frames
    with the sample of the frame before them, because nothing new had come.
    """
    effect: Effect = {}
    for key in contract.inputs:
        valid, age = episode.valid[key], episode.age[key].astype(np.float64)
        if not len(valid):
            continue
        effect[f'valid_fraction.{key}'] = float(valid.mean())
        known = age[valid & np.isfinite(age)]
        if len(known):
            effect[f'age_mean.{key}'] = float(known.mean())
            effect[f'age_p95.{key}'] = float(np.percentile(known, 95))
            effect[f'held_fraction.{key}'] = _held(episode, key) / len(valid)
    return effect


def total_effects(effects: Iterable[Effects]) -> dict[str, dict[str, float]]:
    """What the steps did to many episodes, as if they were one.

    Averages are weighted by the frames that an episode had at first, so the 95th percentile is
    the mean of the episodes' own, not that of all frames. Totals may be totalled again.
    """
    gathered: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for one in effects:
        weight = one.get('segmentation', {}).get('frames', 0.0)
        for step, numbers in one.items():
            for name, value in numbers.items():
                gathered.setdefault(step, {}).setdefault(name, []).append((value, weight))
    return {
        step: {name: _total(name, found) for name, found in numbers.items()}
        for step, numbers in gathered.items()
    }


def _held(episode: EpisodeArrays, key: str) -> int:
    """Frames whose sample is that of the frame before."""
    time = (episode.stamp - episode.stamp[0]) / NS - episode.age[key]
    same = np.abs(np.diff(time)) < _SAME_SAMPLE
    if key in episode.values:  # an interpolated value goes on between two samples
        same &= (np.diff(episode.values[key], axis=0) == 0).all(axis=1)
    return int((same & episode.valid[key][1:] & episode.valid[key][:-1]).sum())


def _total(name: str, found: list[tuple[float, float]]) -> float:
    kind = name.partition('.')[0]
    weights = fsum(weight for _, weight in found) or 1.0
    if kind.startswith('max_'):
        return max(value for value, _ in found)
    if kind.startswith('rms_'):
        return sqrt(fsum(value**2 * weight for value, weight in found) / weights)
    if kind.endswith(('_fraction', '_mean', '_p95')):
        return fsum(value * weight for value, weight in found) / weights
    return fsum(value for value, _ in found)
