"""Which episodes of a dataset go into which part: by share, or by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import Dataset


def choose_parts(
    dataset: Dataset, parts: Mapping[str, float] | Mapping[str, Sequence[str]], seed: int
) -> dict[str, list[int]]:
    """The episodes of each part, by index, with the arguments of `operations.split`.

    Raises:
        DatasetError: If a part would be empty, or an episode is unknown or in two parts.
    """
    chosen = _by_share(dataset, parts, seed) if _are_shares(parts) else _by_id(dataset, parts)
    for name, episodes in chosen.items():
        if not episodes:
            raise DatasetError('no episode in it', where=f'part {name}', fix='ask for more')
    return chosen


def _are_shares(parts: Mapping[str, object]) -> bool:
    return all(isinstance(part, int | float) for part in parts.values())


def _by_share(dataset: Dataset, shares: Mapping[str, object], seed: int) -> dict[str, list[int]]:
    wanted = {name: float(share) for name, share in shares.items()}  # type: ignore[arg-type]
    good = bool(wanted) and all(share > 0 for share in wanted.values())  # not NaN either
    if not good or sum(wanted.values()) > 1 + 1e-9:
        raise DatasetError(
            f'got {wanted}', where='parts', allowed='shares above 0, together not above 1'
        )
    # A bag without a hash is told by its episode.
    bags = [entry.sha256 or f'{i}' for i, entry in enumerate(dataset.episodes)]
    order = np.random.default_rng(seed).permutation(sorted(set(bags), key=bags.index)).tolist()
    edges = np.round(np.cumsum([0.0, *wanted.values()]) * len(order)).astype(int)
    part_of = {
        bag: name
        for name, start, stop in zip(wanted, edges, edges[1:], strict=False)
        for bag in order[start:stop]
    }
    return {name: [i for i, bag in enumerate(bags) if part_of.get(bag) == name] for name in wanted}


def _by_id(dataset: Dataset, parts: Mapping[str, object]) -> dict[str, list[int]]:
    ids = [entry.id for entry in dataset.episodes]
    seen: dict[str, str] = {}
    for name, wanted in parts.items():
        for episode in wanted:  # type: ignore[attr-defined]
            if episode not in ids:
                raise DatasetError(f'no episode {episode!r}', where=f'part {name}', allowed=ids)
            if seen.setdefault(episode, name) != name:
                raise DatasetError(
                    f'episode {episode!r} is in part {seen[episode]} too', where=f'part {name}'
                )
    return {name: [i for i, e in enumerate(ids) if seen.get(e) == name] for name in parts}
