"""Bags as shards: which of them to read, by which contract, in how many processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.bags.episode_info import find_episodes, read_episode_info
from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.errors import ContractError, DatasetError
from il_ros.core.folders import resolved
from il_ros.datasets.bag_conversion import EVENT_KINDS
from il_ros.datasets.bag_shards import ShardJob, make_shard
from il_ros.datasets.manifest import EpisodeEntry, ImageFormat, LeftOut
from il_ros.datasets.preprocessing.preprocess import Preprocessing, check_settings
from il_ros.datasets.preprocessing.step_effects import Effects, total_effects
from il_ros.datasets.process_pool import run_all, worker_count
from il_ros.datasets.shard_file import Shard, without

OnEpisode = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Bags that were converted and preprocessed.

    Attributes:
        contract: The contract that they were read by.
        shards: What became of each bag, in order.
    """

    contract: Contract
    shards: tuple[Shard, ...]

    @property
    def entries(self) -> tuple[EpisodeEntry, ...]:
        """Episodes in order."""
        return tuple(entry for shard in self.shards for entry in shard.entries)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What cannot be used, in order."""
        return tuple(entry for shard in self.shards for entry in shard.left_out)

    @property
    def effects(self) -> Effects:
        """What every step of the preprocessing did, summed over the bags."""
        return total_effects(shard.effects for shard in self.shards)


def prepare(
    bags: Iterable[Path],
    work: Path,
    *,
    contract: Contract | None,
    preprocessing: Preprocessing,
    outcomes: Iterable[str],
    image_format: ImageFormat,
    reading: BagReadOptions = BagReadOptions(),  # noqa: B008  (frozen)
    jobs: int,
    on_episode: OnEpisode | None = None,
    known: Mapping[str, str] | None = None,
    taken: Iterable[str] = (),
) -> Prepared:
    """Make the shards of `bags` in the folder `work`, with the arguments of `build_dataset`.

    Bags whose hash is `known`, with the id of an episode, are left out. Different episodes get
    different ids, none of which is `taken`.

    Raises:
        DatasetError: If no bag says its contract and none is given, a setting does not fit it, or
            the disk refuses.
        ContractError: If two episodes were recorded under different contracts.
    """
    if jobs < 0:
        raise DatasetError(f'got {jobs}', where='jobs', allowed='0 (one a core) or more')
    # The name of a bag's folder is the id of an episode that has no other; '.' has none.
    paths = find_episodes(
        p if p.name not in ('', '..') else resolved(p, DatasetError) for p in bags
    )
    contract, shards = _survey(paths, contract, tuple(outcomes), reading)
    report = _Report(len(paths), on_episode)
    for shard in shards.values():
        report(shard.reason)
    if contract is None:
        raise _nothing(shards.values())
    check_settings(contract, preprocessing, EVENT_KINDS)
    todo = [
        ShardJob(
            bag=path,
            work=work,
            contract=contract.text,
            preprocessing=preprocessing,
            image_format=image_format,
            reading=reading,
            known=known or {},
        )
        for path in paths
        if path not in shards
    ]
    for index, shard in run_all(make_shard, todo, worker_count(jobs, len(todo)), _lost):
        shards[todo[index].bag] = shard
        report(shard.reason)
    names, unique = UniqueIds(taken), _once([shards[path] for path in paths])
    return Prepared(contract=contract, shards=tuple(_named(shard, names) for shard in unique))


def require_some(prepared: Prepared) -> None:
    """Refuse bags of which nothing can be used.

    Raises:
        DatasetError: It says why of each of the first ten.
    """
    if not prepared.entries:
        raise _nothing(prepared.shards)


class UniqueIds:
    """Ids that are all different: of two that are the same the later one gets a number behind it.

    Args:
        taken: Ids that are in use already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def of(self, name: str) -> str:
        """An id for an episode that is called `name`."""
        numbered = (f'{name}-{number}' for number in count(2))
        free = next(n for n in chain([name], numbered) if n not in self._taken)
        self._taken.add(free)
        return free


class _Report:
    """Counts the bags that are done."""

    def __init__(self, total: int, call: OnEpisode | None) -> None:
        self._done, self._total, self._call = 0, total, call

    def __call__(self, reason: str) -> None:
        self._done += 1
        if self._call is not None:
            self._call(self._done, self._total, reason)


def _survey(
    paths: Sequence[Path],
    contract: Contract | None,
    outcomes: tuple[str, ...],
    reading: BagReadOptions,
) -> tuple[Contract | None, dict[Path, Shard]]:
    """The contract of all, and the bags that can be left out without a look at their messages."""
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
                parsed[info.contract] = _contract(info.contract, path)
            recorded = parsed[info.contract]
            contract = contract or recorded
            if not (given and reading.reinterpret):
                require_same(contract, recorded, where=str(path))
            if info.outcome not in outcomes:
                raise DatasetError(f'outcome {info.outcome}', where=path.name, allowed=outcomes)
        except DatasetError as problem:
            left_out[path] = without(path, str(problem))
    return contract, left_out


def _contract(text: str, bag: Path) -> Contract:
    """The contract in a bag; one that cannot be read is a damage of this bag alone."""
    try:
        contract = parse_contract(text, source=str(bag))
        _ = contract.hash  # a text that UTF-8 has no code for fails here
    except (ContractError, ValueError) as problem:
        raise DatasetError(f'its contract cannot be read: {problem}', where=bag.name) from None
    return contract


def _once(shards: Iterable[Shard]) -> tuple[Shard, ...]:
    """Shards, of which one that is the same recording as one before is left out."""
    seen: dict[str, str] = {}
    kept = []
    for shard in shards:
        if shard.sha256 and shard.sha256 in seen:
            reason = f'{Path(shard.bag).name}: the same recording as {seen[shard.sha256]}'
            kept.append(replace(without(Path(shard.bag), reason), sha256=shard.sha256))
        else:
            kept.append(shard)
            seen[shard.sha256] = shard.bag
    return tuple(kept)


def _named(shard: Shard, names: UniqueIds) -> Shard:
    entries = tuple(replace(entry, id=names.of(entry.id)) for entry in shard.entries)
    return replace(shard, entries=entries)


def _lost(job: ShardJob) -> Shard:
    return without(
        job.bag, f'{job.bag.name}: the process that read it died (too little memory, or a bug)'
    )


def _nothing(shards: Iterable[Shard]) -> DatasetError:
    shards = tuple(shards)
    reasons = '\n  '.join(f'{shard.bag}: {shard.reason}' for shard in shards[:10])
    return DatasetError(f'none of {len(shards)} episodes can be used:\n  {reasons}')
