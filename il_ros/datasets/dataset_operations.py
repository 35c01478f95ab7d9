"""Datasets from datasets, an episode at a time: append, merge, split, filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.atomic_folders import new_folder, require_free
from il_ros.core.config import parse
from il_ros.core.contract import require_same
from il_ros.core.errors import DatasetError
from il_ros.datasets.bag_shard import ShardJob
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.datasets.dataset_build import (
    OnEpisode,
    add_shards,
    outlier_reasons,
    prepare_bags,
    unique_ids,
    work_folder,
)
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.episode_selection import choose_parts, select
from il_ros.datasets.manifest import MANIFEST_FILE, LeftOut
from il_ros.datasets.preprocessing.preprocess import Preprocessing
from il_ros.datasets.preprocessing.step_effects import Effects, total_effects


def append_bags(
    path: Path,
    bags: Iterable[Path],
    *,
    outcomes: Iterable[str] = ('success',),
    jobs: int = 0,
    on_episode: OnEpisode | None = None,
) -> Dataset:
    """Add bags to a dataset, read and preprocessed as those that it was built of.

    A bag that is in it already is left out. Episodes that are in it stay, even where they would be
    outliers among the new ones.

    Args:
        path: The dataset; it is replaced when all is done.
        bags: Bags, or folders of bags.
        outcomes: Outcomes of the episodes to take; a bag without an outcome is taken.
        jobs: Processes; 0 for one a core, 1 for none but this one.
        on_episode: As `build_dataset` calls it.

    Raises:
        DatasetError: If nothing new can be used, the dataset is damaged, or as `build_dataset`.
        ContractError: If a bag was recorded under another contract.
    """
    bags = tuple(bags)
    path = _free(path, bags, overwrite=True)
    old = load_dataset(path, verify=True)
    manifest = old.manifest
    settings = parse(
        Preprocessing, manifest.preprocessing, where=f'{path}.preprocessing', error=DatasetError
    )
    with work_folder(path) as work:
        job = ShardJob(
            work=work,
            preprocessing=settings,
            image_format=manifest.image_format,
            reading=replace(manifest.reading or BagReadOptions(), labels=manifest.labels),
            known={entry.sha256: entry.id for entry in manifest.episodes if entry.sha256},
        )
        _, shards = prepare_bags(
            bags,
            job,
            contract=old.contract,
            outcomes=outcomes,
            jobs=jobs,
            on_episode=on_episode,
            used_ids=[entry.id for entry in manifest.episodes],
        )
        reasons = outlier_reasons(shards, settings, manifest.episodes)
        with DatasetWriter.like(old, path, overwrite=True) as writer:
            for episode in range(len(manifest.episodes)):
                writer.copy(old, episode)
            left_out = add_shards(writer, shards, reasons)
            return writer.finish(
                left_out=(*manifest.left_out, *left_out),
                preprocessing=manifest.preprocessing,
                steps=_total_steps((manifest.steps, total_effects(s.effects for s in shards))),
                reading=manifest.reading,
            )


def merge(paths: Sequence[Path], out: Path, *, overwrite: bool = False) -> Dataset:
    """One dataset of several that were made by the same contract.

    What an earlier dataset has already is left out, and the manifest says so. Of different
    episodes with the same id the later ones get a number appended.

    Raises:
        DatasetError: If one of them is damaged, or their preprocessing differs, or the renderers
            of their images do, or `out` exists and may not be replaced, or is one of them.
        ContractError: If they were made by different contracts.
    """
    if not paths:
        raise DatasetError('no dataset to merge', where='merge', allowed='one or more')
    out = _free(out, paths, overwrite=overwrite)
    datasets = [load_dataset(path, verify=True) for path in paths]
    first = datasets[0]
    for path, dataset in zip(paths[1:], datasets[1:], strict=True):
        require_same(first.contract, dataset.contract, where=str(path))
        if dataset.manifest.preprocessing != first.manifest.preprocessing:
            raise DatasetError(
                f'preprocessed otherwise than {paths[0]}',
                where=str(path),
                fix='build one of them again with the settings of the other',
            )
    fresh, twice = _fresh(datasets, paths)
    ids = unique_ids(dataset.episodes[index].id for dataset, index in fresh)
    labels = max(dataset.manifest.labels for dataset in datasets)
    readings = [dataset.manifest.reading for dataset in datasets]
    with DatasetWriter.like(first, out, overwrite=overwrite, labels=labels) as writer:
        for (dataset, index), name in zip(fresh, ids, strict=True):
            writer.copy(dataset, index, name=name)
        return writer.finish(
            left_out=(*_still_out(datasets), *twice),
            preprocessing=first.manifest.preprocessing,
            steps={} if twice else _total_steps(d.manifest.steps for d in datasets),
            reading=readings[0] if all(one == readings[0] for one in readings) else None,
        )


def split(
    path: Path,
    out: Path,
    parts: Mapping[str, float] | Mapping[str, Sequence[str]],
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Dataset]:
    """Divide a dataset into several, by whole episodes; the parts of one bag stay together.

    Args:
        path: The dataset.
        out: Folder of the parts, each in a folder of its name.
        parts: By name, the fraction of the bags (0 to 1, together at most 1), or ids of episodes.
        seed: Seed of the choice by fraction.
        overwrite: Whether parts that are there already are replaced.

    Raises:
        DatasetError: If a part would be empty, an episode is unknown or in two parts, or a name is
            no folder's name, the dataset is damaged, or a part exists and may not be replaced.
    """
    for name in parts:
        if not name or name.startswith('.') or '/' in name:
            raise DatasetError(f'got {name!r}', where='parts', allowed='plain folder names')
        _free(out / name, [path], overwrite=overwrite)
    dataset = load_dataset(path, verify=True)
    chosen = choose_parts(dataset, parts, seed)
    # All are written before the first of them appears.
    with ExitStack() as stack:
        for name, episodes in chosen.items():
            folder = stack.enter_context(
                new_folder(
                    out / name, overwrite=overwrite, marker=MANIFEST_FILE, error=DatasetError
                )
            )
            _take(dataset, folder, episodes, overwrite=True, kept=f'part {name}')
    return {name: load_dataset(out / name) for name in chosen}


def filter_dataset(path: Path, out: Path, query: str, *, overwrite: bool = False) -> Dataset:
    """A dataset of the episodes that a condition holds for (`query.py` has the language).

    Raises:
        DatasetError: If the condition makes no sense or holds for none, or `out` exists and may
            not be replaced, or is the dataset itself, or that is damaged.
    """
    out = _free(out, [path], overwrite=overwrite)
    dataset = load_dataset(path, verify=True)
    episodes = select(dataset.episodes, query)
    if not episodes:
        raise DatasetError(
            f'holds for none of {len(dataset.episodes)} episodes', where=f'query {query!r}'
        )
    return _take(dataset, out, episodes, overwrite=overwrite, kept=query)


def _take(
    dataset: Dataset, out: Path, episodes: Sequence[int], *, overwrite: bool, kept: str
) -> Dataset:
    """These episodes of a dataset; the manifest says of the others what was `kept`."""
    manifest, chosen = dataset.manifest, set(episodes)
    others = [e for i, e in enumerate(manifest.episodes) if i not in chosen]
    with DatasetWriter.like(dataset, out, overwrite=overwrite) as writer:
        for episode in episodes:
            writer.copy(dataset, episode)
        return writer.finish(
            left_out=(
                *manifest.left_out,
                *(LeftOut(bag=e.bag, id=e.id, reason=f'not in: {kept}') for e in others),
            ),
            preprocessing=manifest.preprocessing,
            reading=manifest.reading,
        )


def _free(out: Path, inputs: Iterable[Path], *, overwrite: bool) -> Path:
    return require_free(
        out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=inputs, error=DatasetError
    )


def _fresh(
    datasets: Sequence[Dataset], paths: Sequence[Path]
) -> tuple[list[tuple[Dataset, int]], list[LeftOut]]:
    """The episodes that no earlier dataset has, each with its index, and those that one has."""
    origin: dict[tuple[str, int], int] = {}
    fresh: list[tuple[Dataset, int]] = []
    twice: list[LeftOut] = []
    for place, dataset in enumerate(datasets):
        for index, entry in enumerate(dataset.episodes):
            # First stamps tell the parts of a bag apart; ids may have numbers appended.
            key = (entry.sha256, entry.begin)
            first = origin.setdefault(key, place) if entry.sha256 else place
            if first == place:
                fresh.append((dataset, index))
            else:
                reason = f'is in {paths[first]} already'
                twice.append(LeftOut(bag=entry.bag, id=entry.id, reason=reason))
    return fresh, twice


def _still_out(datasets: Iterable[Dataset]) -> list[LeftOut]:
    """What datasets left out, but for what one of the others has."""
    datasets = list(datasets)
    there = {(e.bag, e.id) for dataset in datasets for e in dataset.episodes}
    there |= {(e.bag, '') for dataset in datasets for e in dataset.episodes if e.bag}
    entries = [entry for dataset in datasets for entry in dataset.manifest.left_out]
    return [entry for entry in dict.fromkeys(entries) if (entry.bag, entry.id) not in there]


def _total_steps(steps: Iterable[Effects]) -> Effects:
    """What the steps did to several sets together; nothing where one of them does not say it."""
    steps = list(steps)
    return total_effects(steps) if all(steps) else {}
