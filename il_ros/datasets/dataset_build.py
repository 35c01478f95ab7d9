"""From recorded episodes to a dataset, in bounded memory, in parallel, resumable."""

from __future__ import annotations

import dataclasses
import glob
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.files import write_alone
from il_ros.core.folders import require_free
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_writer import DatasetWriter
from il_ros.datasets.manifest import MANIFEST_FILE, EpisodeEntry, ImageFormat, LeftOut
from il_ros.datasets.prepare import OnEpisode, prepare, require_some
from il_ros.datasets.preprocessing.preprocess import Preprocessing, outliers
from il_ros.datasets.shard_file import Shard, read_episode


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
    file in a hidden folder beside `out`; after an interruption or a crash, the next build takes
    what is there. Memory is bounded by the largest episode, times the number of processes.

    Args:
        bags: Where the episodes are.
        out: Folder of the dataset; it appears when all is written.
        contract: The contract to read by; the one the first episode was recorded under by
            default. All episodes of this package must have been recorded under it; a bag of
            `ros2 bag record` is read by it if it is given.
        preprocessing: What is done to every episode; by default what `Preprocessing()` says.
        outcomes: Outcomes of the episodes to take; a bag without an outcome is taken.
        image_format: How images are held.
        reading: How bags are read that do not say all by themselves.
        jobs: Processes; 0 for one a core, 1 for none but this one.
        overwrite: Whether a dataset that is there already is replaced.
        resume: Whether to take what an earlier build left behind.
        on_episode: Called after each bag with how many are done, how many there are, and why it
            was left out (empty if it was not).

    Raises:
        DatasetError: If no episode can be used (it says why of each), if `out` exists and may not
            be replaced, or is, holds or lies in one of `bags`, if a setting does not fit the
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
        prepared = prepare(
            bags,
            work,
            contract=contract,
            preprocessing=settings,
            outcomes=outcomes,
            image_format=image_format,
            reading=reading,
            jobs=jobs,
            on_episode=on_episode,
        )
        require_some(prepared)
        reasons = unlike_others(prepared.entries, settings)
        require_typical(prepared.entries, reasons)
        writer = DatasetWriter(
            out,
            prepared.contract,
            overwrite=overwrite,
            inputs=bags,
            image_format=image_format,
            labels=reading.labels,
        )
        with writer:
            dropped = add_shards(writer, prepared.shards, reasons)
            return writer.finish(
                left_out=(*prepared.left_out, *dropped),
                preprocessing=dataclasses.asdict(settings),
                steps=prepared.effects,
                reading=reading,
            )


def add_shards(
    writer: DatasetWriter, shards: Iterable[Shard], reasons: Mapping[str, str]
) -> list[LeftOut]:
    """Write the episodes of shards into a dataset, but for those that `reasons` (by id) names.

    Returns:
        Those that were left out.
    """
    dropped = []
    for shard in shards:
        for index, entry in enumerate(shard.entries):
            if entry.id in reasons:
                dropped.append(LeftOut(bag=entry.bag, reason=reasons[entry.id], id=entry.id))
            else:
                writer.add(read_episode(shard, index))
    return dropped


@contextmanager
def work_folder(out: Path, *, resume: bool = True) -> Iterator[Path]:
    """The hidden folder beside `out` that shards are kept in, for this process alone.

    It goes when all went well, or when there is nothing in it; it stays after an interruption, a
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


def unlike_others(entries: Iterable[EpisodeEntry], settings: Preprocessing) -> dict[str, str]:
    """Episodes to leave out because they are outliers in their set, by id, with the reason."""
    return outliers(entries, settings) if settings.quality.outliers.leave_out else {}


def require_typical(entries: Sequence[EpisodeEntry], reasons: Mapping[str, str]) -> None:
    """Refuse episodes that are all left out as outliers.

    Raises:
        DatasetError: It says why of the first one.
    """
    if all(entry.id in reasons for entry in entries):
        first = entries[0].id
        raise DatasetError(
            f'all of {len(entries)} episodes are outliers, {first} by {reasons[first]}',
            where='quality.outliers',
            fix='raise deviations or spread, or do not leave outliers out',
        )
