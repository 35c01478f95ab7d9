"""``il_ros dataset build``: a dataset of episode bags."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from il_ros.core.contract import load_contract
from il_ros.core.errors import DatasetError
from il_ros.core.folders import require_free
from il_ros.datasets.build import build_dataset
from il_ros.datasets.dataset import Dataset, save_dataset
from il_ros.datasets.episode import Outcome


def build(
    bags: list[Path],
    out: Path,
    contract: Path | None = None,
    outcomes: tuple[Outcome, ...] = ('success',),
    overwrite: bool = False,
) -> int:
    """Make a dataset of episode bags.

    Args:
        bags: Episodes, or folders of episodes.
        out: Folder of the dataset.
        contract: Contract file to read by; the one in the episodes by default.
        outcomes: Outcomes of the episodes to take.
        overwrite: Replace a dataset that is there already.
    """
    require_free(out, overwrite=overwrite, error=DatasetError)
    given = load_contract(contract) if contract else None
    console = Console()
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task('reading episodes', total=None)
        dataset = build_dataset(
            bags,
            contract=given,
            outcomes=outcomes,
            on_episode=lambda done, total, _: bar.update(task, completed=done, total=total),
        )
    save_dataset(dataset, out, overwrite=overwrite)
    _summary(console, dataset, out)
    return 0


def _summary(console: Console, dataset: Dataset, out: Path) -> None:
    manifest = dataset.manifest
    lengths = [entry.length for entry in manifest.episodes]
    table = Table('dataset', str(out))
    table.add_row('contract', f'{dataset.contract.name} {manifest.contract_hash[:12]}')
    table.add_row('episodes', f'{len(lengths)}, {min(lengths)} to {max(lengths)} frames each')
    table.add_row('frames', f'{manifest.frames}, {manifest.frames / manifest.rate:.1f} s')
    table.add_row('frames left out', str(sum(entry.left_out for entry in manifest.episodes)))
    table.add_row('gaps in time', str(sum(entry.gaps for entry in manifest.episodes)))
    table.add_row('data hash', manifest.data_hash[:16])
    console.print(table)
    reasons = Counter(entry.reason.split(': ', 1)[-1] for entry in manifest.left_out)
    for reason, count in reasons.items():
        console.print(f'{count} episodes left out: {reason} (manifest.json names them)')
