"""How good a demonstration is, in numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.episode_info import EpisodeInfo
from il_ros.bags.episode_writer import absolute
from il_ros.core.contract import Contract
from il_ros.core.frames import NS
from il_ros.core.smoothness import log_dimensionless_jerk, spectral_arc_length
from il_ros.core.streams import compressed
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import fraction_name
from il_ros.datasets.preprocessing.joint_motion import (
    contiguous,
    measured_positions,
    relative_speed,
)
from il_ros.datasets.preprocessing.segmentation import Idle

Measures = dict[str, float]

EPISODE_MEASURES = ('gaps', 'usable_fraction', 'invalid_fraction', 'loss')
"""Measures of a whole episode; each part of it has the same."""

PART_MEASURES = (
    'duration', 'jerk', 'log_dimensionless_jerk', 'spectral_arc_length', 'idle_fraction',
    'position_limit_fraction', 'velocity_limit_fraction', 'saturated_fraction', 'tracking_error',
    'path_efficiency',
)  # fmt: skip
"""Measures of each part."""

UNITS = {'duration': ' s', 'tracking_error': ' rad or m'}
"""Units of the measures that have one, with a space before them."""

FAMILIES = ('invalid_fraction.', 'loss.', 'other_frame.')
"""Measures of one stream begin with one of these; its key follows."""

# A command this near to a position limit (fraction of the range) or to the speed limit is at it.
_AT_POSITION, _AT_SPEED = 1e-3, 0.999


def loss_measures(contract: Contract, info: EpisodeInfo) -> Measures:
    """Fraction of each stream's messages that were lost while recording, as `loss.<key>`.

    None for an episode whose losses were not counted: one of format 1, or recovered after a crash.
    """
    if info.format < 2 or info.state != 'complete':
        return {}
    found: Measures = {}
    for key, stream in contract.inputs.items():
        name = absolute(info.namespace, stream.topic)
        # An image stream that the recorder compresses has the name that image_transport gives it.
        topic = info.topics.get(name) or info.topics.get(compressed(name))
        if topic is not None:
            found[f'loss.{key}'] = topic.lost / max(topic.messages + topic.lost, 1)
    return found


def episode_measures(contract: Contract, session: EpisodeArrays, usable: EpisodeArrays) -> Measures:
    """Measures of a whole episode, those that its entry has already (`loss.<key>`) among them.

    Args:
        contract: Rate and streams.
        session: Every frame of it.
        usable: Those that something can be learned from.
    """
    found: Measures = dict(session.entry.measures)
    found['gaps'] = max(len(contiguous(contract, usable.stamp)) - 1, 0)
    if session.frames:
        found['usable_fraction'] = usable.frames / session.frames
        lacking = np.zeros(session.frames, dtype=bool)
        for key, stream in contract.inputs.items():
            invalid = ~session.valid[key]
            found[f'invalid_fraction.{key}'] = float(invalid.mean())
            # Privileged streams are not there at all on a robot, and that is no defect.
            lacking |= invalid if stream.required and key not in contract.privileged else False
        found['invalid_fraction'] = float(lacking.mean())
    losses = [value for name, value in found.items() if name.startswith('loss.')]
    if losses:
        found['loss'] = max(losses)
    return found


def part_measures(
    contract: Contract, part: EpisodeArrays, idle: Idle, grippers: NDArray[np.bool_]
) -> Measures:
    """Measures of a part of an episode; what is not defined for it is not among them.

    Grippers count only for `idle_fraction`: a closed gripper is meant to be at its limit.
    Where no joints are commanded, nothing but the duration is defined.

    Args:
        contract: Rate and limits.
        part: Usable frames, one or more.
        idle: What standing still is.
        grippers: Which joints are grippers, shape (N,).
    """
    if contract.action.space != 'joints':
        return {'duration': part.duration}
    every = np.ones_like(grippers)
    still = relative_speed(contract, part, every, idle.window) < idle.speed
    found: Measures = {'duration': part.duration, 'idle_fraction': float(still.mean())}
    if not grippers.all():
        found |= _smoothness(contract, part, ~grippers)
        found |= _saturation(contract, part, ~grippers)
        found |= _following(contract, part, ~grippers)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def check_names(names: Iterable[str]) -> None:
    """Refuse, as a ValueError, a name that no measure has."""
    known = (*EPISODE_MEASURES, *PART_MEASURES)
    for name in names:
        if (new := fraction_name(name)) != name:
            raise ValueError(f'{name!r} is now {new!r}; write {new!r} instead')
        if name not in known and not name.startswith(FAMILIES):
            families = ', '.join(f'{family}<stream>' for family in FAMILIES)
            raise ValueError(f'no measure {name!r}; allowed: {", ".join(known)}, {families}')


def _smoothness(contract: Contract, part: EpisodeArrays, arm: NDArray[np.bool_]) -> Measures:
    action = part.action[:, arm].astype(np.float64)
    limit = contract.limits.jerk[arm]
    pieces = contiguous(contract, part.stamp)
    step = 1 / contract.rate
    jerks = [np.diff(action[a:b], 3, axis=0) / step**3 / limit for a, b in pieces if b - a > 3]
    found: Measures = {}
    if jerks:
        found['jerk'] = float(np.sqrt((np.concatenate(jerks) ** 2).mean()))
    start, stop = max(pieces, key=lambda piece: piece[1] - piece[0])
    times = (part.stamp[start:stop] - part.stamp[start]) / NS
    rough = log_dimensionless_jerk(action[start:stop], step)
    arc = spectral_arc_length(times, action[start:stop])
    found |= {'log_dimensionless_jerk': rough} if rough is not None else {}
    found |= {'spectral_arc_length': arc} if arc is not None else {}
    return found


def _saturation(contract: Contract, part: EpisodeArrays, arm: NDArray[np.bool_]) -> Measures:
    limits = contract.limits
    command = part.action_raw[:, arm].astype(np.float64)
    low, high = limits.position_min[arm], limits.position_max[arm]
    near = _AT_POSITION * np.where(limits.endless[arm], 0.0, high - low)
    position = ((command <= low + near) | (command >= high - near)).any(axis=1)
    speed = np.abs(np.diff(command, axis=0)) / (np.diff(part.stamp) / NS)[:, None]
    fast = (speed >= _AT_SPEED * limits.velocity[arm]).any(axis=1)
    velocity = np.concatenate([[False], fast])
    return {
        'position_limit_fraction': float(position.mean()),
        'velocity_limit_fraction': float(velocity.mean()),
        'saturated_fraction': float((position | velocity).mean()),
    }


def _following(contract: Contract, part: EpisodeArrays, arm: NDArray[np.bool_]) -> Measures:
    measured = measured_positions(contract, part.values)[:, arm]
    # A command is due one period after its frame, so it is measured in the next one.
    error = np.concatenate(
        [
            measured[start + 1 : stop] - part.action_raw[start : stop - 1, arm]
            for start, stop in contiguous(contract, part.stamp)
        ]
    )
    known = measured[np.isfinite(measured).all(axis=1)]
    length = float(np.linalg.norm(np.diff(known, axis=0), axis=1).sum()) if len(known) > 1 else 0.0
    found: Measures = {}
    if np.isfinite(error).any():
        found['tracking_error'] = float(np.sqrt(np.nanmean(error**2)))
    if length > 0:
        found['path_efficiency'] = float(np.linalg.norm(known[-1] - known[0])) / length
    return found
