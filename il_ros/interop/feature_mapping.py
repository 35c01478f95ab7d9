"""Which numbers of a foreign dataset are which of the contract: a small YAML, checked early."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class FeatureSlice:
    """Where the numbers of one of the contract's keys are.

    Attributes:
        feature: Name of the foreign feature.
        index: Which of its numbers, in the contract's order; all of them by default.
        names: The same by the feature's own names of its numbers, in the place of `index`.
        scale: Factor to the contract's units, one in all or one a number; finite.
        offset: Added after that, likewise.
    """

    feature: str
    index: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FeatureMapping:
    """Where everything that the contract names is in a foreign dataset.

    Attributes:
        streams: Column per key of the contract's observations and privileged observations.
        images: Feature per key of the contract's images.
        action: Column of the action.
        outcome: Outcome of every episode; foreign formats do not say.
        swap_colours: Keys of images in which red and blue are the other way round than the format
            is read by default.
    """

    streams: Mapping[str, FeatureSlice]
    images: Mapping[str, str] = field(default_factory=dict)
    action: FeatureSlice
    outcome: Literal['success', 'failure', 'discarded', 'unknown'] = 'success'
    swap_colours: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ForeignFeature:
    """What a foreign dataset says of one feature.

    Attributes:
        shape: Shape of one frame's value.
        names: Names of its numbers; empty where there are none.
        unnamed: Why it has no names, for an error.
        image: Whether it holds images.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...] = ()
    unnamed: str = 'none has a name'
    image: bool = False


# What `parse` says of types, in words.
_PLAIN = {
    'int': 'a whole number',
    'float': 'a number',
    'str': 'a text',
    'FeatureSlice': 'a mapping with feature, index, names, scale, offset',
    str(Mapping[str, FeatureSlice]): 'a mapping of keys to features',
}


def load_mapping(path: Path) -> FeatureMapping:
    """Read a mapping file.

    Raises:
        DatasetError: With the dotted path of what is wrong.
    """
    data = read_yaml(path, DatasetError)
    if isinstance(data, dict):
        data = data | {key: _with_lists(data[key]) for key in ('action',) if key in data}
        if isinstance(streams := data.get('streams'), dict):
            data['streams'] = {key: _with_lists(part) for key, part in streams.items()}
    try:
        return parse(FeatureMapping, data, where=path.name, error=DatasetError)
    except DatasetError as problem:
        allowed = _PLAIN.get(problem.allowed, problem.allowed)
        raise DatasetError(
            problem.problem, where=problem.where, allowed=allowed, fix=problem.fix
        ) from None


def _with_lists(data: Any) -> Any:
    """A feature's part of a file, in which `scale` and `offset` are lists, whatever is in them."""
    if not isinstance(data, dict):
        return data
    return {k: _numbers(v) if k in ('scale', 'offset') else v for k, v in data.items()}


def _numbers(given: Any) -> Any:
    return [_number(item) for item in (given if isinstance(given, list) else [given])]


def _number(given: Any) -> Any:
    """YAML takes 1e-3, without a point, for a text."""
    try:
        return float(given) if isinstance(given, str) else given
    except ValueError:
        return given


def required_keys(contract: Contract) -> set[str]:
    """Keys that every dataset of a contract has to have."""
    return {k for k, s in contract.inputs.items() if s.required and k not in contract.privileged}


def mapping_by_name(
    contract: Contract, features: Collection[str], name_of: Callable[[str], str], action: str
) -> FeatureMapping:
    """The columns of a dataset that calls its features as we would.

    Args:
        contract: What they have to be.
        features: Features that are there; an optional key that is not among them is left out.
        name_of: The feature of a key.
        action: The feature of the action.
    """
    needed = required_keys(contract)
    keys = [key for key in contract.inputs if key in needed or name_of(key) in features]
    return FeatureMapping(
        streams={k: FeatureSlice(feature=name_of(k)) for k in keys if k in contract.streams},
        images={k: name_of(k) for k in keys if k in contract.images},
        action=FeatureSlice(feature=action),
    )


def check_mapping(
    columns: FeatureMapping, contract: Contract, features: Mapping[str, ForeignFeature], where: str
) -> FeatureMapping:
    """The columns with names turned into indices, once every size fits the contract.

    Raises:
        DatasetError: If a key, a feature, a name or a size does not fit.
    """
    _check_keys(columns, contract, where)
    streams = {
        key: _resolved(column, contract.streams[key].size, features, f'{where}: {key}')
        for key, column in columns.streams.items()
    }
    for key, feature in columns.images.items():
        found = _feature(feature, features, f'{where}: {key}')
        if not found.image:
            raise DatasetError(f'{feature} holds no images', where=f'{where}: {key}')
    action = _resolved(columns.action, len(contract.action.names), features, f'{where}: action')
    return replace(columns, streams=streams, action=action)


def pick(column: FeatureSlice, values: NDArray[Any]) -> NDArray[np.float32]:
    """The numbers of a column, in the contract's order and units.

    Args:
        column: A column that `check_mapping` gave.
        values: The feature's values, shape (F, ...).

    Returns:
        float32 of shape (F, size); untouched numbers when there is neither scale nor offset.
    """
    flat = values.reshape(len(values), -1)
    chosen = flat[:, list(column.index)] if column.index else flat
    # What overflows is infinite, and then invalid or refused as any other that is not finite.
    with np.errstate(over='ignore', invalid='ignore'):
        if column.scale:
            chosen = chosen.astype(np.float64) * column.scale
        if column.offset:
            chosen = chosen.astype(np.float64) + column.offset
        return np.ascontiguousarray(chosen, dtype=np.float32)


def _check_keys(columns: FeatureMapping, contract: Contract, where: str) -> None:
    for given, known in ((columns.streams, contract.streams), (columns.images, contract.images)):
        for key in given:
            if key not in known:
                raise DatasetError(
                    f'no key {key!r} in contract {contract.name}', where=where, allowed=known
                )
    for key in columns.swap_colours:
        if key not in columns.images:
            raise DatasetError(
                f'no image {key!r}', where=f'{where}: swap_colours', allowed=list(columns.images)
            )
    mapped = {*columns.streams, *columns.images}
    needed = required_keys(contract)
    missing = [key for key in contract.inputs if key in needed - mapped]
    if missing:
        raise DatasetError(
            f'no feature for {", ".join(missing)}, which the contract requires',
            where=where,
            fix='map them, or set required: false in the contract',
        )


def _feature(name: str, features: Mapping[str, ForeignFeature], where: str) -> ForeignFeature:
    if name not in features:
        raise DatasetError(f'no feature {name!r} in the dataset', where=where, allowed=features)
    return features[name]


def _resolved(
    column: FeatureSlice, size: int, features: Mapping[str, ForeignFeature], where: str
) -> FeatureSlice:
    feature = _feature(column.feature, features, where)
    if feature.image:
        raise DatasetError(f'{column.feature} holds images, not numbers', where=where)
    available = math.prod(feature.shape)
    if column.index and column.names:
        raise DatasetError('both index and names', where=where, allowed='one of them')
    # A damaged shape may claim any number of numbers: never list them.
    every = range(min(available, size + 1))
    index = column.index or _named(column, feature, where) or tuple(every)
    if any(not 0 <= i < available for i in index):
        raise DatasetError(f'index {list(index)}', where=where, allowed=f'0 to {available - 1}')
    if len(index) != size:
        raise DatasetError(
            f'{len(index) if column.index or column.names else available} numbers of '
            f'{column.feature}',
            where=where,
            allowed=f'{size}, as the contract has it',
            fix='choose them by index or names',
        )
    for name, numbers in (('scale', column.scale), ('offset', column.offset)):
        place = f'{where}.{name}'
        if len(numbers) not in (0, 1, size):
            allowed = f'1, {size}' if size > 1 else '1'
            raise DatasetError(f'{len(numbers)} numbers', where=place, allowed=allowed)
        if not np.isfinite(numbers).all():
            got = ', '.join(f'{number:g}' for number in numbers)
            raise DatasetError(f'got {got}', where=place, allowed='finite numbers')
    whole = len(index) == available and index == tuple(every)
    return replace(column, index=() if whole else index, names=())


def _named(column: FeatureSlice, feature: ForeignFeature, where: str) -> tuple[int, ...]:
    for name in column.names:
        if feature.names.count(name) != 1:
            raise DatasetError(
                f'no single number {name!r} in {column.feature}',
                where=where,
                allowed=feature.names or f'{feature.unnamed}: choose by index',
            )
    return tuple(feature.names.index(name) for name in column.names)
