"""Removes the demonstrator's tremor from actions: a low-pass filter without delay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError, require
from il_ros.core.limits import Array
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.preprocessing.joint_motion import contiguous
from il_ros.datasets.preprocessing.step_effects import Effect

# Beyond the ends a piece is continued, point-mirrored, for as many periods of the cut-off
# frequency; by then what the filter remembers of its start has died down.
_SETTLE = 1.5


@dataclass(frozen=True, kw_only=True)
class ActionFilter:
    """A Butterworth low-pass filter, run forwards and backwards so that it shifts nothing in time.

    Attributes:
        cutoff: Frequency that comes through at 1/sqrt(2) of its amplitude, both runs together
            [Hz]; 0 leaves the actions as they are.
        order: Order of one run; both together fall off as one of twice the order.
        joints: Which joints are filtered; none named means all but the grippers, whose switching
            has to stay sharp.
    """

    cutoff: float = 0.0
    order: int = 2
    joints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.cutoff < np.inf:
            raise ValueError(f'cutoff {self.cutoff:g} Hz; allowed: 0 (off) or a positive number')
        if not 1 <= self.order <= 8:
            raise ValueError(f'order {self.order}; allowed: 1 .. 8')


def check_filter(contract: Contract, settings: ActionFilter) -> None:
    """Refuse a filter that a contract does not allow.

    Raises:
        DatasetError: If a joint is not the contract's, or the cut-off frequency is not below half
            the contract's rate.
    """
    names = contract.action.names
    for name in settings.joints:
        require(name in names, name, 'filter.joints', names, DatasetError)
    if settings.cutoff >= contract.rate / 2:
        raise DatasetError(
            f'got {settings.cutoff:g} Hz',
            where='filter.cutoff',
            allowed=f"less than {contract.rate / 2:g} Hz, half the contract's rate",
        )


def filter_actions(
    contract: Contract, episode: EpisodeArrays, settings: ActionFilter, grippers: NDArray[np.bool_]
) -> tuple[EpisodeArrays, Effect]:
    """Filter the actions of an episode; `action_raw` is what they are made from, and stays.

    Every piece without a gap or a missing action is filtered by itself; a piece too short for the
    filter stays as it is. The result never leaves the contract's position limits unless the raw
    actions did.

    Args:
        contract: Rate, joints and limits.
        episode: The episode.
        settings: The filter.
        grippers: Which joints are grippers, shape (N,).

    Returns:
        The episode and the effect: pieces, those too short and their frames, and for each joint
        the root mean square and the largest change [rad or m], and the fraction of the energy (of
        the motion about each piece's mean) that was removed.

    Raises:
        DatasetError: As `check_filter`.
    """
    from scipy.signal import sosfiltfilt

    check_filter(contract, settings)
    if not settings.cutoff:
        return episode, {}
    named = np.array([name in settings.joints for name in contract.action.names])
    chosen = named if settings.joints else ~grippers
    sections = _design(contract, settings)
    settle = int(np.ceil(max(_SETTLE * contract.rate / settings.cutoff, 6 * settings.order)))
    raw = episode.action_raw.astype(np.float64)
    filtered, short, frames = raw.copy(), 0, 0
    pieces = _pieces(contract, episode)
    for start, stop in pieces:
        if stop - start <= settle:
            short, frames = short + 1, frames + stop - start
            continue
        part = sosfiltfilt(sections, raw[start:stop], axis=0, padtype='odd', padlen=settle)
        filtered[start:stop, chosen] = _limited(contract, raw[start:stop], part)[:, chosen]
    effect: Effect = {'pieces': len(pieces), 'short_pieces': short, 'short_frames': frames}
    effect |= _effect(contract, chosen, pieces, raw, filtered)
    return replace(episode, action=filtered.astype(np.float32)), effect


def _design(contract: Contract, settings: ActionFilter) -> Array:
    """Second-order sections, shape (S, 6), of one run."""
    from scipy.signal import butter

    # Two runs multiply their gains, so each may lose only the fourth root of 1/2 at the cut-off:
    # (1 + w^2n)^-1 = 2^-1/2. Frequencies are warped by the bilinear transform, w ~ tan(pi f / fs).
    wanted = np.tan(np.pi * settings.cutoff / contract.rate)
    warped = wanted / (np.sqrt(2) - 1) ** (0.5 / settings.order)
    cutoff = np.arctan(warped) * contract.rate / np.pi
    return np.asarray(butter(settings.order, cutoff, fs=contract.rate, output='sos'))


def _limited(contract: Contract, raw: Array, filtered: Array) -> Array:
    low, high = contract.action_range
    low, high = np.minimum(low, raw.min(axis=0)), np.maximum(high, raw.max(axis=0))
    return np.clip(filtered, low, high)


def _pieces(contract: Contract, episode: EpisodeArrays) -> list[tuple[int, int]]:
    known = np.flatnonzero(np.isfinite(episode.action_raw).all(axis=1))
    pieces = []
    for start, stop in contiguous(contract, episode.stamp):
        inside = known[(known >= start) & (known < stop)]
        breaks = np.flatnonzero(np.diff(inside) > 1) + 1
        pieces += [(int(p[0]), int(p[-1]) + 1) for p in np.split(inside, breaks) if len(p)]
    return pieces


def _effect(
    contract: Contract,
    chosen: NDArray[np.bool_],
    pieces: list[tuple[int, int]],
    raw: Array,
    filtered: Array,
) -> Effect:
    if not pieces:
        return {}
    change = np.concatenate([filtered[a:b] - raw[a:b] for a, b in pieces])
    motion = np.concatenate([raw[a:b] - raw[a:b].mean(axis=0) for a, b in pieces])
    energy = (motion**2).sum(axis=0)
    removed = (change**2).sum(axis=0) / np.where(energy > 0, energy, 1.0)
    effect: Effect = {}
    for i in np.flatnonzero(chosen):
        name = contract.action.names[i]
        effect[f'rms_change.{name}'] = float(np.sqrt((change[:, i] ** 2).mean()))
        effect[f'max_change.{name}'] = float(np.abs(change[:, i]).max())
        effect[f'removed_fraction.{name}'] = float(removed[i])
    return effect
