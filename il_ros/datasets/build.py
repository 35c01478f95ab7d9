"""From recorded episodes to a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import describe_invalid
from il_ros.datasets.convert import Conversion, convert
from il_ros.datasets.dataset import Dataset, EpisodeData, assemble, usable
from il_ros.datasets.episode import find_episodes
from il_ros.datasets.manifest import EpisodeEntry, LeftOut
from il_ros.datasets.reader import EpisodeReader


def build_dataset(
    bags: Iterable[Path],
    *,
    contract: Contract | None = None,
    outcomes: Iterable[str] = ('success',),
    on_episode: Callable[[int, int, str], None] | None = None,
) -> Dataset:
    """Make a dataset of the episodes in `bags` (bags, or folders of bags).

    A bag that cannot be used is left out, and the manifest says why.

    Args:
        bags: Where the episodes are.
        contract: The contract to read by; the one the first episode was recorded under by
            default. All episodes must have been recorded under it.
        outcomes: Outcomes of the episodes to take; a bag without an outcome is taken.
        on_episode: Called after each bag with its number, how many there are, and why it was
            left out (empty if it was not).

    Raises:
        DatasetError: If no episode can be used; it says why of each.
        ContractError: If two episodes were recorded under different contracts.
    """
    paths, wanted = find_episodes(bags), tuple(outcomes)
    taken: list[EpisodeData] = []
    left_out: list[LeftOut] = []
    for number, path in enumerate(paths, start=1):
        reason = ''
        try:
            with EpisodeReader(path, contract) as reader:
                contract = reader.contract
                taken.append(_episode(reader, wanted))
        except DatasetError as problem:
            reason = str(problem)
            left_out.append(LeftOut(bag=str(path), reason=reason))
        if on_episode is not None:
            on_episode(number, len(paths), reason)
    if contract is None or not taken:
        reasons = '\n  '.join(f'{entry.bag}: {entry.reason}' for entry in left_out[:10])
        raise DatasetError(f'none of {len(paths)} episodes can be used:\n  {reasons}')
    return assemble(contract, taken, left_out)


def _episode(reader: EpisodeReader, outcomes: tuple[str, ...]) -> EpisodeData:
    info = reader.info
    if info is not None and info.outcome not in outcomes:
        raise DatasetError(f'outcome {info.outcome}', where=reader.path.name, allowed=outcomes)
    conversion = convert(reader)
    entry = EpisodeEntry(
        id=info.episode_id if info else reader.path.name,
        start=0,
        length=0,
        outcome=info.outcome if info else 'unknown',
        task=info.task if info else '',
        seed=info.seed if info else None,
        bag=str(reader.path),
        sha256=_sha256(reader.path),
    )
    data = usable(reader.contract, entry, conversion.frames, conversion.actions)
    if not data.frames:
        raise DatasetError(_why_nothing(reader.contract, conversion), where=reader.path.name)
    return data


def _why_nothing(contract: Contract, conversion: Conversion) -> str:
    if not conversion.frames:
        clock = contract.clock
        why = conversion.rejected.get(clock, 'none of its messages was taken')
        return f'no frame: {clock} ({contract.observations[clock].topic}) paces them, and {why}'
    invalid = describe_invalid(contract, conversion.frames[-1], conversion.rejected)
    return 'no usable frame: ' + (
        '; '.join(invalid)
        or f'no command of a source in control on {contract.action.executed} belongs to one'
    )


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((*folder.glob('*.mcap'), *folder.glob('*.db3'))):
        with path.open('rb') as file:
            digest.update(hashlib.file_digest(file, 'sha256').digest())
    return digest.hexdigest()
