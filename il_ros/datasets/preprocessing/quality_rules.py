"""The rules by which a demonstration is left out, with a reason each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.episode_info import Outcome
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.preprocessing.quality_measures import FAMILIES, UNITS, check_names


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Between which values a measure has to lie.

    Attributes:
        min: Smallest value that is allowed; none if any is.
        max: Largest value that is allowed; none if any is.
    """

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        for value in (self.min, self.max):
            if value is not None and not np.isfinite(value):
                raise ValueError(f'got {value:g}; allowed: numbers, neither NaN nor infinite')
        if self.min is None and self.max is None:
            raise ValueError('neither min nor max; allowed: one of them, or both')
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f'min {self.min:g} is above max {self.max:g}')


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """When an episode is unlike the others of its set.

    Attributes:
        measures: Measures that are compared.
        deviations: Distance from the median from which a value is an outlier [robust standard
            deviations: 1.4826 times the median absolute deviation].
        spread: Least robust standard deviation, as a fraction of the median, so that among nearly
            equal episodes a small difference is no outlier.
        fewest: Number of episodes below which nothing is called an outlier.
        leave_out: Whether outliers are left out; else they are only named as suspicious.
    """

    measures: tuple[str, ...] = ('duration',)
    deviations: float = 5.0
    spread: float = 0.05
    fewest: int = 8
    leave_out: bool = False

    def __post_init__(self) -> None:
        check_names(self.measures)
        if not (self.deviations > 0 and self.spread >= 0 and self.fewest >= 1):
            raise ValueError(
                f'deviations {self.deviations:g}, spread {self.spread:g}, fewest {self.fewest}; '
                'allowed: positive numbers'
            )


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Which episodes are left out.

    Attributes:
        outcomes: Outcomes that are taken; none named means any.
        leave_out_flagged: Whether an episode that the operator flagged is left out; a flag asks
            for an inspection, which may clear it.
        bounds: Allowed values by the name of the measure. A measure that is not defined for an
            episode (an efficiency without motion) bounds nothing.
        outliers: Episodes unlike the others.
    """

    outcomes: tuple[str, ...] = ()
    leave_out_flagged: bool = False
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    outliers: Outliers = field(default_factory=Outliers)

    def __post_init__(self) -> None:
        check_names(self.bounds)
        known = get_args(Outcome)
        for outcome in self.outcomes:
            if outcome not in known:
                raise ValueError(f'no outcome {outcome!r}; allowed: {", ".join(known)}')


def entry_reasons(entry: EpisodeEntry, settings: Quality) -> list[str]:
    """Why what an episode's entry says leaves it out, one clause each; empty if it stays."""
    reasons = []
    if settings.outcomes and entry.outcome not in settings.outcomes:
        reasons.append(f'outcome {entry.outcome}, allowed: {", ".join(settings.outcomes)}')
    if settings.leave_out_flagged and entry.flagged:
        reasons.append('flagged by the operator')
    return reasons


def bound_reasons(measures: Mapping[str, float], settings: Quality) -> list[str]:
    """Why measures leave an episode out, one clause each; empty if it stays."""
    reasons = []
    for name, bounds in settings.bounds.items():
        value, suffix = measures.get(name), UNITS.get(name, '')
        if value is None:
            continue
        if bounds.max is not None and value > bounds.max:
            reasons.append(f'{name} {value:.4g}{suffix}, allowed: at most {bounds.max:g}{suffix}')
        if bounds.min is not None and value < bounds.min:
            reasons.append(f'{name} {value:.4g}{suffix}, allowed: at least {bounds.min:g}{suffix}')
    return reasons


def check_streams(contract: Contract, settings: Quality) -> None:
    """Refuse a bound on a stream that the contract does not have.

    Raises:
        DatasetError: Naming those that it has.
    """
    for name in settings.bounds:
        family, dot, key = name.partition('.')
        if dot and f'{family}.' in FAMILIES and key not in contract.inputs:
            raise DatasetError(
                f'no stream {key!r}', where=f'quality.bounds.{name}', allowed=contract.inputs
            )


def median_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """The median, and the robust standard deviation: 1.4826 median absolute deviations.

    Of a normal distribution that is the standard deviation.
    """
    median = float(np.median(values))
    return median, 1.4826 * float(np.median(np.abs(values - median)))


def find_outliers(entries: Iterable[EpisodeEntry], settings: Outliers) -> dict[str, str]:
    """Episodes unlike the others of the set, by id, with the reason."""
    entries = list(entries)
    found: dict[str, list[str]] = {}
    for name in settings.measures:
        known = [entry for entry in entries if name in entry.measures]
        if len(known) < settings.fewest:
            continue
        values = np.array([entry.measures[name] for entry in known])
        median, spread = median_and_spread(values)
        limit = settings.deviations * max(spread, settings.spread * abs(median))
        for entry, value in zip(known, values.tolist(), strict=True):
            if abs(value - median) > limit:
                found.setdefault(entry.id, []).append(_unlike(name, value, median, limit))
    return {name: '; '.join(reasons) for name, reasons in found.items()}


def _unlike(name: str, value: float, median: float, limit: float) -> str:
    suffix, low, high = UNITS.get(name, ''), median - limit, median + limit
    return (
        f'{name} {value:.4g}{suffix}, where the median is {median:.4g}{suffix} and not to be an '
        f'outlier means {low:.4g} .. {high:.4g}{suffix}'
    )
