"""``il_ros dataset …``: builds, edits and inspects datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tyro
from rich.table import Column, Table

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.bags.episode_info import Outcome
from il_ros.cli.printing import Console, cell, progress_bars
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.datasets import dataset_operations
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.datasets.dataset_build import OnEpisode, build_dataset
from il_ros.datasets.manifest import ImageFormat
from il_ros.datasets.preprocessing.preprocess import load_preprocessing

Folder = tyro.conf.Positional[Path]
Folders = tyro.conf.Positional[list[Path]]


def build(
    bags: Folders,
    out: Path,
    *,
    contract: Path | None = None,
    preprocessing: Path | None = None,
    outcomes: tuple[Outcome, ...] = ('success',),
    image_format: ImageFormat = 'jpeg',
    namespace: str = '/',
    reinterpret: bool = False,
    labels: int = 0,
    beyond_limits: bool = False,
    jobs: int = 0,
    overwrite: bool = False,
    resume: bool = True,
) -> int:
    """Build a dataset from episode bags.

    To continue an interrupted build, run the same command again.

    Args:
        bags: Episodes or folders of episodes; with --contract also bags of "ros2 bag record".
        out: Folder of the dataset.
        contract: Contract file; by default the one in the episodes.
        preprocessing: File of preprocessing settings; see config/preprocessing.
        outcomes: Outcomes of the episodes that are used.
        image_format: Format of stored images: jpeg, png (lossless), or raw (an array of pixels).
        namespace: Namespace of the robot in bags that do not record it.
        reinterpret: Also read episodes that were recorded under another contract, by --contract.
        labels: Steps that are kept of the expert's label at each frame, to train on instead of the
            command (DAgger); 0 keeps no labels.
        beyond_limits: Take actions beyond the contract's limits, or in degrees, too.
        jobs: Processes; 0 for one per core.
        overwrite: Replace an existing dataset.
        resume: Continue an interrupted build.
    """
    _require_bags(bags)
    with _progress() as on_episode:
        dataset = build_dataset(
            bags,
            out,
            contract=load_contract(contract) if contract else None,
            preprocessing=load_preprocessing(preprocessing) if preprocessing else None,
            outcomes=outcomes,
            image_format=image_format,
            reading=BagReadOptions(
                namespace=namespace,
                reinterpret=reinterpret,
                labels=labels,
                beyond_limits=beyond_limits,
            ),
            jobs=jobs,
            overwrite=overwrite,
            resume=resume,
            on_episode=on_episode,
        )
    _summary(dataset, out)
    return 0


def append(
    dataset: Folder,
    bags: Folders,
    *,
    outcomes: tuple[Outcome, ...] = ('success',),
    jobs: int = 0,
) -> int:
    """Add episode bags to a dataset, with its own contract and preprocessing.

    Args:
        dataset: Folder of the dataset.
        bags: Episodes or folders of episodes; those already in the dataset are skipped.
        outcomes: Outcomes of the episodes that are used.
        jobs: Processes; 0 for one per core.
    """
    _require_bags(bags)
    with _progress() as on_episode:
        found = dataset_operations.append_bags(
            dataset, bags, outcomes=outcomes, jobs=jobs, on_episode=on_episode
        )
    _summary(found, dataset)
    return 0


def merge(datasets: Folders, out: Path, overwrite: bool = False) -> int:
    """Merge datasets of the same contract into one.

    Args:
        datasets: Folders of the datasets.
        out: Folder of the new dataset.
        overwrite: Replace an existing dataset.
    """
    _summary(dataset_operations.merge(datasets, out, overwrite=overwrite), out)
    return 0


def split(
    dataset: Folder, out: Path, parts: tuple[str, ...], seed: int = 0, overwrite: bool = False
) -> int:
    """Split a dataset into parts of whole episodes.

    Args:
        dataset: Folder of the dataset.
        out: Folder of the parts.
        parts: NAME=FRACTION for each part (train=0.8 test=0.2), or NAME=ID,ID,… with episode ids.
        seed: Seed of the random split by fractions.
        overwrite: Replace existing parts.
    """
    found = dataset_operations.split(dataset, out, _parts(parts), seed=seed, overwrite=overwrite)
    for name, part in found.items():
        _summary(part, out / name)
    return 0


def filter_(dataset: Folder, out: Path, query: str, overwrite: bool = False) -> int:
    """Keep the episodes of a dataset that match a query.

    Args:
        dataset: Folder of the dataset.
        out: Folder of the new dataset.
        query: Condition, e.g. 'outcome == "success" and duration < 10 and measures.jerk < 50'.
        overwrite: Replace an existing dataset.
    """
    _summary(dataset_operations.filter_dataset(dataset, out, query, overwrite=overwrite), out)
    return 0


def info(dataset: Folder, verify: bool = False, episodes: bool = False) -> int:
    """Show what a dataset contains.

    Args:
        dataset: Folder of the dataset.
        verify: Read all files and compare them with the hashes in the manifest.
        episodes: List the episodes.
    """
    console = Console()
    found = load_dataset(dataset, verify=verify)
    _summary(found, dataset)
    if found.label is not None:
        asked = int(np.isfinite(found.label[:, 0]).all(axis=1).sum())
        console.print(
            f'labels of {found.manifest.labels} steps in {asked} of {found.frames} frames'
        )
    if episodes:
        console.print(_episodes(found))
    if verify:
        console.print('every file matches its hash')
    return 0


def _require_bags(bags: list[Path]) -> None:
    if not bags:
        raise IlRosError(
            'no bag given', where='BAGS', allowed='folders of episodes', fix='name one or more'
        )


@contextmanager
def _progress() -> Iterator[OnEpisode]:
    with progress_bars(Console(), transient=True) as bar:
        task = bar.add_task('reading episodes', total=None)
        yield lambda done, total, _: bar.update(task, completed=done, total=total)


def _parts(settings: tuple[str, ...]) -> dict[str, float] | dict[str, list[str]]:
    given = dict(setting.partition('=')[::2] for setting in settings)
    if len(given) < len(settings) or not all(given.values()):
        raise IlRosError(
            f'got {" ".join(settings)}',
            where='parts',
            allowed='different NAME=FRACTION or NAME=ID,…',
        )
    try:
        return {name: float(fraction) for name, fraction in given.items()}
    except ValueError:
        return {name: ids.split(',') for name, ids in given.items()}


def _summary(dataset: Dataset, out: Path) -> None:
    console, manifest = Console(), dataset.manifest
    lengths = [entry.length for entry in manifest.episodes]
    table = Table('dataset', Column(cell(out)))
    table.add_row('contract', cell(f'{dataset.contract.name} {manifest.contract_hash[:12]}'))
    table.add_row('episodes', f'{len(lengths)}, {min(lengths)} to {max(lengths)} frames each')
    table.add_row('frames', f'{manifest.frames}, {manifest.frames / manifest.rate:.1f} s')
    table.add_row('frames left out', str(sum(entry.left_out for entry in manifest.episodes)))
    table.add_row('gaps in time', str(sum(entry.gaps for entry in manifest.episodes)))
    if manifest.images:
        table.add_row('images', cell(f'{", ".join(manifest.images)} ({manifest.image_format})'))
    for step, effects in manifest.steps.items():
        table.add_row(cell(step), cell(', '.join(_strongest_effects(effects)) or 'nothing changed'))
    table.add_row('data hash', manifest.data_hash[:16])
    console.print(table)
    for text in manifest.findings.values():
        console.print(cell(text))
    reasons = Counter(entry.reason.split(': ', 1)[-1] for entry in manifest.left_out)
    for reason, count in reasons.items():
        console.print(cell(f'{count} left out: {reason} (manifest.json names them)'))


def _strongest_effects(effects: Mapping[str, float]) -> Iterator[str]:
    """What a step changed, of each effect the joint or stream that it changed most."""
    worst: dict[str, tuple[str, float]] = {}
    for name, value in effects.items():
        kind, _, part = name.partition('.')
        usual = 1.0 if kind == 'valid_fraction' else 0.0
        if value == usual or kind in ('age_mean', 'age_p95', 'held_fraction'):
            continue
        if kind not in worst or abs(value - usual) > abs(worst[kind][1] - usual):
            worst[kind] = part, value
    for kind, (part, value) in worst.items():
        yield f'{kind} {value:.4g}' + (f' ({part})' if part else '')


def _episodes(dataset: Dataset) -> Table:
    table = Table('episode', 'outcome', 'frames', 'duration [s]', 'gaps', 'seed', 'flagged')
    for entry in dataset.episodes:
        table.add_row(
            cell(entry.id),
            cell(entry.outcome),
            str(entry.length),
            f'{entry.duration:.2f}',
            str(entry.gaps),
            '' if entry.seed is None else str(entry.seed),
            'yes' if entry.flagged else '',
        )
    return table
