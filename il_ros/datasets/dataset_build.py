"""From recorded episodes to a dataset, in bounded memory, in parallel, resumable.

This module finds the bags, hands them to worker processes, and writes the dataset. The conversion
and preprocessing of one bag are in bag_shard.py.
"""

from __future__ import annotations

import dataclasses
import glob
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from il_ros.bags.bag_paths import find_episodes
from il_ros.bags.bag_reader import BagReadOptions
from il_ros.bags.episode_info import read_episode_info
from il_ros.core.atomic_files import write_alone
from il_ros.core.atomic_folders import require_free, resolved
from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.errors import ContractError, DatasetError
from il_ros.datasets.bag_conversion import EVENT_KINDS
from il_ros.datasets.bag_shard import Shard, ShardJob, empty_shard, make_shard, read_shard_episode
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.manifest import MANIFEST_FILE, EpisodeEntry, ImageFormat, LeftOut
from il_ros.datasets.preprocessing.preprocess import Preprocessing, check_settings
from il_ros.datasets.preprocessing.quality_rules import find_outliers
from il_ros.datasets.preprocessing.step_effects import total_effects
from il_ros.datasets.process_pool import run_all, worker_count

OnEpisode = Callable[[int, int, str], None]
"""Called after each bag: how many are done, how many there are, why it was left out (or '')."""


def build_dataset(
    bags: Iterable[Path],
    out: Path,
    *,
    contract: Contract | None = None,
    preprocessing: Preprocessing | None = None,
    outcomes: Iterable[str] = ('success',),
    image_format: ImageFormat = 'jpeg',
    reading: BagReadOptions = BagReadOptions(),  # noqa: B008  (frozen)
    jobs: int = 0,
    overwrite: bool = False,
    resume: bool = True,
    on_episode: OnEpisode | None = None,
) -> Dataset:
    """Make a dataset of the episodes in `bags` (bags, or folders of bags).

    A bag that cannot be used is left out, and the manifest says why. Each bag is converted into a
    file in a hidden folder next to `out`; after an interruption or a crash, the next build takes
    what is there. The largest episode, times the number of processes, bounds the memory.

    Args:
        bags: Where the episodes are.
        out: Folder of the dataset; it appears when everything is written.
        contract: The contract to read by; by default the one that the first episode was recorded
            under. All episodes of this package must have been recorded under it; a bag of
            `ros2 bag record` is read by it if it is given.
        preprocessing: What is done to every episode; by default what `Preprocessing()` says.
        outcomes: Outcomes of the episodes to take; a bag without an outcome is taken.
        image_format: How images are stored.
        reading: How to read bags that do not say it themselves.
        jobs: Processes; 0 for one a core, 1 for none but this one.
        overwrite: Whether an existing dataset is replaced.
        resume: Whether to take what an earlier build left.
        on_episode: Called after each bag.

    Raises:
        DatasetError: If no episode can be used (with the reason for each), if `out` exists and may
            not be replaced, or is, holds or lies in one of `bags`, if a setting does not fit the
            contract, if images are of different renderers, or if the disk refuses.
        ContractError: If two episodes were recorded under different contracts.
        IlRosError: If another process is building it.
    """
    bags = tuple(bags)
    out = require_free(
        out, overwrite=overwrite, marker=MANIFEST_FILE, inputs=bags, error=DatasetError
    )
    settings = preprocessing or Preprocessing()
    with work_folder(out, resume=resume) as work:
        job = ShardJob(
            work=work, preprocessing=settings, image_format=image_format, reading=reading
        )
        contract, shards = prepare_bags(
            bags, job, contract=contract, outcomes=outcomes, jobs=jobs, on_episode=on_episode
        )
        writer = DatasetWriter(
            out,
            contract,
            overwrite=overwrite,
            inputs=bags,
            image_format=image_format,
            labels=reading.labels,
        )
        reasons = outlier_reasons(shards, settings)
        with writer:
            left_out = add_shards(writer, shards, reasons)
            return writer.finish(
                left_out=left_out,
                preprocessing=dataclasses.asdict(settings),
                steps=total_effects(shard.effects for shard in shards),
                reading=reading,
            )


def prepare_bags(
    bags: Iterable[Path],
    job: ShardJob,
    *,
    contract: Contract | None,
    outcomes: Iterable[str],
    jobs: int,
    on_episode: OnEpisode | None = None,
    used_ids: Iterable[str] = (),
) -> tuple[Contract, list[Shard]]:
    """Convert and preprocess `bags`, with the arguments of `build_dataset`.

    `job` says how; its bag and contract are filled in here. Different episodes always get different
    ids, none of `used_ids` among them.

    Returns:
        The contract that they were read by, and the shard of each bag, in order.

    Raises:
        DatasetError: If no bag says its contract and none is given, a setting does not fit it,
            nothing can be used (with the first ten reasons), or the disk refuses.
        ContractError: If two episodes were recorded under different contracts.
    """
    if jobs < 0:
        raise DatasetError(f'got {jobs}', where='jobs', allowed='0 (one a core) or more')
    # The name of a bag's folder is the id of an episode that has no other; '.' has none.
    paths = find_episodes(
        p if p.name not in ('', '..') else resolved(p, DatasetError) for p in bags
    )
    contract, shards = _survey(paths, contract, tuple(outcomes), job.reading)
    done = count(1)

    def report(shard: Shard) -> None:
        if on_episode is not None:
            on_episode(next(done), len(paths), shard.reason)

    for shard in shards.values():
        report(shard)
    if contract is None:
        raise _nothing_usable(shards.values())
    check_settings(contract, job.preprocessing, EVENT_KINDS)
    todo = [replace(job, bag=p, contract=contract.text) for p in paths if p not in shards]
    for index, shard in run_all(make_shard, todo, worker_count(jobs, len(todo)), _process_died):
        shards[todo[index].bag] = shard
        report(shard)
    found = _without_repeats([shards[path] for path in paths])
    ids = iter(unique_ids((entry.id for shard in found for entry in shard.entries), used_ids))
    found = [replace(s, entries=tuple(replace(e, id=next(ids)) for e in s.entries)) for s in found]
    if not any(shard.entries for shard in found):
        raise _nothing_usable(found)
    return contract, found


def add_shards(
    writer: DatasetWriter, shards: Sequence[Shard], reasons: Mapping[str, str]
) -> list[LeftOut]:
    """Write the episodes of shards into a dataset, except those that `reasons` (by id) names.

    Returns:
        What is left out, of the bags and of the episodes.
    """
    left_out = [entry for shard in shards for entry in shard.left_out]
    for shard in shards:
        for index, entry in enumerate(shard.entries):
            if entry.id in reasons:
                left_out.append(LeftOut(bag=entry.bag, reason=reasons[entry.id], id=entry.id))
            else:
                writer.add(read_shard_episode(shard, index, writer.contract))
    return left_out


@contextmanager
def work_folder(out: Path, *, resume: bool = True) -> Iterator[Path]:
    """The hidden folder next to `out` that holds the shards, for this process alone.

    It is removed when all went well, or when nothing is in it; it stays after an interruption, a
    crash or a full disk.

    Raises:
        DatasetError: If it cannot be made.
        IlRosError: If another process has it.
    """
    work = out.with_name(f'.{out.name}.work')
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = (work / 'lock').open('w')
    except OSError as problem:
        raise DatasetError(
            f'cannot be made: {problem.strerror}',
            where=str(work),
            fix='choose a folder that you may write to, on a disk with room',
        ) from None
    with lock:
        write_alone(lock.fileno(), str(out))
        for shard in work.glob('*.npz') if not resume else ():
            shard.unlink()
        for half in out.parent.glob(f'.{glob.escape(out.name)}.????????.tmp'):
            shutil.rmtree(half, ignore_errors=True)  # of a build that was killed at its end
        try:
            yield work
        except BaseException:
            if not any(work.glob('*.npz')):
                shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)


def outlier_reasons(
    shards: Iterable[Shard], settings: Preprocessing, others: Sequence[EpisodeEntry] = ()
) -> dict[str, str]:
    """Why episodes are left out as outliers of their set, by id; empty unless the settings ask.

    Args:
        shards: The new episodes.
        settings: What an outlier is.
        others: Episodes that are in the set already.

    Raises:
        DatasetError: If all of the new ones are outliers, with the reason for the first.
    """
    entries = [entry for shard in shards for entry in shard.entries]
    if not settings.quality.outliers.leave_out:
        return {}
    reasons = find_outliers((*others, *entries), settings.quality.outliers)
    if all(entry.id in reasons for entry in entries):
        first = entries[0].id
        raise DatasetError(
            f'all of {len(entries)} episodes are outliers, {first} by {reasons[first]}',
            where='quality.outliers',
            fix='raise deviations or spread, or do not leave outliers out',
        )
    return reasons


def unique_ids(names: Iterable[str], used: Iterable[str] = ()) -> list[str]:
    """An id for each of `names`, none of them twice or in `used`: repeated ones get a number."""
    taken, ids = set(used), []
    for name in names:
        numbered = (f'{name}-{number}' for number in count(2))
        ids.append(next(n for n in chain([name], numbered) if n not in taken))
        taken.add(ids[-1])
    return ids


def _survey(
    paths: Sequence[Path],
    contract: Contract | None,
    outcomes: tuple[str, ...],
    reading: BagReadOptions,
) -> tuple[Contract | None, dict[Path, Shard]]:
    """The contract of all, and the bags that can be left out without reading their messages."""
    left_out: dict[Path, Shard] = {}
    parsed: dict[str, Contract] = {}
    given = contract is not None
    for path in paths:
        try:
            info = read_episode_info(path)
            if info is None and not given:
                raise DatasetError(
                    'does not say its contract', where=str(path), fix='give the contract file'
                )
            if info is None:
                continue
            if info.contract not in parsed:
                parsed[info.contract] = _contract_in(info.contract, path)
            recorded = parsed[info.contract]
            contract = contract or recorded
            if not (given and reading.reinterpret):
                require_same(contract, recorded, where=str(path))
            if info.outcome not in outcomes:
                raise DatasetError(f'outcome {info.outcome}', where=path.name, allowed=outcomes)
        except DatasetError as problem:
            left_out[path] = empty_shard(path, str(problem))
    return contract, left_out


def _contract_in(text: str, bag: Path) -> Contract:
    """The contract in a bag; one that cannot be read is a damage of this bag alone."""
    try:
        contract = parse_contract(text, source=str(bag))
        _ = contract.hash  # a text that UTF-8 has no code for fails here
    except (ContractError, ValueError) as problem:
        raise DatasetError(f'its contract cannot be read: {problem}', where=bag.name) from None
    return contract


def _without_repeats(shards: Iterable[Shard]) -> list[Shard]:
    """Shards, without the episodes of a recording that an earlier one holds."""
    seen: dict[str, str] = {}
    kept = []
    for shard in shards:
        if shard.sha256 and shard.sha256 in seen:
            reason = f'{Path(shard.bag).name}: the same recording as {seen[shard.sha256]}'
            kept.append(replace(empty_shard(Path(shard.bag), reason), sha256=shard.sha256))
        else:
            kept.append(shard)
            seen[shard.sha256] = shard.bag
    return kept


def _process_died(job: ShardJob) -> Shard:
    return empty_shard(
        job.bag, f'{job.bag.name}: the process that read it died (too little memory, or a bug)'
    )


def _nothing_usable(shards: Iterable[Shard]) -> DatasetError:
    shards = tuple(shards)
    reasons = '\n  '.join(f'{shard.bag}: {shard.reason}' for shard in shards[:10])
    return DatasetError(f'none of {len(shards)} episodes can be used:\n  {reasons}')
