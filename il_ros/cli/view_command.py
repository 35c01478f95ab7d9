"""``il_ros view``: writes an episode of a bag or a dataset for the Rerun viewer."""

from __future__ import annotations

from pathlib import Path

import tyro

from il_ros.bags.bag_paths import find_episodes
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.cli.printing import say
from il_ros.core.contract import load_contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.manifest import MANIFEST_FILE
from il_ros.interop.rerun.rerun_bag import view_bag
from il_ros.interop.rerun.rerun_dataset import view_dataset


def view(
    source: tyro.conf.Positional[Path],
    out: Path,
    episode: int = 0,
    contract: Path | None = None,
) -> int:
    """Write an episode as a file for the Rerun viewer ("rerun FILE.rrd"); needs no display.

    Args:
        source: A dataset, a bag, or a folder of bags.
        out: The .rrd file; an existing one is replaced.
        episode: Index of the episode, from 0.
        contract: Contract file for a bag; by default the one in the bag.
    """
    given = load_contract(contract) if contract else None
    if (source / MANIFEST_FILE).exists():
        entities = view_dataset(load_dataset(source, given), episode, out)
    else:
        bags = find_episodes([source])
        if not 0 <= episode < len(bags):
            raise DatasetError(
                f'no episode {episode}', where=str(source), allowed=f'0 to {len(bags) - 1}'
            )
        with EpisodeReader(bags[episode], given) as reader:
            entities = view_bag(reader, out)
    say(f'{len(entities)} entities, {sum(entities.values())} rows: {out}')
    return 0
