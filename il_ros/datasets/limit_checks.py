"""Whether the numbers of a dataset can be what its contract says: limits, speeds and units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import GAP, NS
from il_ros.core.geometry import nearest_turn
from il_ros.core.limits import Array
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.feature_statistics import FeatureStatistics
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.preprocessing.joint_motion import measured_positions
from il_ros.datasets.summary.feature_summary import feature_names

ANYWAY = 'or take them with --beyond-limits'
"""How a dataset is made of what is refused here, after all."""

# By how much of a joint's range a number may lie out of it: a command, and a joint at its stop.
_ROUNDING, _OVERSHOOT = 1e-4, 0.02
_FASTER = 1.1  # of the velocity limit; stamps jitter, and a command is meant for a whole period
_LISTED = 3  # joints that are named where many are alike

# When two columns of numbers are the same in degrees and in radians.
_DEGREE = 180 / np.pi
_NEAR = 0.1  # deviation of the ratio from that
_CORRELATION = 0.95
_FEWEST = 20  # frames


class LimitCheck:
    """Holds episodes against the limits of their contract.

    Args:
        contract: What the numbers have to be.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract, self._names = contract, contract.action.names
        self._frames = self._unknown = 0
        self._actions = _Bounds(contract, _ROUNDING)
        self._measured = _Bounds(contract, _OVERSHOOT)
        self._action_speed, self._measured_speed = _Speeds(contract), _Speeds(contract)
        size = len(self._names)
        self._scale, self._speed_scale = _Proportion(size), _Proportion(size)

    def add(self, episode: EpisodeArrays) -> None:
        """Count what is odd about an episode."""
        known = np.asarray(np.isfinite(episode.action).all(axis=1))
        self._frames += len(known)
        self._unknown += int((~known).sum())
        action = np.where(known[:, None], episode.action, np.nan).astype(np.float64)
        self._actions.add(action)
        if self._contract.action.space == 'joints':
            self._add_joints(episode, action)

    def _add_joints(self, episode: EpisodeArrays, action: Array) -> None:
        contract = self._contract
        measured = measured_positions(contract, episode.values)
        speed = np.concatenate([episode.values[key] for key in contract.action.velocity], axis=1)
        self._measured.add(measured)
        steps = np.diff(episode.stamp) / NS
        rows = np.flatnonzero((steps > 0) & (steps <= GAP / contract.rate))
        seconds = steps[rows, None]
        self._action_speed.add(action[rows + 1] - action[rows], seconds)
        moved = measured[rows + 1] - measured[rows]
        self._measured_speed.add(moved, seconds)
        self._scale.add(measured[rows + 1], action[rows])
        self._speed_scale.add(moved / seconds, (speed[rows] + speed[rows + 1]) / 2)

    def require(self, where: str, fix: str) -> None:
        """Refuse actions that cannot be.

        Args:
            where: Names what was counted.
            fix: How to get the contract's units.

        Raises:
            DatasetError: If an action is not finite or out of the contract's limits by more than a
                rounding, or if actions or measured positions are in degrees.
        """
        if self._unknown:
            raise DatasetError(
                f'{self._unknown} of {self._frames} actions are not finite',
                where=f'{where}: action',
                fix='check index, scale and offset of the action, or drop those episodes',
            )
        if wrong := self._actions.outside:
            raise DatasetError(
                self._actions.text('actions', self._frames, allowed=False),
                where=f'{where}: action',
                allowed=self._actions.allowed(wrong[:_LISTED]),
                fix=f'{fix}, or correct its limits, {ANYWAY}',
            )
        if text := self._units():
            raise DatasetError(text, where=f'{where}: action', fix=f'{fix}, {ANYWAY}')

    def findings(self) -> dict[str, str]:
        """What is odd, in words, by kind."""
        found = {
            'action_limits': self._actions.text('actions', self._frames),
            'measured_limits': self._measured.text('measured positions', self._frames),
            'action_speed': self._action_speed.text('actions'),
            'measured_speed': self._measured_speed.text('measured positions'),
            'units': self._units(),
            'speed_units': self._speed_units(),
        }
        return {kind: text for kind, text in found.items() if text}

    def _units(self) -> str:
        ratio = self._scale.ratio()
        if joints := _listed(self._names, _is(ratio, _DEGREE)):
            return f'actions of {joints} are the measured radians in degrees'
        if joints := _listed(self._names, _is(ratio, 1 / _DEGREE)):
            return f'measured positions of {joints} are in degrees, and the actions in radians'
        return ''

    def _speed_units(self) -> str:
        joints = _listed(self._names, _is(self._speed_scale.ratio(), _DEGREE))
        return f'measured speeds of {joints} are in degrees a second' if joints else ''


class _Bounds:
    """Counts positions out of the limits by more than a slack, in parts of the range."""

    def __init__(self, contract: Contract, slack: float) -> None:
        self._names = contract.action.names
        self._range = low, high = contract.action_range
        beyond = np.where(contract.endless, np.inf, slack * (high - low))
        self._least, self._most = low - beyond, high + beyond
        self._count = np.zeros(len(self._names), np.int64)
        self._low, self._high = np.full_like(low, np.inf), np.full_like(low, -np.inf)

    def add(self, values: Array) -> None:
        self._count += ((values < self._least) | (values > self._most)).sum(axis=0)
        self._low = np.fmin(self._low, np.fmin.reduce(values, axis=0, initial=np.inf))
        self._high = np.fmax(self._high, np.fmax.reduce(values, axis=0, initial=-np.inf))

    @property
    def outside(self) -> list[int]:
        """Joints with a position out of the limits."""
        found: list[int] = np.flatnonzero(self._count).tolist()
        return found

    def allowed(self, joints: Sequence[int]) -> str:
        low, high = self._range
        return ', '.join(f'{low[i]:g} to {high[i]:g}' for i in joints)

    def text(self, what: str, frames: int, *, allowed: bool = True) -> str:
        """What is out of the limits, and which are `allowed`; empty where nothing is."""
        wrong = self.outside
        if not wrong:
            return ''
        parts = [
            f'{self._count[i]} of {frames} {what} of {self._names[i]} are out of limits: '
            f'{self._low[i]:.4g} to {self._high[i]:.4g}'
            for i in wrong[:_LISTED]
        ]
        if len(wrong) > _LISTED:
            parts.append(f'so are those of {len(wrong) - _LISTED} more')
        if allowed:
            parts[-1] += f' (allowed: {self.allowed(wrong[:_LISTED])})'
        return '; '.join(parts) + (': degrees?' if self._degrees(wrong) else '')

    def _degrees(self, joints: Sequence[int]) -> bool:
        """Whether all that lies outside would lie inside, were it in degrees."""
        low, high = self._low[joints], self._high[joints]
        large = np.maximum(np.abs(low), np.abs(high)) > 2 * np.pi
        inside = (low >= self._least[joints] * _DEGREE) & (high <= self._most[joints] * _DEGREE)
        return bool((large & inside).all())


class _Speeds:
    """Counts steps between frames that are faster than the velocity limits."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._count = self._steps = 0
        self._speed = np.zeros(len(contract.action.names))

    def add(self, moved: Array, seconds: Array) -> None:
        """Count steps `moved` [rad or m], shape (F, N), that took `seconds`, shape (F, 1)."""
        speed = distance(moved, self._contract.endless) / np.maximum(seconds, self._contract.period)
        limit = self._contract.limits.velocity
        self._count += int((speed > _FASTER * limit).any(axis=1).sum())
        self._steps += len(moved)
        self._speed = np.fmax(self._speed, np.fmax.reduce(speed, axis=0, initial=0.0))

    def text(self, what: str) -> str:
        if not self._count:
            return ''
        limit = self._contract.limits.velocity
        worst = int((self._speed / limit).argmax())
        return (
            f'{self._count} of {self._steps} steps of {what} are faster than the velocity limit: '
            f'{self._contract.action.names[worst]} up to {self._speed[worst]:.3g} per second, '
            f'limit {limit[worst]:g}'
        )


class _Proportion:
    """Whether one column of numbers is a multiple of another: least squares, number by number."""

    def __init__(self, size: int) -> None:
        self._sums = np.zeros((6, size))

    def add(self, x: Array, y: Array) -> None:
        known = np.isfinite(x) & np.isfinite(y)
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0).astype(np.float64)
        self._sums += [a.sum(axis=0) for a in (known, x, y, x * x, y * y, x * y)]

    def ratio(self) -> Array:
        """How many times x is y, shape (N,); NaN where the two are not proportional."""
        n, x, y, xx, yy, xy = self._sums
        with np.errstate(divide='ignore', invalid='ignore'):
            within_x, within_y, both = xx - x * x / n, yy - y * y / n, xy - x * y / n
            alike = both / np.sqrt(within_x * within_y) > _CORRELATION
            return np.where(alike & (n >= _FEWEST), both / within_x, np.nan)


def distance(moved: Array, endless: NDArray[np.bool_]) -> Array:
    """How far steps [rad or m] are; one of an endless joint goes the short way."""
    return np.abs(nearest_turn(moved, np.zeros_like(moved), endless))


def dataset_findings(
    contract: Contract,
    episodes: Sequence[EpisodeEntry],
    statistics: Mapping[str, FeatureStatistics],
) -> dict[str, str]:
    """What is odd about a dataset, in words, by kind: of its episodes, and numbers that never vary.

    Args:
        contract: Its keys.
        episodes: Its episodes.
        statistics: Those of its columns.
    """
    kinds = dict.fromkeys(kind for entry in episodes for kind in entry.findings)
    found = {}
    for kind in kinds:
        odd = [entry for entry in episodes if kind in entry.findings]
        text = odd[0].findings[kind]
        if len(episodes) > 1:
            text = f'{len(odd)} of {len(episodes)} episodes, first {odd[0].id}: {text}'
        found[kind] = text
    constant = list(_constant(contract, statistics))
    return found | ({'constant': f'never change: {", ".join(constant)}'} if constant else {})


def _constant(contract: Contract, statistics: Mapping[str, FeatureStatistics]) -> Iterator[str]:
    for key in (*contract.observations, 'action'):
        table = statistics[key]
        still = [
            n > 1 and a == b for n, a, b in zip(table.count, table.min, table.max, strict=True)
        ]
        if all(still):
            yield key
        elif any(still):
            names = feature_names(contract, key)
            yield from (f'{key}.{names[i]}' for i in np.flatnonzero(still))


def _is(ratio: Array, value: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(ratio / value - 1) < _NEAR)


def _listed(names: Sequence[str], which: NDArray[np.bool_]) -> str:
    chosen = [name for name, there in zip(names, which, strict=True) if there]
    more = f' and {len(chosen) - _LISTED} more' if len(chosen) > _LISTED else ''
    return ', '.join(chosen[:_LISTED]) + more
